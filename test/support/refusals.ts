/**
 * What the switches of hosts have refused, by where: dropped by a flow, denied by a rule, or unknown to a table. Tables
 * that only count refuse nothing.
 */
import { dirname, join } from 'node:path';
import { tables } from '../../lib/datapath/pipeline/fields.ts';
import { runControl } from '../../lib/datapath/unix-control.ts';
import type { LabHost } from '../lab/host.ts';

/** How many packets were refused, by host and place. */
export type Refusals = ReadonlyMap<string, number>;

const counting = new Set<number>([tables.outHits, tables.inHits]);
/** Kernels ask for routers by themselves, at any time; that ends there, and no frame of a hostile one does. */
const asking = new Set<number>([tables.neighbours]);
const denying = new Set<number>([tables.outDenied, tables.inDenied]);
const tableNames = new Map<number, string>(
  Object.entries(tables).map(([name, number]) => [number, name]),
);
const nameOf = (table: number): string => tableNames.get(table) ?? `${table}`;

/** What hosts have refused, when all that has come to them is counted. */
export async function refusals(hosts: readonly LabHost[]): Promise<Refusals> {
  let last = await read(hosts);
  for (;;) {
    const now = await read(hosts);
    if (totalOf(now) === totalOf(last)) return now;
    last = now;
  }
}

/** How many that are. */
export const totalOf = (refused: Refusals): number =>
  [...refused.values()].reduce((sum, count) => sum + count, 0);

/** What was refused between two looks. */
export function refusedBetween(before: Refusals, after: Refusals): Refusals {
  const grown = [...after].map(
    ([place, count]) => [place, count - (before.get(place) ?? 0)] as const,
  );
  return new Map(grown.filter(([, count]) => count > 0));
}

async function read(hosts: readonly LabHost[]): Promise<Refusals> {
  const all = await Promise.all(hosts.map((host) => refusedBy(host)));
  return new Map(all.flat());
}

async function refusedBy(host: LabHost): Promise<[string, number][]> {
  // flows of the datapath tell of their packets when they are looked after
  await runControl(join(dirname(host.ovsDb), 'ovs-vswitchd.ctl'), 'revalidator/wait', []);
  const flows = await host.ovsOfctl(['dump-flows', 'br-fairlead']);
  const found = new Map<string, number>();
  const add = (table: number, how: string, count: number) => {
    const place = `${host.name} ${nameOf(table)} ${how}`;
    found.set(place, (found.get(place) ?? 0) + count);
  };
  const taking = new Set<number>([...counting, ...asking]);
  for (const line of flows.stdout.split('\n')) {
    const [, table, packets] = / table=(\d+), n_packets=(\d+),/.exec(line) ?? [];
    const number = Number(table ?? 0);
    const isDenial = denying.has(number);
    const isDrop = line.endsWith('actions=drop') && !counting.has(number) && !asking.has(number);
    if (isDrop || isDenial) add(number, isDenial ? 'denied' : 'dropped', Number(packets));
    if (/ priority=0 actions=/.test(line)) taking.add(number);
  }
  const { stdout } = await host.ovsOfctl(['dump-tables', 'br-fairlead']);
  const known = /table (\d+)[^\n]*:\s+active=\d+, lookup=(\d+), matched=(\d+)/g;
  for (const [, table, looked, matched] of stdout.matchAll(known)) {
    const number = Number(table);
    if (!taking.has(number)) add(number, 'unknown', Number(looked) - Number(matched));
  }
  return [...found];
}
