/** Our own API for objects: `/v1/<plural>`, `/v1/<plural>/<part>/…`, `/v1/apply` and its description. */
import { Hono } from 'hono';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import type { SiteObjects } from '../../host/site-objects.ts';
import { apiDocumentsBytesMax, apiWatchesMax } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import {
  configOfDocument,
  documentKinds,
  documentOf,
  documentVersion,
  patchedSpec,
  readDocument,
} from '../../model/objects/document.ts';
import type { ObjectKind } from '../../model/objects/kind.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import { isSelected, readSelector, type Selector } from '../../model/objects/selector.ts';
import { unknownObject, type Condition } from '../../network/objects/object-rows.ts';
import type { Wish } from '../../network/objects/declare.ts';
import type { PageRequest } from '../../network/objects/list-page.ts';
import { readCondition, readFreshness, readJson } from '../contiv/request.ts';
import { requestGuard } from '../request-guard.ts';
import { jsonAnswer, refused } from './answers.ts';
import { readApplication, results } from './apply.ts';
import { readToken, tokenOf } from './list-token.ts';
import { openApiDocument } from './openapi.ts';
import { readFlag, readPageSize, readQuery, readRevision, wrong } from './query.ts';
import { answerWatch } from './watch.ts';

/** What the routes are made of. */
export interface ObjectSources {
  readonly log: Logger;
  readonly clock: Clock;
  readonly objects: () => Promise<SiteObjects>;
  /** Aborted when the host stops. */
  readonly stopping?: AbortSignal | undefined;
}

/** What is kept between requests. */
interface Around extends ObjectSources {
  watches: number;
}

/** The routes. */
export function objectRoutes(sources: ObjectSources): Hono {
  const app = new Hono();
  const around: Around = { ...sources, watches: 0 };
  const guarded = requestGuard(sources.log, refused);
  for (const kind of documentKinds) {
    const base = `/v1/${kind.plural}`;
    app.get(base, ({ req: { raw } }) => guarded(raw, () => answerList(around, kind, raw)));
    app.all(base, ({ req: { raw } }) => guarded(raw, () => Promise.reject(noMethod(raw))));
    app.all(`${base}/*`, ({ req: { raw } }) =>
      guarded(raw, () => answerObject(around, nameIn(kind, raw, base), raw)),
    );
  }
  app.post('/v1/apply', ({ req: { raw } }) => guarded(raw, () => answerApply(around, raw)));
  app.get('/v1/openapi.json', ({ req: { raw } }) =>
    guarded(raw, async () => jsonAnswer(openApiDocument())),
  );
  return app;
}

async function answerList(around: Around, kind: ObjectKind, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const known = ['selector', 'limit', 'continue', 'watch', 'since'];
  const query = readQuery(url, known);
  const selectorText = query.get('selector') ?? '';
  const selector = readSelector(kind, selectorText);
  const since = request.headers.get('last-event-id') ?? query.get('since');
  if (readFlag(query, 'watch')) return answerWatchOf(around, kind, selector, since ?? undefined);
  if (query.has('since')) throw wrong('since is for watch=true');
  const limit = readPageSize(query);
  const list = { kind, selectorText, tenant: selector.tenant };
  const token = query.get('continue');
  const page = await (
    await around.objects()
  ).page({
    kind: kind.name,
    tenant: selector.tenant,
    isMeant: meantBy(kind, selector),
    limit,
    place: token === undefined ? undefined : readToken(token, list),
  });
  return jsonAnswer({
    apiVersion: documentVersion,
    kind: `${kind.name}List`,
    revision: page.revision,
    items: page.objects.map(({ config, revision }) => documentOf(kind, config, revision)),
    ...(page.next === undefined ? {} : { continue: tokenOf(list, page.next) }),
  });
}

/** What has to be looked for; nothing, where the selector means all of a tenant. */
function meantBy({ key: [tenantField] }: ObjectKind, selector: Selector): PageRequest['isMeant'] {
  const { conditions, tenant } = selector;
  const isOfTenant = conditions.every(({ field }) => field === tenantField && tenant !== undefined);
  return isOfTenant && conditions.length <= 1
    ? undefined
    : (config) => isSelected(selector, config);
}

async function answerWatchOf(
  around: Around,
  kind: ObjectKind,
  selector: Selector,
  since: string | undefined,
): Promise<Response> {
  if (around.watches >= apiWatchesMax) {
    throw new FairleadError('BUSY', `${apiWatchesMax} clients watch objects`);
  }
  around.watches += 1;
  const { clock, stopping } = around;
  let isOver = false;
  const onEnd = (): void => {
    around.watches -= isOver ? 0 : 1;
    isOver = true;
  };
  try {
    const objects = await around.objects();
    const seen = since === undefined ? await objects.revision() : readRevision(since, 'since');
    const open = (signal: AbortSignal) => objects.watch(kind.name, seen + 1, signal);
    return await answerWatch({ kind, selector, clock, stopping, open, onEnd });
  } catch (thrown) {
    onEnd();
    throw thrown;
  }
}

