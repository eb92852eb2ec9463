/**
 * A tenant with rules on two hosts, on paper: a VXLAN network and a VLAN, and on each host in each network a
 * container of every group and one of none. A second tenant beside it has the same addresses and no rules.
 */
import { deriveMac, parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import { ports } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';
import type { PolicyGroup, PolicyRule, Segment } from '../../../lib/network/world.ts';
import type { TenantPolicies } from '../../../lib/policy/judge.ts';
import { isPlain } from '../../../lib/policy/stance.ts';
import { groupNumbers } from '../../policy/drawn-policies.ts';
import { Fabric, feedPipeline, type Container, type Site } from './fabric.ts';
import { PaperSwitch } from './interpreter.ts';

/** The tenant with rules. */
export const policed = 1;
const hosts = [1, 2].map((number) => ({
  name: `host-${number}`,
  number,
  vtep: parseAddress(`172.31.0.${number}`),
}));

const segmentOf = (domain: number, index: 1 | 2): Segment => ({
  id: `t${domain}n${index}`,
  // the numbers that rules know the tenant's networks by
  number: domain === policed ? index : domain * 10 + index,
  domain,
  encapsulation:
    index === 1 ? { kind: 'vxlan', vni: domain * 10 + index } : { kind: 'vlan', tag: domain * 10 },
  subnets: [
    { cidr: parseCidr(`10.0.${index}.0/24`), gateway: parseAddress(`10.0.${index}.254`) },
    { cidr: parseCidr(`fd01:0:0:${index}::/64`), gateway: parseAddress(`fd01:0:0:${index}::fe`) },
  ],
  routed: true,
  neighbours: 'answered',
  mtu: 1450,
  outside: true,
  reached: false,
});

const segments = [1, 2].flatMap((domain) => [segmentOf(domain, 1), segmentOf(domain, 2)]);
const places = segments.flatMap((segment) => hosts.map((host) => ({ segment, host })));
const groups = [undefined, ...Object.values(groupNumbers)];

/** All containers. */
export const containers: readonly Container[] = places.flatMap(({ segment, host }, place) =>
  groups.map((group, index): Container => {
    const id = `c${place}-${index}`;
    const at = (host.number - 1) * groups.length + index + 1;
    const [v4, v6] = segment.subnets.map(({ cidr }) => cidr.base + BigInt(at));
    return {
      id,
      host: host.name,
      segmentId: segment.id,
      port: ports.endpointMin + place * groups.length + index,
      mac: deriveMac(undefined, id),
      ipv4: { family: 4, value: v4 ?? 0n },
      ipv6: { family: 6, value: v6 ?? 0n },
      serves: { dhcp: false, routerAdvertisements: false },
      group: segment.domain === policed ? group : undefined,
    };
  }),
);

/** The site. */
export const policedSite: Site = { hosts, segments, containers };

/** The network of a container. */
export function segmentAt({ segmentId }: Container): Segment {
  const segment = segments.find(({ id }) => id === segmentId);
  if (segment === undefined) throw new Error(`no ${segmentId}`);
  return segment;
}

/** A container's address. */
export function addressOf(container: Container, family: 4 | 6): IpAddress {
  const address = family === 4 ? container.ipv4 : container.ipv6;
  if (address === undefined) throw new Error('no address');
  return address;
}

const groupsOf = ({ groups: all, stances }: TenantPolicies): readonly PolicyGroup[] =>
  [...new Set([...all.keys(), ...(stances?.keys() ?? [])])].map((number) => {
    const stance = stances?.get(number);
    const said = stance === undefined || isPlain(stance) ? {} : { stance };
    return { number, domain: policed, policies: all.get(number) ?? [], ...said };
  });
const rulesOf = ({ rules }: TenantPolicies): readonly PolicyRule[] =>
  rules.map((rule) => ({ ...rule, domain: policed }));

/** Tells a pipeline of the tenant's rules, after others that it had. */
export function feedPolicies(
  pipeline: Pipeline,
  after: TenantPolicies,
  before: TenantPolicies = { rules: [], groups: new Map() },
): void {
  const kept = new Set(after.rules.map(({ policy, name }) => `${policy}/${name}`));
  for (const rule of rulesOf(after)) pipeline.setRule(rule);
  for (const group of groupsOf(after)) pipeline.setGroup(group);
  const there = new Set(groupsOf(after).map(({ number }) => number));
  for (const { number } of groupsOf(before)) if (!there.has(number)) pipeline.removeGroup(number);
  for (const rule of rulesOf(before)) {
    if (!kept.has(`${rule.policy}/${rule.name}`)) pipeline.removeRule(rule);
  }
}

/** The site with rules that change while its switches go on. */
export class PolicedFabric {
  readonly fabric: Fabric;
  readonly #hosts: readonly {
    readonly name: string;
    readonly pipeline: Pipeline;
    readonly units: Map<string, Unit>;
    readonly bridge: PaperSwitch;
  }[];
  #policies: TenantPolicies = { rules: [], groups: new Map() };

  constructor() {
    const switches = new Map(hosts.map(({ name }) => [name, new PaperSwitch([])]));
    this.#hosts = hosts.map((host) => {
      const pipeline = new Pipeline();
      feedPipeline(pipeline, policedSite, host);
      const bridge = switches.get(host.name);
      if (bridge === undefined) throw new Error('no switch');
      return { name: host.name, pipeline, units: new Map(), bridge };
    });
    this.fabric = new Fabric(policedSite, switches);
    this.change(this.#policies);
  }

  /** Nobody remembers who spoke to whom. */
  forget(): void {
    for (const { bridge } of this.#hosts) bridge.forget();
  }

  /** From now on conntrack gives up pieces of packets. */
  losePieces(): void {
    for (const { bridge } of this.#hosts) bridge.losePieces();
  }

  /** How many packets the flows of all hosts have carried, by cookie. */
  carried(): ReadonlyMap<bigint, number> {
    const sums = new Map<bigint, number>();
    for (const [cookie, packets] of this.#hosts.flatMap(({ bridge }) => [...bridge.carried])) {
      sums.set(cookie, (sums.get(cookie) ?? 0) + packets);
    }
    return sums;
  }

  /** From now on these are the rules. */
  change(policies: TenantPolicies): void {
    for (const host of this.#hosts) {
      feedPolicies(host.pipeline, policies, this.#policies);
      follow(host);
    }
    this.#policies = policies;
  }

  /** A container is in another group from now on, as the hosts of these names know. */
  move(
    { host: at, port, serves, ...container }: Container,
    group: number | undefined,
    told: readonly string[] = hosts.map(({ name }) => name),
  ): void {
    for (const host of this.#hosts) {
      if (!told.includes(host.name)) continue;
      const { pipeline } = host;
      if (host.name === at) pipeline.setLocal({ ...container, port, serves, group });
      else pipeline.setRemote({ ...container, peer: at, group });
      follow(host);
    }
  }
}

/** The switch has what the pipeline says now. */
function follow({
  pipeline,
  units,
  bridge,
}: {
  readonly pipeline: Pipeline;
  readonly units: Map<string, Unit>;
  readonly bridge: PaperSwitch;
}): void {
  for (const [key, unit] of pipeline.take()) {
    if (unit === undefined) units.delete(key);
    else units.set(key, unit);
  }
  bridge.install(units.values());
}
