/**
 * A host as a member: its store on the disk, its engine, and its connections, opened, replaced and closed
 * together. A first start makes a cluster of one, which needs nothing and waits for nobody; connections
 * come with the peer file, which `init` and `join` write.
 *
 *     <data-dir>/store/       the store
 *     <data-dir>/peer.json    who this host is to others
 *     <data-dir>/leaving      this host has left its cluster; its store is about to be put aside
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { FairleadError, hasCode } from '../../errors.ts';
import { clusterLoopMs } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import { isSystemError, writeFileDurably } from '../level/durable-file.ts';
import { quarantineStore } from '../level/quarantine.ts';
import type { Peers } from '../peer/peers.ts';
import { configEmpty } from '../raft/config.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { ReplicatedEngine } from './engine.ts';
import type { StoreLimits } from './limits.ts';
import { memberRound, type LoopState } from './member-loop.ts';
import { MemberRows } from './member-rows.ts';
import { newCluster, newMember, openMemberStore, type Timing } from './member-store.ts';
import {
  credentialsOf,
  dialTargets,
  isLasting,
  judgeMember,
  openLink,
  type ClusterView,
} from './peer-link.ts';
import { readPeerFile, writePeerFile, type PeerFile } from './peer-file.ts';
import { memberView, type NodeParts } from './node-view.ts';
import { SwappableStore } from './swappable.ts';

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
  /** The store is dead and so must the process be. */
  readonly onFatal: (error: FairleadError) => void;
  /** Smaller bounds, for tests. */
  readonly limits?: Partial<StoreLimits>;
}

/** A member at work. */
export class ClusterNode implements NodeParts {
  readonly options: NodeOptions;
  readonly store: SwappableStore<ReplicatedEngine>;
  readonly loopState: LoopState = { waitingFor: undefined };
  /** When members were last connected, monotonic ms. */
  readonly heard = new Map<MemberId, number>();
  readonly #paths: Paths;
  readonly #ending = new AbortController();
  #opened: Opened;
  #peers: Peers | undefined;
  #looping: Promise<void> | undefined;

  private constructor(options: NodeOptions, opened: Opened) {
    this.options = options;
    this.#paths = pathsIn(options.dataDirectory);
    this.#opened = opened;
    this.store = new SwappableStore(opened.engine);
  }

  /**
   * Opens the member of this host, or makes the host a cluster of its own.
   * @throws STORE_*, SOCKET_*, PEER_CERTIFICATE
   */
  static async open(options: NodeOptions): Promise<ClusterNode> {
    const paths = pathsIn(options.dataDirectory);
    await finishLeaving(paths, options);
    let connected = (): readonly MemberId[] => [];
    const opened = await openAll(paths, options, () => connected());
    const node = new ClusterNode(options, opened);
    connected = () => node.connected();
    try {
      await node.#connect();
    } catch (error) {
      await opened.engine.close();
      throw error;
    }
    node.#looping = node.#loop();
    return node;
  }

  get engine(): ReplicatedEngine {
    return this.#opened.engine;
  }

  get identity(): StoreIdentity {
    return this.#opened.identity;
  }

  get rows(): MemberRows {
    return this.#opened.rows;
  }

  get file(): PeerFile | undefined {
    return this.#opened.file;
  }

  /** The name that this host joined or began with; another `--name` later does not change it. */
  get memberName(): string {
    const { memberId } = this.identity;
    const own = this.rows.members().find(({ id }) => id === memberId);
    return own?.name ?? this.file?.name ?? this.options.hostName;
  }

  get peers(): Peers | undefined {
    return this.#peers;
  }

  /** Folder of the store. */
  get storeDirectory(): string {
    return this.#paths.store;
  }

  spaceLow(): boolean {
    return this.#opened.spaceLow();
  }

