/**
 * Assertions for programmer errors. They stay on in production: a broken invariant ends the process
 * (the data plane keeps forwarding), it never turns into a wrong answer. Operating errors (bad input,
 * absent daemons) are `FairleadError`s instead.
 */

/** A broken invariant: a bug of ours, never the user's doing. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/**
 * Throws when `condition` does not hold.
 * @throws {AssertionFailure}
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/**
 * Marks a branch that the types say cannot be reached.
 * @throws {AssertionFailure} always
 */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value ${JSON.stringify(value)}`);
}
