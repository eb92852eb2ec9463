/**
 * A host as a member: its store on the disk, its engine, and its connections, opened, replaced and closed
 * together, one change at a time. A first start makes a cluster of one, which needs nothing and waits for
 * nobody; connections come with the peer file, which `init` and `join` write.
 */
import { rm } from 'node:fs/promises';
import { asFairleadError, FairleadError, hasCode } from '../../errors.ts';
import { clusterLoopMs } from '../../limits.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import { writeFileDurably } from '../level/durable-file.ts';
import type { Peers } from '../peer/peers.ts';
import type { MemberId } from '../raft/entry.ts';
import type { ReplicatedEngine } from './engine.ts';
import { handOverBeforeClosing } from './hand-over.ts';
import { memberRound, type LoopState } from './member-loop.ts';
import type { MemberRows } from './member-rows.ts';
import type { NodeOptions } from './node-options.ts';
import { memberView, type MemberView, type NodeParts } from './node-view.ts';
import { finishLeaving, openAll, pathsIn, type NodePaths, type Opened } from './opening.ts';
import { writeOutOfService } from './out-of-service.ts';
import { readPeerFile, writePeerFile, type PeerFile } from './peer-file.ts';
import { credentialsOf, dialTargets, isLasting, judgeMember, openLink } from './peer-link.ts';
import { mayRejoin, replaceMember } from './rejoining.ts';
import { SwappableStore } from './swappable.ts';

/** A member at work. */
export class ClusterNode implements NodeParts {
  readonly options: NodeOptions;
  readonly store: SwappableStore<ReplicatedEngine>;
  readonly loopState: LoopState = { waitingFor: undefined };
  /** When members were last connected, monotonic ms. */
  readonly heard = new Map<MemberId, number>();
  readonly runs = new Map<MemberId, string>();
  readonly paths: NodePaths;
  readonly #ending = new AbortController();
  #opened: Opened;
  #peers: Peers | undefined;
  #looping: Promise<void> | undefined;
  /** Changes of what is open take turns; the last one's end. */
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #noted: FairleadError | undefined;

  private constructor(options: NodeOptions, opened: Opened) {
    this.options = options;
    this.paths = pathsIn(options.dataDirectory);
    this.#opened = opened;
    this.store = new SwappableStore(opened.engine);
  }

  /**
   * Opens the member of this host, or makes the host a cluster of its own. One whose data is lost or
   * damaged is let in again by the others, as a new member (README.md).
   * @throws STORE_*, SOCKET_*, PEER_CERTIFICATE
   */
  static async open(options: NodeOptions): Promise<ClusterNode> {
    const paths = pathsIn(options.dataDirectory);
    await finishLeaving(paths, options);
    let connected = (): readonly MemberId[] => [];
    const opened = await openOrReplace(paths, options, () => connected());
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
    return this.paths.store;
  }

  spaceLow(): boolean {
    return this.#opened.spaceLow();
  }

  /**
   * Writes the peer file and acts by it: listens elsewhere, shows another certificate.
   * @throws SOCKET_*, PEER_CERTIFICATE (all is as before), CLUSTER_CHANGE when this host has become
   *   another member meanwhile
   */
  present(file: PeerFile): Promise<void> {
    return this.#inTurn(() => this.#present(file));
  }

