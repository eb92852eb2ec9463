/**
 * Tells the other hosts which checks of services the containers of this host fail, in the same rows as what the engine
 * says of them, and only when it is something new. Needs no engine: containers may go on without it.
 */
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { planTellFailed } from '../network/containers.ts';
import { freshReads } from '../store/fresh-reads.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { readEndpoints, readSharedNames } from './records.ts';
import type { ServiceChecks } from './service-checks.ts';

/** What the loop is made of. */
export interface CheckLoopParts {
  readonly store: StateStore;
  readonly checks: Pick<ServiceChecks, 'failed' | 'onChange'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the loop. */
export function startCheckLoop(parts: CheckLoopParts): Loop {
  const { checks, clock, log } = parts;
  const loop = startLoop({
    clock,
    pace: reconcilePace,
    run: () => tellOnce(parts),
    onError: (thrown) => log.warn({ err: thrown }, 'could not tell the other hosts of checks'),
  });
  checks.onChange(() => loop.kick());
  return loop;
}

async function tellOnce({ store, checks }: CheckLoopParts): Promise<void> {
  const failed = checks.failed();
  if (failed === undefined) return;
  const networks = await readSharedNames(store);
  if (networks.size === 0) return;
  const reads = freshReads(store, 'local');
  for (const { value: endpoint } of await readEndpoints(store)) {
    const network = networks.get(endpoint.networkId);
    if (network === undefined) continue;
    const services = failed.get(endpoint.id) ?? [];
    await runPlan(reads, () => planTellFailed({ network, endpointId: endpoint.id }, services));
  }
}
