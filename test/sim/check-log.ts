/**
 * The rules of consensus, checked from outside after every step of every core: what Raft's paper calls
 * election safety, log matching, leader completeness and state machine safety, and what makes them true
 * on a disk: nothing is answered, counted or committed before it is durable where it has to be.
 */
import type { StoredState } from '../../lib/store/driver/storage.ts';
import {
  configEmpty,
  decodeConfig,
  encodeConfig,
  type RaftConfig,
} from '../../lib/store/raft/config.ts';
import type { Entry, MemberId } from '../../lib/store/raft/entry.ts';
import type { PeerMessage } from '../../lib/store/driver/messages.ts';
import type { RaftMessage } from '../../lib/store/raft/message.ts';
import type { Effects, Input, RaftStatus } from '../../lib/store/raft/step.ts';
import type { Disk } from './disk.ts';
import { demand } from './violation.ts';

/** A log as a core has it in memory, kept from what the core said it writes. */
interface Shadow {
  readonly id: MemberId;
  term: number;
  vote: MemberId | undefined;
  /** Entries handed out as committed, up to here. */
  delivered: number;
  /** What the disk knew to be committed when the process started. */
  readonly committedAtStart: number;
  base: { index: number; term: number; config: RaftConfig };
  log: Entry[];
  /** Indexes of config entries in the log. */
  configs: number[];
  /** Config of the status that was last compared. */
  comparedConfigAt: number;
}

/** An entry as it was first seen anywhere. */
interface Seen {
  readonly entry: Entry;
  readonly previousTerm: number;
  readonly atMs: number;
}

/** An entry known to be committed, and the term of the leader that committed it. */
interface Committed {
  readonly entry: Entry;
  readonly inTerm: number;
}

const lastIndex = (shadow: Shadow) => shadow.base.index + shadow.log.length;

function termAt(shadow: Shadow, index: number): number | undefined {
  if (index === shadow.base.index) return shadow.base.term;
  return shadow.log[index - shadow.base.index - 1]?.term;
}

const seenKey = (index: number, term: number) => index * 4096 + term;

/** What the check asks of the world around it. */
export interface LogCheckPorts {
  nowMs(): number;
  /** The directory of an identity, also when its host has lost it. */
  disk(id: MemberId): Disk | undefined;
  onLeader(id: MemberId, term: number): void;
}

/** Bounds of the core that show from outside. */
export interface LogCheckBounds {
  readonly electionTicks: number;
  readonly uncommittedEntriesMax: number;
  readonly entriesPerMessageMax: number;
  readonly learnerLagEntriesMax: number;
}

/** The rules, with what they have seen so far in one run. */
export class LogCheck {
  readonly #ports: LogCheckPorts;
  readonly #bounds: LogCheckBounds;
  readonly #shadows = new Map<MemberId, Shadow>();
  readonly #seen = new Map<number, Seen>();
  readonly #leaders = new Map<number, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  readonly #terms = new Map<MemberId, number>();
  readonly committed: Committed[] = [];

  constructor(ports: LogCheckPorts, bounds: LogCheckBounds) {
    this.#ports = ports;
    this.#bounds = bounds;
  }

