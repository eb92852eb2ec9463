/**
 * A client: writes under a session with retries of the same number at other members, reads, and keeps
 * leases alive. What it is told is held against the one order of changes.
 */
import type { Command, Reply } from '../../lib/store/machine/command.ts';
import type { LeaseOutcome, Outcome, ReadOutcome } from '../../lib/store/driver/ports.ts';
import type { Operation, RangeResult } from '../../lib/store/port.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { Random } from './random.ts';
import { demand } from './violation.ts';

/** Something asked for and not finished. */
interface Work {
  readonly sequence: number;
  readonly command: Command;
  /** Revision that anyone was told of before this was first asked for. */
  readonly floor: number;
  /** Key and value that it puts, if it does whatever the state. */
  readonly puts: { readonly key: string; readonly value: string } | undefined;
  attempt: number;
  isOver: boolean;
}

interface LeaseHeld {
  readonly id: string;
  /** How often it is to be kept alive before it is left to end. */
  renewals: number;
}

/** Answers that end a session for its client: what was asked may have landed. */
const sessionOver: ReadonlySet<string> = new Set(['SESSION_UNKNOWN', 'STORE_OUTCOME_UNKNOWN']);

/** One client. */
export class Client {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #number: number;
  #id = '';
  #sequence = 0;
  #isOpen = false;
  #open: Work[] = [];
  #values = 0;
  #target: Host;
  #leases: LeaseHeld[] = [];
  /** Writes that were acknowledged. */
  acknowledged = 0;
  reads = 0;
  isStopping = false;

  constructor(cluster: Cluster, random: Random, number: number) {
    this.#cluster = cluster;
    this.#random = random;
    this.#number = number;
    this.#target = random.pick(cluster.hosts);
  }

  /** Everything asked for was answered. */
  get isIdle(): boolean {
    return this.#open.length === 0;
  }

