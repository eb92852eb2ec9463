/**
 * Keeps our records equal to what the engine still has: after a crash of either side, after calls that
 * found nobody listening, after `docker network rm` while we were away. Runs beside the plugin calls,
 * never inside one; what it removes is compared at its revision, so a record that changes in the
 * meantime stays.
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import type { DockerClient } from '../docker/client.ts';
import { followDockerEvents } from '../docker/events.ts';
import { asFairleadError, describeError, hasCode } from '../errors.ts';
import {
  absentConfirmMs,
  dockerDebounceMs,
  dockerReconnectMaxMs,
  releasedAddressesMax,
  unclaimedMs,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import { dockerEngineKey } from '../model/keys.ts';
import { dockerEngineSchema } from '../model/network.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { planDeleteEndpoint } from '../network/endpoints.ts';
import { planNetworkRemoval } from '../network/calls.ts';
import { planAddressRelease, planPoolRelease } from '../network/ipam/calls.ts';
import { planTrimReleased } from '../network/ipam/release.ts';
import { networkOfSpace } from '../network/ipam/space.ts';
import { planSweep, type DockerView, type Records, type Suspects } from '../network/sweep.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { poolId, type Pool } from '../model/pool.ts';
import { readDockerView } from './docker-view.ts';
import { ourDrivers } from './our-drivers.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import {
  readEndpoints,
  readHeldAddresses,
  readNetworks,
  readPoolAddresses,
  readPools,
  readSharedPools,
} from './records.ts';

/** What the loop is made of. */
export interface DockerLoopParts {
  /** Name of this host among others. */
  readonly hostName: string;
  readonly store: StateStore;
  readonly docker: DockerClient;
  readonly dockerSocket: string;
  readonly pluginName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
  /** Told of every endpoint that was swept. */
  readonly release: (endpointId: string) => void;
  /** Told when the engine may have other networks than before. */
  readonly onNetworks: () => void;
}

/** Starts the loop and the event stream that wakes it. */
export function startDockerLoop(parts: DockerLoopParts): Loop {
  const { conditions, clock, log } = parts;
  let suspects: Suspects = new Map();
  return startLoop({
    clock,
    pace: { ...reconcilePace, debounceMs: dockerDebounceMs, retryMaxMs: dockerReconnectMaxMs },
    run: async (signal) => {
      suspects = await sweepOnce(parts, suspects, signal);
      conditions.clear('DOCKER_DOWN');
      conditions.clear('DOCKER_VERSION');
      return suspects.size === 0 ? undefined : absentConfirmMs;
    },
    onError: (thrown) => {
      const error = asFairleadError(thrown);
      const is = (code: 'DOCKER_DOWN' | 'DOCKER_VERSION') => hasCode(error, code);
      if (is('DOCKER_DOWN')) conditions.raise('DOCKER_DOWN', describeError(error));
      else if (is('DOCKER_VERSION')) conditions.raise('DOCKER_VERSION', describeError(error));
      else log.error({ err: error }, 'could not compare with Docker');
    },
    wokenBy: (kick, signal) =>
      followDockerEvents({
        socketPath: parts.dockerSocket,
        clock,
        signal,
        listener: (told) => {
          if (told.kind === 'disconnected') return;
          kick();
          // attaching containers changes no network
          const { action } = told.kind === 'event' ? told.event : { action: 'create' };
          if (action !== 'connect' && action !== 'disconnect') parts.onNetworks();
        },
      }),
  });
}

