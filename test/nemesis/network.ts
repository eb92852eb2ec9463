/** What can be done to the network between voters: drops by nftables and a narrow link by tbf, per namespace. */
import { namespacePath } from '../lab/namespaces.ts';
import { run, runOk } from '../lab/run.ts';

const table = 'inet nemesis';

/** Packets that a namespace lets fall. */
export type Drop =
  /** From or to an address; one way only where said. */
  | { readonly address: string; readonly way: 'in' | 'out' | 'both' }
  /** That share of everything. */
  | { readonly percent: number };

/** Replaces what a namespace drops. */
export async function setDrops(namespace: string, drops: readonly Drop[]): Promise<void> {
  const rules = (hook: 'input' | 'output'): readonly string[] =>
    drops.flatMap((drop) => {
      if ('percent' in drop) {
        return hook === 'input' ? [`numgen random mod 100 < ${drop.percent} drop`] : [];
      }
      if (hook === 'input') return drop.way === 'out' ? [] : [`ip saddr ${drop.address} drop`];
      return drop.way === 'in' ? [] : [`ip daddr ${drop.address} drop`];
    });
  const chain = (hook: 'input' | 'output'): string =>
    `chain ${hook} { type filter hook ${hook} priority 0; ${rules(hook).join('; ')}; }`;
  const body = drops.length === 0 ? '' : `${chain('input')}\n${chain('output')}`;
  // added before it is deleted, so that there is something to delete
  const input = `table ${table} {}\ndelete table ${table}\ntable ${table} {\n${body}\n}\n`;
  await runOk([...inside(namespace), 'nft', '-f', '-'], { input });
}

/** Makes the link of a namespace narrow: what is sent waits up to `latencyMs`, the rest is dropped. */
export async function narrow(namespace: string, kilobits: number): Promise<void> {
  const shape = ['tbf', 'rate', `${kilobits}kbit`, 'burst', '4kb', 'latency', '300ms'];
  await runOk([...inside(namespace), 'tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', ...shape]);
}

/** Undoes all of it. */
export async function clearNetwork(namespace: string): Promise<void> {
  await setDrops(namespace, []);
  await run([...inside(namespace), 'tc', 'qdisc', 'del', 'dev', 'eth0', 'root']);
}

function inside(namespace: string): readonly string[] {
  return ['nsenter', `--net=${namespacePath(namespace)}`];
}
