/**
 * Calls that only a leader can answer, made from any member: here when this member leads, else by a
 * request to the one that does, again when leadership moves meanwhile. Knows when to give up, and
 * whether what was asked may still happen.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { submitRetryMs } from '../../limits.ts';
import type { MemberId } from '../raft/entry.ts';

/** What became of one attempt. `refused`: nothing happened. `lost`: it may have. */
export type Attempt<Answer> =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'refused'; readonly busy?: boolean }
  | { readonly kind: 'lost' };

/** A call: how it is made here, and how at another member. */
export interface LeaderCall<Answer> {
  here(): Promise<Attempt<Answer>>;
  /** Rejects with a `detail.outcome` of 'not-sent' when nothing was; any other failure counts as lost. */
  at(leader: MemberId): Promise<Attempt<Answer>>;
  /** A lost attempt may be repeated without harm. */
  readonly repeatable: boolean;
}

/** What the calls need to know. */
export interface LeaderView {
  readonly self: MemberId;
  readonly clock: Clock;
  /** How long a call waits for a leader. */
  readonly waitMs: number;
  leader(): MemberId | undefined;
  /** Since when there is no leader, monotonic ms; undefined while there is one. */
  leaderlessSinceMs(): number | undefined;
  /** Resolves when the leader is another one, or after `ms`. */
  leaderChange(ms: number): Promise<void>;
  /** It closes: a leader is not waited for as long as otherwise. */
  isClosing(): boolean;
  /** Why this member answers nothing any more, if so. */
  ending(): FairleadError | undefined;
}

/**
 * Makes a call until it is answered.
 * @throws QUORUM_LOST (nothing happened), STORE_OUTCOME_UNKNOWN (it may have), BUSY
 */
export async function callLeader<Answer>(
  call: LeaderCall<Answer>,
  view: LeaderView,
): Promise<{ readonly answer: Answer; readonly mayRepeat: boolean }> {
  const { clock } = view;
  const startMs = clock.monotonicMs();
  let mayLand = false;
  for (;;) {
    const ending = view.ending();
    if (ending !== undefined) throw mayLand ? outcomeUnknown(ending) : ending;
    const attempt = await attemptOnce(call, view);
    if (attempt.kind === 'answer') return { answer: attempt.answer, mayRepeat: mayLand };
    if (attempt.kind === 'refused' && attempt.busy === true) {
      throw new FairleadError('BUSY', 'too many changes wait for the other members');
    }
    if (attempt.kind === 'lost') mayLand = true;
    if (mayLand && !call.repeatable) throw outcomeUnknown();
    const leftMs = startMs + view.waitMs - clock.monotonicMs();
    const since = view.leaderlessSinceMs();
    const leaderlessMs = since === undefined ? 0 : clock.monotonicMs() - since;
    // one that closes gives an election that is under way a chance, and no more
    const isHopeless = leaderlessMs >= (view.isClosing() ? view.waitMs / 5 : view.waitMs);
    if (leftMs <= 0 || isHopeless) throw mayLand ? outcomeUnknown() : quorumLost();
    const isPolling = view.isClosing() || view.leader() !== undefined;
    await view.leaderChange(isPolling ? Math.min(submitRetryMs, leftMs) : leftMs);
  }
}

async function attemptOnce<Answer>(
  call: LeaderCall<Answer>,
  view: LeaderView,
): Promise<Attempt<Answer>> {
  const leader = view.leader();
  if (leader === undefined) return { kind: 'refused' };
  if (leader === view.self) return call.here();
  try {
    return await call.at(leader);
  } catch (error) {
    if (error instanceof FairleadError && wasNotSent(error.detail)) return { kind: 'refused' };
    if (error instanceof FairleadError && error.code !== 'INTERNAL') return { kind: 'lost' };
    throw error;
  }
}

function wasNotSent(detail: unknown): boolean {
  return typeof detail === 'object' && detail !== null && 'outcome' in detail
    ? detail.outcome === 'not-sent'
    : false;
}

function quorumLost(): FairleadError {
  return new FairleadError('QUORUM_LOST', 'the cluster has no leader: too few voters answer');
}

function outcomeUnknown(cause?: FairleadError): FairleadError {
  return new FairleadError(
    'STORE_OUTCOME_UNKNOWN',
    'the leader was lost before it answered: the change may have landed',
    { cause },
  );
}
