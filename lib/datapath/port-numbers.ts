/**
 * OpenFlow numbers for new ports of our bridge. The agent chooses them, so that flows can be made before
 * ovs-vswitchd has seen the port; counted up, so that what still runs for an old port meets no new one soon.
 */
import { FairleadError } from '../errors.ts';
import { numbersTaken, type OurBridge, type Rows } from './bridge.ts';
import { ports } from './pipeline/fields.ts';

/** Gives numbers. */
export class PortNumbers {
  /** Given to ports that the rows do not show yet. */
  readonly #given = new Map<string, number>();
  #last: number = ports.endpointMin - 1;

  /**
   * The number for a port of this name, the same until it is forgotten.
   * @throws NETWORK_LIMIT when all are taken
   */
  of(name: string, rows: Rows, bridge: OurBridge): number {
    const known = this.#given.get(name);
    if (known !== undefined) return known;
    const taken = new Set([...numbersTaken(rows, bridge), ...this.#given.values()]);
    const count = ports.endpointMax - ports.endpointMin + 1;
    for (let step = 1; step <= count; step++) {
      const number = ports.endpointMin + ((this.#last - ports.endpointMin + step) % count);
      if (taken.has(number)) continue;
      this.#last = number;
      this.#given.set(name, number);
      return number;
    }
    throw new FairleadError('NETWORK_LIMIT', `all ${count} port numbers of the bridge are taken`);
  }

  /** The rows show the port, or it was not made. */
  forget(name: string): void {
    this.#given.delete(name);
  }
}
