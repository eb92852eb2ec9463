/** What a storage makes of deltas, in the most obvious way. */
import type {
  Change,
  Delta,
  ImagePart,
  MachineHead,
  MachineImage,
} from '../../../lib/store/machine/image.ts';
import { emptyImage } from '../../../lib/store/machine/state.ts';

/** Rows, records and history after some deltas. */
export class DeltaStore {
  readonly #rows = new Map<string, ImagePart['rows'][number]>();
  readonly #records = new Map<string, ImagePart['records'][number]>();
  readonly changes = new Map<number, Change>();
  head: MachineHead = emptyImage().head;

  write(delta: Delta): void {
    for (const [space, key, row] of delta.rows) {
      if (row === undefined) this.#rows.delete(`${space} ${key}`);
      else this.#rows.set(`${space} ${key}`, [space, row]);
    }
    for (const [space, key, text] of delta.records) {
      if (text === undefined) this.#records.delete(`${space} ${key}`);
      else this.#records.set(`${space} ${key}`, [space, key, text]);
    }
    for (const change of delta.changes) this.changes.set(change.revision, change);
    const { from, to } = delta.forget;
    for (let revision = from + 1; revision <= to; revision += 1) this.changes.delete(revision);
    this.head = delta.head;
  }

  image(): MachineImage {
    return {
      head: this.head,
      rows: [...this.#rows.values()],
      records: [...this.#records.values()],
    };
  }
}

/** An image with its rows and records in one order, to compare. */
export function sorted(image: MachineImage): MachineImage {
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return {
    head: image.head,
    rows: image.rows.toSorted(byText),
    records: image.records.toSorted(byText),
  };
}