  get waitingFor(): string {
    return JSON.stringify(this.#open);
  }

  start(): void {
    this.#newSession();
    this.#think();
  }

  #think(): void {
    const afterMs = this.#cluster.options.thinkMs * this.#random.between(0.2, 1.8);
    this.#cluster.agenda.after(afterMs, () => {
      if (this.isStopping) return;
      this.#act();
      this.#think();
    });
  }

  #act(): void {
    const random = this.#random;
    if (!this.#isOpen || this.#open.length >= 3) return;
    const dice = random.below(100);
    if (dice < 14) this.#read();
    else if (dice < 18) this.#readLocally();
    else if (dice < 21) this.#submit({ do: 'system', txn: this.#systemTxn() });
    else if (dice < 31 && this.#cluster.options.leases) this.#useLease();
    else if (dice < 32) this.#newSession();
    else this.#write();
  }

  /** A session that nobody had. The old one is left to be forgotten, or closed. */
  #newSession(): void {
    for (const work of this.#open) work.isOver = true;
    this.#open = [];
    this.#id = this.#random.hex(32);
    this.#sequence = 0;
    this.#isOpen = false;
    this.#submit({ do: 'openSession' });
  }

  #key(): string {
    return `k${this.#random.below(this.#cluster.options.keys)}`;
  }

  /** A value that was never written. */
  #value(): string {
    this.#values += 1;
    return `${this.#number}.${this.#values}`;
  }

  #systemTxn(): Extract<Command, { readonly do: 'system' }>['txn'] {
    return { compare: [], then: [{ op: 'put', key: this.#key(), value: this.#value() }] };
  }

  #write(): void {
    const random = this.#random;
    const [key, value] = [this.#key(), this.#value()];
    const put: Operation = { op: 'put', key, value };
    const dice = random.below(10);
    if (dice < 5) {
      this.#submit({ do: 'txn', txn: { compare: [], then: [put] } }, { key, value });
      return;
    }
    if (dice < 6) {
      this.#submit({ do: 'txn', txn: { compare: [], then: [{ op: 'delete', start: key }] } });
      return;
    }
    if (dice < 7) {
      const range = { op: 'range', start: 'k', end: 'l' } as const;
      const wide: Operation = { op: 'delete', start: 'k0', end: 'k2' };
      this.#submit({ do: 'txn', txn: { compare: [], then: [range, wide] } });
      return;
    }
    if (dice < 8) {
      const other: Operation = { op: 'put', key: `m${key}`, value };
      this.#submit({ do: 'txn', txn: { compare: [], then: [put, other] } }, { key, value });
      return;
    }
    const modRevision = this.#cluster.state.model.users.rows.get(key)?.modRevision ?? 0;
    const compare = { key, target: 'modRevision', operator: '=', value: modRevision } as const;
    const otherwise: Operation = { op: 'range', start: key };
    this.#submit({ do: 'txn', txn: { compare: [compare], then: [put], else: [otherwise] } });
  }

  #submit(command: Command, puts?: Work['puts']): void {
    this.#sequence += 1;
    const work: Work = {
      sequence: this.#sequence,
      command,
      floor: this.#cluster.state.floor,
      puts,
      attempt: 0,
      isOver: false,
    };
    this.#open.push(work);
    this.#try(work);
  }

  /** Sends what is to be done to a member, and again to another one if nothing comes back in time. */
  #try(work: Work): void {
    if (work.isOver) return;
    work.attempt += 1;
    const { attempt } = work;
    const { agenda, options } = this.#cluster;
    const client = this.#id;
    const acknowledged = Math.min(...this.#open.map(({ sequence }) => sequence)) - 1;
    const session = { client, sequence: work.sequence, acknowledged };
    this.#ask(this.#target, (host, answer) => {
      host.run((driver, answers) => {
        const done = answers<Outcome>((outcome) => {
          if (outcome.kind === 'reply') {
            this.#cluster.state.acknowledged(outcome.index, outcome.reply, session);
          }
          answer(() => {
            if (work.isOver || (outcome.kind !== 'reply' && work.attempt !== attempt)) return;
            if (outcome.kind === 'reply') this.#finish(work, outcome.reply);
            else this.#retryLater(work, outcome.kind === 'refused' ? outcome.leader : undefined);
          });
        });
        driver.submit({ command: work.command, session, wallMs: 0 }, done);
      });
    });
    agenda.after(options.timeoutMs * this.#random.between(0.8, 1.2), () => {
      if (work.isOver || work.attempt !== attempt) return;
      this.#target = this.#another();
      this.#try(work);
    });
  }

  /** Any host; when all is well, the one that leads. */
  #another(): Host {
    const { isFaulty, leader, hosts } = this.#cluster;
    return isFaulty || leader === undefined ? this.#random.pick(hosts) : leader;
  }

  #retryLater(work: Work, leader: string | undefined): void {
    this.#target = this.#cluster.hostOf(leader) ?? this.#another();
    const { attempt } = work;
    this.#cluster.agenda.after(this.#random.between(5, 40), () => {
      if (work.attempt === attempt) this.#try(work);
    });
  }

  #finish(work: Work, reply: Reply): void {
    work.isOver = true;
    this.#open = this.#open.filter((each) => each !== work);
    const { state } = this.#cluster;
    if (!reply.ok && sessionOver.has(reply.code)) {
      this.#newSession();
      return;
    }
    if (work.command.do === 'openSession') this.#isOpen = true;
    if (!reply.ok) return;
    this.acknowledged += 1;
    const { puts } = work;
    demand(
      puts === undefined || state.hasLanded(puts.key, puts.value),
      'acknowledgedLost',
      () => `${JSON.stringify(puts)} was acknowledged and is not there`,
    );
    if (work.command.do !== 'txn' || reply.result === undefined) return;
    const { revision } = reply.result;
    demand(
      revision > work.floor || (puts === undefined && revision === work.floor),
      'olderThanKnown',
      () => `revision ${revision} for ${JSON.stringify(work)}`,
    );
    state.floor = Math.max(state.floor, revision);
  }

  /** To a member and back, each way with a delay and perhaps not at all. */
  #ask(host: Host, there: (host: Host, answer: (back: () => void) => void) => void): void {
    const { agenda, options, isFaulty } = this.#cluster;
    const random = this.#random;
    const loss = isFaulty ? options.faults.drop / 2 : 0;
    const delay = () => options.netDelayMs * random.between(0.3, 1.5);
    agenda.after(delay(), () => {
      if (random.chance(loss)) return;
      there(host, (back) => {
        if (!random.chance(loss)) agenda.after(delay(), back);
      });
    });
  }

  /** Asks a leader for an index, and any member for the state at it. */
  #read(): void {
    this.readAt(this.#target);
  }

  /** A linearizable read with a certain member as the one that leads. */
  readAt(host: Host): void {
    const { log, state, hosts } = this.#cluster;
    const range = { start: 'k', end: 'n' };
    const { floor } = state;
    this.#ask(host, (leader, answer) => {
      leader.run((driver, answers) => {
        const known = log.committed.length;
        const done = answers<ReadOutcome>((outcome) => {
          if (outcome.kind !== 'index') {
            answer(() => {
              this.#target = this.#cluster.hostOf(outcome.leader) ?? this.#random.pick(hosts);
            });
            return;
          }
          const { index } = outcome;
          demand(
            index >= known,
            'readIndex',
            () => `${leader.id} confirms ${index}, ${known} were committed (hazard 19)`,
          );
          const server = this.#random.chance(0.5) ? leader : this.#random.pick(hosts);
          answer(() => {
            this.#serve(server, index, (result) => {
              this.reads += 1;
              state.read(range, result, floor);
            });
          });
        });
        driver.confirmRead(done);
      });
    });
  }

  #serve(host: Host, index: number, done: (result: RangeResult) => void): void {
    this.#ask(host, (_, answer) => {
      host.run((driver, answers) => {
        const serve = answers<boolean>((reached) => {
          const result = reached ? driver.machine?.range({ start: 'k', end: 'n' }) : undefined;
          if (result !== undefined) answer(() => done(result));
        });
        driver.whenApplied(index, serve);
      });
    });
  }

  #readLocally(): void {
    this.#serve(this.#random.pick(this.#cluster.hosts), 0, (result) => {
      const { state } = this.#cluster;
      const { floor } = state;
      state.read({ start: 'k', end: 'n' }, result, 0);
      state.floor = floor;
    });
  }

  #useLease(): void {
    const random = this.#random;
    const held = this.#leases.length === 0 ? undefined : random.pick(this.#leases);
    if (held === undefined || (random.chance(0.2) && this.#leases.length < 3)) {
      this.#grant();
    } else if (random.chance(0.15)) {
      // as a leader would that knows nothing of the last renewal: nothing may come of it
      const generation = this.#cluster.state.model.leases.get(held.id)?.generation ?? 1;
      const expired = {
        generation: generation > 1 ? generation - 1 : 1_000_000,
        decidedIn: random.chance(0.7) ? this.#cluster.log.leaderTerm : 1,
      };
      this.#submit({ do: 'revokeLease', lease: held.id, expired });
    } else if (random.chance(0.2)) {
      this.#submit({ do: 'renewLease', lease: held.id });
    } else if (random.chance(0.1)) {
      this.#leases = this.#leases.filter((each) => each !== held);
      this.#submit({ do: 'revokeLease', lease: held.id });
    } else {
      const put: Operation = { op: 'put', key: this.#key(), value: this.#value(), lease: held.id };
      this.#submit({ do: 'txn', txn: { compare: [], then: [put] } });
    }
  }

  #grant(): void {
    const { leases, agenda } = this.#cluster;
    const random = this.#random;
    const id = `${1 + random.below(999_999_999)}`;
    const ttlMs = random.pick([250, 500, 900]);
    leases.granting(id, ttlMs, agenda.now);
    this.#submit({ do: 'grantLease', lease: id, ttlMs });
    const held = { id, renewals: random.below(12) };
    this.#leases.push(held);
    this.#keepLater(held, ttlMs);
  }

  #keepLater(held: LeaseHeld, ttlMs: number): void {
    const { agenda, leases } = this.#cluster;
    agenda.after(ttlMs * this.#random.between(0.1, 0.5), () => {
      held.renewals -= 1;
      if (held.renewals < 0 || this.isStopping) {
        this.#leases = this.#leases.filter((each) => each !== held);
        return;
      }
      // whoever thinks that it leads, as clients cannot know better
      const leaders = this.#cluster.hosts.filter((host) => host.driver?.status().role === 'leader');
      this.#ask(leaders.length > 0 ? this.#random.pick(leaders) : this.#target, (host) => {
        host.run((driver, answers) => {
          const askedMs = agenda.now;
          const done = answers<LeaseOutcome>((outcome) => {
            if (outcome.kind === 'kept') leases.kept(held.id, askedMs);
          });
          driver.keepLease(held.id, done);
        });
      });
      this.#keepLater(held, ttlMs);
    });
  }
}
