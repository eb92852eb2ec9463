/**
 * What the agent itself has to do for a container, with few and with thousands there: ports go to a database
 * that no ovs-vswitchd reads, flows to a bridge of another one. What ovs-vswitchd needs for the same (it looks
 * at all ports with every change of one) is not in it.
 */
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatAddress } from '../../../lib/ip/ip.ts';
import type { SiteNetwork, Tenant } from '../../../lib/model/site.ts';
import { openLab } from '../../lab/lab.ts';
import { vsctlOk } from '../../support/ovs.ts';
import { percentile, report } from '../figures.ts';
import { attachTo, openBenchHost, type BenchHost } from './bench-host.ts';
import { costOf, heapBytes, sizesFrom, type Cost } from './measure.ts';
import {
  addressIn,
  dockerNetworkRow,
  idOf,
  networkRow,
  nodeRow,
  remoteRow,
  rowOf,
  writeRows,
  type NewRow,
} from './site-rows.ts';

const endpointSizes = sizesFrom('FAIRLEAD_BENCH_ENDPOINTS', [10, 100, 1_000, 5_000]);
const networkSizes = sizesFrom('FAIRLEAD_BENCH_NETWORKS', [10, 100, 1_000]);
const samples = 40;
const warmUps = 300;
/** Endpoints that are made at once to get to a size. */
const together = 16;
const ghosts = 20;
const others = 5_000;
const remotes = 5_000;
/** An answer, a route, a destination. */
const flowsOfRemote = 3;

/** Names of what is reported. */
export const attachFigures = [
  'dp-attach',
  'dp-attach-networks',
  'dp-attach-others',
  'dp-remote',
  'dp-remote-memory',
] as const;

/** Runs all of it. */
export async function benchAttachCost(): Promise<void> {
  const lab = openLab();
  try {
    const [flowHost, portHost] = await lab.up(2, { site: { docker: false } });
    if (flowHost === undefined || portHost === undefined) throw new Error('the lab has no hosts');
    await vsctlOk(
      flowHost,
      'add-br br-fairlead -- set bridge br-fairlead datapath_type=netdev fail_mode=secure',
    );
    await portHost.stopOvs('vswitchd');
    // nobody takes changes up here, and nobody is to be missed
    await vsctlOk(portHost, '--no-wait set Open_vSwitch . cur_cfg=1000000000');
    const [flows, ports] = [flowHost, portHost].map(({ ovsDb }) =>
      join(dirname(ovsDb), 'br-fairlead.mgmt'),
    );
    symlinkSync(flows ?? '', ports ?? '');
    const open = () => openBenchHost('here', portHost.ovsDb);
    const clear = () => vsctlOk(portHost, '--no-wait del-br br-fairlead');
    await warmUp(await open());
    await clear();
    await benchEndpoints(await open());
    await clear();
    await benchNetworks(open, clear);
    await benchRemotes(await open());
  } finally {
    await lab.down();
  }
}

/** A tenant's networks, with this host's part of them, on a store. */
class BenchTenant {
  readonly tenant: Tenant;
  readonly networks: readonly SiteNetwork[];
  readonly #host: BenchHost;
  #made = 0;

  constructor(host: BenchHost, number: number, networks: number) {
    this.#host = host;
    this.tenant = { name: `bench${number}`, number };
    this.networks = Array.from({ length: networks }, (_, at) => networkRow(this.tenant, at));
  }

  get made(): number {
    return this.#made;
  }

