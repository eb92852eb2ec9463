/**
 * What of a site concerns a host, computed from all rows each time by going through all of them: the twin
 * of `lib/network/site-view.ts`.
 */
import { endpointSchema } from '../../lib/model/endpoint.ts';
import { networkSchema, type Network } from '../../lib/model/network.ts';
import {
  nodeSchema,
  siteEndpointSchema,
  siteNetworkSchema,
  tenantSchema,
  type SiteNetwork,
  type SiteNetworkName,
} from '../../lib/model/site.ts';
import type { KeyValue } from '../../lib/store/port.ts';
import { endpointGroupKind } from '../../lib/model/objects/endpoint-group.ts';
import { ruleKind } from '../../lib/model/objects/rule.ts';
import { objectRowSchema, withZeros } from '../../lib/model/objects/rows.ts';
import { parseAddress, parseCidr, parseInterface } from '../../lib/ip/ip.ts';
import { typed } from '../../lib/network/objects/object-rows.ts';
import { compileRule, type RuleNames } from '../../lib/policy/compile.ts';
import type { Stance } from '../../lib/policy/stance.ts';
import type { SiteChange } from '../../lib/network/site-view.ts';
import { plainChoice } from '../policy/plain-choice.ts';

/** The world without uplinks and ports, as plain maps. */
export type PlainWorld = {
  readonly [Kind in SiteChange['kind']]: Map<string, NonNullable<SiteChange['value']>>;
};

/** A world of nothing. */
export const emptyWorld = (): PlainWorld => ({
  segment: new Map(),
  local: new Map(),
  remote: new Map(),
  peer: new Map(),
  group: new Map(),
  rule: new Map(),
});

