/** What the packet filters of hosts have in common, whichever they are. */
import type { IpFamily } from '../../ip/ip.ts';
import { FairleadError } from '../../errors.ts';
import type { FilterRules } from './rules.ts';
import type { ProgramEnd } from './run-program.ts';

/** What came of making rules so: `absent` when the host has no such filter. */
export type FilterOutcome = 'right' | 'changed' | 'absent';

/** One kind of filter. */
export interface PacketFilter {
  /**
   * Makes our rules what they should be; those of others stay.
   * @throws OUTSIDE_FAILED
   */
  ensure(family: IpFamily, rules: FilterRules): Promise<FilterOutcome>;
  /**
   * Removes all rules of ours. What is not there is no error.
   * @throws OUTSIDE_FAILED
   */
  remove(family: IpFamily): Promise<void>;
}

/** The error for a program that did not do what it was told; undefined is one that is gone by now. */
export function filterError(what: string, end: ProgramEnd | undefined): FairleadError {
  return new FairleadError('OUTSIDE_FAILED', `${what}: ${howItEnded(end)}`);
}

function howItEnded(end: ProgramEnd | undefined): string {
  if (end === undefined) return 'the program is not there';
  if (end.code === undefined) return 'it took too long';
  return end.stderr.trim().split('\n')[0] || `exit code ${end.code}`;
}
