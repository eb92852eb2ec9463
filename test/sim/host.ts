/**
 * A host and the process of a member on it: starts from the disk, is given time, messages and calls, and
 * dies at any moment, also in the middle of a step. What a dead process still does, nobody sees.
 */
import { noticeLongMs, noticeMs } from '../../lib/limits.ts';
import type { Driver } from '../../lib/store/driver/driver.ts';
import type { PeerMessage } from '../../lib/store/driver/messages.ts';
import type { DriverPorts } from '../../lib/store/driver/ports.ts';
import type { Storage } from '../../lib/store/driver/storage.ts';
import type { MemberId } from '../../lib/store/raft/entry.ts';
import type { Cluster } from './cluster.ts';
import type { Disk } from './disk.ts';
import { openDriver } from './opening.ts';
import type { Random } from './random.ts';
import { watch, type Watcher } from './spies.ts';
import { Violation } from './violation.ts';

/** What clocks on walls show at the beginning. */
export const wallStartMs = 1_800_000_000_000;

/** Makes a callback that a process which died meanwhile does not call. */
export type Answers = <T>(callback: (answer: T) => void) => (answer: T) => void;

/** One life of a process. */
interface Life {
  driver: Driver | undefined;
  isAlive: boolean;
  /** Revision up to which watchers were told. */
  told: number;
}

/** A machine with a clock, a directory and at most one process. */
export class Host {
  readonly number: number;
  readonly random: Random;
  readonly speed: number;
  id: MemberId;
  disk: Disk;
  isWitness = false;
  wallOffsetMs = 0;
  /** Ticks of the process in its life, and at which of them others were heard last. */
  ticks = 0;
  heard = new Map<MemberId, number>();
  ledSinceTick = 0;
  /** The clock on the wall was set. */
  hasJumped = false;
  /** True time of the end of the last long pause. */
  resumedMs = -Infinity;
  /** The process is not to be started: nobody joined this host, or it was told to leave. */
  isIdle = false;
  readonly #cluster: Cluster;
  #life: Life | undefined;
  #isPaused = false;
  #pausedMs = 0;
  #backlog: (() => void)[] = [];

  constructor(
    cluster: Cluster,
    parts: { readonly number: number; readonly random: Random; readonly disk: Disk },
  ) {
    this.#cluster = cluster;
    this.number = parts.number;
    this.random = parts.random;
    this.disk = parts.disk;
    this.id = parts.disk.identity.memberId;
    const { drift } = cluster.options;
    this.speed = this.random.between(1 - drift, 1 + drift);
  }

