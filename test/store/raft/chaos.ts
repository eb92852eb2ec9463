/**
 * Members under random loss, repetition, reordering, crashes, compaction and changes of configuration,
 * with everything that Raft promises checked at every step. Small and without the rest of the store: the
 * simulator in test/sim is the thorough one.
 */
import { expect } from 'vitest';
import { decodeConfig, type RaftConfig } from '../../../lib/store/raft/config.ts';
import type { Entry, MemberId } from '../../../lib/store/raft/entry.ts';
import type { Effects, Input, RaftOptions } from '../../../lib/store/raft/step.ts';
import { emptyDisk, Member, type Envelope } from './cluster.ts';

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Bounds small enough to be met. */
export const smallOptions: Omit<RaftOptions, 'random'> = {
  electionTicks: 10,
  heartbeatTicks: 2,
  entriesPerMessageMax: 3,
  bytesPerMessageMax: 40,
  messagesInFlightMax: 2,
  uncommittedEntriesMax: 20,
  uncommittedBytesMax: 200,
  learnerLagEntriesMax: 3,
  learnerSteadyTicks: 4,
};

const memberIds = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(16));

/** How often things go wrong, each in [0, 1). */
interface Swarm {
  readonly drop: number;
  readonly repeat: number;
  readonly crash: number;
  readonly cut: number;
  readonly slowDisk: number;
  readonly change: number;
  readonly compact: number;
}