  /** Writes the peer file and acts by it: listens elsewhere, shows another certificate. */
  async present(file: PeerFile): Promise<void> {
    const before = this.#opened.file;
    await writePeerFile(this.#paths.peer, file);
    this.#opened = { ...this.#opened, file };
    if (this.#peers !== undefined && before?.listen === file.listen) {
      this.#peers.rotate(credentialsOf(file, this.rows.enforceDates()));
      return;
    }
    await this.#disconnect();
    try {
      await this.#connect();
    } catch (error) {
      // as it was before: nothing has changed
      this.#opened = { ...this.#opened, file: before };
      await (before === undefined
        ? rm(this.#paths.peer, { force: true })
        : writePeerFile(this.#paths.peer, before));
      await this.#connect();
      throw error;
    }
  }

  /**
   * Closes everything, lets `change` work on the files, and opens what is there then.
   * @throws what `change` throws; the host then goes on with what it had
   */
  async reopen(change: () => Promise<void>): Promise<void> {
    await this.#disconnect();
    let failure: unknown;
    try {
      await this.store.swap(async () => {
        try {
          await change();
        } catch (thrown) {
          failure = thrown;
        }
        await finishLeaving(this.#paths, this.options);
        this.#opened = await openAll(this.#paths, this.options, () => this.connected());
        return this.#opened.engine;
      });
    } catch (thrown) {
      const error = thrown instanceof FairleadError ? thrown : undefined;
      this.options.onFatal(
        error ??
          new FairleadError('INTERNAL', 'the store could not be opened again', { cause: thrown }),
      );
      throw thrown;
    }
    await this.#connect();
    if (failure !== undefined) throw failure;
  }

  /** Becomes the member that a peer file describes; to be called within `reopen`. */
  async become(file: PeerFile): Promise<void> {
    await writePeerFile(this.#paths.peer, file);
  }

  /** Says that this host has left its cluster; to be called within `reopen`. */
  async leaveBehind(): Promise<void> {
    await writeFileDurably(this.#paths.leaving, `${this.identity.dataId}\n`);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#looping;
    await this.#disconnect();
    await this.store.close();
  }

  async #connect(): Promise<void> {
    if (this.#opened.file === undefined) return;
    const { clock, log } = this.options;
    this.#peers = await openLink(memberView(this), { clock, log: log.child({ part: 'peer' }) });
  }

  async #disconnect(): Promise<void> {
    const peers = this.#peers;
    this.#peers = undefined;
    this.engine.attach(undefined);
    await peers?.close();
  }

  /** Members that are connected. */
  connected(): readonly MemberId[] {
    const states = this.#peers?.states() ?? [];
    return states.filter(({ connected }) => connected).map(({ member }) => member);
  }

  /** Dials whoever is to be dialled now, cuts off who is not a member any more, notes who is there. */
  #lookAround(view: ClusterView): void {
    const peers = this.#peers;
    if (peers === undefined) return;
    peers.setMembers(dialTargets(view));
    for (const { member, connection } of peers.states()) {
      if (connection === undefined) continue;
      this.heard.set(member, this.options.clock.monotonicMs());
      const refusal = judgeMember(connection.hello, view);
      if (refusal !== undefined && isLasting(refusal)) peers.disconnect(member, refusal);
    }
  }

  async #loop(): Promise<void> {
    const { clock, log } = this.options;
    const { signal } = this.#ending;
    const view = memberView(this);
    while (!signal.aborted) {
      try {
        await memberRound(view, this.loopState);
        this.#lookAround(view);
      } catch (error) {
        log.warn({ err: error }, 'the members could not be looked at');
      }
      await clock.sleep(clusterLoopMs, signal).catch(() => undefined);
    }
  }
}

interface Paths {
  readonly store: string;
  readonly peer: string;
  readonly leaving: string;
}

interface Opened {
  readonly engine: ReplicatedEngine;
  readonly identity: StoreIdentity;
  readonly rows: MemberRows;
  readonly file: PeerFile | undefined;
  readonly spaceLow: () => boolean;
}

function pathsIn(dataDirectory: string): Paths {
  return {
    store: join(dataDirectory, 'store'),
    peer: join(dataDirectory, 'peer.json'),
    leaving: join(dataDirectory, 'leaving'),
  };
}

/** Opens the store that belongs to the peer file, or makes it where that is right. */
async function openAll(
  paths: Paths,
  options: NodeOptions,
  connected: () => readonly MemberId[],
): Promise<Opened> {
  const { clock, limits } = options;
  const log = options.log.child({ part: 'store' });
  let file = await readPeerFile(paths.peer);
  if (file !== undefined && !file.storeMade) await putOtherAside(paths, file, options);
  let consensus: Pick<RaftStatus, 'config' | 'leader'> = { config: configEmpty, leader: undefined };
  const create = file === undefined ? newCluster() : file.storeMade ? undefined : newMember(file);
  const member = await openMemberStore({
    directory: paths.store,
    clock,
    log,
    timing: options.timing,
    isWitness: file?.role === 'witness',
    sources: () => feeders(connected(), consensus),
    onStatus: (status) => {
      consensus = status;
    },
    onFatal: options.onFatal,
    ...(limits === undefined ? {} : { limits }),
    ...(create === undefined ? {} : { create }),
  });
  try {
    checkOwner(member.identity, member.engine, file);
    if (file !== undefined && !file.storeMade) {
      file = { ...file, storeMade: true };
      await writePeerFile(paths.peer, file);
    }
  } catch (error) {
    await member.engine.close();
    throw error;
  }
  return { ...member, file, rows: new MemberRows(member.engine) };
}

/** Who may feed an observer, the best first: voters that do not lead, the leader, anybody. */
function feeders(
  connected: readonly MemberId[],
  { config, leader }: Pick<RaftStatus, 'config' | 'leader'>,
): readonly MemberId[] {
  const rank = (id: MemberId): number =>
    id === leader ? 1 : config.voters.includes(id) && !config.witnesses.includes(id) ? 0 : 2;
  return connected
    .filter((id) => !config.witnesses.includes(id))
    .toSorted((one, other) => rank(one) - rank(other));
}

/** A host that was let into a cluster puts the store that it had aside, once. */
async function putOtherAside(
  { store }: Paths,
  file: PeerFile,
  { clock, log }: NodeOptions,
): Promise<void> {
  const found = await readFile(join(store, 'identity'), 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found === undefined || found.includes(file.dataId)) return;
  const kept = await quarantineStore({
    directory: store,
    reason: `this host joined cluster ${file.clusterId}`,
    clock,
  });
  log.info({ kept }, 'the store from before joining is kept');
}

/** The store and the peer file must be of one member: a copy or a mix is never served. */
function checkOwner(
  identity: StoreIdentity,
  engine: ReplicatedEngine,
  file: PeerFile | undefined,
): void {
  const { memberId, dataId, clusterId } = identity;
  if (file === undefined) {
    const { config } = engine.status();
    if (config.voters.length === 1 && config.voters[0] === memberId) return;
    throw new FairleadError('STORE_LOST', 'the store was lost: its peer.json is missing', {
      fix: 'put peer.json back from a backup; or move the data directory aside, remove this host from its cluster and join again',
    });
  }
  if (file.memberId === memberId && file.dataId === dataId && file.clusterId === clusterId) return;
  throw new FairleadError(
    'STORE_LOST',
    'the store was lost: another member is in its place, or peer.json belongs to another',
    { detail: { identity, memberId: file.memberId, dataId: file.dataId } },
  );
}

/** Finishes a leave that was interrupted: puts the store aside and forgets who this host was. */
async function finishLeaving(paths: Paths, { clock, log }: NodeOptions): Promise<void> {
  let dataId: string;
  try {
    dataId = (await readFile(paths.leaving, 'utf8')).trim();
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  try {
    const found = await readFile(join(paths.store, 'identity'), 'utf8');
    if (found.includes(dataId)) {
      const kept = await quarantineStore({
        directory: paths.store,
        reason: 'this host left its cluster',
        clock,
      });
      log.info({ kept }, 'the store of the cluster that was left is kept');
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !hasCode(error, 'STORE_FAILED')) throw error;
  }
  await rm(paths.peer, { force: true });
  await rm(paths.leaving, { force: true });
}
