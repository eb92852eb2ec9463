/** The whole of one run: hosts, links, time, checks. */
import type { Driver } from '../../lib/store/driver/driver.ts';
import type { PeerMessage } from '../../lib/store/driver/messages.ts';
import { decodeProposal } from '../../lib/store/machine/proposal.ts';
import { emptyImage } from '../../lib/store/machine/state.ts';
import { encodeConfig, type RaftConfig } from '../../lib/store/raft/config.ts';
import type { Txn } from '../../lib/store/port.ts';
import type { Entry, MemberId } from '../../lib/store/raft/entry.ts';
import { Agenda } from './agenda.ts';
import { LeaseCheck } from './check-lease.ts';
import { LogCheck, type LogCheckPorts } from './check-log.ts';
import { StateCheck } from './check-state.ts';
import { Disk } from './disk.ts';
import { Host, wallStartMs } from './host.ts';
import { Network } from './network.ts';
import { learnerLagEntriesMax, simLimits } from './opening.ts';
import type { SimOptions } from './options.ts';
import { Random } from './random.ts';
import { Trace } from './trace.ts';
import { demand } from './violation.ts';

const messageNumbers: readonly PeerMessage['kind'][] = [
  'preVote',
  'preVoteReply',
  'vote',
  'voteReply',
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'timeoutNow',
  'feed',
  'feedReply',
  'subscribe',
  'snapshotChunk',
  'snapshotReply',
  'digest',
];

/** Members, their hosts and what is between them. */
export class Cluster {
  readonly options: SimOptions;
  readonly agenda = new Agenda();
  readonly trace: Trace;
  readonly random: Random;
  readonly network: Network;
  readonly log: LogCheck;
  readonly state: StateCheck;
  readonly leases: LeaseCheck;
  readonly hosts: readonly Host[];
  /** Directories by identity, lost ones included. */
  readonly disks = new Map<MemberId, Disk>();
  /** The voter whose directory is lost, until it is no member any more. */
  lost: MemberId | undefined;
  /** Somebody reads at a host, if there is somebody. */
  readAt: ((host: Host) => void) | undefined;
  /** Faults happen. */
  isFaulty = true;
  /** Until when a write under way may take at most. */
  stalledUntilMs = 0;
  readonly counts = { starts: 0, expiries: 0, lostDirectories: 0 };
  readonly #byId = new Map<MemberId, Host>();
  readonly #seed: bigint;
  #streams = 16;
  readonly #ledSinceMs = new Map<number, number>();

  constructor(seed: bigint, options: SimOptions, keepsLines: boolean) {
    this.#seed = seed;
    this.options = options;
    this.trace = new Trace(keepsLines);
    this.random = new Random(seed, 1);
    this.leases = new LeaseCheck(options.drift);
    this.state = new StateCheck(simLimits(options), {
      onExpired: (lease, entry) => this.#expired(lease, entry),
    });
    const ports: LogCheckPorts = {
      nowMs: () => this.agenda.now,
      disk: (id) => this.disks.get(id),
      onLeader: (id, term) => {
        this.note(7, term, 0, () => `${id} leads term ${term}`);
        this.#ledSinceMs.set(term, this.agenda.now);
        this.#tryReads(id);
        const host = this.hostOf(id);
        if (host !== undefined) host.ledSinceTick = host.ticks;
      },
    };
    this.log = new LogCheck(ports, { ...options, learnerLagEntriesMax });
    const count = options.voters + options.observers + options.spares;
    this.network = new Network(this.agenda, new Random(seed, 2), options, count);
    this.hosts = this.#makeHosts(count);
  }

