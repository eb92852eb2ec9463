/**
 * The program: reads the command line and wires the parts together. Nothing imports it.
 *
 * Parts that need native code are imported when the agent starts, not before: `fairlead version` then
 * works where native code cannot be loaded, and a failure to load becomes an error line.
 */
import { createApiApp } from './lib/api/app.ts';
import type { AgentOptions } from './lib/cli/agent-options.ts';
import { main, processTerminal } from './lib/cli/main.ts';
import { systemClock } from './lib/clock.ts';
import { Conditions } from './lib/conditions.ts';
import { asFairleadError, treatmentOf, type FairleadError } from './lib/errors.ts';
import { hostGates } from './lib/health/gates.ts';
import type { Host } from './lib/host/host.ts';
import { createLogger } from './lib/log.ts';
import { createPluginApp } from './lib/plugin/app.ts';
import { createDriver } from './lib/plugin/driver.ts';
import { writeDiscoveryFile } from './lib/runtime/discovery.ts';
import { inheritedSockets } from './lib/runtime/inherited.ts';
import { listen, type ListenPlace } from './lib/runtime/listen.ts';
import { notifyReady } from './lib/runtime/notify.ts';
import { version } from './lib/version.ts';

/** Runs until a signal says stop, or something it cannot live without dies. */
async function runAgent(options: AgentOptions): Promise<void> {
  const clock = systemClock;
  const root = createLogger({
    level: options.logLevel,
    format: options.logFormat,
    node: options.hostName,
  });
  const log = root.child({ part: 'agent' });
  const ending = Promise.withResolvers<FairleadError | undefined>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => ending.resolve(undefined));
  }
  const conditions = new Conditions(clock, (condition, raised) => {
    log[raised ? 'warn' : 'info']({ condition: condition.code, raised }, condition.message);
  });

  const starting = Promise.withResolvers<Host>();
  let running: Host | undefined;
  const handlers = createDriver(starting.promise);
  const inherited = inheritedSockets(process.env, process.pid);
  const place = (role: 'plugin' | 'api', path: string): ListenPlace => {
    const descriptor = inherited.get(role);
    return descriptor === undefined ? { path } : { descriptor };
  };
  const plugin = createPluginApp({ handlers, clock, log: root.child({ part: 'plugin' }) });
  // answers begin before the store is open: the engine may be waiting for them to start
  const pluginListener = await listen(place('plugin', options.pluginSocket), plugin.fetch);
  const api = createApiApp({
    version,
    node: options.hostName,
    gates: () => hostGates(running),
    conditions: () => conditions.list(),
    networks: async () => (await starting.promise).networks(),
    endpoints: async () => (await starting.promise).endpoints(),
    pools: async () => (await starting.promise).pools(),
  });
  const apiListener = await listen(place('api', options.apiSocket), api.fetch);
  const { discoveryFile } = options;
  const discovery = discoveryFile && writeDiscoveryFile(discoveryFile, options.pluginSocket);
  log.info({ version, plugin: options.pluginSocket, api: options.apiSocket }, 'listening');
  notifyReady(process.env);

  const { startHost } = await import('./lib/host/host.ts');
  startHost(
    {
      dataDirectory: options.dataDir,
      ovsdbPath: options.ovsDbSocket,
      dockerSocket: options.dockerSocket,
      pluginName: options.pluginName,
      datapath: options.datapath,
      poolDefaults: { v4: options.ipv4Pools, v6: options.ipv6Pools },
      mtuDefault: options.linkMtu,
    },
    { clock, log: root, conditions, onFatal: (error) => ending.resolve(error) },
  )
    .then((host) => {
      running = host;
      starting.resolve(host);
      return log.info('started');
    })
    .catch((thrown: unknown) => {
      starting.reject(thrown);
      ending.resolve(asFairleadError(thrown));
    });

  const failure = await ending.promise;
  if (failure === undefined) log.info('stopping');
  else log.fatal({ err: failure }, failure.message);
  // a dead store must not be written to again, not even to close it nicely
  if (failure !== undefined) process.exit(treatmentOf(failure.code).exitCode);
  if (discovery) discovery.remove();
  await Promise.all([pluginListener.close(), apiListener.close()]);
  await running?.close();
}

// an agent that could not start may have opened sockets: they must not keep the process alive
process.exit(await main(process.argv.slice(2), processTerminal(), { agent: runAgent }));
