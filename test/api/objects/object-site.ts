/** Our API for objects over a store in memory, as one host serves it. For tests of faces. */
import { objectRoutes } from '../../../lib/api/objects/routes.ts';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { SiteObjects } from '../../../lib/host/site-objects.ts';
import { silentLogger } from '../../../lib/log.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { noDocker } from '../../support/no-docker.ts';
import { WatchedStore } from '../../support/watched-store.ts';

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Of JSON, what it says; of anything else, nothing. */
  readonly body: Json;
  readonly headers: Headers;
}
/** JSON of which a test knows what to expect. */
export type Json = { readonly [name: string]: unknown };

/** Asks the API. */
export type Asking = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>;

/** A site. */
export interface ObjectSite {
  readonly whole: WatchedStore;
  readonly objects: SiteObjects;
  readonly ask: Asking;
  /** The API, to be served. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Sends a request whose answer is a stream. */
  readonly open: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Response>;
}

/** Looks at what another host answers to a GET that has the same store. */
export function anotherHost(whole: WatchedStore): (path: string) => Promise<Json> {
  const objects = new SiteObjects(whole, systemClock, noDocker);
  const log = silentLogger();
  const app = objectRoutes({ log, clock: systemClock, objects: async () => objects });
  return async (path) => (await (await app.request(path)).json()) as Json;
}

/** A site with the tenant that is always there, and how to ask it. */
export async function objectSite(
  clock: Clock = systemClock,
  stopping?: AbortSignal,
): Promise<ObjectSite> {
  const whole = new WatchedStore();
  await runPlan(whole, planDefaultTenant);
  const objects = new SiteObjects(whole, systemClock, noDocker);
  const app = objectRoutes({
    log: silentLogger(),
    clock,
    stopping,
    objects: async () => objects,
  });
  const ask: Asking = async (method, path, body, headers = {}) => {
    const sent = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await app.request(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: sent }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type') === 'application/json';
    const read = isJson && text !== '' ? (JSON.parse(text) as Json) : {};
    return { status: answer.status, text, body: read, headers: answer.headers };
  };
  const open: ObjectSite['open'] = async (path, headers = {}) => app.request(path, { headers });
  return { whole, objects, ask, open, fetch: app.fetch };
}
