/**
 * Proposals from the call to the answer: queued until the core takes them all at once (group commit),
 * appended until their entry is applied, or leadership is lost.
 */
import { assert } from '../../assert.ts';
import type { Reply } from '../machine/command.ts';
import type { Entry, MemberId, Position } from '../raft/entry.ts';
import type { Refusal } from '../raft/step.ts';
import type { BatchBounds } from './log-queue.ts';
import type { Answers } from './answers.ts';
import type { ChangeOutcome, Outcome } from './ports.ts';

interface Queued {
  readonly text: string;
  readonly done: (outcome: Outcome) => void;
}

interface Appended {
  readonly at: Position;
  readonly bytes: number;
  readonly done: (settled: Settled) => void;
}

/** What became of an entry. */
type Settled =
  | { readonly kind: 'applied'; readonly reply: Reply | undefined }
  | Exclude<Outcome, { readonly kind: 'reply' }>;

/** What a proposal without a place is answered with. */
export interface Refused {
  readonly why: Refusal;
  readonly leader: MemberId | undefined;
}

/** Proposals not answered yet. */
export class Proposals {
  readonly #bounds: { readonly proposalsMax: number; readonly bytesMax: number };
  readonly #answers: Answers;
  #queued: Queued[] = [];
  /** In order of index. */
  #appended: Appended[] = [];
  #bytes = 0;

  constructor(
    bounds: { readonly proposalsMax: number; readonly bytesMax: number },
    answers: Answers,
  ) {
    this.#bounds = bounds;
    this.#answers = answers;
  }

  get isQueued(): boolean {
    return this.#queued.length > 0;
  }

  /** Number of proposals not answered yet. */
  get open(): number {
    return this.#queued.length + this.#appended.length;
  }

  /** Queues a proposal; false when too much is unanswered. */
  queue(text: string, done: (outcome: Outcome) => void): boolean {
    const { proposalsMax, bytesMax } = this.#bounds;
    const fits = this.#bytes === 0 || this.#bytes + text.length <= bytesMax;
    if (this.open >= proposalsMax || !fits) return false;
    this.#queued.push({ text, done });
    this.#bytes += text.length;
    return true;
  }

  /** Texts for the core, the first of the queue; `placed` or `refused` must follow. */
  next(bounds: BatchBounds): readonly string[] {
    let bytes = 0;
    const texts: string[] = [];
    for (const { text } of this.#queued) {
      bytes += text.length;
      const full = texts.length >= bounds.entriesMax || bytes > bounds.bytesMax;
      if (full && texts.length > 0) break;
      texts.push(text);
    }
    return texts;
  }

  /** The first `count` of the queue were appended, one entry after the other from `at` on. */
  placed(count: number, at: Position): void {
    for (const [offset, { text, done }] of this.#queued.splice(0, count).entries()) {
      const index = at.index + offset;
      this.#appended.push({
        at: { index, term: at.term },
        bytes: text.length,
        done: (settled) => done(outcomeOf(settled, index)),
      });
    }
  }

  /** A change of configuration was appended at `at`. */
  placedChange(at: Position, done: (outcome: ChangeOutcome) => void): void {
    this.#appended.push({
      at,
      bytes: 0,
      done: (settled) => done(settled.kind === 'applied' ? { kind: 'done' } : settled),
    });
  }

  /** The first `count` of the queue were not appended. */
  refused(count: number, refused: Refused): void {
    for (const { text, done } of this.#queued.splice(0, count)) {
      this.#bytes -= text.length;
      this.#answers.push(() => done({ kind: 'refused', ...refused }));
    }
  }

  /** An entry was applied. Entries are applied in order, so what waits at a lower index has none. */
  applied(entry: Entry, reply: Reply | undefined): void {
    const first = this.#appended[0];
    if (first === undefined || first.at.index > entry.index) return;
    assert(first.at.index === entry.index, 'no applied entry is passed over');
    this.#appended.shift();
    this.#bytes -= first.bytes;
    if (first.at.term !== entry.term) {
      // another leader's entry is at its place for ever: it never lands
      const refusal = { why: 'notLeader', leader: undefined } as const;
      this.#answers.push(() => first.done({ kind: 'refused', ...refusal }));
      return;
    }
    this.#answers.push(() => first.done({ kind: 'applied', reply }));
  }

  /** Leadership was lost: what is not known to be committed is unknown, what is queued is refused. */
  lost(commit: number, leader: MemberId | undefined): void {
    const open = this.#appended.findIndex(({ at }) => at.index > commit);
    for (const { bytes, done } of open < 0 ? [] : this.#appended.splice(open)) {
      this.#bytes -= bytes;
      this.#answers.push(() => done({ kind: 'unknown' }));
    }
    this.refused(this.#queued.length, { why: 'notLeader', leader });
  }
}

function outcomeOf(settled: Settled, index: number): Outcome {
  if (settled.kind !== 'applied') return settled;
  assert(settled.reply !== undefined, 'a command has a reply');
  return { kind: 'reply', reply: settled.reply, index };
}
