/**
 * What a disk must hold, followed from outside: after a process has acknowledged N writes and died, the
 * state after N writes, or after N + 1 (the one under way may have landed), whole and exact.
 */
import { fingerprintOf, twinStart, type Twin } from './twin.ts';
import { Workload } from './workload.ts';

/** How what was found compares with what was acknowledged. */
export type Found = 'acknowledged' | 'one more' | 'wrong';

/** The states that a store may be in. */
export class History {
  #candidates: readonly Twin[] = [twinStart];

  /** Compares what a process found; from then on that is the truth. */
  found(fingerprint: string): Found {
    const at = this.#candidates.findIndex((twin) => fingerprintOf(twin) === fingerprint);
    const twin = this.#candidates[at];
    if (twin === undefined) return 'wrong';
    this.#candidates = [twin];
    return at === 0 ? 'acknowledged' : 'one more';
  }

  /** A process that found what is the truth made writes from `seed`, of which so many were acknowledged. */
  wrote(seed: number, done: number): void {
    const [start = twinStart] = this.#candidates;
    const workload = new Workload(start, seed);
    for (let n = 0; n < done; n += 1) workload.next();
    const acknowledged = { ...workload.twin, staged: undefined };
    workload.next();
    this.#candidates = [acknowledged, { ...workload.twin, staged: undefined }];
  }

  /** The states after each of the writes that a process makes which found what is the truth. */
  statesOf(seed: number, writes: number): ReadonlySet<string> {
    const [start = twinStart] = this.#candidates;
    const workload = new Workload(start, seed);
    const states = new Set([fingerprintOf(start)]);
    for (let n = 0; n < writes; n += 1) {
      workload.next();
      states.add(fingerprintOf({ ...workload.twin, staged: undefined }));
    }
    return states;
  }
}
