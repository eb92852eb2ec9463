/**
 * What a switch refused, tied to the messages that caused it, as one error.
 */
import { FairleadError } from '../../errors.ts';
import { openflowRefusalsMax } from '../../limits.ts';
import { errorName } from './codec/error-names.ts';
import type { SwitchError } from './codec/messages.ts';

/** One refused message: its place in the list that was sent, and the switch's error. */
export interface Refusal {
  readonly index: number;
  readonly type: number;
  readonly code: number;
  readonly experimenter?: number | undefined;
  /** In words. */
  readonly what: string;
}

/** `detail` of OVS_REFUSED: the first refusals, and how many there were. */
export interface RefusalsDetail {
  readonly refusals: readonly Refusal[];
  readonly count: number;
}

/** Refusals of a list of messages; keeps the first ones and counts the rest. */
export class RefusalList {
  readonly #refusals: Refusal[] = [];
  #count = 0;

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** Notes an error about the message at a place. */
  add(index: number, { type, code, experimenter }: SwitchError): void {
    this.#count += 1;
    if (this.#refusals.length >= openflowRefusalsMax) return;
    const what = errorName({ type, code, experimenter });
    this.#refusals.push({
      index,
      type,
      code,
      ...(experimenter === undefined ? {} : { experimenter }),
      what,
    });
  }

  /** As one error. */
  error(): FairleadError {
    const [first] = this.#refusals;
    const detail: RefusalsDetail = { refusals: this.#refusals, count: this.#count };
    const more = this.#count > 1 ? ` and ${this.#count - 1} more` : '';
    const text = first === undefined ? 'a message' : `message ${first.index}: ${first.what}`;
    return new FairleadError('OVS_REFUSED', `the switch refused ${text}${more}`, { detail });
  }
}

/** The refusals behind an error; undefined when it is no such error. */
export function refusalsOf(thrown: unknown): RefusalsDetail | undefined {
  if (!(thrown instanceof FairleadError) || thrown.code !== 'OVS_REFUSED') return undefined;
  const detail = thrown.detail as Partial<RefusalsDetail> | undefined;
  return detail?.refusals === undefined ? undefined : (detail as RefusalsDetail);
}
