/**
 * Across hosts: how soon a container's first packet arrives after it was attached, and what TCP carries and pings
 * need beside plain VXLAN through the same Open vSwitch with a normal switch, in turns.
 */
import { linkNames } from '../../../lib/network/port.ts';
import type { LabHost } from '../../lab/host.ts';
import { openLab } from '../../lab/lab.ts';
import { namespacePath } from '../../lab/namespaces.ts';
import { runOk } from '../../lab/run.ts';
import { inNamespace, ipBatch } from '../../lab/site/cable.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { ping, startPings } from '../../lab/traffic/pings.ts';
import { callTcp, megabitsPerSecond, serveTcp } from '../../lab/traffic/tcp.ts';
import { Rig, type RigHost } from '../../e2e/datapath/random/rig.ts';
import {
  addressOf,
  emptyWorld,
  endpointId,
  macOf,
  type DrawnEndpoint,
  type DrawnNetwork,
  type World,
} from '../../e2e/datapath/random/world.ts';
import { formatAddress } from '../../../lib/ip/ip.ts';
import { until } from '../../support/until.ts';
import { vsctlOk } from '../../support/ovs.ts';
import { report } from '../figures.ts';
import { sizesFrom } from './measure.ts';

const networkSizes = sizesFrom('FAIRLEAD_BENCH_NETWORKS', [10, 100, 1_000]);
const rounds = 5;
const transferMs = 2_000;
const firstPackets = 10;
const mtu = 1_400;

/** Names of what is reported. */
export const hostsFigures = ['dp-first-packet', 'dp-throughput', 'dp-latency'] as const;

/** Runs all of it. */
export async function benchHosts(): Promise<void> {
  const lab = openLab();
  try {
    const hosts = await lab.up(2, { site: { docker: false } });
    const rig = await Rig.start(hosts);
    try {
      for (const networks of networkSizes) await benchAt(rig, networks);
    } finally {
      await rig.close();
    }
  } finally {
    await lab.down();
  }
}

const networkAt = (number: number): DrawnNetwork => ({
  number,
  tenant: 1,
  block: number,
  encapsulation: 'vxlan',
  tag: number,
  families: 'v4',
  hasGateway: true,
  routed: true,
  arp: 'proxy',
  mtu,
});

const end = (number: number, host: string): DrawnEndpoint => ({ number, network: 1, host });

function worldOf(rig: Rig, networks: number, endpoints: readonly DrawnEndpoint[]): World {
  const nodes = rig.hosts.map(
    ({ host }, at) => [host.name, { number: at + 1, vtep: host.address, pathMtu: 1_500 }] as const,
  );
  const all = Array.from({ length: networks }, (_, at) => networkAt(at + 1));
  return {
    ...emptyWorld(new Map(nodes)),
    networks: new Map(all.map((network) => [network.number, network])),
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.number, endpoint])),
  };
}

/** Two containers of one network on two hosts, and two on a normal switch. */
async function benchAt(rig: Rig, networks: number): Promise<void> {
  const [one, two] = rig.hosts;
  if (one === undefined || two === undefined) throw new Error('the rig has no hosts');
  const pair = [end(1, one.host.name), end(2, two.host.name)];
  await rig.become(worldOf(rig, networks, pair));
  const ours = [
    await moveOut(one, end(1, one.host.name), `o1n${networks}`),
    await moveOut(two, end(2, two.host.name), `o2n${networks}`),
  ] as const;
  const plain = [
    await plainEnd(one.host, two.host, `p1n${networks}`),
    await plainEnd(two.host, one.host, `p2n${networks}`),
  ] as const;
  for (const [from, to] of [ours, plain]) await connected(from, to);
  await benchTraffic({ ours, plain }, networks);
  await benchFirstPackets(rig, networks, pair, ours[1]);
  for (const each of [...ours, ...plain]) await runOk(['ip', 'netns', 'delete', each.namespace]);
  for (const { host } of rig.hosts) await vsctlOk(host, 'del-br br-plain');
  await rig.become(worldOf(rig, networks, []));
}

/** A place with an address. */
interface Place extends Vantage {
  readonly namespace: string;
  readonly address: string;
}

type Ends = readonly [Place, Place];

const connected = (from: Place, to: Place): Promise<unknown> =>
  until(
    `${to.name} answers ${from.name}`,
    async () => (await ping(from, { to: to.address, count: 3, waitMs: 300 })).received === 3,
  );

/** Gives a container's link a namespace of its own, as Docker does. */
async function moveOut(at: RigHost, endpoint: DrawnEndpoint, name: string): Promise<Place> {
  const link = linkNames(endpointId(endpoint)).container;
  const own = addressOf(endpoint, networkAt(endpoint.network), 4);
  if (own === undefined) throw new Error('no address');
  const address = formatAddress(own);
  const place = await makePlace(at.host, name, address);
  await ipBatch(at.containers.namespace, [`link set ${link} netns ${place.namespace}`]);
  await ipBatch(place.namespace, [
    `link set ${link} name eth0`,
    `link set eth0 address ${macOf(endpoint)} up`,
    `address add ${address}/24 dev eth0`,
  ]);
  await checksumsOff(place.namespace);
  return place;
}

