/**
 * Drivers in one process, with real cores and machines: messages arrive when nothing else is to be done,
 * disks answer unless they are held, time moves by hand.
 */
import { Driver } from '../../../../lib/store/driver/driver.ts';
import type { PeerMessage } from '../../../../lib/store/driver/messages.ts';
import {
  driverBounds,
  raftOptions,
  type DriverBounds,
  type DriverOptions,
} from '../../../../lib/store/driver/options.ts';
import type { Outcome } from '../../../../lib/store/driver/ports.ts';
import type { FairleadError } from '../../../../lib/errors.ts';
import type { Change, MachineHead } from '../../../../lib/store/machine/image.ts';
import { Machine } from '../../../../lib/store/machine/machine.ts';
import type { Command } from '../../../../lib/store/machine/command.ts';
import { machineLimits } from '../../../../lib/store/machine/machine-limits.ts';
import type { RaftConfig } from '../../../../lib/store/raft/config.ts';
import type { MemberId } from '../../../../lib/store/raft/entry.ts';
import type { RaftStatus } from '../../../../lib/store/raft/step.ts';
import { fastHash } from '../../machine/fast-hash.ts';
import { DiskTwin } from './disk.ts';

/** The id of a member for short: `idOf('a')`. */
export const idOf = (letter: string): MemberId => letter.repeat(16);

/** A configuration of members by letter. */
export function configOf(
  voters: string,
  { learners = '', witnesses = '' }: { learners?: string; witnesses?: string } = {},
): RaftConfig {
  const idsOf = (letters: string) => Array.from(letters, idOf);
  return { voters: idsOf(voters), learners: idsOf(learners), witnesses: idsOf(witnesses) };
}

/** One driver and what it told. */
export class MemberTwin {
  readonly id: MemberId;
  readonly disk: DiskTwin;
  readonly #cluster: ClusterTwin;
  driver: Driver;
  readonly changes: Change[] = [];
  readonly replaced: MachineHead[] = [];
  readonly statuses: RaftStatus[] = [];
  fatal: FairleadError | undefined;
  isDown = false;
  #soon: (() => void)[] = [];

  constructor(id: MemberId, cluster: ClusterTwin) {
    this.id = id;
    this.#cluster = cluster;
    this.disk = new DiskTwin(id, cluster.config);
    this.driver = this.#start();
  }

  get role(): string {
    return this.driver.status().role;
  }

  /** Runs what the driver wants to run soon. False when there is nothing. */
  runSoon(): boolean {
    const due = this.#soon;
    this.#soon = [];
    for (const callback of due) callback();
    return due.length > 0;
  }

  /** The process ends without warning. */
  crash(isLost = true): void {
    this.disk.crash(isLost);
    this.driver.stop();
    this.isDown = true;
    this.#soon = [];
  }

  /** And comes back. */
  restart(): void {
    this.isDown = false;
    this.fatal = undefined;
    this.driver = this.#start();
  }

  /** Submits a command; the answer is there when it is. */
  submit(command: Command): { outcome: Outcome | undefined } {
    const answer: { outcome: Outcome | undefined } = { outcome: undefined };
    this.driver.submit({ command, wallMs: 0 }, (outcome) => {
      answer.outcome = outcome;
    });
    return answer;
  }

  /** Puts a key. */
  put(key: string, value = key, lease?: string): { outcome: Outcome | undefined } {
    const operation = { op: 'put', key, value, ...(lease !== undefined && { lease }) } as const;
    return this.submit({ do: 'txn', txn: { compare: [], then: [operation] } });
  }

  /** Value of a key in the state. */
  valueOf(key: string): string | undefined {
    return this.driver.machine?.range({ start: key }).rows[0]?.value;
  }

