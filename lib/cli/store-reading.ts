/** Which store, as a user names it. */
import { FairleadError } from '../errors.ts';
import type { StoreChoice } from '../store/open.ts';
import { fromContivEndpoints, parseStoreUrl } from '../store/store-url.ts';
import type { Reading } from './reading.ts';

/** `embedded`, or the URL of an etcd. */
export function readStore(text: string): Reading<StoreChoice> {
  if (text === 'embedded') return { value: { engine: 'embedded' } };
  return reading(() => parseStoreUrl(text), 'embedded, or an etcd: ');
}

/** Endpoints as Contiv's `--etcd-endpoints` took them. */
export function readEndpoints(text: string): Reading<StoreChoice> {
  return reading(() => fromContivEndpoints(text), '');
}

function reading(read: () => StoreChoice, before: string): Reading<StoreChoice> {
  try {
    return { value: read() };
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    return { mustBe: `${before}${thrown.fix ?? thrown.message}` };
  }
}
