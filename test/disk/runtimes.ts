/** How to run `child.ts` on each runtime. */
import { join } from 'node:path';

const bin = join(import.meta.dirname, '../../node_modules/.bin');

const commands = {
  node: [join(bin, 'node')],
  bun: [join(bin, 'bun')],
  deno: [join(bin, 'deno'), 'run', '--quiet', '-A'],
} as const;

export type Runtime = keyof typeof commands;
export const runtimeNames = Object.keys(commands) as readonly Runtime[];

/** Command and arguments up to and including the script. */
export function childCommand(runtime: Runtime): readonly string[] {
  return [...commands[runtime], join(import.meta.dirname, 'child.ts')];
}
