/**
 * Three hosts with a tenant that has rules, one that has the same groups and no rule, and one that has neither, a
 * container of each tenant to speak from and some to speak to, and a policy that grows.
 */
import { apiClient } from '../../../lib/cli/api-client.ts';
import { peerPortDefault } from '../../../lib/limits.ts';
import type { LabHost } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { managementAddressOf } from '../../lab/site/management.ts';
import { addressesOf } from '../../lab/site/underlay.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { ThinClient } from '../thin-client.ts';

/** A container, and where others find it. */
export interface Spot extends Vantage {
  readonly address: string;
}

/** The site. */
export interface PolicyBenchSite {
  readonly hosts: readonly LabHost[];
  /** Of the tenant with rules: on the first host, and a server on each. */
  readonly client: Spot;
  /** As the client, for who must not have its ports: closed connections keep theirs for a while. */
  readonly secondClient: Spot;
  readonly servers: readonly Spot[];
  /** The address of a service at `tcpPort` that only the server of the second host is behind, with `servedPort`. */
  readonly service: string;
  /** Of the tenant with groups and no rule: on the first host and on the second. */
  readonly ruleless: readonly [Spot, Spot];
  /** Of the one without groups. */
  readonly plain: readonly [Spot, Spot];
  /** Several at a time, if need be. */
  readonly addRule: (name: string, more: object) => Promise<void>;
  /** The same, as it is measured: one at a time, by a client that costs next to nothing. */
  readonly measuredAdd: (name: string, more: object) => Promise<void>;
  readonly removeRule: (name: string) => Promise<void>;
  close(): void;
}

/** Where servers listen, and the service. */
export const tcpPort = 5_001;
/** To which it leads: who speaks to that by itself is remembered beside it, and is no bare comparison. */
export const servedPort = 5_002;

const tenants = { blue: '10.80', grey: '10.85', plain: '10.90' } as const;
type Tenant = keyof typeof tenants;

/** Makes it in a lab. */
export async function openPolicySite(lab: Lab): Promise<PolicyBenchSite> {
  const hosts = await lab.up(3, { site: { management: true } });
  const [one, two] = hosts;
  if (one === undefined || two === undefined) throw new Error('the lab has no hosts');
  // members speak by the kernels: on the underlay of a lab each of their words passes two switches in user space
  await SiteAgents.start(hosts, {
    form: 'binary',
    environment: ({ place }) => ({ FAIRLEAD_VTEP_IP: addressesOf(place).ipv4 }),
    advertise: ({ place }) => `${managementAddressOf(place)}:${peerPortDefault}`,
  });
  const typed = (words: string) => netctlOk(one, words);
  for (const [tenant, net] of Object.entries(tenants)) {
    await typed(`tenant create ${tenant}`);
    await typed(`network create -t ${tenant} -s ${net}.1.0/24 -g ${net}.1.254 web`);
  }
  await typed('policy create -t blue p');
  await typed('group create -t blue web clients');
  await typed('group create -t blue -p p web servers');
  for (const group of ['clients', 'servers']) await typed(`group create -t grey web ${group}`);
  const run = async (host: LabHost, name: string, where: readonly [Tenant, string, number]) => {
    const [tenant, network, last] = where;
    const address = `${tenants[tenant]}.1.${last}`;
    const options = ['--ip', address, '--label', `app=${name}`];
    await runContainer(host, { name, network: `${network}/${tenant}`, options });
    return { ...(await containerOf(host, name)), address };
  };
  const client = await run(one, 'client', ['blue', 'clients', 1]);
  const secondClient = await run(one, 'client2', ['blue', 'clients', 11]);
  const servers: Spot[] = [];
  for (const [at, host] of hosts.entries()) {
    servers.push(await run(host, `server${at}`, ['blue', 'servers', at + 2]));
  }
  const service = `${tenants.blue}.1.200`;
  await typed(
    `service create -t blue -s web -l app=server1 -p ${tcpPort}:${servedPort}:TCP --ip ${service} front`,
  );
  const ruleless = [
    await run(one, 'grey1', ['grey', 'clients', 1]),
    await run(two, 'grey2', ['grey', 'servers', 2]),
  ] as const;
  const plain = [
    await run(one, 'plain1', ['plain', 'web', 1]),
    await run(two, 'plain2', ['plain', 'web', 2]),
  ] as const;
  for (const server of servers) await untilReaches(client, server.address);
  for (const [from, to] of [ruleless, plain]) await untilReaches(from, to.address);
  const socket = one.agentEnvironment()['FAIRLEAD_API_SOCKET'] ?? '';
  const api = apiClient(socket);
  const thin = new ThinClient(socket);
  const pathOf = (name: string): string => `/api/v1/rules/blue:p:${name}/`;
  const own = { tenantName: 'blue', policyName: 'p', direction: 'in', action: 'allow' };
  return {
    hosts,
    client,
    secondClient,
    servers,
    service,
    ruleless,
    plain,
    async addRule(name, more) {
      const body = { ...own, ruleId: name, ...more };
      await api.ask({ method: 'POST', path: pathOf(name), body });
    },
    async measuredAdd(name, more) {
      await thin.ask('POST', pathOf(name), { ...own, ruleId: name, ...more });
    },
    async removeRule(name) {
      await thin.ask('DELETE', pathOf(name));
    },
    close: () => thin.close(),
  };
}
