/** A stream of bytes as lines of text. */
import { FairleadError } from '../errors.ts';
import { snapshotLineCharactersMax } from '../limits.ts';

/**
 * The lines of a body, without their ends.
 * @throws SNAPSHOT_INVALID for a line that is too long
 */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder('utf-8', { fatal: false });
  let rest = '';
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    const pieces = (rest + decoder.decode(part, { stream: true })).split('\n');
    rest = pieces.pop() ?? '';
    if (rest.length > snapshotLineCharactersMax) {
      throw new FairleadError('SNAPSHOT_INVALID', 'a line of the snapshot is too long');
    }
    yield* pieces;
  }
  if (rest !== '') yield rest;
}
