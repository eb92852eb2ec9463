/** netctl on a host of a lab, as an operator types it. */
import { mkdirSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from '../lab/host.ts';
import type { Outcome } from '../lab/run.ts';
import { binaryPath } from './agent-process.ts';

/** Runs netctl on a host, whatever its exit code. The words have no spaces in them. */
export function netctl(host: LabHost, words: string): Promise<Outcome> {
  const folder = join(host.directory, 'bin');
  const program = join(folder, 'netctl');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    symlinkSync(binaryPath, program);
  }
  return host.exec([program, ...words.split(' ')], { env: host.agentEnvironment() });
}

/**
 * Runs netctl on a host, and gives what it printed.
 * @throws {Error} with what it said when it failed
 */
export async function netctlOk(host: LabHost, words: string): Promise<string> {
  const { code, stdout, stderr } = await netctl(host, words);
  if (code === 0) return stdout;
  throw new Error(`netctl ${words} on ${host.name}: ${stderr.trim() || stdout}`);
}
