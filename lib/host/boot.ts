/**
 * After a boot no container of before is left: a host says so at once, without waiting for Docker, so that the
 * others stop sending to endpoints that nobody has any more, and gives their addresses back. What an engine gives
 * back later is not taken twice: an address that an endpoint has by then stays.
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { asFairleadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { bootKey } from '../model/keys.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import { bootSchema, type Boot } from '../model/site.ts';
import { planDeleteEndpoint } from '../network/endpoints.ts';
import { planAddressRelease } from '../network/ipam/calls.ts';
import { addressesKeptBack, type PoolAddressRecord } from '../network/sweep.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import {
  readEndpoints,
  readHeldAddresses,
  readNetworks,
  readPoolAddresses,
  readPools,
} from './records.ts';

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
  /** Their addresses. */
  readonly addresses: readonly PoolAddressRecord[];
  /** Addresses of endpoints that an agent of this boot removed before it was stopped on its way here. */
  readonly left: readonly PoolAddressRecord[];
}

/** Looks what the host has of an earlier boot. To be asked before any call of Docker's is answered. */
export async function readEarlierBoot(store: StateStore, bootId: string): Promise<EarlierBoot> {
  const before = await readNoted(store);
  // of a host that never noted one nothing is known: its sweep looks at what its engine has
  const isOther = before !== undefined && before.id !== bootId;
  if (!isOther) return { bootId, endpoints: [], addresses: [], left: [] };
  const addresses = [...(await readHeldAddresses(store))];
  for (const { value: pool } of await readPools(store)) {
    addresses.push(...(await readPoolAddresses(store, pool)));
  }
  const kept = addressesKeptBack(await readNetworks(store));
  const isLeft = ({ cidr, address, value }: PoolAddressRecord): boolean =>
    value.state === 'held' &&
    value.use === 'other' &&
    value.endpointId === undefined &&
    !kept.has(`${cidr} ${address}`);
  // what was asked for since, and has no endpoint yet, is taken again by its endpoint
  const left = before.ending === bootId ? addresses.filter(isLeft) : [];
  // the host is in its infra networks in this boot as in the one before, with the same addresses
  const endpoints = (await readEndpoints(store)).filter(({ value }) => value.link === undefined);
  return { bootId, endpoints, addresses, left };
}

/** What the loop is made of. */
export interface BootLoopParts {
  /** Name of this host among others. */
  readonly hostName: string;
  readonly store: StateStore;
  readonly earlier: EarlierBoot;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every endpoint that is no more. */
  readonly release: (endpointId: string) => void;
}

/** Removes the endpoints of an earlier boot, as soon as the store takes it; then notes this boot, again in each
 *  cluster that the host comes to. */
export function startBootLoop(parts: BootLoopParts): Loop {
  const { store, earlier, clock, log } = parts;
  let isTold = earlier.endpoints.length + earlier.left.length === 0;
  return startLoop({
    clock,
    pace: reconcilePace,
    run: async (signal) => {
      // this host's copy may be from before an agent of this boot was stopped at it
      const isResumed = !isTold && (await noteEnding(store, earlier.bootId)) === 'noted before';
      for (const { value, modRevision } of isTold ? [] : earlier.endpoints) {
        const { networkId, id } = value;
        await remove(parts, { networkId, id, modRevision, isResumed }, signal);
      }
      if (!isTold) {
        await releaseLeft(parts, signal);
        log.info({ endpoints: earlier.endpoints.length }, 'this machine was booted: they are gone');
      }
      isTold = true;
      await noteBoot(store, earlier.bootId);
    },
    onError: (thrown) => {
      log.debug({ err: asFairleadError(thrown) }, 'could not say yet what a boot has ended');
    },
  });
}

/** An endpoint as it was seen. */
interface Seen extends Pick<Endpoint, 'networkId' | 'id'> {
  readonly modRevision: number;
  /** An agent before this one was stopped at it. */
  readonly isResumed: boolean;
}

/** Only who removes an endpoint gives its addresses back, once: later they may be another's. */
async function remove(
  { store, hostName, earlier, release }: BootLoopParts,
  { networkId, id, modRevision, isResumed }: Seen,
  signal: AbortSignal,
): Promise<void> {
  const plan = () => planDeleteEndpoint(networkId, id, { modRevision });
  const isRemoved = (await runPlan(store, plan, { signal })) !== undefined;
  if (isRemoved) release(id);
  else if (!isResumed) return;
  for (const { poolId, address, value } of earlier.addresses) {
    if (value.endpointId !== id) continue;
    await runPlan(store, () => planAddressRelease({ poolId, address }, hostName), { signal });
  }
}

async function releaseLeft(
  { store, hostName, earlier }: BootLoopParts,
  signal: AbortSignal,
): Promise<void> {
  for (const { poolId, address, modRevision } of earlier.left) {
    const plan = () => planAddressRelease({ poolId, address }, hostName, { modRevision });
    await runPlan(store, plan, { signal });
  }
}

/** An agent that is stopped between an endpoint and its addresses leaves word that it was at it. */
async function noteEnding(
  store: StateStore,
  bootId: string,
): Promise<'noted' | 'noted before' | 'not needed'> {
  const before = await readNoted(store, 'linearizable');
  if (before === undefined || before.id === bootId) return 'not needed';
  if (before.ending === bootId) return 'noted before';
  await putNote(store, { ...before, ending: bootId });
  return 'noted';
}

async function noteBoot(store: StateStore, bootId: string): Promise<void> {
  if ((await readNoted(store))?.id === bootId) return;
  await putNote(store, { id: bootId });
}

async function putNote(store: StateStore, noted: Boot): Promise<void> {
  const value = encodeRecord(noted);
  // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
  await store.txn({ compare: [], then: [{ op: 'put', key: bootKey, value }] });
}

async function readNoted(
  store: StateStore,
  consistency: 'local' | 'linearizable' = 'local',
): Promise<Boot | undefined> {
  const [row] = (await store.range({ start: bootKey, consistency })).rows;
  return row && decodeRecord(bootSchema, row).value;
}