  #start(): Driver {
    const cluster = this.#cluster;
    const { stored } = this.disk;
    const options = cluster.optionsOf(this.id);
    return new Driver({
      stored,
      machine: options.isWitness ? undefined : Machine.load(stored.machine, options.machine),
      options,
      ports: {
        storage: this.disk,
        send: (to, message) => cluster.post(this.id, to, message),
        soon: (callback) => void this.#soon.push(callback),
        shortly: (callback) => void this.#soon.push(callback),
        monotonicMs: () => cluster.nowMs,
        wallMs: () => cluster.nowMs,
        random: () => cluster.random(),
        onChanges: (changes) => void this.changes.push(...changes),
        onReplaced: (head) => void this.replaced.push(head),
        onStatus: (status) => void this.statuses.push(status),
        onFatal: (error) => {
          this.fatal = error;
        },
      },
    });
  }
}

/** How a cluster is made. */
export interface ClusterParts {
  readonly config: RaftConfig;
  /** Letters of all members, observers included. */
  readonly members: string;
  readonly bounds?: Partial<DriverBounds>;
  readonly sources?: (member: MemberId) => readonly MemberId[];
}

/** A message on its way. */
export interface Post {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly message: PeerMessage;
}

/** All members. */
export class ClusterTwin {
  readonly config: RaftConfig;
  readonly #parts: ClusterParts;
  readonly #members = new Map<MemberId, MemberTwin>();
  nowMs = 0;
  /** Everything that was ever sent. */
  readonly posted: Post[] = [];
  /** Says which messages are lost. */
  isLost: (post: Post) => boolean = () => false;
  #post: Post[] = [];
  #seed = 1;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
    this.config = parts.config;
    for (const letter of parts.members) {
      this.#members.set(idOf(letter), new MemberTwin(idOf(letter), this));
    }
    this.settle();
  }

  /** A member by letter. */
  member(letter: string): MemberTwin {
    const member = this.#members.get(idOf(letter));
    if (member === undefined) throw new Error(`no member ${letter}`);
    return member;
  }

  get members(): readonly MemberTwin[] {
    return [...this.#members.values()];
  }

  get leader(): MemberTwin {
    const leader = this.members.find(({ role, isDown }) => role === 'leader' && !isDown);
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  optionsOf(id: MemberId): DriverOptions {
    const { sources, bounds, config } = this.#parts;
    return {
      raft: { ...raftOptions, learnerSteadyTicks: 10 },
      machine: { limits: machineLimits, hash: fastHash },
      bounds: { ...driverBounds, ...bounds },
      isWitness: config.witnesses.includes(id),
      sources: () => sources?.(id) ?? config.voters,
    };
  }

  post(from: MemberId, to: MemberId, message: PeerMessage): void {
    // what a wire would make of it: nothing is shared between members
    const post = { from, to, message: structuredClone(message) };
    this.posted.push(post);
    if (!this.isLost(post)) this.#post.push(post);
  }

  random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  /** One round of everything that is ready; false when nothing is. */
  step(): boolean {
    let isBusy = false;
    for (const member of this.members) {
      if (member.isDown) continue;
      isBusy = member.runSoon() || isBusy;
      if (!member.disk.isHeld) isBusy = member.disk.finish() || isBusy;
    }
    const post = this.#post;
    this.#post = [];
    for (const { from, to, message } of post) {
      const member = this.#members.get(to);
      if (member !== undefined && !member.isDown) member.driver.receive(from, message);
    }
    return isBusy || post.length > 0;
  }

  /** Until nothing is to be done without time going by. */
  settle(): void {
    for (let steps = 0; this.step(); steps += 1) {
      if (steps > 100_000) throw new Error('it never comes to rest');
    }
  }

  /** Time goes by, tick after tick. */
  ticks(count: number, until: () => boolean = () => false): void {
    for (let tick = 0; tick < count && !until(); tick += 1) {
      this.nowMs += driverBounds.tickMs;
      for (const member of this.members) if (!member.isDown) member.driver.tick();
      this.settle();
    }
  }

  /** Until somebody leads and can serve. */
  elect(): MemberTwin {
    const isLed = () =>
      this.members.some(({ role, isDown, driver }) => {
        const { commit, term } = driver.status();
        return !isDown && role === 'leader' && commit > 0 && term > 0;
      });
    this.ticks(400, isLed);
    this.ticks(4);
    return this.leader;
  }
}