  async write(): Promise<void> {
    await writeRows(this.#host.store, [
      rowOf.tenant(this.tenant),
      rowOf.node(nodeRow('here', 1)),
      ...Array.from({ length: ghosts }, (_, at) => rowOf.node(nodeRow(`ghost${at}`, at + 2))),
      ...this.networks.map((network) => rowOf.network(network)),
      ...this.networks.map((network, at) => rowOf.dockerNetwork(dockerNetworkRow(network, at))),
    ]);
  }

  /** Attaches one more container here, in the networks by turns. */
  async attach(): Promise<void> {
    const at = this.#made;
    this.#made += 1;
    const network = at % this.networks.length;
    const ipv4 = `${formatAddress(addressIn(network, Math.floor(at / this.networks.length)))}/22`;
    await attachTo(this.#host, { networkId: idOf(1, network), id: idOf(3, at), ipv4 });
  }

  async attachUntil(size: number): Promise<void> {
    while (this.#made < size) {
      const count = Math.min(together, size - this.#made);
      await Promise.all(Array.from({ length: count }, () => this.attach()));
    }
  }

  /** What is attached on other hosts. */
  remoteRows(from: number, to: number): readonly NewRow[] {
    return Array.from({ length: to - from }, (_, index) => {
      const at = from + index;
      const network = this.networks[at % this.networks.length];
      if (network === undefined) throw new Error('a tenant without networks');
      const address = addressIn(
        at % this.networks.length,
        500 + Math.floor(at / this.networks.length),
      );
      const id = idOf(4 + this.tenant.number, at);
      return rowOf.endpoint(network, remoteRow(network, `ghost${at % ghosts}`, { id, address }));
    });
  }
}

interface Sampled {
  readonly costs: readonly Cost[];
  readonly readsPerAttach: number;
}

async function sample(host: BenchHost, work: () => Promise<void>): Promise<Sampled> {
  const costs: Cost[] = [];
  const before = host.reads().calls;
  for (let at = 0; at < samples; at += 1) costs.push(await costOf(work));
  return { costs, readsPerAttach: (host.reads().calls - before) / samples };
}

type Reported = { readonly name: string; readonly values: readonly number[] };

/** Reports processor time, with what else was seen; answers the series, for others to be compared with. */
function tell(
  figure: string,
  { costs, readsPerAttach }: Sampled,
  versus: Reported | undefined,
  more: object,
): readonly number[] {
  const values = costs.map(({ cpuMs }) => cpuMs);
  const wall = costs.map(({ wallMs }) => wallMs);
  const blocked = costs.map(({ blockedMs }) => blockedMs);
  report({ figure, unit: 'cpu ms', values }, versus, {
    ...more,
    wallP50: Math.round(percentile(wall, 0.5)),
    blockedP50: Math.round(percentile(blocked, 0.5) * 10) / 10,
    storeReads: readsPerAttach,
  });
  return values;
}

/** What runs for the first time is slow for reasons of its own. */
async function warmUp(host: BenchHost): Promise<void> {
  try {
    const tenant = new BenchTenant(host, 1, 10);
    await tenant.write();
    await tenant.attachUntil(warmUps);
    const rows = tenant.remoteRows(0, warmUps);
    await host.sends(rows.length * flowsOfRemote, () => writeRows(host.store, rows));
  } finally {
    await host.close();
  }
}

/** An attachment with more and more endpoints of this host. */
async function benchEndpoints(host: BenchHost): Promise<void> {
  try {
    const tenant = new BenchTenant(host, 1, 10);
    await tenant.write();
    let base: readonly number[] | undefined;
    for (const size of endpointSizes) {
      await tenant.attachUntil(size);
      const sampled = await sample(host, () => tenant.attach());
      const versus = base && { name: `${endpointSizes[0]} endpoints`, values: base };
      const values = tell('dp-attach', sampled, versus, { endpoints: size });
      base ??= values;
    }
  } finally {
    await host.close();
  }
}

/** An attachment where the tenant has more and more networks, and where others have endpoints. */
async function benchNetworks(
  open: () => Promise<BenchHost>,
  clear: () => Promise<unknown>,
): Promise<void> {
  let base: readonly number[] | undefined;
  for (const size of networkSizes) {
    const host = await open();
    try {
      const tenant = new BenchTenant(host, 1, size);
      await tenant.write();
      await tenant.attach();
      const sampled = await sample(host, () => tenant.attach());
      const versus = base && { name: `${networkSizes[0]} networks`, values: base };
      const values = tell('dp-attach-networks', sampled, versus, { networks: size });
      base ??= values;
      if (size === networkSizes[0]) await benchOthers(host, tenant, values);
    } finally {
      await host.close();
      await clear();
    }
  }
}

/** The same again, with thousands of endpoints of a tenant that has nothing here. */
async function benchOthers(
  host: BenchHost,
  tenant: BenchTenant,
  alone: readonly number[],
): Promise<void> {
  const other = new BenchTenant(host, 2, 10);
  const before = heapBytes();
  await writeRows(host.store, [
    rowOf.tenant(other.tenant),
    ...other.networks.map((network) => rowOf.network(network)),
    ...other.remoteRows(0, others),
  ]);
  await tenant.attach();
  const bytesEach = Math.round((heapBytes() - before) / others);
  const sampled = await sample(host, () => tenant.attach());
  const versus = { name: 'no other tenant', values: alone };
  tell('dp-attach-others', sampled, versus, { othersEndpoints: others, bytesEach });
}

/** What an endpoint of another host costs, that of a tenant of this one. */
async function benchRemotes(host: BenchHost): Promise<void> {
  try {
    const tenant = new BenchTenant(host, 1, 10);
    await tenant.write();
    await tenant.attach();
    const one = async (at: number): Promise<void> => {
      const rows = tenant.remoteRows(at, at + 1);
      await host.sends(flowsOfRemote, () => writeRows(host.store, rows));
    };
    let base: readonly number[] | undefined;
    let made = 0;
    for (const size of [10, remotes]) {
      const before = heapBytes();
      const from = made;
      const rows = tenant.remoteRows(from, size);
      await host.sends(rows.length * flowsOfRemote, () => writeRows(host.store, rows));
      made = size;
      const bytes = (heapBytes() - before) / (size - from);
      const sampled = await sample(host, async () => {
        await one(made);
        made += 1;
      });
      const versus = base && { name: '10 remote endpoints', values: base };
      const values = tell('dp-remote', sampled, versus, { remoteEndpoints: size });
      if (base !== undefined) {
        report({ figure: 'dp-remote-memory', unit: 'KB', values: [bytes / 1_000] });
      }
      base ??= values;
    }
  } finally {
    await host.close();
  }
}
