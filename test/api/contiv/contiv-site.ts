/** Contiv's REST over a store in memory, as one host serves it. For tests of faces. */
import { contivRoutes, type ContivSources } from '../../../lib/api/contiv/routes.ts';
import { systemClock } from '../../../lib/clock.ts';
import { SiteObjects } from '../../../lib/host/site-objects.ts';
import { silentLogger } from '../../../lib/log.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { noDocker } from '../../support/no-docker.ts';
import { SiteHost } from '../../support/site-hosts.ts';

/** What the routes are made of, on a store of their own or that of others. */
export function contivSources(whole: MapStore = new MapStore()): ContivSources {
  const objects = new SiteObjects(new SiteHost(whole, 'one').store, systemClock, noDocker);
  return {
    version: '1.2.3',
    commit: undefined,
    log: silentLogger(),
    objects: async () => objects,
    info: async () => ({ 'current-state': 'leader' }),
    bandwidth: async () => [],
    policyHits: async () => ({ rules: [], defaults: [] }),
    siteHits: async () => ({ counts: new Map(), hosts: 0, atMs: undefined }),
  };
}

/** An answer. */
export interface Answer {
  readonly status: number;
  /** As text, and as JSON if it is that. */
  readonly text: string;
  readonly body: unknown;
  readonly headers: Headers;
}

/** What a test asks with. */
export type Asking = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>;

/** A site with the tenant that is always there, and how to ask it. */
export async function contivSite(
  change: Partial<ContivSources> = {},
): Promise<{ readonly whole: MapStore; readonly ask: Asking }> {
  const whole = new MapStore();
  await runPlan(new SiteHost(whole, 'one').store, planDefaultTenant);
  const app = contivRoutes({ ...contivSources(whole), ...change });
  const ask: Asking = async (method, path, body, headers = {}) => {
    const answer = await app.request(path, {
      method,
      headers,
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type') === 'application/json';
    return {
      status: answer.status,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
      headers: answer.headers,
    };
  };
  return { whole, ask };
}