async function answerObject(around: Around, name: ObjectName, request: Request): Promise<Response> {
  const { method } = request;
  const url = new URL(request.url);
  const objects = await around.objects();
  if (method === 'GET' || method === 'HEAD') return answerLook(objects, name, request, url);
  if (method !== 'PUT' && method !== 'PATCH' && method !== 'DELETE') throw noMethod(request);
  const query = readQuery(url, ['dryRun']);
  const dryRun = readFlag(query, 'dryRun');
  const target = dryRun ? objects.rehearsal() : objects;
  const condition = readCondition(request.headers);
  if (method === 'DELETE') {
    await target.remove(name, condition);
    return jsonAnswer({ apiVersion: documentVersion, outcome: 'removed', dryRun });
  }
  const { wish, seen } = wishOf(name, method, await readJson(request));
  const all: Condition = { ...seen, ...condition };
  const { outcome } = await target.declare(name, wish, all);
  const shown = await target.show(name, 'local');
  const kind = kindOf(name);
  const revision = dryRun ? undefined : shown?.revision;
  // somebody may have removed it already
  const object = shown && documentOf(kind, shown.config, revision);
  const answer = { apiVersion: documentVersion, outcome, dryRun, object };
  return jsonAnswer(answer, { status: outcome === 'created' ? 201 : 200, etag: revision });
}

async function answerLook(
  objects: SiteObjects,
  name: ObjectName,
  { headers }: Request,
  url: URL,
): Promise<Response> {
  const query = readQuery(url, ['consistency', 'status']);
  const freshness = readFreshness(url);
  const inspected = readFlag(query, 'status') ? await objects.inspect(name, freshness) : undefined;
  const shown = inspected?.shown ?? (await objects.show(name, freshness));
  if (shown === undefined) throw unknownObject(name);
  const etag = shown.revision;
  if (headers.get('if-none-match') === `"${etag}"`) {
    return new Response(undefined, { status: 304, headers: { etag: `"${etag}"` } });
  }
  const status = inspected?.oper === undefined ? {} : { status: inspected.oper };
  return jsonAnswer({ ...documentOf(kindOf(name), shown.config, etag), ...status }, { etag });
}

interface ReadWish {
  readonly wish: Wish;
  /** What the document says the object is like. */
  readonly seen: Condition;
}

/** What a body wants the object to be. */
function wishOf(name: ObjectName, method: 'PUT' | 'PATCH', json: unknown): ReadWish {
  const kind = kindOf(name);
  const read = readDocument(json, { kind, name });
  const { revision, unresolved = false } = read;
  const seen = { ...(revision !== undefined && { revisions: [revision] }), unresolved };
  if (method === 'PUT') {
    const config = configOfDocument(read);
    return { wish: () => config, seen };
  }
  const wish: Wish = (before) => {
    if (before === undefined) throw unknownObject(name);
    return configOfDocument({ kind, name, spec: patchedSpec(kind, before, read.spec) });
  };
  return { wish, seen };
}

async function answerApply(around: Around, request: Request): Promise<Response> {
  const dryRun = readFlag(readQuery(new URL(request.url), ['dryRun']), 'dryRun');
  const application = readApplication(await readJson(request, apiDocumentsBytesMax));
  const lines = results(application, await around.objects(), { dryRun, log: around.log });
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await lines.next();
      if (next.done === true) controller.close();
      else controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`));
    },
    // who went away does not want the rest
    async cancel() {
      await lines.return(undefined);
    },
  });
  return new Response(stream, { headers: { 'content-type': 'application/x-ndjson' } });
}

function kindOf({ kind }: ObjectName): ObjectKind {
  const found = documentKinds.find(({ name }) => name === kind);
  if (found === undefined) throw new FairleadError('INTERNAL', `${kind} has no documents`);
  return found;
}

/** The object that a path names: the parts of its key, each percent-encoded. */
function nameIn(kind: ObjectKind, request: Request, base: string): ObjectName {
  const parts = new URL(request.url).pathname.slice(base.length + 1).split('/');
  const decoded = parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch (cause) {
      throw new FairleadError('REQUEST_INVALID', 'the path is not well encoded', { cause });
    }
  });
  const name: ObjectName = { kind: kind.name, parts: decoded };
  const fits = decoded.length === kind.key.length && decoded.every((part) => part !== '');
  const isOne = kind.single === undefined || decoded[0] === kind.single;
  // a colon would make it another object's key
  const isPlain = decoded.slice(0, -1).every((part) => !part.includes(':'));
  if (fits && isOne && isPlain && decoded.every((part) => part.isWellFormed())) return name;
  throw unknownObject(name);
}

function noMethod({ method }: Request): FairleadError {
  return new FairleadError('REQUEST_METHOD', `${method} cannot be asked of this path`);
}
