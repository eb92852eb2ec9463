/** What must come of a call. */
import type { ErrorCode } from '../../lib/errors.ts';
import type { Json } from './replay-translation.ts';

/** A refusal with this code, or a success that `note` finds right and remembers. */
export type Expected =
  | { readonly refused: ErrorCode }
  | { readonly refused?: undefined; readonly note: (answer: Json) => void };

/** A success; `note` may trust the shape of its call's answer, which is checked first. */
export function ok(note: (answer: never) => void = () => {}): Expected {
  return { note: (answer) => note(answer as never) };
}
