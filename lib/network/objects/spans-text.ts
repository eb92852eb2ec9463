/** Numbers and addresses as Contiv lists them: `10.1.1.1-10.1.1.3, 10.1.1.9`. Pure. */

/** Numbers from a first to a last. */
export interface ValueSpan {
  readonly first: bigint;
  readonly last: bigint;
}

/** Numbers in order as text, those in a row as a range. */
export function spansText(values: readonly bigint[], format: (value: bigint) => string): string {
  return joinedText(
    values.map((value) => ({ first: value, last: value })),
    format,
  );
}

/** Spans in order as text; those that touch or overlap become one. */
export function joinedText(spans: readonly ValueSpan[], format: (value: bigint) => string): string {
  return joinSpans(spans)
    .map(({ first, last }) => (first === last ? format(first) : `${format(first)}-${format(last)}`))
    .join(', ');
}

/** Spans in the order of their firsts, without those that touch or overlap. */
export function joinSpans(spans: readonly ValueSpan[]): readonly ValueSpan[] {
  const joined: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of spans) {
    const before = joined.at(-1);
    if (before === undefined || first > before.last + 1n) joined.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return joined;
}
