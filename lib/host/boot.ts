/**
 * After a boot no container of before is left: a host says so at once, without waiting for Docker, so that the
 * others stop sending to endpoints that nobody has any more. Their addresses stay its own until its engine has
 * given them back, or the sweep sees that it has not.
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { asFairleadError } from '../errors.ts';
import {
  reconcileDebounceMs,
  reconcileIntervalMs,
  reconcileRetryFirstMs,
  reconcileRetryMaxMs,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { bootKey } from '../model/keys.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import { bootSchema } from '../model/site.ts';
import { planDeleteEndpoint } from '../network/endpoints.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { startLoop, type Loop } from './loop.ts';
import { readEndpoints } from './records.ts';

/** Where the kernel says which boot this is (proc(5)). */
const bootIdPath = '/proc/sys/kernel/random/boot_id';

/** Which boot of the machine this is; changes with every one. */
export async function readBootId(): Promise<string> {
  return (await readFile(bootIdPath, 'utf8')).trim();
}

/** What a host had when the machine was booted. */
export interface EarlierBoot {
  readonly bootId: string;
  /** As they were when the agent started: what comes later is of this boot. */
  readonly endpoints: readonly Stored<Endpoint>[];
  /** Whether this boot is noted already. */
  readonly isNoted: boolean;
}

/** Looks what the host has of an earlier boot. To be asked before any call of Docker's is answered. */
export async function readEarlierBoot(store: StateStore, bootId: string): Promise<EarlierBoot> {
  const [row] = (await store.range({ start: bootKey, consistency: 'local' })).rows;
  const before = row && decodeRecord(bootSchema, row).value.id;
  // of a host that never noted one nothing is known: its sweep looks at what its engine has
  const isOther = before !== undefined && before !== bootId;
  const endpoints = isOther ? await readEndpoints(store) : [];
  return { bootId, endpoints, isNoted: before === bootId };
}

/** What the loop is made of. */
export interface BootLoopParts {
  readonly store: StateStore;
  readonly earlier: EarlierBoot;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every endpoint that is no more. */
  readonly release: (endpointId: string) => void;
}

/** Removes the endpoints of an earlier boot, as soon as the store takes it; then notes this boot. */
export function startBootLoop({ store, earlier, clock, log, release }: BootLoopParts): Loop {
  let isDone = earlier.isNoted;
  return startLoop({
    clock,
    pace: {
      intervalMs: reconcileIntervalMs,
      debounceMs: reconcileDebounceMs,
      retryFirstMs: reconcileRetryFirstMs,
      retryMaxMs: reconcileRetryMaxMs,
    },
    run: async (signal) => {
      if (isDone) return;
      for (const { value, modRevision } of earlier.endpoints) {
        const plan = () => planDeleteEndpoint(value.networkId, value.id, { modRevision });
        const gone = await runPlan(store, plan, { signal });
        if (gone !== undefined) release(value.id);
      }
      const value = encodeRecord({ id: earlier.bootId });
      // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
      await store.txn({ compare: [], then: [{ op: 'put', key: bootKey, value }] });
      isDone = true;
      const { length } = earlier.endpoints;
      if (length > 0) log.info({ endpoints: length }, 'this machine was booted: they are gone');
    },
    onError: (thrown) => {
      log.debug({ err: asFairleadError(thrown) }, 'could not say yet what a boot has ended');
    },
  });
}
