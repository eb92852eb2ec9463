/** What is said when a state that was read or received is not what it should be. */
import { FairleadError } from '../../errors.ts';
import type { RecordSpace } from './image.ts';

/** The state as a whole is wrong. */
export function damagedState(why: string, detail?: unknown): FairleadError {
  return new FairleadError('STORE_DAMAGED', `the store is damaged: ${why}`, { detail });
}

/** One record is none of ours. */
export function damagedRecord(space: RecordSpace, key: string): FairleadError {
  return damagedState('a record is unreadable', { space, key });
}
