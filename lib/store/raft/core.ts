/**
 * The state of a member and what may be done to it: term, vote and log change here and nowhere else, so
 * that whatever must be durable first is known. The rules of when to do what are in the files beside.
 */
import { assert } from '../../assert.ts';
import { raftWitnessPatience } from '../../limits.ts';
import { Durability } from './durability.ts';
import { ConfigHistory } from './history.ts';
import { Log } from './log.ts';
import { Outbox } from './outbox.ts';
import type { RaftConfig } from './config.ts';
import type { Entry, EntryKind, MemberId, Position } from './entry.ts';
import type { Fed, FeedProgress } from './feed-progress.ts';
import type { Leading } from './leading.ts';
import type { RaftMessage, SnapshotMark } from './message.ts';
import type { Tally } from './quorum.ts';
import type { Effects, LogWrite, RaftOptions, RaftStart } from './step.ts';

const nothing: readonly Entry[] = [];

/** Everything a member knows. */
export class Core {
  readonly id: MemberId;
  readonly options: RaftOptions;
  readonly log: Log;
  readonly configs: ConfigHistory;
  readonly disk: Durability;
  readonly out = new Outbox();

  state: 'follower' | 'preCandidate' | 'candidate' | 'leader' = 'follower';
  /** Who leads this term, as far as known. */
  leader: MemberId | undefined;
  /** Ticks since the start. */
  now = 0;
  /** Tick at which the leader was heard last. */
  heardAt = 0;
  /** Set while this member stands for election. */
  tally: Tally | undefined;
  /** Set while it leads. */
  leading: Leading | undefined;
  /** Observers that are fed, in the order they came. */
  readonly feeds = new Map<MemberId, FeedProgress>();
  /** Who feeds this member; observers only. */
  fed: Fed | undefined;
  /** Members for which a snapshot was asked and neither done nor failed. */
  readonly snapshots = new Set<MemberId>();

  #term: number;
  #vote: MemberId | undefined;
  #commit: number;
  /** Up to here entries were handed out as committed. */
  #delivered: number;
  #elapsed = 0;
  #timeout = 0;
  /** The next write begins with this entry. */
  #dirtyFrom: number | undefined;
  #truncateFrom: number | undefined;
  #hardDirty = false;

