/** Parameters of requests for objects. What is not known is refused, so that a slip does not pass. */
import { FairleadError } from '../../errors.ts';
import { apiPageObjectsMax } from '../../limits.ts';

/** The parameters of a request, each given once. */
export type Query = ReadonlyMap<string, string>;

/**
 * The parameters, of which only these are known.
 * @throws REQUEST_INVALID
 */
export function readQuery(url: URL, known: readonly string[]): Query {
  const query = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (!known.includes(name)) {
      const named = JSON.stringify(name.slice(0, 64));
      const fit = known.length === 0 ? 'there are none' : `expected ${known.join(', ')}`;
      throw wrong(`there is no parameter ${named}, ${fit}`);
    }
    if (query.has(name)) throw wrong(`${name} is given twice`);
    query.set(name, value);
  }
  return query;
}

/** A switch. @throws REQUEST_INVALID */
export function readFlag(query: Query, name: string): boolean {
  const text = query.get(name) ?? 'false';
  if (text === 'true' || text === 'false') return text === 'true';
  throw wrong(`${name} is true or false`);
}

/** Objects on a page. @throws REQUEST_INVALID */
export function readPageSize(query: Query): number {
  const text = query.get('limit') ?? String(apiPageObjectsMax);
  const limit = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (limit <= apiPageObjectsMax) return limit;
  throw wrong(`limit is a whole number from 1 to ${apiPageObjectsMax}`);
}

/** A revision. @throws REQUEST_INVALID */
export function readRevision(text: string, what: string): number {
  if (/^(?:0|[1-9][0-9]{0,14})$/.test(text)) return Number(text);
  throw wrong(`${what} is not a revision`);
}

/** A request that says something else than it may. */
export const wrong = (message: string): FairleadError =>
  new FairleadError('REQUEST_INVALID', message);
