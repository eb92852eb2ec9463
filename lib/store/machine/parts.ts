/** Images cut into parts for the way to another member, and put together again. */
import type { FrozenImage, ImagePart, MachineHead } from './image.ts';
import { Machine } from './machine.ts';
import { MachineState, type MachineOptions } from './state.ts';
import { utf8Bytes } from './text.ts';
import { rowBytes } from './view.ts';

/** What a row or record counts for besides its texts: revisions, version, lease and punctuation. */
const surroundBytes = 64;

/**
 * Cuts an image into parts of at most `bytesMax`; a larger row is a part of its own. At least one part,
 * so that an empty state can be sent, too.
 */
export function* imageParts(
  image: Pick<FrozenImage, 'rows' | 'records'>,
  bytesMax: number,
): Generator<ImagePart, void> {
  let rows: ImagePart['rows'][number][] = [];
  let records: ImagePart['records'][number][] = [];
  let bytes = 0;
  function* cutBefore(added: number): Generator<ImagePart, void> {
    if (bytes > 0 && bytes + added > bytesMax) {
      yield { rows, records };
      [rows, records, bytes] = [[], [], 0];
    }
    bytes += added;
  }
  for (const row of image.rows) {
    yield* cutBefore(rowBytes(row[1]) + surroundBytes);
    rows.push(row);
  }
  for (const record of image.records) {
    yield* cutBefore(record[1].length + utf8Bytes(record[2]) + surroundBytes);
    records.push(record);
  }
  yield { rows, records };
}

/** Puts parts together. Each part is hashed as it comes, so that the end is quick. */
export class ImageBuilder {
  readonly #options: MachineOptions;
  readonly #state: MachineState;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#state = new MachineState(options);
  }

  /**
   * Takes a part in.
   * @throws STORE_DAMAGED
   */
  add(part: ImagePart): void {
    this.#state.add(part);
  }

  /**
   * All parts were added: checks them against the head they came with, and gives the machine that goes on
   * from there. Parts carry no history, so all of it counts as forgotten.
   * @throws STORE_DAMAGED
   */
  finish(head: MachineHead): Machine {
    this.#state.finish({ ...head, compacted: head.revision });
    return new Machine(this.#state, this.#options);
  }
}
