/**
 * The guard of a shared network's space: what keeps those who come to a network and the last who leave it from
 * missing one another, on whatever hosts they are, without making those wait that only come or go among many.
 *
 * A plan reads the guard before anything that it guards. Who makes or removes a network or a pool counts it
 * up. Who comes or goes only compares it, so that any number of hosts may at once. Who finds that it was the
 * last closes the guard, and looks again: while it is closed, whoever comes or goes counts it up, too, which
 * opens it. So what is removed by one that read a closed guard, and was still nobody's then, is nobody's.
 */
import { spaceKey } from '../../model/keys.ts';
import type { Space } from '../../model/pool.ts';
import { encodeRecord, type Stored } from '../../model/record.ts';
import type { SiteNetworkName } from '../../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { readSpace, readSpacePools } from './read.ts';
import { sharedSpace } from './space.ts';

/** The guard as it was read. */
export interface SpaceGuard {
  readonly space: string;
  readonly stored: Stored<Space>;
}

/** Reads the guard of a shared network's space. */
export function* readGuard(name: SiteNetworkName): Step<SpaceGuard> {
  const space = sharedSpace(name);
  return { space, stored: yield* readSpace(space) };
}

/** Whether somebody who found nobody else has said so. */
export const isClosed = ({ stored }: SpaceGuard): boolean => stored.value.closed === true;

/** For whoever comes or goes. */
export function passGuard(draft: TxnDraft, guard: SpaceGuard): void {
  if (isClosed(guard)) countGuard(draft, guard);
  else draft.compare.push(asRead(spaceKey(guard.space), guard.stored));
}

/** For whoever makes something. */
export function countGuard(draft: TxnDraft, guard: SpaceGuard): void {
  put(draft, guard, { changes: guard.stored.value.changes + 1 });
}

/** For whoever found nobody else, before it looks again. */
export function closeGuard(draft: TxnDraft, guard: SpaceGuard): void {
  put(draft, guard, { changes: guard.stored.value.changes + 1, closed: true });
}

/**
 * For whoever removes these pools, or none. The guard goes with the last pool; serials of pools stay unique
 * nevertheless (`readSpace`).
 */
export function* countOrForget(
  draft: TxnDraft,
  guard: SpaceGuard,
  removed: readonly string[],
): Step<void> {
  const pools = yield* readSpacePools(guard.space);
  if (pools.some(({ value }) => !removed.includes(value.cidr))) {
    countGuard(draft, guard);
    return;
  }
  const key = spaceKey(guard.space);
  draft.compare.push(asRead(key, guard.stored));
  if (guard.stored.modRevision > 0) draft.then.push({ op: 'delete', start: key });
}

function put(draft: TxnDraft, { space, stored }: SpaceGuard, value: Space): void {
  const key = spaceKey(space);
  draft.compare.push(asRead(key, stored));
  draft.then.push({ op: 'put', key, value: encodeRecord(value) });
}
