/**
 * Contiv's REST: objects by kind and key, as its own clients and scripts ask for them. Every host answers;
 * what changes something goes through the store to whoever leads.
 */
import { Hono } from 'hono';
import { FairleadError } from '../../errors.ts';
import type { PolicyHits } from '../../host/policy-hits.ts';
import type { InspectedObject, SiteObjects } from '../../host/site-objects.ts';
import type { Logger } from '../../log.ts';
import { parseKey, type ObjectName } from '../../model/objects/object-keys.ts';
import { invalid, readConfig } from '../../model/objects/read-config.ts';
import { isSelected, readSelector } from '../../model/objects/selector.ts';
import { shapeOf } from '../../model/objects/shape.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import type { ObjectKind } from '../../model/objects/kind.ts';
import type { ShownObject } from '../../network/objects/show.ts';
import { requestGuard } from '../request-guard.ts';
import { jsonAnswer, refusal } from './answers.ts';
import { endpointEnforced, profileEnforced, type ReadBandwidth } from './enforced.ts';
import { objectHits, type ReadHits } from './hits.ts';
import { contivBase, readPath, type AskedPath } from './paths.ts';
import { readCondition, readFreshness, readJson } from './request.ts';

/** What the routes are made of. */
export interface ContivSources {
  readonly version: string;
  readonly commit: string | undefined;
  readonly log: Logger;
  readonly objects: () => Promise<SiteObjects>;
  /** Who leads, and who else there is, as `/info` says it. */
  readonly info: () => Promise<object>;
  /** What this host does about the bandwidth of its endpoints. */
  readonly bandwidth: ReadBandwidth;
  /** How often rules and defaults decided on this host. */
  readonly policyHits: () => Promise<PolicyHits>;
  /** The same of all hosts. */
  readonly siteHits: ReadHits;
}

/** The routes `/api/v1/…`, `/version` and `/info`. */
export function contivRoutes(sources: ContivSources): Hono {
  const app = new Hono();
  const guarded = requestGuard(sources.log, refusal);
  app.all(`${contivBase}*`, ({ req: { raw } }) =>
    guarded(raw, async () => answer(raw, { ...sources, objects: await sources.objects() })),
  );
  const { version, commit = 'unknown' } = sources;
  const about = { GitCommit: commit, Version: version, BuildTime: 'unknown' };
  for (const slash of ['', '/']) {
    app.get(`/version${slash}`, ({ req: { raw } }) => guarded(raw, async () => jsonAnswer(about)));
    app.get(`/info${slash}`, ({ req: { raw } }) =>
      guarded(raw, async () => jsonAnswer(await sources.info())),
    );
  }
  return app;
}

async function answer(request: Request, sights: Sights): Promise<Response> {
  const { objects } = sights;
  const url = new URL(request.url);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const asked = readPath(url.pathname);
  if (asked === undefined) {
    throw new FairleadError('REQUEST_UNKNOWN', '404 page not found');
  }
  const writes = asked.what === 'object' && ['POST', 'PUT', 'DELETE'].includes(method);
  if (method !== 'GET' && !writes) {
    throw new FairleadError('REQUEST_METHOD', `${method} cannot be asked of this path`);
  }
  if (!writes) return look(asked, sights, url);
  const { kind, key } = asked;
  const condition = readCondition(request.headers);
  if (method === 'DELETE') {
    await objects.remove(knownName(kind, key), condition);
    return jsonAnswer(key);
  }
  // the body first: what is wrong with it is said before what is wrong with the key
  const json = await readJson(request);
  const config = readConfig(kind, key, json);
  const name = parseKey(kind, key);
  if (name === undefined) throw invalid('Invalid Key');
  await objects.put(name, config, condition);
  const shown = await objects.show(name, 'local');
  // somebody may have removed it already
  return shown === undefined ? jsonAnswer(shapeOf(kind, config)) : shownAnswer(shown);
}

interface Sights extends Pick<ContivSources, 'bandwidth' | 'siteHits'> {
  readonly objects: SiteObjects;
}

async function look(asked: AskedPath, sights: Sights, url: URL): Promise<Response> {
  const { objects, bandwidth, siteHits } = sights;
  const freshness = readFreshness(url);
  const { kind } = asked;
  if (asked.what === 'list') {
    const selector = readSelector(kind, url.searchParams.get('selector') ?? '');
    const all = await objects.list(kind.name, freshness);
    const meant = all.filter(({ config }) => isSelected(selector, config));
    return jsonAnswer(meant.map(({ config, naming }) => shapeOf(kind, config, naming)));
  }
  if (kind.access === 'inspect') {
    const oper = await objects.endpoint(asked.key, freshness);
    if (oper === undefined) throw notFound(kind);
    const enforced = await endpointEnforced(oper['endpointID'], bandwidth);
    return jsonAnswer({ Oper: { ...oper, ...enforced } });
  }
  const name = knownName(kind, asked.key);
  if (asked.what === 'object') {
    const shown = await objects.show(name, freshness);
    if (shown === undefined) throw notFound(kind);
    return shownAnswer(shown);
  }
  const inspected = await objects.inspect(name, freshness);
  if (inspected === undefined) throw notFound(kind);
  const enforced = kind.name === 'netprofile' ? await profileEnforced(name, bandwidth) : {};
  return inspectedAnswer(inspected, { ...enforced, ...(await objectHits(name, siteHits)) });
}

function shownAnswer(shown: ShownObject): Response {
  return jsonAnswer(shapeIn(shown), { etag: `"${shown.revision}"` });
}

/** `more` is what is not in the object's own rows. */
function inspectedAnswer({ shown, oper }: InspectedObject, more: object): Response {
  const isNothing = oper === undefined && Object.keys(more).length === 0;
  const found = isNothing ? {} : { Oper: { ...oper, ...more } };
  return jsonAnswer({ Config: shapeIn(shown), ...found }, { etag: `"${shown.revision}"` });
}

const shapeIn = ({ name, config, naming }: ShownObject): object =>
  shapeOf(describedKind(name.kind), config, naming);

/** The name that a key says; what cannot be a key is not there. */
function knownName(kind: ObjectKind, key: string): ObjectName {
  const name = kind.access === 'none' ? undefined : parseKey(kind, key);
  if (name === undefined) throw notFound(kind);
  return name;
}

const notFound = ({ name }: ObjectKind): FairleadError =>
  new FairleadError('OBJECT_UNKNOWN', `${name} not found`);
