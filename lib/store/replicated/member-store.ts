/** One member's disk and engine, opened together: what was read is proved before it is trusted. */
import { assert } from '../../assert.ts';
import type { Clock } from '../../clock.ts';
import type { FairleadError } from '../../errors.ts';
import { featureLevelNewest } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { driverBounds, raftOptions, type DriverOptions } from '../driver/options.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import type { StoreCreation } from '../level/creation.ts';
import { contentHash } from '../level/format.ts';
import { randomId } from '../level/layout.ts';
import { openLevelStorage, type LevelStorage } from '../level/open.ts';
import { Machine } from '../machine/machine.ts';
import { emptyImage } from '../machine/state.ts';
import { configEmpty, type RaftConfig } from '../raft/config.ts';
import { positionStart, type MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import { ReplicatedEngine, type EngineParts } from './engine.ts';
import { storeLimits, type StoreLimits } from './limits.ts';

/** How fast consensus notices: all in ms. */
export interface Timing {
  readonly heartbeatMs: number;
  /** Least time without a leader before an election. */
  readonly electionMs: number;
  /** How long a learner must have kept up before it may vote. */
  readonly steadyMs: number;
  /** How often members look at what they are meant to be; `clusterLoopMs` by default. */
  readonly loopMs?: number;
  /** How long a silent member counts as alive; `clusterAliveMs` by default. */
  readonly aliveMs?: number;
  /** How long a request waits for a leader; `quorumWaitMs` by default. */
  readonly waitMs?: number;
}

/** The timing of production. */
export const timingDefault: Timing = {
  heartbeatMs: raftOptions.heartbeatTicks * driverBounds.tickMs,
  electionMs: raftOptions.electionTicks * driverBounds.tickMs,
  steadyMs: raftOptions.learnerSteadyTicks * driverBounds.tickMs,
};

/** How to open a member's store. */
export interface MemberStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** What to make where there never was a store. */
  readonly create?: StoreCreation;
  readonly isWitness: boolean;
  readonly timing: Timing;
  readonly limits?: Partial<StoreLimits>;
  readonly sources: () => readonly MemberId[];
  readonly onStatus: (status: RaftStatus) => void;
  readonly onFatal: (error: FairleadError) => void;
}

/** An open member's store. */
export interface MemberStore {
  readonly engine: ReplicatedEngine;
  readonly identity: StoreIdentity;
  readonly spaceLow: () => boolean;
}

/**
 * Opens it.
 * @throws as `openLevelStorage`
 */
export async function openMemberStore(options: MemberStoreOptions): Promise<MemberStore> {
  const { clock, log, timing, isWitness, onFatal } = options;
  const limits = { ...storeLimits, ...options.limits };
  const proof: { machine?: Machine } = {};
  const opened: LevelStorage = await openLevelStorage({
    directory: options.directory,
    clock,
    log,
    onFatal: (error) => engine?.fail(error),
    prove({ machine }) {
      proof.machine = Machine.load(machine, { limits, hash: contentHash });
    },
    ...(options.create === undefined ? {} : { create: options.create }),
  });
  // apart: whoever holds on to all of it would keep rows that have long changed
  const { stored, storage, spaceLow, close } = opened;
  const { machine } = proof;
  assert(machine !== undefined, 'what was opened was proved');
  const parts: EngineParts = {
    opened: { storage, close },
    clock,
    log,
    limits,
    driver: { ...paced(timing), isWitness },
    ...(timing.waitMs === undefined ? {} : { waitMs: timing.waitMs }),
    sources: options.sources,
    onStatus: options.onStatus,
    onFatal,
  };
  const engine = new ReplicatedEngine(parts, { stored, machine });
  return { engine, identity: stored.identity, spaceLow };
}

/** What makes a cluster of one. */
export function newCluster(): StoreCreation {
  const memberId = randomId().slice(0, 16);
  const identity = { clusterId: randomId(), epoch: 0, memberId, dataId: randomId() };
  return { ...newMember(identity, memberId), importFirstFormat: true };
}

/** What makes a member's store, empty. `founder`: the member that the cluster began with. */
export function newMember(
  { clusterId, epoch, memberId, dataId }: Omit<StoreIdentity, 'featureLevel'>,
  founder: MemberId | undefined,
): StoreCreation {
  const config: RaftConfig = { ...configEmpty, voters: founder === undefined ? [] : [founder] };
  return {
    identity: { clusterId, epoch, memberId, dataId, featureLevel: featureLevelNewest },
    base: { at: positionStart, config },
    machine: emptyImage(),
  };
}

/** The tuning of production at another pace. */
function paced(timing: Timing): Pick<DriverOptions, 'raft' | 'bounds'> {
  const tickMs = Math.min(driverBounds.tickMs, Math.max(1, Math.floor(timing.heartbeatMs / 2)));
  const ticks = (ms: number): number => Math.max(1, Math.round(ms / tickMs));
  const electionTicks = ticks(timing.electionMs);
  return {
    raft: {
      ...raftOptions,
      electionTicks,
      heartbeatTicks: ticks(timing.heartbeatMs),
      learnerSteadyTicks: ticks(timing.steadyMs),
    },
    bounds: { ...driverBounds, tickMs, subscribeTicks: electionTicks },
  };
}
