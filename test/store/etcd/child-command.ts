/** Runs `child.ts` on each runtime. */
import { join } from 'node:path';
import { runOk } from '../../lab/run.ts';

const bin = join(import.meta.dirname, '../../../node_modules/.bin');

const commands = {
  node: [join(bin, 'node')],
  bun: [join(bin, 'bun')],
  deno: [join(bin, 'deno'), 'run', '--quiet', '-A'],
} as const;

type Runtime = keyof typeof commands;
export const runtimeNames = Object.keys(commands) as readonly Runtime[];

/** What the child says when all went well. */
export const allSeen = {
  seen: [['put', 'put'], ['delete']],
  left: true,
  rows: [['a', 'zwölf 😀']],
  unknown: 'LEASE_UNKNOWN',
};

/** Uses the etcd of a URL from a process of its own, and gives what that saw. */
export async function useOn(runtime: Runtime, url: string): Promise<unknown> {
  const child = [...commands[runtime], join(import.meta.dirname, 'child.ts'), url];
  return JSON.parse(await runOk(child));
}
