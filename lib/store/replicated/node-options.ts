/** What a host's membership is made with. */
import type { Clock } from '../../clock.ts';
import type { FairleadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { StateStore } from '../port.ts';
import type { StoreLimits } from './limits.ts';
import type { Timing } from './member-store.ts';

/** What becomes of the rows that a member had among those of all, when it is removed. */
export interface MemberRemains {
  /** Notes that they have to go, before the member is forgotten; asked again when that or this fails. */
  note(store: StateStore, name: string): Promise<void>;
  /**
   * Resolves when nothing is left of them.
   * @throws CLUSTER_WAITING
   */
  gone(store: StateStore, name: string): Promise<void>;
}

/** How a host becomes a member. */
export interface NodeOptions {
  readonly dataDirectory: string;
  readonly hostName: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timing: Timing;
  /** Whether a row is work of this host that joining another cluster would lose. */
  readonly blocksJoin: (key: string) => boolean;
  readonly remains?: MemberRemains;
  /** The store is dead and so must the process be. */
  readonly onFatal: (error: FairleadError) => void;
  /** Entry and record types that this program knows; another number than `featureLevelNewest` in tests. */
  readonly featureLevel?: number;
  /** Smaller bounds, for tests. */
  readonly limits?: Partial<StoreLimits>;
  /** Called between the steps of a change of who this host is, for tests that look at the disk then. */
  readonly between?: (step: string) => Promise<void>;
}