  constructor(start: RaftStart, options: RaftOptions) {
    this.id = start.id;
    this.options = options;
    this.log = new Log(start.base.at, start.entries);
    this.configs = new ConfigHistory(start.base, start.entries);
    this.disk = new Durability(this.log.lastIndex);
    // A snapshot is put in place of the log without a new term: the crash may have come right after.
    this.#term = Math.max(start.hard.term, start.base.at.term);
    this.#vote = this.#term === start.hard.term ? start.hard.vote : undefined;
    this.#commit = Math.max(start.hard.commit, start.applied, start.base.at.index);
    this.#delivered = Math.max(start.applied, start.base.at.index);
    assert(Number.isSafeInteger(this.#term), 'terms are whole numbers');
    assert(this.log.last.term <= this.#term, 'no entry is of a term that is not known');
    assert(this.#commit <= this.log.lastIndex, 'what is committed is in the log');
    this.restartTimer();
  }

  get term(): number {
    return this.#term;
  }

  get vote(): MemberId | undefined {
    return this.#vote;
  }

  get commit(): number {
    return this.#commit;
  }

  get config(): RaftConfig {
    return this.configs.latest;
  }

  get isVoter(): boolean {
    return this.config.voters.includes(this.id);
  }

  /** Whether this member may stand for election. One that a change takes out may as long as the change is
   *  not committed: it may be the only one that holds it, and so the only one that can win (Raft thesis
   *  4.2.2). */
  get mayStand(): boolean {
    if (this.isVoter) return true;
    const isOpen = this.configs.latestIndex > this.#commit;
    return isOpen && this.configs.at(this.#commit).voters.includes(this.id);
  }

  /** In the configuration, so not an observer. */
  get isMember(): boolean {
    return this.isVoter || this.config.learners.includes(this.id);
  }

  /** A majority of one, which needs nobody. */
  get isAlone(): boolean {
    return this.config.voters.length === 1 && this.config.voters[0] === this.id;
  }

  get base(): SnapshotMark {
    const at = this.log.base;
    return { at, config: this.configs.at(at.index) };
  }

  /** One tick; true when the election timeout is over. */
  timePasses(): boolean {
    this.#elapsed += 1;
    return this.#elapsed >= this.#timeout;
  }

  /** The election timeout begins anew, as long as it was. */
  postponeElection(): void {
    this.#elapsed = 0;
  }

  /** The election timeout begins anew and is drawn anew (Raft paper, 5.2). */
  restartTimer(): void {
    const { electionTicks, random } = this.options;
    const patience = this.config.witnesses.includes(this.id) ? raftWitnessPatience : 1;
    this.#elapsed = 0;
    this.#timeout = patience * (electionTicks + Math.floor(random() * electionTicks));
  }

  /** Whether a leader was heard within the least election timeout: then nobody else is helped to power
   *  (Raft thesis 4.2.3). A leader hears itself. */
  get hasLiveLeader(): boolean {
    if (this.state === 'leader') return true;
    return this.leader !== undefined && this.now - this.heardAt < this.options.electionTicks;
  }

  /** The leader of this term has spoken. */
  hearLeader(leader: MemberId): void {
    this.leader = leader;
    this.heardAt = this.now;
    this.postponeElection();
  }

  /** Follows, in this term or a later one. */
  follow(term: number, leader: MemberId | undefined): void {
    this.setTerm(term);
    for (const read of this.leading?.reads ?? []) this.out.answerRead(read.id, undefined);
    this.leading = undefined;
    this.tally = undefined;
    // Drawn anew with every leader, so that those that are close together once are not so for ever. Who
    // merely learns of a term loses no patience by it.
    if (this.state !== 'follower' || leader !== undefined) this.restartTimer();
    this.state = 'follower';
    this.leader = undefined;
    if (leader !== undefined) this.hearLeader(leader);
  }

  /** A later term, in which nobody has this member's vote; nothing when it is this one. */
  setTerm(term: number): void {
    assert(Number.isSafeInteger(term), 'terms are whole numbers');
    assert(term >= this.#term, 'terms never fall');
    if (term === this.#term) return;
    this.#term = term;
    this.#vote = undefined;
    this.#hardChanged();
  }

  /** Gives this term's vote, once. */
  voteFor(candidate: MemberId): void {
    if (this.#vote === candidate) return;
    assert(this.#vote === undefined, 'one vote in a term');
    this.#vote = candidate;
    this.#hardChanged();
  }

  #hardChanged(): void {
    this.#hardDirty = true;
    this.disk.hardChanged();
  }

  /** Adds entries at the end of the log. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    this.log.append(entries);
    this.#dirtyFrom = Math.min(this.#dirtyFrom ?? first.index, first.index);
    if (this.configs.append(entries)) this.#configChanged();
  }

  /** Adds an entry of this leader's. */
  appendOwn(kind: EntryKind, data: string): void {
    const index = this.log.lastIndex + 1;
    assert(Number.isSafeInteger(index), 'indexes are whole numbers');
    this.append([{ index, term: this.#term, kind, data }]);
  }

  /** Cuts the log because another leader's is in the right. */
  truncateFrom(index: number): void {
    assert(index > this.#commit, 'what is committed is never cut off');
    assert(this.state !== 'leader', 'a leader cuts nothing off its log');
    this.log.truncateFrom(index);
    this.disk.truncatedFrom(index);
    this.#dirtyFrom = Math.min(this.#dirtyFrom ?? index, index);
    this.#truncateFrom = Math.min(this.#truncateFrom ?? index, index);
    if (this.configs.truncateFrom(index)) this.#configChanged();
  }

  #configChanged(): void {
    this.leading?.track(this.config, this.id, this.log.lastIndex + 1);
    for (const id of [...this.config.voters, ...this.config.learners]) this.feeds.delete(id);
  }

  /** Entries up to `index` are committed, if they were not. */
  commitTo(index: number): void {
    if (index <= this.#commit) return;
    assert(index <= this.log.lastIndex, 'only what is in the log can be committed');
    this.#commit = index;
  }

  /** Forgets what is durable, handed out and not after `index`. */
  compact(index: number): void {
    const to = Math.min(index, this.#delivered, this.disk.upTo);
    if (to <= this.log.base.index) return;
    this.configs.compact(to);
    this.log.compact(to);
  }

  /** Begins anew after a snapshot, which is durable. */
  install(snapshot: SnapshotMark): void {
    assert(this.#dirtyFrom === undefined, 'a snapshot is installed by a step of its own');
    assert(snapshot.at.term <= this.#term, 'no snapshot is of a term that is not known');
    this.log.reset(snapshot.at);
    this.configs.reset(snapshot);
    this.disk.reset(snapshot.at.index);
    this.#commit = snapshot.at.index;
    this.#delivered = snapshot.at.index;
    this.#configChanged();
  }

  /** Sends at once. */
  send(to: MemberId, message: RaftMessage): void {
    this.out.send(to, message);
  }

  /** Sends when term and vote are durable, and the log up to `index`. */
  sendDurable(to: MemberId, message: RaftMessage, index: number): void {
    const token = Math.max(this.disk.hardToken, this.disk.tokenFor(index));
    if (this.disk.isPersisted(token)) this.out.send(to, message);
    else this.out.sendAfter(to, message, token);
  }

  /** Asks for a snapshot to a member, unless one is on its way. */
  requestSnapshot(to: MemberId): void {
    if (this.snapshots.has(to)) return;
    this.snapshots.add(to);
    this.out.snapshotTo(to);
  }

  /** Ends a step: everything that is to be done because of it. */
  takeEffects(): Effects {
    const write = this.#takeWrite();
    if (this.#delivered >= this.#commit) return this.out.take(write, nothing);
    const committed = this.log.slice(this.#delivered + 1, this.#commit);
    this.#delivered = this.#commit;
    return this.out.take(write, committed);
  }

  #takeWrite(): LogWrite | undefined {
    if (!this.#hardDirty && this.#dirtyFrom === undefined) return undefined;
    const last = this.log.lastIndex;
    const from = this.#dirtyFrom ?? last + 1;
    const token = this.disk.written(last, this.now);
    const write: LogWrite = {
      token,
      hard: { term: this.#term, vote: this.#vote, commit: this.#commit },
      ...(this.#truncateFrom !== undefined && { truncateFrom: this.#truncateFrom }),
      entries: from > last ? nothing : this.log.slice(from, last),
    };
    this.#hardDirty = false;
    this.#dirtyFrom = undefined;
    this.#truncateFrom = undefined;
    return write;
  }

  /** Place of the end of the log. */
  get last(): Position {
    return this.log.last;
  }
}