/** The world of `host` that these rows make. */
export function worldOf(rows: readonly KeyValue[], host: string): PlainWorld {
  const below = (prefix: string): readonly unknown[] =>
    rows.filter(({ key }) => key.startsWith(prefix)).map(({ value }) => JSON.parse(value));
  const hostNetworks = below('network/').map((row) => networkSchema.parse(row));
  const joined = below('endpoint/')
    .map((row) => endpointSchema.parse(row))
    .filter(({ state }) => state === 'joined');
  const tenants = below('/tenant/').map((row) => tenantSchema.parse(row));
  const networks = below('/network/').map((row) => siteNetworkSchema.parse(row));
  const nodes = below('/node/').map((row) => nodeSchema.parse(row));
  const attached = rows
    .filter(({ key }) => key.startsWith('/endpoint/'))
    .map(({ key, value }) => ({ key, row: siteEndpointSchema.parse(JSON.parse(value)) }));
  const world = emptyWorld();
  const hostNetworkOf = (networkId: string): Network | undefined =>
    hostNetworks.find(({ id }) => id === networkId);
  const here = (tenant: string): boolean =>
    joined.some(({ networkId }) => hostNetworkOf(networkId)?.site?.tenant === tenant);
  const idOf = ({ tenant, name, number }: SiteNetwork): string => `${tenant}:${name}:${number}`;
  const uplinks = nodes.flatMap(({ uplinkMtu }) => uplinkMtu ?? []);
  const inVxlan = nodes.map(({ pathMtu, vtep }) => pathMtu - (vtep.includes(':') ? 70 : 50));

  for (const network of hostNetworks) {
    if (network.site !== undefined) continue;
    if (!joined.some(({ networkId }) => networkId === network.id)) continue;
    world.segment.set(network.id, {
      id: network.id,
      number: 0x80_0000 | network.tag,
      domain: 8192 + network.tag,
      encapsulation: { kind: 'none' },
      subnets: network.subnets.map(subnet),
      routed: true,
      neighbours: 'asked',
      mtu: network.mtu,
      outside: network.outside === true,
      reached: true,
    });
  }
  const shown = networks.flatMap((network) => {
    const tenant = tenants.find(({ name }) => name === network.tenant);
    return tenant !== undefined && here(network.tenant) ? [{ network, tenant }] : [];
  });
  for (const { network, tenant } of shown) {
    const isVlan = network.encapsulation.kind === 'vlan';
    const least = isVlan ? uplinks : inVxlan;
    world.segment.set(idOf(network), {
      id: idOf(network),
      number: network.number,
      domain: tenant.number,
      encapsulation: network.encapsulation,
      subnets: network.subnets.map(subnet),
      routed: network.mode === 'routing',
      neighbours: network.arp === 'proxy' ? 'answered' : 'asked',
      mtu: network.mtu ?? (least.length === 0 ? (isVlan ? 1500 : 1450) : Math.min(...least)),
      outside: network.outside,
      reached: false,
    });
  }
  const groups = below('/object/endpointGroup/').map((row) => {
    const { config, number = 0 } = objectRowSchema(endpointGroupKind).parse(row);
    return { number, config: typed('endpointGroup', withZeros(endpointGroupKind, config)) };
  });
  const groupOf = (tenant: string | undefined, name: string | undefined) =>
    groups.find(({ config }) => config.tenantName === tenant && config.groupName === name);
  const chosenGroup = (site: SiteNetworkName, id: string): string | undefined => {
    const key = `/endpoint/${site.tenant}/${site.network}/${id}`;
    const { group, container } = attached.find((one) => one.key === key)?.row ?? {};
    if (group !== undefined || container === undefined) return group;
    const own = groups.map(({ config }) => config).filter((one) => one.tenantName === site.tenant);
    return plainChoice(own, site.network, container.labels);
  };
  for (const row of tenants.filter(({ name }) => here(name))) {
    const { name: tenant, number: domain } = row;
    for (const { number, config } of groups.filter((each) => each.config.tenantName === tenant)) {
      const id = `${tenant}/${config.groupName}:${number}`;
      const inside = networks.find(
        (each) => each.tenant === tenant && each.name === config.networkName,
      );
      const stance = stanceIn([config, inside ?? {}, row]);
      world.group.set(id, { number, domain, policies: config.policies, ...stance });
    }
    for (const network of networks.filter((each) => each.tenant === tenant)) {
      const number = 0x80_0000 + network.number;
      const stance = stanceIn([{}, network, row]);
      const isTaken = groupOf(tenant, network.name) !== undefined;
      if (stance.stance === undefined || isTaken) continue;
      world.group.set(`${tenant}/${network.name}:${number}`, {
        number,
        domain,
        policies: [],
        ...stance,
      });
    }
    const names: RuleNames = {
      groupNumber: (name) => groupOf(tenant, name)?.number,
      network: (name) => {
        const found = networks.find((each) => each.tenant === tenant && each.name === name);
        const cidrs = found?.subnets.map(({ cidr }) => parseCidr(cidr)) ?? [];
        return found && { number: found.number, cidrs };
      },
    };
    for (const each of below('/object/rule/')) {
      const { config } = objectRowSchema(ruleKind).parse(each);
      const rule = typed('rule', withZeros(ruleKind, config));
      const compiled = rule.tenantName === tenant ? compileRule(rule, names) : undefined;
      if (compiled === undefined) continue;
      const id = `${tenant}/${rule.policyName}/${rule.ruleId}:${domain}`;
      world.rule.set(id, { ...compiled, domain });
    }
  }
  for (const endpoint of joined) {
    const network = hostNetworkOf(endpoint.networkId);
    const site = network?.site;
    const segment = site
      ? shown.find((one) => one.network.tenant === site.tenant && one.network.name === site.network)
      : undefined;
    const segmentId = segment ? idOf(segment.network) : site ? undefined : network?.id;
    if (segmentId === undefined || network === undefined) continue;
    const named = network.group ?? (site && chosenGroup(site, endpoint.id));
    const group = groupOf(site?.tenant, named)?.number;
    if (named !== undefined && group === undefined) continue;
    world.local.set(endpoint.id, {
      id: endpoint.id,
      segmentId,
      mac: endpoint.mac,
      ipv4: endpoint.ipv4 === undefined ? undefined : parseInterface(endpoint.ipv4).address,
      ipv6: endpoint.ipv6 === undefined ? undefined : parseInterface(endpoint.ipv6).address,
      serves: { dhcp: false, routerAdvertisements: false },
      group,
      linkMtu: endpoint.mtu ?? network.mtu,
    });
  }
  for (const { key, row } of attached) {
    const segment = shown.find(({ network: { tenant, name } }) =>
      key.startsWith(`/endpoint/${tenant}/${name}/`),
    );
    const node = nodes.find(({ name }) => name === row.host);
    if (segment === undefined || node === undefined || row.host === host) continue;
    const named = chosenGroup(
      { tenant: segment.tenant.name, network: segment.network.name },
      row.id,
    );
    const group = groupOf(segment.tenant.name, named)?.number;
    if (named !== undefined && group === undefined) continue;
    world.remote.set(row.id, {
      id: row.id,
      segmentId: idOf(segment.network),
      mac: row.mac,
      ipv4: row.ipv4 === undefined ? undefined : parseAddress(row.ipv4),
      ipv6: row.ipv6 === undefined ? undefined : parseAddress(row.ipv6),
      peer: row.host,
      group,
    });
    world.peer.set(node.name, {
      name: node.name,
      number: node.number,
      vtep: parseAddress(node.vtep),
    });
  }
  return world;
}

const subnet = ({ cidr, gateway }: { cidr: string; gateway?: string | undefined }) => ({
  cidr: parseCidr(cidr),
  gateway: gateway === undefined ? undefined : parseAddress(gateway),
});

interface Said {
  readonly defaultAction?: string | undefined;
  readonly enforcement?: string | undefined;
}

/** What is done where no rule fits, from the settings of a group, its network and its tenant, in this order. */
function stanceIn(places: readonly [Said, Said, Said]): { readonly stance?: Stance } {
  const names = ['group', 'network', 'tenant'] as const;
  const at = places.findIndex(({ defaultAction = '' }) => defaultAction !== '');
  const action = places[at]?.defaultAction ?? 'allow';
  const isAudited =
    places.find(({ enforcement = '' }) => enforcement !== '')?.enforcement === 'audit';
  if (action === 'allow' && !isAudited) return {};
  return {
    stance: {
      in: ['deny', 'deny-in'].includes(action) ? 'deny' : 'allow',
      out: ['deny', 'deny-out'].includes(action) ? 'deny' : 'allow',
      place: names[at] ?? 'nobody',
      isAudited,
    },
  };
}
