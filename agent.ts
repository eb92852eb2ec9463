/**
 * The program: reads the command line and wires the parts together. Nothing imports it.
 *
 * Parts that need native code are imported when the agent starts, not before: `fairlead version` then
 * works where native code cannot be loaded, and a failure to load becomes an error line.
 */
import { createApiApp } from './lib/api/app.ts';
import { openDoor } from './lib/api/door.ts';
import type { AgentOptions } from './lib/cli/agent-options.ts';
import { hostOptions } from './lib/cli/host-options.ts';
import { main, processTerminal } from './lib/cli/main.ts';
import { systemClock } from './lib/clock.ts';
import { Conditions } from './lib/conditions.ts';
import { asFairleadError, treatmentOf, type FairleadError } from './lib/errors.ts';
import { hostGates } from './lib/health/gates.ts';
import type { Host } from './lib/host/host.ts';
import { pluginApps } from './lib/plugin/apps.ts';
import { runShim } from './lib/plugin/run-shim.ts';
import { writeDiscoveryFile } from './lib/runtime/discovery.ts';
import { keepHeapSmall } from './lib/runtime/heap.ts';
import { inheritedSockets } from './lib/runtime/inherited.ts';
import { listen, type ListenPlace } from './lib/runtime/listen.ts';
import { openLogs, type OpenLogs } from './lib/runtime/logs.ts';
import { announce } from './lib/runtime/notify.ts';
import { commit, version } from './lib/version.ts';

/** What stopped the agent: an error it cannot live with, or nothing but a signal. */
type Ending = PromiseWithResolvers<FairleadError | undefined>;

/** Runs until a signal says stop, or something it cannot live without dies. */
async function agent(options: AgentOptions, notes: readonly string[]): Promise<void> {
  const onTrouble = (why?: string) =>
    conditions.set('SYSLOG_DOWN', why && `syslog does not take log lines: ${why}`);
  const logs = openLogs(options, { clock: systemClock, onTrouble });
  const { root } = logs;
  const log = root.child({ part: 'agent' });
  const ending: Ending = Promise.withResolvers();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => ending.resolve(undefined));
  }
  const conditions = new Conditions(systemClock, (condition, raised) => {
    log[raised ? 'warn' : 'info']({ condition: condition.code, raised }, condition.message);
  });
  const starting = Promise.withResolvers<Host>();
  // answers begin before the store is open: the engine may be waiting for them to start
  const stopListening = await startListening(options, logs, conditions, starting.promise);
  log.info({ version, plugin: options.pluginSocket, api: options.apiSocket }, 'listening');
  for (const note of notes) log.warn(note);
  void announce(starting.promise, process.env, systemClock);

  starting.promise.catch((thrown: unknown) => ending.resolve(asFairleadError(thrown)));
  const { startHost } = await import('./lib/host/host.ts');
  startHost(hostOptions(options, version), {
    clock: systemClock,
    log: root,
    conditions,
    onFatal: ending.resolve,
  }).then(starting.resolve, starting.reject);

  const failure = await ending.promise;
  if (failure !== undefined) {
    log.fatal({ err: failure }, failure.message);
    await logs.close();
    // a dead store must not be written to again, not even to close it nicely
    process.exit(treatmentOf(failure.code).exitCode);
  }
  log.info('stopping');
  await stopListening();
  await (await starting.promise).close();
  await logs.close();
}

/** Opens both sockets, or takes them from systemd; answers how to close them. */
async function startListening(
  options: AgentOptions,
  logs: OpenLogs,
  conditions: Conditions,
  host: Promise<Host>,
): Promise<() => Promise<void>> {
  const log = logs.root;
  const inherited = inheritedSockets(process.env, process.pid);
  const place = (role: 'plugin' | 'api', path: string): ListenPlace => {
    const descriptor = inherited.get(role);
    return descriptor === undefined ? { path } : { descriptor };
  };
  const heap = keepHeapSmall();
  const parts = { clock: systemClock, log: log.child({ part: 'plugin' }) };
  const apps = pluginApps(host, { ...parts, onCall: () => heap.worked() });
  let started: Host | undefined;
  host.then((one) => (started = one)).catch(() => undefined);
  const stopping = new AbortController();
  const api = createApiApp({
    version,
    node: options.hostName,
    gates: () => hostGates(started),
    conditions: () => conditions.list(),
    networks: async () => (await host).networks(),
    endpoints: async () => (await host).endpoints(),
    datapath: async () => (await host).datapath(),
    pools: async () => (await host).pools(),
    cluster: async () => (await host).cluster,
    nodes: async () => (await host).nodes,
    checkAddresses: async (signal) => (await host).checkAddresses(signal),
    stopping: stopping.signal,
    logs,
    contiv: {
      version,
      commit,
      log: log.child({ part: 'api' }),
      objects: async () => (await host).objects,
      info: async () => (await host).info(),
      bandwidth: async () => (await host).bandwidth(),
      policyHits: async () => (await host).policyHits(),
      siteHits: async (asked) => (await host).siteHits(asked),
    },
  });
  const { discoveryFile, managedSocket } = options;
  const around = { clock: systemClock, log: log.child({ part: 'listen' }) };
  const listeners = [
    await listen(place('plugin', options.pluginSocket), apps[options.pluginScope], around),
    ...(managedSocket ? [await listen({ path: managedSocket }, apps.ofShims, around)] : []),
    await listen(place('api', options.apiSocket), api.fetch, around),
    ...(await openDoor(options, api.fetch, around)),
  ];
  const discovery = discoveryFile && writeDiscoveryFile(discoveryFile, options.pluginSocket);
  return async () => {
    if (discovery) discovery.remove();
    stopping.abort();
    await Promise.all(listeners.map((listener) => listener.close()));
  };
}

// an agent that could not start may have opened sockets: they must not keep the process alive
process.exit(await main(process.argv.slice(2), processTerminal(), { agent, plugin: runShim }));
