/** A promise of the store that a run saw broken. */

/** What was broken: `rule` is a stable word, `message` the facts. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }
}

/** Throws unless the condition holds. The facts are made into text only when it does not. */
export function demand(condition: boolean, rule: string, facts: () => string): asserts condition {
  if (!condition) throw new Violation(rule, facts());
}
