/**
 * OpenFlow numbers for new ports of our bridge. The agent chooses them, so that flows can be made before
 * ovs-vswitchd has seen the port; counted up, so that what still runs for an old port meets no new one soon.
 */
import { FairleadError } from '../errors.ts';
import { ports } from './pipeline/fields.ts';
import type { PortIndex } from './port-index.ts';

/** Gives numbers. */
export class PortNumbers {
  /** Given to ports that the rows do not show yet. */
  readonly #given = new Map<string, number>();
  readonly #givenNumbers = new Set<number>();
  #last: number = ports.endpointMin - 1;

  /**
   * The number for a port of this name, the same until it is forgotten.
   * @throws NETWORK_LIMIT when all are taken
   */
  of(name: string, index: Pick<PortIndex, 'hasNumber'>): number {
    const known = this.#given.get(name);
    if (known !== undefined) return known;
    const count = ports.endpointMax - ports.endpointMin + 1;
    for (let step = 1; step <= count; step++) {
      const number = ports.endpointMin + ((this.#last - ports.endpointMin + step) % count);
      if (index.hasNumber(number) || this.#givenNumbers.has(number)) continue;
      this.#last = number;
      this.#given.set(name, number);
      this.#givenNumbers.add(number);
      return number;
    }
    throw new FairleadError('NETWORK_LIMIT', `all ${count} port numbers of the bridge are taken`);
  }

  /** The rows show the port, or it was not made. */
  forget(name: string): void {
    const number = this.#given.get(name);
    if (number === undefined) return;
    this.#given.delete(name);
    this.#givenNumbers.delete(number);
  }
}