  async #present(file: PeerFile): Promise<void> {
    const before = this.#opened.file;
    const { memberId, clusterId, dataId } = this.identity;
    if (file.memberId !== memberId || file.clusterId !== clusterId || file.dataId !== dataId) {
      throw new FairleadError('CLUSTER_CHANGE', 'this host has become another member meanwhile');
    }
    const isHere = this.#peers !== undefined && before?.listen === file.listen;
    // what this refuses is not written
    if (isHere) this.#peers?.rotate(credentialsOf(file, this.rows.enforceDates()));
    await writePeerFile(this.paths.peer, file);
    this.#opened = { ...this.#opened, file };
    if (isHere) return;
    await this.#disconnect();
    try {
      await this.#connect();
    } catch (error) {
      this.#opened = { ...this.#opened, file: before };
      await (before === undefined
        ? rm(this.paths.peer, { force: true })
        : writePeerFile(this.paths.peer, before));
      await this.#connect();
      throw error;
    }
  }

  /**
   * Closes everything, lets `change` work on the files, and opens what is there then.
   * @throws what `change` throws; the host then goes on with what it had
   */
  reopen(change: () => Promise<void>): Promise<void> {
    return this.#inTurn(() => this.#reopen(change));
  }

  async #reopen(change: () => Promise<void>): Promise<void> {
    let failure: { readonly thrown: unknown } | undefined;
    try {
      await this.store.swap(async () => {
        await this.#disconnect();
        try {
          await change();
          await rm(this.paths.outOfService, { force: true });
        } catch (thrown) {
          failure = { thrown };
        }
        await finishLeaving(this.paths, this.options);
        this.#opened = await openAll(this.paths, this.options, () => this.connected());
        this.heard.clear();
        this.runs.clear();
        return this.#opened.engine;
      });
    } catch (thrown) {
      this.options.onFatal(asFairleadError(thrown));
      throw thrown;
    }
    // a listener that cannot be opened now is tried again by the loop
    await this.#connect().catch((error: unknown) => {
      this.options.log.error({ err: error }, 'the other members cannot be reached yet');
    });
    if (failure !== undefined) throw failure.thrown;
  }

  /** Becomes the member that a peer file describes; to be called within `reopen`. */
  async become(file: PeerFile): Promise<void> {
    await writePeerFile(this.paths.peer, file);
    await this.options.between?.('join: peer file written');
  }

  /** Says that this host has left its cluster; to be called within `reopen`. */
  async leaveBehind(): Promise<void> {
    await writeFileDurably(this.paths.leaving, `${this.identity.dataId}\n`);
    await this.options.between?.('leave: marked');
  }

  /** Hands leadership over if it has it, answers what was taken, and lets go of everything. */
  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  async #shut(): Promise<void> {
    this.#ending.abort();
    // the loop may wait for a leader that is not there
    this.engine.leadership.close();
    await this.#looping;
    await this.#inTurn(async () => {
      await handOverBeforeClosing(this);
      // with connections: what was taken needs the others
      await this.store.close();
      await this.#disconnect();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const running = this.#turn.then(work);
    this.#turn = running.catch(() => undefined);
    return running;
  }

  async #connect(): Promise<void> {
    if (this.#opened.file === undefined || this.#peers !== undefined) return;
    const { clock, log } = this.options;
    this.#peers = await openLink(memberView(this), { clock, log: log.child({ part: 'peer' }) });
  }

  async #disconnect(): Promise<void> {
    const peers = this.#peers;
    this.#peers = undefined;
    this.engine.attach(undefined);
    await peers?.close();
  }

  /** Why another member takes this one for a copy of one that is there, if so. */
  get doubt(): FairleadError | undefined {
    const states = this.#peers?.states() ?? [];
    return states
      .map(({ connected, lastError }) => (connected ? undefined : lastError))
      .find((error) => hasCode(error, 'MEMBER_EXISTS'));
  }

  /** Members that are connected. */
  connected(): readonly MemberId[] {
    const states = this.#peers?.states() ?? [];
    return states.filter(({ connected }) => connected).map(({ member }) => member);
  }

  /** Dials whoever is to be dialled now, cuts off who is not a member any more, notes who is there. */
  #lookAround(view: MemberView): void {
    const peers = this.#peers;
    if (peers === undefined) return;
    // one that is out has nobody to ask
    peers.setMembers(this.engine.retired === undefined ? dialTargets(view) : []);
    for (const { member, connection } of peers.states()) {
      if (connection === undefined) continue;
      this.heard.set(member, this.options.clock.monotonicMs());
      const refusal = judgeMember(connection.hello, view);
      if (refusal !== undefined && isLasting(refusal)) peers.disconnect(member, refusal);
    }
    const members = new Set(view.members().map(({ id }) => id));
    for (const map of [this.heard, this.runs]) {
      for (const id of map.keys()) if (!members.has(id)) map.delete(id);
    }
  }

  /** Out of the cluster: for a reason that is to be remembered, or for one that this host can mend. */
  async #attendToRetirement(): Promise<void> {
    const { retired } = this.engine;
    if (retired === undefined || retired === this.#noted) return;
    if (hasCode(retired, 'STORE_ROLLED_BACK')) {
      await writeOutOfService(this.paths.outOfService, retired);
    }
    const { file } = this;
    if (hasCode(retired, 'MEMBER_DATA_LOST') && mayRejoin(file)) {
      const { options } = this;
      const { signal } = this.#ending;
      const fresh = await replaceMember(file, this.paths, { options, signal });
      await this.reopen(() => this.become(fresh));
    }
    this.#noted = retired;
  }

  async #loop(): Promise<void> {
    const { clock, log, timing } = this.options;
    const { signal } = this.#ending;
    const view = memberView(this);
    while (!signal.aborted) {
      try {
        if (this.#peers === undefined && this.file !== undefined) {
          await this.#inTurn(() => this.#connect());
        }
        await memberRound(view, this.loopState);
        this.#lookAround(view);
        await this.#attendToRetirement();
      } catch (error) {
        log.warn({ err: error }, 'the members could not be looked at');
      }
      await clock.sleep(timing.loopMs ?? clusterLoopMs, signal).catch(() => undefined);
    }
  }
}

/** Opens what is there; a member whose data is lost or damaged comes back as another. */
async function openOrReplace(
  paths: NodePaths,
  options: NodeOptions,
  connected: () => readonly MemberId[],
): Promise<Opened> {
  try {
    return await openAll(paths, options, connected);
  } catch (error) {
    const isLost = hasCode(error, 'STORE_LOST') || hasCode(error, 'STORE_DAMAGED');
    const file = isLost ? await readPeerFile(paths.peer) : undefined;
    if (!isLost || !mayRejoin(file) || !file.storeMade) throw error;
    options.log.error({ err: error }, 'the data of this member is lost: asking to be let in again');
    const { signal } = new AbortController();
    const asked = replaceMember(file, paths, { options, signal });
    const fresh = await asked.catch((thrown: unknown) => {
      const why = asFairleadError(thrown);
      throw new FairleadError(
        error.code,
        `${error.message}; and the cluster did not let this host in again: ${why.message} (${why.code})`,
        {
          cause: thrown,
          ...(why.fix === undefined ? {} : { fix: why.fix }),
        },
      );
    });
    await writePeerFile(paths.peer, fresh);
    await options.between?.('rejoin: peer file written');
    return openAll(paths, options, connected);
  }
}
