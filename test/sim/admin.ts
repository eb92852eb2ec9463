/**
 * The administrator: adds, promotes, demotes, removes and replaces members, one request at a time, mostly
 * at the leader, with no regard for whether it is a good moment.
 */
import type { ChangeOutcome } from '../../lib/store/driver/ports.ts';
import { encodeConfig, type RaftConfig } from '../../lib/store/raft/config.ts';
import type { MemberId } from '../../lib/store/raft/entry.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { Random } from './random.ts';
import { demand } from './violation.ts';

const sorted = (ids: readonly MemberId[]) => ids.toSorted();
const isIn = ({ voters, learners }: RaftConfig, id: MemberId) =>
  voters.includes(id) || learners.includes(id);
const off = (ids: readonly MemberId[], id: MemberId) => ids.filter((each) => each !== id);

/** Who votes and who does not, over time. */
export class Admin {
  readonly #cluster: Cluster;
  readonly #random: Random;
  /** Changes that are asked for and not answered. */
  #open = 0;
  changes = 0;

  constructor(cluster: Cluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** Nothing is asked for that could still be taken. */
  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** Hands leadership to a random member. */
  transfer(): void {
    const { leader } = this.#cluster;
    if (leader === undefined) return;
    const to = this.#random.pick(this.#cluster.hosts).id;
    this.#cluster.note(64, leader.number, 0, () => `admin: ${leader.id} to hand over to ${to}`);
    leader.run((driver) => driver.transfer(to, () => undefined));
  }

  /** Changes something about the members. */
  change(): void {
    const { leader, hosts } = this.#cluster;
    const host = this.#random.chance(0.9) ? leader : this.#random.pick(hosts);
    if (host?.driver === undefined || this.#open > 0) return;
    const { config } = host.driver.status();
    this.#forgetLost();
    if (this.#cluster.lost !== undefined) {
      const replaced = this.#replace(config);
      if (replaced !== undefined) this.#ask(host, replaced);
      return;
    }
    const once = this.#next(config);
    // now and then two at once, which must be refused
    const twice = once !== undefined && this.#random.chance(0.1) ? this.#next(once) : undefined;
    const next = twice ?? once;
    if (next === undefined || next.voters.length === 0) return;
    this.#ask(host, next);
    // and now and then another one before the first can be committed, which must be refused, too
    if (!this.#random.chance(0.2)) return;
    const after = this.#next(host.driver?.status().config ?? next);
    if (after !== undefined && after.voters.length > 0) this.#ask(host, after);
  }

  /** A lost member goes out first, before anything else changes. */
  #replace(config: RaftConfig): RaftConfig | undefined {
    const { lost } = this.#cluster;
    return lost !== undefined && isIn(config, lost) ? this.#without(config, lost) : undefined;
  }

  /** Who is in no configuration any more, in no log, need not be taken out. */
  #forgetLost(): void {
    const { lost, configs } = this.#cluster;
    if (lost === undefined) return;
    if (!configs.some((config) => isIn(config, lost))) this.#cluster.lost = undefined;
  }

  #next(config: RaftConfig): RaftConfig | undefined {
    const random = this.#random;
    const { hosts, configs } = this.#cluster;
    const dice = random.below(10);
    const learner = config.learners.length === 0 ? undefined : random.pick(config.learners);
    if (dice < 4 && learner !== undefined) {
      return {
        ...config,
        voters: sorted([...config.voters, learner]),
        learners: off(config.learners, learner),
      };
    }
    if (dice < 7) {
      const outside = hosts.filter(({ id }) => !configs.some((each) => isIn(each, id)));
      if (outside.length === 0) return undefined;
      const host = this.#fresh(random.pick(outside));
      return { ...config, learners: sorted([...config.learners, host.id]) };
    }
    if (config.voters.length < 2) return undefined;
    const voter = random.pick(config.voters);
    if (dice === 7 && !config.witnesses.includes(voter)) {
      return {
        ...config,
        voters: off(config.voters, voter),
        learners: sorted([...config.learners, voter]),
      };
    }
    return this.#without(config, dice === 8 && learner !== undefined ? learner : voter);
  }

  /** A host that is not a member gets ready to be one: who was removed comes back under a new name. */
  #fresh(host: Host): Host {
    const { log } = this.#cluster;
    const wasMember = log.committed.some(
      ({ entry }) => entry.kind === 'config' && entry.data.includes(host.id),
    );
    if (wasMember) this.#cluster.renew(host);
    host.isIdle = false;
    host.start();
    return host;
  }

  #without(config: RaftConfig, id: MemberId): RaftConfig {
    return {
      voters: off(config.voters, id),
      learners: off(config.learners, id),
      witnesses: off(config.witnesses, id),
    };
  }

  #ask(host: Host, config: RaftConfig): void {
    const text = encodeConfig(config);
    this.#cluster.note(
      65,
      host.number,
      config.voters.length,
      () => `admin: ${host.id} to change to ${text}`,
    );
    this.#open += 1;
    let isOver = false;
    const end = () => {
      if (!isOver) this.#open -= 1;
      isOver = true;
    };
    host.run((driver, answers) => {
      const done = answers<ChangeOutcome>((outcome) => {
        this.#cluster.note(
          66,
          host.number,
          outcome.kind.length,
          () => `admin: ${JSON.stringify(outcome)}`,
        );
        end();
        if (outcome.kind !== 'done') return;
        this.changes += 1;
        demand(
          this.#cluster.log.committed.some(({ entry }) => entry.data === text),
          'changeNotCommitted',
          () => text,
        );
        this.#left(config);
      });
      driver.changeConfig(config, done);
    });
    // a process that dies answers nothing; what it queued dies with it
    this.#cluster.agenda.after(this.#cluster.options.timeoutMs + 500, end);
  }

  /** Who was removed is told sooner or later, and stops. */
  #left(config: RaftConfig): void {
    const { lost, agenda, hosts } = this.#cluster;
    if (lost !== undefined && !isIn(config, lost)) this.#cluster.lost = undefined;
    for (const host of hosts) {
      const { id } = host;
      if (isIn(config, id) || host.isIdle || this.#random.chance(0.3)) continue;
      agenda.after(this.#random.between(0, 1500), () => {
        if (host.id !== id || isIn(this.#cluster.log.config, id)) return;
        host.crash();
        host.isIdle = true;
      });
    }
  }
}
