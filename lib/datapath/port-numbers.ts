/**
 * OpenFlow numbers for new ports of our bridge. The agent chooses them, so that flows can be made before
 * ovs-vswitchd has seen the port; counted up, so that what still runs for an old port meets no new one soon.
 */
import { FairleadError } from '../errors.ts';
import { ports } from './pipeline/fields.ts';
import { placeOfPort, placesMax } from './pipeline/own-alias.ts';
import type { PortIndex } from './port-index.ts';

const count = ports.endpointMax - ports.endpointMin + 1;

/** The numbers that have one place in the host's block, this one among them. */
function sharers(number: number): readonly number[] {
  const first = ports.endpointMin + placeOfPort(number);
  const all = Math.floor((ports.endpointMax - first) / placesMax) + 1;
  return Array.from({ length: all }, (_, at) => first + at * placesMax);
}

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
    const isFree = (one: number): boolean => !index.hasNumber(one) && !this.#givenNumbers.has(one);
    // an address of its own on the way out, as long as there are some
    const number = this.#next((one) => sharers(one).every(isFree)) ?? this.#next(isFree);
    if (number === undefined) {
      throw new FairleadError('NETWORK_LIMIT', `all ${count} port numbers of the bridge are taken`);
    }
    this.#last = number;
    this.#given.set(name, number);
    this.#givenNumbers.add(number);
    return number;
  }

  #next(isGood: (number: number) => boolean): number | undefined {
    for (let step = 1; step <= count; step++) {
      const number = ports.endpointMin + ((this.#last - ports.endpointMin + step) % count);
      if (isGood(number)) return number;
    }
    return undefined;
  }

  /** The rows show the port, or it was not made. */
  forget(name: string): void {
    const number = this.#given.get(name);
    if (number === undefined) return;
    this.#given.delete(name);
    this.#givenNumbers.delete(number);
  }
}
