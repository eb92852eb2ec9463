/**
 * Finds what may overlap among thousands without a look at each: lists of thousands of rules are about one address each, or
 * one port each.
 */
import { mayOverlap, type Extent } from './overlap.ts';

interface WithExtent {
  readonly extent: Extent;
}

/** Things by the one address and the one port that they are about. */
export class OverlapIndex<T extends WithExtent> {
  /** By address, then by port; those that are about more are at `undefined`. */
  readonly #cells = new Map<string | undefined, Map<string | undefined, Set<T>>>();

  /** Adds one. */
  add(one: T): void {
    const { address, port } = one.extent;
    let byPort = this.#cells.get(address);
    if (byPort === undefined) this.#cells.set(address, (byPort = new Map()));
    const cell = byPort.get(port);
    if (cell === undefined) byPort.set(port, new Set([one]));
    else cell.add(one);
  }

  /** Removes one; harmless when it is not there. */
  remove(one: T): void {
    const { address, port } = one.extent;
    const byPort = this.#cells.get(address);
    const cell = byPort?.get(port);
    if (byPort === undefined || cell === undefined) return;
    cell.delete(one);
    if (cell.size > 0) return;
    byPort.delete(port);
    if (byPort.size === 0) this.#cells.delete(address);
  }

  /** Those that may fit a conversation that the extent fits, in no order. */
  *overlapping(extent: Extent): Generator<T, void, undefined> {
    for (const byPort of near(this.#cells, extent.address)) {
      for (const cell of near(byPort, extent.port)) {
        for (const one of cell) if (mayOverlap(one.extent, extent)) yield one;
      }
    }
  }
}

/** What is at a key and what is at none; everything without a key. */
function near<T>(cells: ReadonlyMap<string | undefined, T>, key: string | undefined): Iterable<T> {
  if (key === undefined) return cells.values();
  return [cells.get(key), cells.get(undefined)].filter((each) => each !== undefined);
}
