/** Readers that wait until leadership is confirmed. Those who come in one turn share a round. */
import type { Answers } from './answers.ts';
import type { Refused } from './proposals.ts';
import type { ReadOutcome } from './ports.ts';
import type { ReadAnswer } from '../raft/step.ts';

type Reader = (outcome: ReadOutcome) => void;

/** Readers by round. */
export class ReadRounds {
  readonly #readersMax: number;
  readonly #answers: Answers;
  #waiting: Reader[] = [];
  readonly #rounds = new Map<number, readonly Reader[]>();
  #readers = 0;
  #lastId = 0;

  constructor(readersMax: number, answers: Answers) {
    this.#readersMax = readersMax;
    this.#answers = answers;
  }

  /** Whether somebody waits for a round to begin. */
  get isDue(): boolean {
    return this.#waiting.length > 0;
  }

  /** Adds a reader to the next round; false when too many wait. */
  add(reader: Reader): boolean {
    if (this.#readers >= this.#readersMax) return false;
    this.#readers += 1;
    this.#waiting.push(reader);
    return true;
  }

  /** Begins a round with everyone who waits; the answer is its id. */
  begin(): number {
    this.#lastId += 1;
    this.#rounds.set(this.#lastId, this.#waiting);
    this.#waiting = [];
    return this.#lastId;
  }

  /** A round is over: its readers get the index, or are refused. */
  end({ id, index }: ReadAnswer, refused: Refused): void {
    const readers = this.#rounds.get(id) ?? [];
    this.#rounds.delete(id);
    this.#answer(readers, index === undefined ? undefined : { kind: 'index', index }, refused);
  }

  /** Everyone is refused. */
  lost(refused: Refused): void {
    for (const readers of this.#rounds.values()) this.#answer(readers, undefined, refused);
    this.#rounds.clear();
    this.#answer(this.#waiting, undefined, refused);
    this.#waiting = [];
  }

  #answer(readers: readonly Reader[], outcome: ReadOutcome | undefined, refused: Refused): void {
    this.#readers -= readers.length;
    for (const reader of readers) {
      this.#answers.push(() => reader(outcome ?? { kind: 'refused', ...refused }));
    }
  }
}