/** One run. */
export class Chaos {
  readonly random: () => number;
  readonly members: Member[];
  readonly swarm: Swarm;
  network: Envelope[] = [];
  /** The committed entry at each index, as the first member to commit it said. */
  readonly truth = new Map<number, string>();
  readonly leaders = new Map<number, MemberId>();
  readonly votes = new Map<string, string>();
  readonly readFloors = new Map<number, number>();
  readonly cuts = new Set<string>();
  proposed = 0;
  readsDone = 0;
  changes = 0;
  snapshots = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    const voters = memberIds.slice(0, this.random() < 0.2 ? 1 : 3);
    const witnesses = voters.length > 1 && this.random() < 0.3 ? voters.slice(-1) : [];
    const config: RaftConfig = { voters, learners: [], witnesses };
    const options = { ...smallOptions, random: this.random };
    this.members = memberIds.map((id) => new Member(id, emptyDisk(config), options));
    const rate = (max: number) => (this.random() < 0.5 ? 0 : this.random() * max);
    this.swarm = {
      drop: rate(0.4),
      repeat: rate(0.3),
      crash: rate(0.02),
      cut: rate(0.01),
      slowDisk: rate(0.8),
      change: rate(0.02),
      compact: rate(0.02),
    };
  }

  /** A number of random events. */
  run(steps: number): void {
    for (let count = 0; count < steps; count += 1) this.#event();
  }

  /** Without faults: a leader is found, and everyone agrees with it in the end. */
  heal(): void {
    this.cuts.clear();
    for (let round = 0; round < 250; round += 1) {
      for (const member of this.members) {
        this.#step(member, { type: 'tick' });
        this.#persist(member);
        this.#bringSnapshots(member);
      }
      for (let left = 2_000; left > 0; left -= 1) {
        const envelope = this.network.shift();
        if (envelope === undefined) break;
        this.#deliver(envelope);
        this.#persist(this.#member(envelope.to));
      }
      if (round % 50 === 40) this.#propose();
    }
  }

  #member(id: MemberId): Member {
    const member = this.members.find((each) => each.id === id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  #pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.random() * list.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  #event(): void {
    const { random, swarm } = this;
    const member = this.#pick(this.members);
    if (random() < swarm.crash) return this.#crash(member);
    if (random() < swarm.cut) return this.#cutOrJoin(member);
    if (random() < swarm.change) return this.#change();
    if (random() < swarm.compact) this.#compact(member);
    const dice = random();
    if (dice < 0.15) this.#step(member, { type: 'tick' });
    else if (dice < 0.35) this.#persistSome(member);
    else if (dice < 0.4) this.#propose();
    else if (dice < 0.43) this.#read();
    else if (dice < 0.44) this.#subscribe(member);
    else if (dice < 0.46) this.#bringSnapshots(member);
    else if (this.network.length > 0) this.#deliverAny();
  }

  #deliverAny(): void {
    const near = Math.min(this.network.length, this.random() < 0.9 ? 1 : 10);
    const at = Math.floor(this.random() * near);
    const [envelope] = this.network.splice(at, 1);
    if (envelope === undefined) return;
    if (this.random() < this.swarm.repeat) this.network.push(envelope);
    const isCut = this.cuts.has(`${envelope.from}>${envelope.to}`);
    if (isCut || this.random() < this.swarm.drop) return;
    this.#deliver(envelope);
  }

  #deliver({ from, to, message }: Envelope): void {
    this.#step(this.#member(to), { type: 'message', from, message });
  }

  #step(member: Member, input: Input): Effects {
    const { effects, sent } = member.step(input);
    this.network.push(...sent);
    this.#check(member, effects);
    return effects;
  }

  #persist(member: Member, count?: number): void {
    const { effects, sent } = member.persist(count);
    this.network.push(...sent);
    if (effects !== undefined) this.#check(member, effects);
    this.#checkDurable(member);
  }

  #persistSome(member: Member): void {
    if (this.random() < this.swarm.slowDisk) return;
    this.#persist(member, 1 + Math.floor(this.random() * 3));
  }

  #crash(member: Member): void {
    // What is being written may land or not.
    if (this.random() < 0.5) this.#persist(member, 1);
    member.restart();
  }

  #cutOrJoin(member: Member): void {
    if (this.random() < 0.5) return this.cuts.clear();
    const other = this.#pick(this.members);
    this.cuts.add(`${member.id}>${other.id}`);
    if (this.random() < 0.5) this.cuts.add(`${other.id}>${member.id}`);
  }

  #propose(): void {
    for (const member of this.members) {
      if (member.status.role !== 'leader') continue;
      this.proposed += 1;
      this.#step(member, { type: 'propose', commands: [`c${this.proposed}`] });
    }
  }

  #read(): void {
    const id = this.readFloors.size + 1;
    const leader = this.members.find((each) => each.status.role === 'leader');
    if (leader === undefined) return;
    this.readFloors.set(id, Math.max(0, ...this.truth.keys()));
    this.#step(leader, { type: 'read', id });
  }

  #subscribe(member: Member): void {
    const { role, commit, base } = member.status;
    if (role !== 'observer') return;
    const term =
      commit === base.at.index
        ? base.at.term
        : (member.committed.find(({ index }) => index === commit)?.term ?? base.at.term);
    const to = this.#pick(this.members).id;
    if (to === member.id) return;
    const message = { kind: 'subscribe', at: { index: commit, term } } as const;
    this.network.push({ from: member.id, to, message });
  }

  #change(): void {
    const leader = this.members.find((each) => each.status.role === 'leader');
    if (leader === undefined) return;
    if (this.random() < 0.3) {
      this.#step(leader, { type: 'transfer', to: this.#pick(this.members).id });
      return;
    }
    const { config } = leader.status;
    const id = this.#pick(this.members).id;
    const without = (list: readonly MemberId[]) => list.filter((each) => each !== id);
    const plus = (list: readonly MemberId[]) => [...without(list), id].toSorted();
    const learners = without(config.learners);
    const [voters, witnesses] = [without(config.voters), without(config.witnesses)];
    const choices: readonly RaftConfig[] = [
      { voters, learners, witnesses },
      { voters, learners: plus(learners), witnesses },
      { voters: plus(voters), learners, witnesses },
      { voters: plus(voters), learners, witnesses: plus(witnesses) },
    ];
    const effects = this.#step(leader, { type: 'changeConfig', config: this.#pick(choices) });
    if (effects.refused === undefined) this.changes += 1;
  }

  #compact(member: Member): void {
    member.compact(Math.floor(member.status.commit * this.random()));
  }

  #bringSnapshots(member: Member): void {
    for (const to of member.snapshotTo.splice(0)) {
      if (this.random() < this.swarm.drop) {
        this.#step(member, { type: 'snapshotFailed', to });
        continue;
      }
      const { commit } = member.status;
      this.snapshots += 1;
      const { base, config, configIndex } = member.status;
      const mark =
        configIndex <= commit && member.committed.at(-1)?.index === commit
          ? { at: { index: commit, term: member.committed.at(-1)?.term ?? 0 }, config }
          : base;
      this.network.push(...(this.#member(to).install(mark)?.sent ?? []));
      this.#step(member, { type: 'snapshotDone', to, index: mark.at.index });
    }
  }

  #check(member: Member, effects: Effects): void {
    const { role, term, id, commit } = member.status;
    if (role === 'leader') {
      expect(this.leaders.get(term) ?? id, `leader of term ${term}`).toBe(id);
      this.leaders.set(term, id);
    }
    for (const entry of effects.committed) {
      const text = entryText(entry);
      expect(text, `entry ${entry.index}`).toBe(this.truth.get(entry.index) ?? text);
      this.truth.set(entry.index, text);
      if (entry.kind === 'config') decodeConfig(entry.data);
    }
    for (const { id: read, index } of effects.reads) {
      if (index === undefined) continue;
      this.readsDone += 1;
      expect(index).toBeGreaterThanOrEqual(this.readFloors.get(read) ?? 0);
    }
    expect(commit).toBeGreaterThanOrEqual(member.committed.at(-1)?.index ?? 0);
  }

  #checkDurable(member: Member): void {
    const { term, vote } = member.disk.hard;
    if (vote === undefined) return;
    const key = `${member.id} ${term}`;
    expect(vote, key).toBe(this.votes.get(key) ?? vote);
    this.votes.set(key, vote);
  }
}

function entryText({ index, term, kind, data }: Entry): string {
  return `${index}@${term} ${kind} ${data}`;
}
