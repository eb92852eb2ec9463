/**
 * A plugin server as a program of its own, so that tests can run it on each runtime: serves the path of
 * its first argument, or the socket handed to it. Every call is answered with `{}`, EndpointOperInfo
 * after as many real milliseconds as its endpoint id has trailing f's, times ten.
 *
 * `CLOCK_SPEED` makes its clock run faster, so that bounds of seconds are over in milliseconds.
 */
import type { Clock } from '../../lib/clock.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../../lib/log.ts';
import { createPluginApp } from '../../lib/plugin/app.ts';
import type { PluginHandlers } from '../../lib/plugin/handlers.ts';
import { inheritedSockets } from '../../lib/runtime/inherited.ts';
import { listen } from '../../lib/runtime/listen.ts';

const speed = Number(process.env['CLOCK_SPEED'] ?? 1);
const clock: Clock = {
  monotonicMs: () => systemClock.monotonicMs() * speed,
  wallMs: () => systemClock.wallMs(),
  sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
};
const answerAll = new Proxy({} as PluginHandlers, {
  get: (_target, name) => async (request?: { EndpointID?: string }) => {
    if (name === 'NetworkDriver.EndpointOperInfo') {
      const ending = /f*$/.exec(request?.EndpointID ?? '');
      await systemClock.sleep((ending?.[0].length ?? 0) * 10);
    }
    return {};
  },
});
const log = createLogger({ level: 'debug', format: 'json', node: 'test' });
const app = createPluginApp({ handlers: answerAll, clock, log });
const descriptor = inheritedSockets(process.env, process.pid).get('plugin');
const listener = await listen(
  descriptor === undefined ? { path: process.argv[2] ?? '' } : { descriptor },
  app.fetch,
  { clock, log },
);
process.once('SIGTERM', () => {
  void listener.close().then(() => log.info({ pid: process.pid }, 'closed'));
});
// those who read this may stop it at once
log.info({ pid: process.pid }, 'serving');