  /** The entry that every first log has. */
  begin(entry: Entry): void {
    this.committed.push({ entry, inTerm: entry.term });
    this.config = decodeConfig(entry.data);
    this.#seen.set(seenKey(entry.index, entry.term), {
      entry,
      previousTerm: 0,
      atMs: this.#ports.nowMs(),
    });
  }

  /** Highest term in which somebody led. */
  leaderTerm = 0;
  /** The last configuration that is known to be committed. */
  config: RaftConfig = configEmpty;
  /** How often rare things happened, for the totals. */
  readonly counts = { truncations: 0, installs: 0, elections: 0, configs: 0 };

  leaderOf(term: number): MemberId | undefined {
    return this.#leaders.get(term);
  }

  /** When an entry was first appended anywhere. */
  firstSeenMs(entry: Entry): number | undefined {
    return this.#seen.get(seenKey(entry.index, entry.term))?.atMs;
  }

  /** Whether a configuration that this member goes by, now or if a change is undone, has the member. */
  configsOf(id: MemberId): readonly RaftConfig[] {
    const shadow = this.#shadows.get(id);
    if (shadow === undefined) return [];
    const { base, log, configs } = shadow;
    return [
      base.config,
      ...configs.flatMap((index) => decodeConfig(log[index - base.index - 1]?.data ?? '')),
    ];
  }

  /** A process started from its disk. */
  started(id: MemberId, stored: StoredState): void {
    const { at, config } = stored.base;
    const shadow: Shadow = {
      id,
      term: stored.hard.term,
      vote: stored.hard.vote,
      delivered: Math.max(stored.machine.head.applied.index, at.index),
      committedAtStart: stored.hard.commit,
      base: { ...at, config },
      log: stored.entries.slice(),
      configs: stored.entries.flatMap(({ kind, index }) => (kind === 'config' ? [index] : [])),
      comparedConfigAt: -1,
    };
    this.#shadows.set(id, shadow);
    demand(
      shadow.term >= (this.#terms.get(id) ?? 0),
      'termForgotten',
      () => `${id} said ${String(this.#terms.get(id))} and starts with ${shadow.term} (hazard 1)`,
    );
  }

  /** A core took a step. */
  stepped(id: MemberId, input: Input, effects: Effects, status: () => RaftStatus): void {
    const shadow = this.#shadows.get(id);
    if (shadow === undefined) return;
    if (input.type === 'installed') this.#installed(shadow, input.snapshot);
    const { write } = effects;
    if (write !== undefined) this.#wrote(shadow, input, write);
    if (effects.committed.length > 0) {
      if (input.type === 'message') this.#vouched(shadow, input.message, effects.committed);
      this.#delivered(shadow, effects.committed, status);
    }
    if (input.type === 'compact') this.#compacted(shadow, status());
  }

  #wrote(shadow: Shadow, input: Input, write: NonNullable<Effects['write']>): void {
    const { hard, truncateFrom, entries } = write;
    const { id } = shadow;
    demand(hard.term >= shadow.term, 'termFalls', () => `${id}: ${shadow.term} to ${hard.term}`);
    demand(
      hard.term > shadow.term || shadow.vote === undefined || hard.vote === shadow.vote,
      'voteChanged',
      () => `${id}: ${String(shadow.vote)} to ${String(hard.vote)} in term ${hard.term}`,
    );
    demand(
      hard.term === shadow.term || input.type !== 'message' || input.message.kind !== 'preVote',
      'preVoteTouchesTerm',
      () => `${id}: a pre-vote moved the term to ${hard.term} (hazard 10)`,
    );
    shadow.term = hard.term;
    shadow.vote = hard.vote;
    if (truncateFrom !== undefined) this.#truncate(shadow, truncateFrom);
    for (const entry of entries) this.#append(shadow, entry);
  }

  /** Who has not been in the term in which an entry was committed does not count for it, and may cut it on
   *  the word of an earlier leader. */
  #truncate(shadow: Shadow, from: number): void {
    this.counts.truncations += 1;
    for (let index = from; index <= lastIndex(shadow); index += 1) {
      const { entry, inTerm } = this.committed[index - 1] ?? {};
      const isCommitted = entry !== undefined && termAt(shadow, index) === entry.term;
      demand(
        !isCommitted || shadow.term < (inTerm ?? 0),
        'committedCut',
        () => `${shadow.id} cuts its log from ${from}, and ${index} is committed`,
      );
    }
    shadow.log.length = Math.max(0, Math.min(shadow.log.length, from - shadow.base.index - 1));
    while ((shadow.configs.at(-1) ?? 0) >= from) shadow.configs.pop();
    shadow.comparedConfigAt = -1;
  }

  #append(shadow: Shadow, entry: Entry): void {
    const { index, term } = entry;
    const last = lastIndex(shadow);
    demand(index === last + 1, 'logGap', () => `${shadow.id}: ${index} after ${last}`);
    const previousTerm = termAt(shadow, last) ?? 0;
    demand(term >= previousTerm, 'logTermFalls', () => `${shadow.id}: ${term} at ${index}`);
    const key = seenKey(index, term);
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      this.#seen.set(key, { entry, previousTerm, atMs: this.#ports.nowMs() });
      if (entry.kind === 'config') this.#configAppended(shadow, entry);
    } else {
      demand(
        seen.entry.data === entry.data &&
          seen.entry.kind === entry.kind &&
          seen.previousTerm === previousTerm,
        'logMatching',
        () => `${shadow.id} has another entry at ${index} of term ${term}, or before it`,
      );
    }
    shadow.log.push(entry);
    if (entry.kind === 'config') shadow.configs.push(index);
  }

  /** A leader appended a configuration: one at a time, one server, after an own commit. */
  #configAppended(shadow: Shadow, entry: Entry): void {
    const known = this.committed.length;
    const before = shadow.configs.at(-1) ?? 0;
    demand(before <= known, 'oneChangeAtOnce', () => `${before} is open, ${entry.index} appended`);
    if (entry.index > 1) {
      demand(
        termAt(shadow, shadow.delivered) === entry.term,
        'changeBeforeOwnTerm',
        () => `${shadow.id} changes members in term ${entry.term} before it committed (hazard 14)`,
      );
    }
    const old = this.configsOf(shadow.id).at(-1);
    const now = decodeConfig(entry.data);
    if (old === undefined || old.voters.length === 0) return;
    for (const learner of now.voters.filter((each) => old.learners.includes(each))) {
      const at = this.#ports.disk(learner)?.last ?? 0;
      demand(
        // the core looks at it once a tick, and clients have no more than this under way
        entry.index - 1 - at <= this.#bounds.learnerLagEntriesMax + 16,
        'promotedLags',
        () => `${learner} at ${at} becomes a voter by ${entry.index} (hazard 18)`,
      );
    }
    const changed = [
      ...old.voters.filter((each) => !now.voters.includes(each)),
      ...now.voters.filter((each) => !old.voters.includes(each)),
    ];
    demand(changed.length <= 1, 'oneServerAtOnce', () => `voters changed: ${changed.join(' ')}`);
  }

  /** A follower commits what the message vouches for, and not what happens to be in its log behind. */
  #vouched(shadow: Shadow, message: RaftMessage, entries: readonly Entry[]): void {
    const last = entries.at(-1)?.index ?? 0;
    const isAppend = message.kind === 'append' || message.kind === 'feed';
    const end = isAppend ? message.previous.index + message.entries.length : Infinity;
    demand(
      last <= Math.max(end, shadow.delivered, shadow.committedAtStart),
      'commitBeyondMessage',
      () => `${shadow.id} commits ${last}, the message ended at ${end} (hazard 6)`,
    );
  }

  #delivered(shadow: Shadow, entries: readonly Entry[], status: () => RaftStatus): void {
    for (const entry of entries) {
      demand(
        entry.index === shadow.delivered + 1,
        'committedInOrder',
        () => `${shadow.id}: ${entry.index} after ${shadow.delivered}`,
      );
      shadow.delivered = entry.index;
      const known = this.committed[entry.index - 1];
      if (known !== undefined) {
        demand(
          known.entry.term === entry.term && known.entry.data === entry.data,
          'committedDiffers',
          () =>
            `${shadow.id} commits another entry at ${entry.index}: term ${entry.term}, not ${known.entry.term}`,
        );
      }
    }
    const last = entries.at(-1);
    if (last !== undefined && last.index > this.committed.length) {
      this.#firstCommitted(shadow, entries, last, status());
    }
  }

  #firstCommitted(
    shadow: Shadow,
    entries: readonly Entry[],
    last: Entry,
    status: RaftStatus,
  ): void {
    const { id, term } = shadow;
    // one that commits its own removal leads no more when the step is over
    if (status.role === 'leader') this.claimed(id, term);
    demand(
      this.#leaders.get(term) === id,
      'commitByFollower',
      () => `${id} commits ${last.index} first, in term ${term}`,
    );
    demand(
      last.term === term,
      'oldTermCommit',
      () =>
        `${id} commits ${last.index} of term ${last.term} in term ${term} by counting (hazard 4)`,
    );
    const config = this.configsOf(id).at(-1);
    const voters = config?.voters ?? [];
    const holders = voters.filter((each) => this.#ports.disk(each)?.holds(last.index, last.term));
    demand(
      2 * holders.length > voters.length,
      'commitWithoutQuorum',
      () =>
        `${id} commits ${last.index}, durable at ${holders.length} of ${voters.length} (hazard 9)`,
    );
    for (const entry of entries) {
      if (entry.index <= this.committed.length) continue;
      this.committed.push({ entry, inTerm: term });
      if (entry.kind === 'config') {
        this.config = decodeConfig(entry.data);
        this.counts.configs += 1;
      }
    }
  }

  #compacted(shadow: Shadow, status: RaftStatus): void {
    const { index, term } = status.base.at;
    if (index <= shadow.base.index) return;
    demand(index <= shadow.delivered, 'compactedAhead', () => `${shadow.id} at ${index}`);
    shadow.log = shadow.log.slice(index - shadow.base.index);
    const config = status.base.config;
    shadow.base = { index, term, config };
    shadow.configs = shadow.configs.filter((at) => at > index);
  }

  #installed(shadow: Shadow, { at, config }: RaftStatus['base']): void {
    demand(at.index > shadow.delivered, 'installedBehind', () => `${shadow.id} at ${at.index}`);
    const known = this.committed[at.index - 1];
    demand(
      known !== undefined && known.entry.term === at.term,
      'snapshotOfUncommitted',
      () => `${shadow.id} installs a snapshot at ${at.index} of term ${at.term}`,
    );
    this.counts.installs += 1;
    shadow.base = { ...at, config };
    shadow.log = [];
    shadow.configs = [];
    shadow.delivered = at.index;
  }

  /** A member says or shows that it leads. */
  claimed(id: MemberId, term: number): void {
    const known = this.#leaders.get(term);
    if (known === id) return;
    demand(known === undefined, 'oneLeader', () => `${String(known)} and ${id} in term ${term}`);
    this.#leaders.set(term, id);
    this.counts.elections += 1;
    this.leaderTerm = Math.max(this.leaderTerm, term);
    const disk = this.#ports.disk(id);
    demand(
      disk !== undefined && disk.hard.term === term && disk.hard.vote === id,
      'leadsBeforeFsync',
      () => `${id} leads term ${term}, its disk has ${JSON.stringify(disk?.hard)} (hazard 1)`,
    );
    this.#voted(id, term, id);
    const voters = this.configsOf(id).at(-1)?.voters ?? [];
    const helpers = voters.filter((each) => this.#votes.get(`${each} ${term}`) === id);
    demand(
      2 * helpers.length > voters.length,
      'leadsWithoutMajority',
      () => `${id} leads term ${term} with ${helpers.length} votes of ${voters.length} (hazard 3)`,
    );
    const shadow = this.#shadows.get(id);
    const last = this.committed.findLast(({ inTerm }) => inTerm < term)?.entry;
    if (shadow !== undefined && last !== undefined) {
      demand(
        last.index < shadow.base.index || termAt(shadow, last.index) === last.term,
        'leaderCompleteness',
        () => `${id} leads term ${term} without ${last.index} of term ${last.term}`,
      );
    }
    this.#ports.onLeader(id, term);
  }

  #voted(id: MemberId, term: number, candidate: MemberId): void {
    const key = `${id} ${term}`;
    const before = this.#votes.get(key);
    demand(
      before === undefined || before === candidate,
      'twoVotes',
      () => `${id} votes for ${String(before)} and ${candidate} in term ${term} (hazard 1)`,
    );
    this.#votes.set(key, candidate);
  }

  /** A message leaves. */
  sending(id: MemberId, to: MemberId, message: PeerMessage, disk: Disk): void {
    const { kind } = message;
    if (kind === 'voteReply') {
      // a refusal promises nothing
      if (message.granted) this.#granted(id, message.term, to, disk);
    } else if (kind === 'appendReply') {
      if ('matched' in message) this.#acked(id, to, message, disk);
    } else if (kind === 'append' || kind === 'heartbeat') {
      this.claimed(id, message.term);
    } else if (kind === 'feed') {
      for (const entry of message.entries) this.#fed(id, entry);
    }
  }

  #spoke(id: MemberId, term: number): void {
    if (term > (this.#terms.get(id) ?? 0)) this.#terms.set(id, term);
  }

  #granted(id: MemberId, term: number, to: MemberId, disk: Disk): void {
    this.#spoke(id, term);
    demand(
      disk.hard.term > term || (disk.hard.term === term && disk.hard.vote === to),
      'voteBeforeFsync',
      () =>
        `${id} votes for ${to} in term ${term}, its disk has ${JSON.stringify(disk.hard)} (hazard 1)`,
    );
    this.#voted(id, term, to);
  }

  #acked(
    id: MemberId,
    to: MemberId,
    { term, matched }: { readonly term: number; readonly matched: number },
    disk: Disk,
  ): void {
    this.#spoke(id, term);
    // An acknowledgement that waited for the disk may leave after a later leader cut off what it is for.
    // It does no harm: this member helped that leader to power knowing of the entry, so the entry
    // cannot be committed by it, and everyone else who acknowledged it has it.
    if (disk.hard.term > term) return;
    demand(
      disk.last >= matched && disk.hard.term === term,
      'ackBeforeFsync',
      () =>
        `${id} acknowledges ${matched} in term ${term}, its disk has ${disk.last} in term ${disk.hard.term} (hazard 1)`,
    );
    const leader = this.#shadows.get(to);
    if (leader === undefined || this.#leaders.get(term) !== to || leader.term !== term) return;
    const wanted = termAt(leader, matched);
    demand(
      wanted === undefined || disk.holds(matched, wanted),
      'ackOfOther',
      () => `${id} acknowledges ${matched} to ${to} and has not its entry durable (hazard 8)`,
    );
  }

  #fed(id: MemberId, entry: Entry): void {
    const known = this.committed[entry.index - 1]?.entry;
    demand(
      known !== undefined && known.term === entry.term,
      'fedUncommitted',
      () => `${id} feeds ${entry.index} of term ${entry.term}`,
    );
  }

  /** What a core says of itself, against what it did. */
  examine(id: MemberId, status: RaftStatus, disk: Disk): void {
    const shadow = this.#shadows.get(id);
    if (shadow === undefined) return;
    const last = lastIndex(shadow);
    demand(
      status.last.index === last,
      'statusLast',
      () => `${id}: ${status.last.index}, not ${last}`,
    );
    demand(
      status.term === shadow.term,
      'statusTerm',
      () => `${id}: ${status.term}, not ${shadow.term}`,
    );
    demand(status.commit <= last, 'commitBeyondLog', () => `${id}: ${status.commit} of ${last}`);
    demand(
      status.commit <= this.committed.length,
      'commitAhead',
      () => `${id} at ${status.commit}`,
    );
    const { persisted } = status;
    demand(
      disk.isKnownDurable(persisted, termAt(shadow, persisted)),
      'persistedAhead',
      () => `${id} takes ${persisted} for durable, its disk has ${disk.last} (hazard 9)`,
    );
    this.#examineConfig(shadow, status);
    if (status.role === 'leader') this.#examineLeader(shadow, status, disk);
  }

  #examineLeader(shadow: Shadow, status: RaftStatus, disk: Disk): void {
    const { id } = shadow;
    const { electionTicks, uncommittedEntriesMax, entriesPerMessageMax } = this.#bounds;
    this.#examineProgress(shadow, status);
    demand(
      disk.ticksUnderWay <= electionTicks + 3 || status.config.voters.length === 1,
      'zombieLeader',
      () =>
        `${id} leads, and its disk has not answered for ${disk.ticksUnderWay} ticks (hazard 35)`,
    );
    const open = shadow.log.slice(Math.max(0, status.commit - shadow.base.index));
    const own = open.filter(({ term, kind }) => term === status.term && kind === 'command');
    demand(
      own.length <= Math.max(uncommittedEntriesMax, 2 * entriesPerMessageMax),
      'unbounded',
      () => `${id} has ${own.length} commands of its own that are not committed`,
    );
  }

  #examineConfig(shadow: Shadow, status: RaftStatus): void {
    const at = shadow.configs.at(-1) ?? shadow.base.index;
    if (shadow.comparedConfigAt === at) return;
    shadow.comparedConfigAt = at;
    const config = this.configsOf(shadow.id).at(-1) ?? shadow.base.config;
    demand(
      encodeConfig(config) === encodeConfig(status.config),
      'configOfLog',
      () => `${shadow.id} goes by another configuration than its log's last at ${at} (hazard 15)`,
    );
  }

  #examineProgress(shadow: Shadow, status: RaftStatus): void {
    for (const { member, matched } of status.progress) {
      if (!status.config.voters.includes(member)) continue;
      const disk = this.#ports.disk(member);
      const wanted = termAt(shadow, matched);
      if (disk === undefined || wanted === undefined || disk.hard.term > status.term) continue;
      demand(
        disk.holds(matched, wanted),
        'matchedAhead',
        () => `${shadow.id} takes ${matched} for durable at ${member}, whose disk has ${disk.last}`,
      );
    }
  }
}
