/** What a reconcile found and did, as data. Pure. */
import type { PortSpec } from '../network/port.ts';
import type { ForeignThings } from './foreign.ts';
import { countWork, type Difference, type ObservedPort } from './reconcile/diff.ts';

/** What a reconcile did. */
export interface ReconcileReport {
  readonly repaired: number;
  readonly detached: readonly PortSpec[];
  /** Ports that vswitchd could not use, with its reason. */
  readonly failed: readonly { readonly name: string; readonly error: string }[];
  readonly foreign: ForeignThings;
}

/** The report of a reconcile that made these changes to what it observed. */
export function reportOf(
  changes: Difference,
  ports: readonly ObservedPort[],
  foreign: ForeignThings,
): ReconcileReport {
  const failed = ports.flatMap(({ name, error }) => (error === undefined ? [] : [{ name, error }]));
  // links of the host itself are made again, without anybody restarting anything
  const detached = changes.detached.filter(({ ofHost }) => ofHost !== true);
  return { repaired: countWork(changes), detached, failed, foreign };
}