  /** What the clock on the wall shows. */
  wallMs(): number {
    return wallStartMs + Math.floor(this.#cluster.agenda.now * this.speed) + this.wallOffsetMs;
  }

  /** The driver of the running process. */
  get driver(): Driver | undefined {
    return this.#life?.isAlive === true ? this.#life.driver : undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Starts the process, unless it runs. */
  start(): void {
    if (this.#life?.isAlive === true || this.isIdle) return;
    const { disk, id } = this;
    const cluster = this.#cluster;
    cluster.note(
      1,
      this.number,
      disk.last,
      () => `${id} starts, log to ${disk.last}, state at ${disk.head.applied.index}`,
    );
    cluster.counts.starts += 1;
    cluster.state.disk(id, disk);
    const life: Life = { driver: undefined, isAlive: true, told: disk.head.revision };
    this.#life = life;
    this.#isPaused = false;
    this.ticks = 0;
    this.heard = new Map();
    const stored = disk.stored();
    cluster.log.started(id, stored);
    this.#enter(life, () => {
      life.driver = openDriver({
        stored,
        ports: this.#ports(life),
        options: cluster.options,
        isWitness: this.isWitness,
        sources: () => cluster.sources(this),
      });
    });
    this.#tickLater(life);
  }

  /** The process is gone, at this instant. */
  crash(keep = this.random.chance(this.#cluster.options.keepAtCrash)): void {
    const life = this.#life;
    if (life?.isAlive !== true) return;
    this.#cluster.note(
      2,
      this.number,
      keep ? 1 : 0,
      () => `${this.id} dies, batch under way ${keep ? 'kept' : 'lost'}`,
    );
    life.isAlive = false;
    this.#backlog = [];
    this.disk.crash(keep);
  }

  /** Ends the process in order. */
  stop(): void {
    const life = this.#life;
    if (life?.isAlive !== true) return;
    this.#cluster.note(3, this.number, 0, () => `${this.id} stops`);
    this.#enter(life, () => life.driver?.stop());
    this.crash(true);
  }

  /** Nothing runs until `resume`; the disk goes on with what it was given. */
  pause(): void {
    if (this.driver === undefined) return;
    this.#cluster.note(4, this.number, 0, () => `${this.id} pauses`);
    this.#isPaused = true;
    this.#pausedMs = this.#cluster.agenda.now;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#cluster.note(5, this.number, 0, () => `${this.id} goes on`);
    this.#isPaused = false;
    const { agenda, options } = this.#cluster;
    const isLong =
      (agenda.now - this.#pausedMs) * this.speed > options.electionTicks * options.tickMs;
    if (isLong) this.resumedMs = agenda.now;
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const call of backlog) call();
  }

  /** A message arrives. */
  receive(from: MemberId, message: PeerMessage): void {
    const cluster = this.#cluster;
    this.run((driver) => {
      cluster.noteMessage(this, from, message);
      this.heard.set(from, this.ticks);
      driver.receive(from, message);
    });
  }

  /** Does something with the driver, now or when the process runs again; nothing if it is dead by then. */
  run(call: (driver: Driver, answers: Answers) => void): void {
    const life = this.#life;
    if (life?.isAlive !== true) return;
    const answers: Answers = (callback) => (answer) => {
      if (life.isAlive) callback(answer);
    };
    this.#enter(life, () => {
      if (life.driver !== undefined) call(life.driver, answers);
    });
  }

  #enter(life: Life, call: () => void): void {
    if (!life.isAlive) return;
    if (this.#isPaused) {
      this.#backlog.push(() => this.#enter(life, call));
      return;
    }
    const before = watch(this.#watcher(life));
    try {
      call();
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (!life.isAlive) return;
      throw new Violation(
        'threw',
        `${this.id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    } finally {
      watch(before);
    }
  }

  #watcherCache: { life: Life; watcher: Watcher } | undefined;

  #watcher(life: Life): Watcher {
    if (this.#watcherCache?.life === life) return this.#watcherCache.watcher;
    const { id } = this;
    const { log, state } = this.#cluster;
    const watcher: Watcher = {
      stepped: (input, effects, status) => {
        if (life.isAlive) log.stepped(id, input, effects, status);
      },
      applied: (entry, reply, machine) => {
        if (!life.isAlive) return;
        state.applied(id, entry, reply, machine.revision);
        if (entry.index % 8 === 0) state.head(id, machine.head());
      },
      delta: (delta) => {
        if (life.isAlive) state.delta(id, delta);
      },
    };
    this.#watcherCache = { life, watcher };
    return watcher;
  }

  #tickLater(life: Life): void {
    const { tickMs } = this.#cluster.options;
    const afterMs = (tickMs / this.speed) * this.random.between(0.95, 1.05);
    this.#cluster.agenda.after(afterMs, () => {
      if (!life.isAlive) return;
      // a timer that came due during a pause fires once
      this.#enter(life, () => {
        this.disk.tick();
        this.ticks += 1;
        life.driver?.tick();
        this.#tickLater(life);
        if (life.driver !== undefined && life.isAlive) {
          this.#cluster.examine(this, life.driver);
        }
      });
    });
  }

  #ports(life: Life): DriverPorts {
    const cluster = this.#cluster;
    const { agenda, options } = cluster;
    return {
      storage: this.#storage(life),
      send: (to, message) => {
        if (!life.isAlive) return;
        if (cluster.isFaulty && this.random.chance(options.faults.crashBeforeSend)) {
          this.#dieAndReturn();
          return;
        }
        cluster.log.sending(this.id, to, message, this.disk);
        cluster.send(this, to, message);
      },
      soon: (callback) => {
        agenda.after(options.soonMs * this.random.next(), () => this.#enter(life, callback));
      },
      shortly: (callback, isOften) => {
        const afterMs = (isOften ? noticeLongMs : noticeMs) + options.soonMs * this.random.next();
        agenda.after(afterMs, () => this.#enter(life, callback));
      },
      monotonicMs: () => agenda.now * this.speed,
      wallMs: () => this.wallMs(),
      random: () => this.random.next(),
      onChanges: (changes) => {
        if (life.isAlive) life.told = cluster.state.changes(this.id, life.told, changes);
      },
      onReplaced: (head) => {
        if (!life.isAlive) return;
        cluster.state.head(this.id, head);
        life.told = head.revision;
      },
      onStatus: (status) => {
        if (life.isAlive && status.role === 'leader') cluster.log.claimed(this.id, status.term);
      },
      onFatal: (error) => {
        if (life.isAlive)
          throw new Violation(
            'fatal',
            `${this.id}: ${error.code} ${error.message} ${JSON.stringify(error.detail)}`,
          );
      },
    };
  }

  #storage(life: Life): Storage {
    const cluster = this.#cluster;
    const { disk } = this;
    const { faults, diskMs } = cluster.options;
    return {
      write: (write, done) => {
        if (!life.isAlive) return;
        disk.begin(write);
        const { random } = this;
        if (cluster.isFaulty && random.chance(faults.crashBeforeWrite + faults.diskFail)) {
          this.#dieAndReturn();
          return;
        }
        let afterMs = diskMs * random.between(0.3, 1.7);
        if (cluster.isFaulty && random.chance(faults.diskTail))
          afterMs += 150 * random.next() * random.next();
        if (cluster.isFaulty && random.chance(faults.diskStall)) afterMs += 2000 * random.next();
        cluster.stalledUntilMs = Math.max(cluster.stalledUntilMs, cluster.agenda.now + afterMs);
        cluster.agenda.after(afterMs, () => {
          if (!life.isAlive) return;
          disk.complete();
          cluster.note(
            6,
            this.number,
            disk.last,
            () =>
              `${this.id} has on disk: log to ${disk.last}, term ${disk.hard.term}, state at ${disk.head.applied.index}`,
          );
          if (cluster.isFaulty && random.chance(faults.crashAfterWrite)) this.#dieAndReturn();
          else {
            this.#enter(life, () => {
              disk.told();
              done();
            });
          }
        });
      },
      readChange: (revision) => Promise.resolve(disk.changes.get(revision)),
    };
  }

  #dieAndReturn(): void {
    this.crash();
    this.#cluster.startLater(this);
  }
}
