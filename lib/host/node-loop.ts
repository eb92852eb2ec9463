/**
 * Tells the other hosts what they need to know of this one: where its tunnel ends, and how large a packet may
 * be on the way. Looks at the kernel now and then, since addresses change.
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import type { Links } from '../datapath/link/links.ts';
import { asFairleadError, describeError, hasCode } from '../errors.ts';
import {
  reconcileDebounceMs,
  reconcileIntervalMs,
  reconcileRetryFirstMs,
  reconcileRetryMaxMs,
  vtepAbsentMs,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import { planAnnounceNode } from '../network/nodes.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { startLoop, type Loop } from './loop.ts';
import { chooseVtep } from './vtep.ts';

/** What the loop is made of. */
export interface NodeLoopParts {
  readonly store: StateStore;
  readonly hostName: string;
  readonly version: string;
  /** Which boot of the machine this is. */
  readonly bootId: string;
  readonly links: Pick<Links, 'list' | 'addresses' | 'routes'>;
  /** `--vtep-ip`. */
  readonly vtepAddress: string | undefined;
  /** Addresses by which the cluster reaches this host, in order of preference. */
  readonly advertised: () => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
}

/** Starts the loop. */
export function startNodeLoop(parts: NodeLoopParts): Loop {
  const { clock, conditions, log } = parts;
  let lastFailure = '';
  return startLoop({
    clock,
    pace: {
      intervalMs: reconcileIntervalMs,
      debounceMs: reconcileDebounceMs,
      retryFirstMs: reconcileRetryFirstMs,
      retryMaxMs: reconcileRetryMaxMs,
    },
    run: async () => {
      const isReachable = await announce(parts);
      conditions.clear('VTEP_UNUSABLE');
      lastFailure = '';
      // a host that has just joined a cluster has an address then
      return isReachable ? undefined : vtepAbsentMs;
    },
    onError: (thrown) => {
      const error = asFairleadError(thrown);
      if (hasCode(error, 'VTEP_UNUSABLE')) conditions.raise('VTEP_UNUSABLE', describeError(error));
      if (error.message === lastFailure) return;
      lastFailure = error.message;
      log.warn({ err: error }, 'could not tell the other hosts about this one');
    },
  });
}

/** Answers whether the host has an address to be reached by. */
async function announce(parts: NodeLoopParts): Promise<boolean> {
  const { links, store, hostName: name, version, bootId } = parts;
  const [list, addresses, routes, advertised] = await Promise.all([
    links.list(),
    links.addresses(),
    links.routes(),
    parts.advertised(),
  ]);
  const vtep = chooseVtep(
    { links: list, addresses, routes },
    { address: parts.vtepAddress, advertised },
  );
  // a host that nobody can reach has nothing to say
  if (vtep === undefined) return false;
  const { address, pathMtu } = vtep;
  await runPlan(store, () => planAnnounceNode({ name, vtep: address, pathMtu, bootId, version }));
  return true;
}
