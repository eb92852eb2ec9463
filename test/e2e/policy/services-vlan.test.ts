/** Services on networks that are VLANs of the wire: with their gateway there, and with ours on every host. */
import { beforeAll, expect, it } from 'vitest';
import type { Instrument, Vantage } from '../../lab/traffic/instrument.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { callTcp, serveTcp, type TcpServed } from '../../lab/traffic/tcp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, dockerNameOf, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';
import { addressesIn, createVlan, machineOn, type SiteVlan } from '../../support/vlan-site.ts';

/** Its gateway is on the wire. */
const flat: SiteVlan = { name: 'flat', tag: 10, net: 10 };
/** Its gateway is ours. */
const own: SiteVlan = { name: 'own', tag: 40, net: 40, options: ['mode=routing'] };
const lab = labOfSite(2, { machines: [machineOn('flatm', [flat])] });
let agents: SiteAgents;
const places = new Map<string, Vantage>();
const servers = new Map<string, Instrument<TcpServed>>();

const at = (name: string): Vantage => {
  const found = places.get(name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
};
async function run(host: number, name: string, network: string, ...options: string[]) {
  await runContainer(lab.host(host), { name, network, options });
  places.set(name, await containerOf(lab.host(host), name));
}
async function answered(from: Vantage, to: string, count = 1): Promise<number> {
  let sum = 0;
  for (let n = 0; n < count; n += 1) {
    const plan = { to, port: 80, mode: 'exchange', sizes: [100] } as const;
    sum += (await callTcp(from, { ...plan, connectMs: 1_500, waitMs: 1_500 })).exchanges;
  }
  return sum;
}
const typed = (words: string) => agents.ok(lab.host(1), words.split(' '));
/** How many connections each server of a VLAN has had. */
const counts = ({ name }: SiteVlan) =>
  Promise.all([1, 2].map(async (n) => (await servers.get(`${name}-s${n}`)?.ask())?.taken ?? 0));

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, {
    form: 'binary',
    environment: () => ({ FAIRLEAD_UPLINKS: 'eth1' }),
  });
  for (const vlan of [flat, own]) await createVlan(lab.hosts, vlan);
  await createShared(lab.hosts, {
    ...{ name: 'db', tenant: 'blue' },
    subnets: [['10.62.0.0/24', '10.62.0.254']],
  });
  for (const host of [1, 2]) {
    for (const vlan of [flat, own]) {
      const network = dockerNameOf({ ...vlan, tenant: 'blue' });
      const name = `${vlan.name}-s${host}`;
      await run(host, name, network, '--label', `app=${vlan.name}`);
      servers.set(name, await serveTcp(at(name), { port: 8080, mode: 'echo' }));
      await run(host, `${vlan.name}-c${host}`, network);
    }
    await run(host, `db-c${host}`, 'db.blue');
  }
}, 240_000);

it.for([
  ['whose gateway is on the wire', flat, ['flat-c1', 'flat-c2', 'flat-s1']],
  ['whose gateway is ours', own, ['own-c1', 'own-c2', 'own-s1', 'db-c1', 'db-c2']],
] as const)(
  'a service on a VLAN %s leads to containers of both hosts, also when one dies',
  async ([, vlan, clients]) => {
    for (const family of [0, 1] as const) {
      const vips = addressesIn(vlan, 200);
      if (family === 0) {
        const addresses = `--ip-address ${vips[0]} --ipv6-address ${vips[1]}`;
        const asks = `--network ${vlan.name} --selectors app=${vlan.name} --ports 80:8080:TCP`;
        await typed(`service create ${vlan.name} -t blue ${asks} ${addresses}`);
      }
      // the network between is of IPv4 alone
      for (const client of clients.filter((name) => family === 0 || !name.startsWith('db'))) {
        const from = at(client);
        await untilReaches(from, vips[family]);
        await until('it answers', async () => (await answered(from, vips[family], 4)) === 4);
        const before = await counts(vlan);
        expect([client, await answered(from, vips[family], 20)]).toEqual([client, 20]);
        const after = await counts(vlan);
        expect(Math.min(...after.map((n, of) => n - (before[of] ?? 0)))).toBeGreaterThan(0);
      }
    }
    const [vip] = addressesIn(vlan, 200);
    await dockerOk(lab.host(2), ['kill', `${vlan.name}-s2`]);
    for (const client of clients) {
      await until('nobody is sent there', async () => (await answered(at(client), vip, 12)) === 12);
    }
    // services are for containers: the wire has no way to one
    expect(await answered(lab.site.machine('flatm'), addressesIn(flat, 200)[0])).toBe(0);
  },
);