async function makePlace(host: LabHost, name: string, address: string): Promise<Place> {
  const namespace = `${host.namespace}-${name}`;
  await runOk(['ip', 'netns', 'add', namespace]);
  const { environment } = host;
  return { name, namespace, address, net: namespacePath(namespace), environment };
}

/** As the agent does it for the userspace datapath. */
const checksumsOff = (namespace: string): Promise<string> =>
  runOk([...inNamespace(namespace), 'ethtool', '-K', 'eth0', 'tx', 'off']);

/** The same on a bridge that switches as any does, with a tunnel of its own. */
async function plainEnd(host: LabHost, other: LabHost, name: string): Promise<Place> {
  const number = host.name === 'h1' ? 1 : 2;
  const place = await makePlace(host, name, `10.99.0.${number}`);
  const port = `pl${name}`;
  await ipBatch(place.namespace, [
    `link add eth0 mtu ${mtu} type veth peer name ${port} netns ${host.namespace} mtu ${mtu}`,
    'link set eth0 addrgenmode none',
    'link set eth0 up',
    `address add ${place.address}/24 dev eth0`,
  ]);
  await ipBatch(host.namespace, [`link set ${port} addrgenmode none`, `link set ${port} up`]);
  await checksumsOff(place.namespace);
  await vsctlOk(host, 'add-br br-plain -- set bridge br-plain datapath_type=netdev');
  await vsctlOk(host, `add-port br-plain ${port}`);
  const tunnel = `type=vxlan options:remote_ip=${other.address} options:key=77 options:dst_port=4790`;
  await vsctlOk(host, `add-port br-plain plainvx -- set interface plainvx ${tunnel}`);
  return place;
}

async function benchTraffic(
  { ours, plain }: { readonly ours: Ends; readonly plain: Ends },
  networks: number,
): Promise<void> {
  const rates = { ours: [] as number[], plain: [] as number[] };
  const times = { ours: [] as number[], plain: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    for (const [kind, ends] of [
      ['ours', ours],
      ['plain', plain],
    ] as const) {
      rates[kind].push(await transfer(ends));
      const { rttUs } = await ping(ends[0], { to: ends[1].address, count: 200, everyMs: 2 });
      if (rttUs !== undefined) times[kind].push(rttUs.median / 1_000);
    }
  }
  const name = 'VXLAN through a normal switch';
  const more = { networks };
  const throughput = { figure: 'dp-throughput', unit: 'Mbit/s', values: rates.ours } as const;
  report(throughput, { name, values: rates.plain }, more);
  const latency = { figure: 'dp-latency', unit: 'ms', values: times.ours } as const;
  report(latency, { name, values: times.plain }, more);
}

async function transfer([from, to]: Ends): Promise<number> {
  const server = await serveTcp(to, { port: 5_001, mode: 'sink' });
  const client = await callTcp(from, { to: to.address, port: 5_001, durationMs: transferMs });
  await server.stop();
  return megabitsPerSecond(client);
}

/** From the moment in which an attachment is asked for until a ping is answered by another host. */
async function benchFirstPackets(
  rig: Rig,
  networks: number,
  pair: readonly DrawnEndpoint[],
  target: Place,
): Promise<void> {
  const [one] = rig.hosts;
  if (one === undefined) throw new Error('the rig has no hosts');
  const arrivals: number[] = [];
  const attached: number[] = [];
  for (let at = 0; at < firstPackets; at += 1) {
    const endpoint = end(10 + at, one.host.name);
    const { host: name, container: peer } = linkNames(endpointId(endpoint));
    // the link is there and waits, so that what is measured is all that has to be told to whom
    const far = `peer name ${peer} netns ${one.containers.namespace} mtu ${mtu}`;
    await ipBatch(one.host.namespace, [
      `link add ${name} mtu ${mtu} type veth ${far}`,
      `link set ${name} addrgenmode none`,
    ]);
    const place = await moveOut(one, endpoint, `f${at}n${networks}`);
    await ipBatch(place.namespace, [
      `neigh add ${target.address} lladdr ${macOf(end(2, 'h2'))} dev eth0`,
    ]);
    const world = worldOf(rig, networks, [...pair, endpoint]);
    const rows = rig.rowsOf(world);
    const pings = await startPings(place, { to: target.address, everyMs: 1 });
    const begunMs = performance.now();
    await rig.become(world, rows);
    attached.push(performance.now() - begunMs);
    await until('a ping is answered', async () => (await pings.ask()).received > 0, {
      everyMs: 20,
    });
    const { lost } = await pings.stop();
    const [first] = lost;
    arrivals.push(first?.first === 0 ? first.count : 0);
    await runOk(['ip', 'netns', 'delete', place.namespace]);
    await rig.become(worldOf(rig, networks, pair));
  }
  const sorted = attached.toSorted((a, b) => a - b);
  report({ figure: 'dp-first-packet', unit: 'ms', values: arrivals }, undefined, {
    networks,
    attachP50: Math.round(sorted[sorted.length >> 1] ?? Number.NaN),
  });
}
