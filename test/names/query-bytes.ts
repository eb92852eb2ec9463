/** Queries written byte by byte (RFC 1035 section 4.1), right ones and wrong ones. */

/** What differs from a plain question for addresses. */
export interface QueryShape {
  readonly id?: number;
  readonly flags?: number;
  readonly type?: number;
  readonly class?: number;
  /** How many questions and answers its head counts. */
  readonly questions?: number;
  readonly answers?: number;
  /** In the place of the labels. */
  readonly name?: readonly number[];
  readonly additional?: readonly (readonly number[])[];
}

const word = (value: number): readonly number[] => [value >> 8, value & 255];

/** The bytes of a query for a name of these labels, in Latin-1. */
export function queryBytes(
  labels: readonly string[],
  shape: QueryShape = {},
): Uint8Array<ArrayBuffer> {
  const { id = 7, flags = 0x0100, type = 1, questions = 1, answers = 0, additional = [] } = shape;
  const name = shape.name ?? [
    ...labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')]),
    0,
  ];
  return Uint8Array.from([
    ...[id, flags, questions, answers, 0, additional.length].flatMap(word),
    ...name,
    ...word(type),
    ...word(shape.class ?? 1),
    ...additional.flat(),
  ]);
}

/** An EDNS record (RFC 6891 section 6.1.2). */
export const optRecord = (bytesMax: number, version = 0): readonly number[] => [
  ...[0, 0, 41, ...word(bytesMax)],
  ...[0, version, 0, 0, 0, 0],
];
