/**
 * The host's own HTTP API, on a unix socket only root may open: is the process alive, can it serve a
 * container, what is wrong, what it has, and the cluster it is a member of. Answers are JSON with a
 * `schemaVersion`; errors carry the code, message and fix of `lib/errors.ts`.
 */
import { Hono } from 'hono';
import { systemClock } from '../clock.ts';
import type { Condition } from '../conditions.ts';
import { asFairleadError, FairleadError } from '../errors.ts';
import type { ReadinessGate } from '../health/gates.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import type { Pool } from '../model/pool.ts';
import type { PoolUsage } from '../network/ipam/usage.ts';
import type { ClusterOperations } from '../store/replicated/cluster.ts';
import type { AddressCheck } from '../host/ipam-check.ts';
import type { SiteNodes } from '../host/site-nodes.ts';
import type { DatapathFacts } from '../host/switching.ts';
import type { OpenLogs } from '../runtime/logs.ts';
import { clusterRoutes } from './cluster.ts';
import { contivRoutes, type ContivSources } from './contiv/routes.ts';
import { debugRoutes, type DebugParts } from './debug.ts';
import { ipamRoutes } from './ipam.ts';
import { logRoutes } from './logs.ts';
import { nodeRoutes } from './nodes.ts';
import { refused } from './objects/answers.ts';
import { objectRoutes } from './objects/routes.ts';
import { policyRoutes } from './policy.ts';

/** Version of every answer's shape. */
export const apiSchemaVersion = 1;

/** What the API shows; each is read when asked for. */
export interface ApiSources {
  readonly version: string;
  readonly node: string;
  readonly gates: () => readonly ReadinessGate[];
  readonly conditions: () => readonly Condition[];
  readonly datapath: () => Promise<DatapathFacts>;
  readonly networks: () => Promise<readonly Network[]>;
  readonly endpoints: () => Promise<readonly Endpoint[]>;
  readonly pools: () => Promise<readonly { readonly pool: Pool; readonly usage: PoolUsage }[]>;
  /** Absent on a store that is not ours. */
  readonly cluster: () => Promise<ClusterOperations | undefined>;
  readonly nodes: () => Promise<SiteNodes>;
  readonly checkAddresses: (signal: AbortSignal) => Promise<AddressCheck>;
  /** The log, whose levels can be changed. */
  readonly logs: Pick<OpenLogs, 'levels' | 'syslog'>;
  /** What Contiv's REST is made of, and our own for the same objects. */
  readonly contiv: ContivSources;
  /** Aborted when the host stops: what would never end by itself ends then. */
  readonly stopping?: AbortSignal;
}

/** The application. */
export function createApiApp(sources: ApiSources): Hono {
  const app = new Hono();
  const base = { schemaVersion: apiSchemaVersion, node: sources.node };

  // alive: never touches disk, Open vSwitch or Docker
  app.get('/healthz', (context) => context.json({ ...base, alive: true }));
  app.get('/readyz', (context) => {
    const gates = sources.gates();
    const ready = gates.every((gate) => gate.ready);
    return context.json({ ...base, ready, gates }, ready ? 200 : 503);
  });
  app.get('/v1/version', (context) => context.json({ ...base, version: sources.version }));
  app.get('/v1/health', (context) => {
    const conditions = sources.conditions();
    return context.json({ ...base, healthy: conditions.length === 0, conditions });
  });
  app.get('/v1/datapath', async (context) =>
    context.json({ ...base, ...(await sources.datapath()) }),
  );
  app.route('/v1/host', hostRoutes(sources, base));
  const { log, objects } = sources.contiv;
  app.route('/', objectRoutes({ log, objects, clock: systemClock, stopping: sources.stopping }));
  app.route('/', contivRoutes(sources.contiv));
  app.route('/v1/cluster', clusterRoutes(sources.cluster));
  app.route('/v1/log', logRoutes(sources.logs, base));
  app.route('/v1/nodes', nodeRoutes(sources.nodes, base));
  app.route('/debug', debugRoutes(debugParts(sources), base, systemClock));
  app.route('/v1/policy', policyRoutes({ log, objects }, base));
  app.route('/v1/ipam', ipamRoutes(sources.checkAddresses, base));

  app.notFound(({ req: { method, path } }) =>
    refused(new FairleadError('REQUEST_UNKNOWN', `there is no ${method} ${path}`)),
  );
  app.onError((thrown) => refused(asFairleadError(thrown)));
  return app;
}

/** What this host has and does. */
function hostRoutes(sources: ApiSources, base: object): Hono {
  const app = new Hono();
  app.get('/bandwidth', async (context) =>
    context.json({ ...base, endpoints: await sources.contiv.bandwidth() }),
  );
  app.get('/policy-hits', async (context) =>
    context.json({ ...base, ...(await sources.contiv.policyHits()) }),
  );
  app.get('/networks', async (context) =>
    context.json({ ...base, networks: await sources.networks() }),
  );
  app.get('/endpoints', async (context) =>
    context.json({ ...base, endpoints: await sources.endpoints() }),
  );
  app.get('/pools', async (context) => context.json({ ...base, pools: await shownPools(sources) }));
  return app;
}

async function shownPools({ pools }: ApiSources): Promise<readonly object[]> {
  return (await pools()).map(({ pool, usage }) => ({
    pool,
    // an IPv6 subnet has more addresses than a JSON number can count
    usage: { ...usage, choosable: String(usage.choosable) },
  }));
}

function debugParts(sources: ApiSources): DebugParts {
  return {
    version: () => sources.version,
    gates: () => sources.gates(),
    conditions: () => sources.conditions(),
    networks: () => sources.networks(),
    endpoints: () => sources.endpoints(),
    pools: () => shownPools(sources),
    datapath: () => sources.datapath(),
    bandwidth: () => sources.contiv.bandwidth(),
    policyHits: () => sources.contiv.policyHits(),
    nodes: async () => (await sources.nodes()).list(),
    cluster: async () => (await sources.cluster())?.status(),
  };
}
