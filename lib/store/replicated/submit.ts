/**
 * Commands on their way to the leader and back. With other voters around each command carries a session
 * mark, so that it can be sent again when a leader is lost before it answered; a voter that is alone
 * cannot lose its leader, and saves the marks.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError, type ErrorCode } from '../../errors.ts';
import { peerRequestMs } from '../../limits.ts';
import type { DriverFace, Outcome } from '../driver/ports.ts';
import type { Command, Proposal, Reply, SessionMark } from '../machine/command.ts';
import { encodeProposal } from '../machine/proposal.ts';
import type { TxnResult } from '../port.ts';
import type { MemberId } from '../raft/entry.ts';
import { callLeader, type Attempt, type LeaderView } from './leader-calls.ts';
import { isAppliedInTime } from './reads.ts';
import type { MemberRequests } from './requests.ts';
import { SessionNumbers } from './sessions.ts';

/** What submitting takes. */
export interface SubmitterParts {
  readonly driver: DriverFace;
  readonly view: LeaderView;
  readonly requests: MemberRequests;
  /** No other voter and no learner: nobody else can lead. */
  alone(): boolean;
  /** 32 random hex digits. */
  newClientId(): string;
}

interface Answered {
  readonly reply: Reply;
  readonly index: number;
}

/** Submits commands for this process. */
export class Submitter {
  readonly #parts: SubmitterParts;
  #session: { readonly numbers: SessionNumbers; readonly opened: Promise<void> } | undefined;

  constructor(parts: SubmitterParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when the command is durable on a majority and applied here, so that what this process reads
   * from now on shows it.
   * @throws what the command is refused with, and QUORUM_LOST, STORE_OUTCOME_UNKNOWN, BUSY
   */
  async submit(command: Command): Promise<TxnResult | undefined> {
    const { reply, index } = this.#parts.alone()
      ? await this.#call(command, undefined)
      : await this.#inSession(command);
    if (!reply.ok) throw new FairleadError(reply.code, reply.message);
    // what was acknowledged may be read here from now on; that it is not here yet takes nothing back
    await isAppliedInTime(this.#parts.driver, this.#parts.view, index);
    return reply.result;
  }

  async #inSession(command: Command): Promise<Answered> {
    // a session that the machine has forgotten is replaced once
    for (let attempt = 0; ; attempt += 1) {
      const session = (this.#session ??= this.#openSession());
      await session.opened;
      const sequence = session.numbers.begin();
      try {
        const answered = await this.#call(command, () => session.numbers.mark(sequence));
        if (!isRefusal(answered.reply, 'SESSION_UNKNOWN')) return answered;
        if (this.#session === session) this.#session = undefined;
        if (answered.mayRepeat || attempt > 0) throw forgotten();
      } finally {
        session.numbers.end(sequence);
      }
    }
  }

  #openSession(): { readonly numbers: SessionNumbers; readonly opened: Promise<void> } {
    const numbers = new SessionNumbers(this.#parts.newClientId());
    const sequence = numbers.begin();
    const opened = this.#open(numbers, sequence);
    opened.catch(() => {
      if (this.#session?.numbers === numbers) this.#session = undefined;
    });
    return { numbers, opened };
  }

  async #open(numbers: SessionNumbers, sequence: number): Promise<void> {
    const { reply } = await this.#call({ do: 'openSession' }, () => numbers.mark(sequence));
    numbers.end(sequence);
    if (!reply.ok) throw new FairleadError(reply.code, reply.message);
  }

  /** `mark` is made anew for each attempt: more answers may have come meanwhile. */
  async #call(
    command: Command,
    mark: (() => SessionMark) | undefined,
  ): Promise<Answered & { readonly mayRepeat: boolean }> {
    const { driver, view, requests } = this.#parts;
    const proposal = (): Proposal => {
      const session = mark?.();
      const wallMs = view.clock.wallMs();
      return session === undefined ? { command, wallMs } : { command, session, wallMs };
    };
    const { answer, mayRepeat } = await callLeader<Answered>(
      {
        repeatable: mark !== undefined,
        here: () =>
          new Promise((resolve) => {
            driver.submit(proposal(), (outcome) => resolve(attemptOf(outcome)));
          }),
        at: (leader: MemberId) =>
          requests
            .submit(leader, encodeProposal(proposal()), { timeoutMs: peerRequestMs })
            .then(attemptOf),
      },
      view,
    );
    return { ...answer, mayRepeat };
  }
}

function attemptOf(outcome: Outcome): Attempt<Answered> {
  switch (outcome.kind) {
    case 'reply':
      return { kind: 'answer', answer: { reply: outcome.reply, index: outcome.index } };
    case 'refused':
      return { kind: 'refused', busy: outcome.why === 'busy' };
    case 'unknown':
      return { kind: 'lost' };
    default:
      return unreachable(outcome);
  }
}

const isRefusal = (reply: Reply, code: ErrorCode): boolean => !reply.ok && reply.code === code;

function forgotten(): FairleadError {
  return new FairleadError(
    'STORE_OUTCOME_UNKNOWN',
    'the cluster no longer knows this process as a client: the change may have landed',
  );
}
