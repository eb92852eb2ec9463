/**
 * Reads and leases of the replicated store: at an index that the leader confirmed (ReadIndex, Raft thesis
 * 6.4), or of what this member has.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import type { DriverFace, LeaseOutcome, ReadOutcome } from '../driver/ports.ts';
import type { RangeRequest, RangeResult } from '../port.ts';
import type { MemberId } from '../raft/entry.ts';
import { callLeader, type Attempt, type LeaderView } from './leader-calls.ts';
import type { MemberRequests } from './requests.ts';

/** What reading takes. */
export interface ReaderParts {
  readonly driver: DriverFace;
  readonly view: LeaderView;
  readonly requests: MemberRequests;
}

/**
 * Resolves when this member has everything that was acknowledged before the call.
 * @throws QUORUM_LOST, DEADLINE
 */
export async function catchUp({ driver, view, requests }: ReaderParts): Promise<void> {
  const { answer: index } = await callLeader<number>(
    {
      repeatable: true,
      here: () => new Promise((resolve) => driver.confirmRead((out) => resolve(readAttempt(out)))),
      at: async (leader) => readAttempt(await requests.readIndex(leader)),
    },
    view,
  );
  await appliedUpTo(driver, view, index);
}

/** Resolves when entry `index` is applied here. @throws DEADLINE */
async function appliedUpTo(driver: DriverFace, view: LeaderView, index: number): Promise<void> {
  if (await isAppliedInTime(driver, view, index)) return;
  throw view.ending() ?? new FairleadError('DEADLINE', 'this member is behind the leader', {});
}

/** Why a timer ends that is not needed any more; `abort()` would make an error with its stack for each. */
const isKnown = new Error('it is known');

/** Whether entry `index` is applied here soon. */
export async function isAppliedInTime(
  driver: DriverFace,
  view: LeaderView,
  index: number,
): Promise<boolean> {
  const waiting = Promise.withResolvers<boolean>();
  let known: boolean | undefined;
  const giveUp = driver.whenApplied(index, (reached) => {
    known = reached;
    waiting.resolve(reached);
  });
  // on the leader it always is: no timer for each write
  if (known !== undefined) return known;
  const timer = new AbortController();
  const late = view.clock.sleep(view.waitMs, timer.signal).then(
    () => false,
    () => false,
  );
  const reached = await Promise.race([waiting.promise, late]);
  giveUp();
  timer.abort(isKnown);
  return reached;
}

/**
 * Keeps a lease; answers its ttl in ms.
 * @throws LEASE_UNKNOWN, QUORUM_LOST
 */
export async function keepLease(
  { driver, view, requests }: ReaderParts,
  lease: string,
): Promise<number> {
  const { answer: ttlMs } = await callLeader<number>(
    {
      repeatable: true,
      here: () =>
        new Promise((resolve) => driver.keepLease(lease, (out) => resolve(leaseAttempt(out)))),
      at: async (leader) => leaseAttempt(await requests.keepLease(leader, lease)),
    },
    view,
  );
  if (ttlMs === 0) throw new FairleadError('LEASE_UNKNOWN', `there is no lease ${lease}`);
  return ttlMs;
}

/**
 * The cluster's own rows as the leader has them, for a member without any.
 * @throws QUORUM_LOST
 */
export async function systemRangeAt(
  { view, requests }: ReaderParts,
  request: RangeRequest,
): Promise<RangeResult> {
  const call = {
    repeatable: true,
    // a witness that leads hands over
    here: async (): Promise<Attempt<RangeResult>> => ({ kind: 'refused' }),
    at: async (leader: MemberId): Promise<Attempt<RangeResult>> => ({
      kind: 'answer',
      answer: await requests.systemRange(leader, request),
    }),
  };
  return (await callLeader<RangeResult>(call, view)).answer;
}

function readAttempt(outcome: ReadOutcome): Attempt<number> {
  return outcome.kind === 'index'
    ? { kind: 'answer', answer: outcome.index }
    : { kind: 'refused', busy: outcome.why === 'busy' };
}

/** A ttl of 0 stands for a lease that is not there. */
function leaseAttempt(outcome: LeaseOutcome): Attempt<number> {
  switch (outcome.kind) {
    case 'kept':
      return { kind: 'answer', answer: outcome.ttlMs };
    case 'unknownLease':
      return { kind: 'answer', answer: 0 };
    case 'refused':
      return { kind: 'refused', busy: outcome.why === 'busy' };
    default:
      return unreachable(outcome);
  }
}
