/** Makes the tenant that is always there when it is missing: in a new site, and when the store came to be another. */
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { planDefaultTenant } from '../network/objects/tenants.ts';
import { freshReads } from '../store/fresh-reads.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';

/** What the loop is made of. */
export interface TenantLoopParts {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The loop, and when it has begun to be of use. */
export interface TenantLoop extends Loop {
  /** Resolves when the tenant is there, or could not be made at first. */
  readonly tried: Promise<void>;
}

/** Starts the loop. */
export function startTenantLoop({ store, clock, log }: TenantLoopParts): TenantLoop {
  const first = Promise.withResolvers<void>();
  const loop = startLoop({
    clock,
    pace: reconcilePace,
    run: async () => {
      try {
        // this host alone is asked; only if it knows of none do the others hear of it
        if (await runPlan(freshReads(store, 'local'), planDefaultTenant)) {
          log.info('made tenant default');
        }
      } finally {
        first.resolve();
      }
    },
    // without quorum it is tried again until there is one
    onError: (thrown) => log.debug({ err: thrown }, 'could not make tenant default'),
  });
  return {
    kick: () => loop.kick(),
    settled: (signal) => loop.settled(signal),
    close: () => loop.close(),
    tried: first.promise,
  };
}
