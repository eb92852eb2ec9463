/** A managed plugin that hands calls on, as a process. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { pluginSocketFolder, pluginSocketName } from '../bundle/plugin-config.ts';
import { systemClock } from '../clock.ts';
import { createLogger, type LogOptions } from '../log.ts';
import { listen } from '../runtime/listen.ts';
import { version } from '../version.ts';
import type { PluginScope } from './bare-answers.ts';
import { requirePluginPlace } from './place.ts';
import { createShim } from './shim.ts';

/** What a shim is told. */
export interface ShimOptions {
  readonly pluginScope: PluginScope;
  readonly agentSocket: string;
  readonly logLevel: LogOptions['level'];
  readonly logFormat: LogOptions['format'];
}

/**
 * Hands Docker's calls on to the agent of the host until a signal says stop. `notes` are for the log.
 * @throws PLUGIN_PLACE, SOCKET_*
 */
export async function runShim(options: ShimOptions, notes: readonly string[]): Promise<void> {
  const { logLevel: level, logFormat: format, pluginScope: scope, agentSocket } = options;
  const log = createLogger({ level, format, node: hostname() }).child({ part: 'plugin' });
  requirePluginPlace(readFileSync('/proc/self/mountinfo', 'utf8'));
  const ending = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.resolve());
  const shim = createShim({ scope, agentSocket, clock: systemClock, log });
  const path = `${pluginSocketFolder}/${pluginSocketName}`;
  const listener = await listen({ path }, shim, { clock: systemClock, log });
  log.info({ version, scope, agent: agentSocket }, 'listening');
  for (const note of notes) log.warn(note);
  await ending.promise;
  await listener.close();
}
