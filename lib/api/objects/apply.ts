/**
 * Many documents in one request: `POST /v1/apply`. All are checked before anything is done; then each is a transaction
 * of its own, in an order in which what is named comes before what names it (to remove: behind it). The answer is a
 * line of JSON for each as soon as it is done, so nobody has to guess how far it came.
 */
import { asFairleadError, FairleadError, hasCode, treatmentOf } from '../../errors.ts';
import type { SiteObjects } from '../../host/site-objects.ts';
import { apiDocumentsMax } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import {
  configOfDocument,
  documentKinds,
  documentOf,
  readDocument,
  type ReadDocument,
} from '../../model/objects/document.ts';
import type { Config } from '../../model/objects/kind.ts';
import { keyText } from '../../model/objects/object-keys.ts';
import { errorIn } from './answers.ts';
import { wrong } from './query.ts';

/** What is to be done with all documents. */
export interface Application {
  readonly action: 'apply' | 'remove';
  /** In the order in which it is done. */
  readonly items: readonly ApplicationItem[];
}

interface ApplicationItem extends ReadDocument {
  readonly config: Config;
}

/**
 * Reads `{ action, documents }`.
 * @throws REQUEST_INVALID, OBJECT_INVALID with the number of the document that is wrong
 */
export function readApplication(json: unknown): Application {
  const { action, documents, ...more } = (json ?? {}) as Readonly<Record<string, unknown>>;
  if (Object.keys(more).length > 0) throw wrong('the request has action and documents only');
  if (action !== 'apply' && action !== 'remove') throw wrong('action is apply or remove');
  if (!Array.isArray(documents)) throw wrong('documents is not a list');
  if (documents.length > apiDocumentsMax) {
    throw new FairleadError('REQUEST_TOO_LARGE', `at most ${apiDocumentsMax} documents`);
  }
  const names = new Set<string>();
  const items = documents.map((document: unknown, at): ApplicationItem => {
    try {
      const read = readDocument(document);
      const name = `${read.kind.name} ${keyText(read.name)}`;
      if (names.has(name)) throw wrong(`${name} is given twice`);
      names.add(name);
      // what is to be removed is known by its name
      const spec = action === 'apply' ? configOfDocument(read) : {};
      return { ...read, config: spec };
    } catch (thrown) {
      const { code, message } = asFairleadError(thrown);
      throw new FairleadError(code, `document ${at + 1}: ${message}`, { cause: thrown });
    }
  });
  // whoever asks for a tag or address comes before those who take any
  const place = ({ kind, spec }: ApplicationItem): number =>
    documentKinds.indexOf(kind) +
    (spec['pktTag'] || spec['ipAddress'] || spec['ipv6Address'] ? 0 : 0.5);
  const ordered = items.toSorted((one, other) => place(one) - place(other));
  return { action, items: action === 'apply' ? ordered : ordered.toReversed() };
}

/** Does it, and says of each what came of it; last, whether all of it was done. */
export async function* results(
  { action, items }: Application,
  objects: SiteObjects,
  options: { readonly dryRun: boolean; readonly log: Logger },
): AsyncGenerator<object> {
  const target = options.dryRun ? objects.rehearsal() : objects;
  let refusedCount = 0;
  let stopped: FairleadError | undefined;
  for (const item of items) {
    const { metadata } = documentOf(item.kind, { ...item.config, ...keyConfig(item) });
    const head = { kind: item.kind.name, metadata };
    if (stopped !== undefined) {
      yield { ...head, outcome: 'untried' };
      continue;
    }
    try {
      yield { ...head, ...(await resultOf(action, item, target, options.dryRun)) };
    } catch (thrown) {
      const error = shownError(asFairleadError(thrown), options.log);
      refusedCount += 1;
      yield { ...head, outcome: 'refused', error: errorIn(error) };
      // what cannot be done now is not asked for again by each of thousands
      if (treatmentOf(error.code).httpStatus >= 500) stopped = error;
    }
  }
  yield { complete: refusedCount === 0, refused: refusedCount, dryRun: options.dryRun };
}

function shownError(error: FairleadError, log: Logger): FairleadError {
  if (error.code !== 'INTERNAL') return error;
  log.error({ err: error }, 'a document could not be applied');
  return new FairleadError('INTERNAL', 'internal error, the log says more');
}

async function resultOf(
  action: Application['action'],
  { kind, name, config, revision, unresolved = false }: ApplicationItem,
  objects: SiteObjects,
  dryRun: boolean,
): Promise<object> {
  const condition = { ...(revision !== undefined && { revisions: [revision] }), unresolved };
  if (action === 'apply') {
    const { outcome, before } = await objects.declare(name, () => config, condition);
    if (!dryRun || outcome === 'unchanged') return { outcome };
    const after = (await objects.show(name, 'local'))?.config ?? config;
    const was = before === undefined ? {} : { before: documentOf(kind, before).spec };
    return { outcome, ...was, after: documentOf(kind, after).spec };
  }
  const before = dryRun ? (await objects.show(name, 'best'))?.config : undefined;
  try {
    await objects.remove(name, condition);
  } catch (thrown) {
    if (!hasCode(thrown, 'OBJECT_UNKNOWN')) throw thrown;
    return { outcome: 'absent' };
  }
  return { outcome: 'removed', ...(before && { before: documentOf(kind, before).spec }) };
}

function keyConfig({ kind, name }: ApplicationItem): Config {
  return Object.fromEntries(kind.key.map((field, at) => [field, name.parts[at] ?? '']));
}