/** One comparison; answers whom to look at again. */
async function sweepOnce(
  parts: DockerLoopParts,
  before: Suspects,
  signal: AbortSignal,
): Promise<Suspects> {
  const records = await readRecords(parts.store);
  const isOurs = await ourDrivers(parts.docker, parts.pluginName, signal);
  const known = new Set(records.networks.map(({ value }) => value.id));
  const view = await readDockerView(parts.docker, { isOurs, known }, signal);
  if (!(await isOurEngine(parts, records, view, signal))) return new Map();
  const sweep = planSweep(records, view, before, parts.clock.monotonicMs(), {
    absentMs: absentConfirmMs,
    unclaimedMs,
  });
  const { store, log, hostName } = parts;
  for (const { value, modRevision } of sweep.endpoints) {
    const gone = await runPlan(store, () =>
      planDeleteEndpoint(value.networkId, value.id, { modRevision }),
    );
    if (gone === undefined) continue;
    log.info(
      { endpoint: value.id, network: value.networkId },
      'Docker no longer has this endpoint',
    );
    parts.release(value.id);
  }
  for (const { value, modRevision } of sweep.networks) {
    if (await removeNetwork(store, hostName, { id: value.id, modRevision }))
      log.info({ network: value.id }, 'Docker no longer has this network');
  }
  for (const { value, modRevision } of sweep.pools) {
    await releasePool(store, hostName, { pool: value, modRevision });
    log.info({ pool: value.cidr }, 'no network of Docker uses this pool');
  }
  for (const record of sweep.addresses) {
    const { address, modRevision } = record;
    const gone = await runPlan(store, () =>
      planAddressRelease({ poolId: record.poolId, address }, hostName, { modRevision }),
    );
    if (gone) log.info({ address, pool: record.cidr }, 'nobody has this address');
  }
  await trimReleased(store, records);
  return sweep.suspects;
}

/** What was seen of a record that is to go. */
interface Seen {
  readonly modRevision: number;
}

/** A shared network is removed in steps; only the first compares the revision it was seen at. */
async function removeNetwork(
  store: StateStore,
  host: string,
  { id, modRevision }: Seen & { readonly id: string },
): Promise<boolean> {
  let progress = await runPlan(store, () => planNetworkRemoval(id, host, { modRevision }));
  if (progress === 'absent') return false;
  while (progress === 'more') progress = await runPlan(store, () => planNetworkRemoval(id, host));
  return true;
}

/** A large pool is released in steps; only the first compares the revision it was seen at. */
async function releasePool(
  store: StateStore,
  host: string,
  { pool, modRevision }: Seen & { readonly pool: Pool },
): Promise<void> {
  const id = poolId(pool);
  let { done } = await runPlan(store, () => planPoolRelease(id, host, { modRevision }));
  while (!done) ({ done } = await runPlan(store, () => planPoolRelease(id, host)));
}

/** Keeps the memory of released addresses within its bound. */
async function trimReleased(store: StateStore, records: Records): Promise<void> {
  for (const { value: pool } of records.pools) {
    // those of shared networks keep within it by themselves
    if (networkOfSpace(pool.space) !== undefined) continue;
    const released = records.addresses.filter(
      ({ space, cidr, value }) =>
        space === pool.space && cidr === pool.cidr && value.state === 'released',
    );
    if (released.length <= releasedAddressesMax) continue;
    let { more } = await runPlan(store, () => planTrimReleased(pool.space, pool.cidr));
    while (more) ({ more } = await runPlan(store, () => planTrimReleased(pool.space, pool.cidr)));
  }
}

async function readRecords(store: StateStore): Promise<Records> {
  const networks = await readNetworks(store);
  const endpoints = await readEndpoints(store);
  const pools = await readPools(store);
  const addresses = [];
  for (const { value } of pools) addresses.push(...(await readPoolAddresses(store, value)));
  const shared = await readSharedPools(store, networks);
  addresses.push(...(await readHeldAddresses(store)));
  return { networks, endpoints, pools: [...pools, ...shared], addresses };
}

/**
 * An engine is believed when it has a network of ours, or is the one that had. Any other (a wrong
 * --docker-host) would make everything look as if it were gone.
 */
async function isOurEngine(
  { store, docker, conditions }: DockerLoopParts,
  records: Records,
  view: DockerView,
  signal: AbortSignal,
): Promise<boolean> {
  const { id: engine } = await docker.engine(signal);
  const [row] = (await store.range({ start: dockerEngineKey })).rows;
  const known = row && decodeRecord(dockerEngineSchema, row).value.id;
  const shared = records.networks.some(({ value }) => view.networks.has(value.id));
  if (shared && known !== engine) {
    const put = { op: 'put', key: dockerEngineKey, value: encodeRecord({ id: engine }) } as const;
    await store.txn({ compare: [], then: [put] });
  }
  const believed = shared || known === undefined || known === engine;
  conditions.set(
    'DOCKER_OTHER_ENGINE',
    believed
      ? undefined
      : 'the engine at --docker-host has none of our networks and is not the one that had; nothing is removed until it has one',
  );
  return believed;
}