  #makeHosts(count: number): readonly Host[] {
    const { voters, witness } = this.options;
    const hosts: Host[] = [];
    for (let number = 0; number < count; number += 1) {
      const random = new Random(this.#seed, this.#streams);
      this.#streams += 1;
      const host = new Host(this, { number, random, disk: this.#newDisk() });
      host.isIdle = number >= voters + this.options.observers;
      hosts.push(host);
      this.#byId.set(host.id, host);
    }
    const ids = hosts.slice(0, voters).map(({ id }) => id);
    const config: RaftConfig = {
      voters: ids.toSorted(),
      learners: [],
      witnesses: witness ? [ids[0] as string] : [],
    };
    const first: Entry = { index: 1, term: 1, kind: 'config', data: encodeConfig(config) };
    this.log.begin(first);
    for (const host of hosts.slice(0, voters)) {
      host.isWitness = config.witnesses.includes(host.id);
      host.disk.isWitness = host.isWitness;
      host.disk.begin({ hard: { term: 1, vote: undefined, commit: 1 }, entries: [first] });
      host.disk.complete();
    }
    return hosts;
  }

  /** An empty directory with an identity that never was. */
  #newDisk(): Disk {
    const disk = new Disk(
      {
        clusterId: '0'.repeat(32),
        epoch: 1,
        memberId: this.random.hex(16),
        dataId: this.random.hex(32),
        featureLevel: 1,
      },
      emptyImage().head,
    );
    this.disks.set(disk.identity.memberId, disk);
    return disk;
  }

  /** The host is given an empty directory, and so becomes somebody else. */
  renew(host: Host): void {
    this.counts.lostDirectories += 1;
    host.crash(false);
    host.disk = this.#newDisk();
    host.id = host.disk.identity.memberId;
    host.isWitness = false;
    this.#byId.set(host.id, host);
  }

  hostOf(id: MemberId | undefined): Host | undefined {
    const host = id === undefined ? undefined : this.#byId.get(id);
    return host?.id === id ? host : undefined;
  }

  /**
   * Every configuration that somebody goes by, or would after a crash: committed or not, in a log or still
   * on the disk below it.
   */
  get configs(): readonly RaftConfig[] {
    return this.hosts.flatMap(({ id, disk }) => [...this.log.configsOf(id), ...disk.configs]);
  }

  /** Who leads, as far as anyone can tell. */
  get leader(): Host | undefined {
    const host = this.hostOf(this.log.leaderOf(this.log.leaderTerm));
    return host?.driver?.status().role === 'leader' ? host : undefined;
  }

  /** Members that an observer may ask to feed it. */
  sources(asking: Host): readonly MemberId[] {
    return this.log.config.voters.filter((id) => id !== asking.id);
  }

  /** Carries a message. */
  send(from: Host, to: MemberId, message: PeerMessage): void {
    const target = this.hostOf(to);
    if (target === undefined || target === from) return;
    const { id } = from;
    this.network.carry(from.number, target.number, () => {
      if (target.id === to) target.receive(id, message);
    });
  }

  /** A process that died comes back after a while. */
  startLater(host: Host): void {
    const afterMs = this.random.between(0.1, 1.5) * this.options.outageMs;
    this.agenda.after(afterMs, () => host.start());
  }

  /** Changes the cluster's own rows, if there is a leader to do so. */
  system(txn: Txn): void {
    this.leader?.run((driver) => {
      driver.submit({ command: { do: 'system', txn }, wallMs: 0 }, () => undefined);
    });
  }

  /** No faults from now on: what is cut, paused or down comes back. */
  calmDown(): void {
    this.isFaulty = false;
    this.network.heal();
    for (const host of this.hosts) {
      host.resume();
      host.start();
    }
    this.note(9, 0, 0, () => 'no faults from now on');
  }

  /** Somebody leads: it, and whoever thinks the same of itself, is asked to read at moments at which that
   *  is delicate. */
  #tryReads(id: MemberId): void {
    const leader = this.hostOf(id);
    if (leader === undefined) return;
    for (const afterMs of [0, 4]) this.agenda.after(afterMs, () => this.readAt?.(leader));
    for (const host of this.hosts) {
      if (host.id === id || host.driver?.status().role !== 'leader') continue;
      for (const afterMs of [5, 25, 80]) this.agenda.after(afterMs, () => this.readAt?.(host));
    }
  }

  /** After each tick of a process. */
  examine(host: Host, driver: Driver): void {
    const status = driver.status();
    this.log.examine(host.id, status, host.disk);
    if (status.role === 'leader') this.#examineQuorum(host, status.config.voters);
  }

  /** Who leads was spoken to by a majority within an election timeout (hazard 12). */
  #examineQuorum(host: Host, voters: readonly MemberId[]): void {
    const since = host.ticks - this.options.electionTicks - 2;
    const isHeard = (id: MemberId) =>
      id === host.id || Math.max(host.heard.get(id) ?? 0, host.ledSinceTick) >= since;
    demand(
      2 * voters.filter(isHeard).length > voters.length,
      'leadsAlone',
      () => `${host.id} leads and has heard no majority for an election timeout (hazard 12)`,
    );
  }

  note(one: number, two: number, three: number, text: () => string): void {
    this.trace.note(one, two, three, () => `${this.agenda.now.toFixed(2).padStart(9)} ${text()}`);
  }

  noteMessage(host: Host, from: MemberId, message: PeerMessage): void {
    const kind = messageNumbers.indexOf(message.kind);
    const term = 'term' in message ? message.term : 0;
    this.note(
      32 + kind * 8 + host.number,
      term,
      Math.floor(this.agenda.now * 8),
      () => `${host.id} <- ${from} ${describe(message)}`,
    );
  }

  #expired(lease: string, entry: Entry): void {
    this.counts.expiries += 1;
    const atMs = this.log.firstSeenMs(entry) ?? this.agenda.now;
    this.note(8, entry.index, 0, () => `lease ${lease} expired by ${entry.index}`);
    this.leases.expired(lease, atMs);
    const leader = this.hostOf(this.log.leaderOf(entry.term));
    if (leader === undefined || leader.hasJumped) return;
    // the proposal carries the clock of the leader that decided
    const wallMs = decodeProposal(entry.data).wallMs - wallStartMs + 1;
    const decidedMs = wallMs / leader.speed;
    const ledSinceMs = this.#ledSinceMs.get(entry.term) ?? 0;
    const wokeMs = leader.resumedMs > decidedMs ? -Infinity : leader.resumedMs;
    this.leases.decided(lease, { decidedMs, countedFromMs: Math.max(ledSinceMs, wokeMs) });
  }
}

function describe(message: PeerMessage): string {
  return JSON.stringify(message, (key: string, value: unknown) =>
    key === 'data' && typeof value === 'string' ? value.slice(0, 60) : value,
  );
}
