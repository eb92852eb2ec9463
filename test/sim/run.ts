/**
 * One seed from beginning to end: first faults, and nothing wrong may ever be seen; then none, and soon
 * everything must be right: a leader, every request answered, every state the same.
 */
import type { RaftConfig } from '../../lib/store/raft/config.ts';
import { Admin } from './admin.ts';
import { Client } from './client.ts';
import { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import { Nemesis } from './nemesis.ts';
import type { SimOptions } from './options.ts';
import { Random } from './random.ts';
import { demand, Violation } from './violation.ts';

/** What a run came to. */
export interface RunResult {
  readonly violation: Violation | undefined;
  readonly hash: string;
  readonly lines: readonly string[];
  readonly virtualMs: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** Events in one run; far above what any takes, so that one which never ends is seen. */
const eventsMax = 2_000_000;

/** Runs a cluster with these options under this seed. */
export function runSeed(seed: bigint, options: SimOptions, keepsLines = false): RunResult {
  const run = new Run(seed, options, keepsLines);
  let violation: Violation | undefined;
  try {
    run.play();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
  }
  return run.result(violation);
}

/** Whether a host is no member by this configuration, and feeds on none either. */
function isOutside({ id, driver }: Host, { voters, learners }: RaftConfig): boolean {
  return !voters.includes(id) && !learners.includes(id) && driver?.status().role !== 'observer';
}

class Run {
  readonly #cluster: Cluster;
  readonly #clients: readonly Client[];
  readonly #admin: Admin;
  readonly #nemesis: Nemesis;

  constructor(seed: bigint, options: SimOptions, keepsLines: boolean) {
    this.#cluster = new Cluster(seed, options, keepsLines);
    this.#admin = new Admin(this.#cluster, new Random(seed, 3));
    this.#nemesis = new Nemesis(this.#cluster, new Random(seed, 4), this.#admin);
    this.#clients = Array.from(
      { length: options.clients },
      (_, number) => new Client(this.#cluster, new Random(seed, 8 + number), number),
    );
  }

  play(): void {
    const cluster = this.#cluster;
    for (const host of cluster.hosts) host.start();
    for (const client of this.#clients) client.start();
    cluster.readAt = (host) => this.#clients[0]?.readAt(host);
    this.#nemesis.start();
    const { agenda, options } = cluster;
    while (agenda.step(options.chaosMs)) {
      demand(agenda.count < eventsMax, 'endless', () => `${eventsMax} events`);
    }
    cluster.calmDown();
    this.#recover();
  }

  /** The longest time in which an election is called. */
  get #electionMs(): number {
    const { electionTicks, tickMs, drift, witness } = this.#cluster.options;
    return (2 * electionTicks * tickMs * (witness ? 2 : 1)) / (1 - drift);
  }

  /** For how long yet the disk of some host does nothing. */
  get #stalledMs(): number {
    const { stalledUntilMs, agenda } = this.#cluster;
    return Math.max(0, stalledUntilMs - agenda.now);
  }

  #recover(): void {
    const cluster = this.#cluster;
    const { timeoutMs, diskMs, netDelayMs, soonMs } = cluster.options;
    const roundMs = 4 * (diskMs + netDelayMs + soonMs) + 50;
    // a leader can do nothing before an entry of its own term is where a majority is: behind all others
    const behindMs = this.#messagesToLead() * roundMs;
    this.#until('noLeader', this.#stalledMs + behindMs + 10 * this.#electionMs, () =>
      this.#leads(),
    );
    for (const client of this.#clients) client.isStopping = true;
    this.#clearAlarms();
    const answerMs = 4 * timeoutMs + 60 * roundMs + 6 * this.#electionMs;
    this.#until('notAnswered', answerMs, () => this.#clients.every((client) => client.isIdle));
    const catchUpMs = 100 * roundMs + this.#messagesBehind() * roundMs;
    this.#until('notConverged', catchUpMs + 8 * this.#electionMs, () => this.#isConverged());
    if (cluster.options.leases) {
      this.#until(
        'leaseForever',
        900 * 1.6 + 4 * roundMs + 6 * this.#electionMs,
        () => cluster.state.model.leases.size === 0,
      );
    }
    // what was asked for last may still move leadership, and need the vote of one whose disk has stalled since before
    this.#pass(this.#stalledMs + this.#electionMs);
    this.#until('noLeader', 4 * this.#electionMs, () => this.#leads());
    const { leaderTerm } = cluster.log;
    this.#pass(2 * this.#electionMs);
    demand(
      cluster.log.leaderTerm === leaderTerm && this.#leads(),
      'leaderDisturbed',
      () => `term ${leaderTerm} to ${cluster.log.leaderTerm} with no fault (hazard 10)`,
    );
    this.#until('notConverged', 20 * roundMs + this.#electionMs, () => this.#isConverged());
    for (const host of cluster.hosts) this.#compare(host);
  }

  /**
   * How many messages of entries it takes until a new leader's own entry is where a majority is: what the
   * last of the best majority of voters lacks, from what it knows to be committed on, since all behind may
   * have to be replaced. More would excuse a leader that waits for a member it does not need.
   */
  #messagesToLead(): number {
    const { configs, options } = this.#cluster;
    const entries = configs.map(({ voters }) => {
      const hosts = voters.flatMap((id) => this.#cluster.hostOf(id) ?? []);
      const applied = voters.map((id) => this.#cluster.hostOf(id)?.driver?.gauges.applied ?? 0);
      const last = Math.max(0, ...hosts.map(({ disk }) => disk.last));
      const ofMajority = applied.toSorted((one, other) => other - one)[voters.length >> 1] ?? 0;
      return Math.max(0, last - ofMajority);
    });
    return Math.max(...entries) / options.entriesPerMessageMax;
  }

  /** How many messages of entries the one that is furthest behind lacks, of those that have to catch up. */
  #messagesBehind(): number {
    const { hosts, log, leader, options } = this.#cluster;
    // a change of members that is not committed yet will be
    const configs = [log.config, ...(leader === undefined ? [] : log.configsOf(leader.id))];
    const counts = hosts.filter((host) => configs.some((config) => !isOutside(host, config)));
    const applied = counts.flatMap(({ driver }) => driver?.gauges.applied ?? []);
    const last = Math.max(...counts.map(({ disk }) => disk.last));
    return (last - Math.min(...applied)) / options.entriesPerMessageMax;
  }

  #pass(ms: number): void {
    const { agenda } = this.#cluster;
    const end = agenda.now + ms;
    while (agenda.step(end));
  }

  /** Runs on until something holds, which must be in time. */
  #until(rule: string, withinMs: number, holds: () => boolean): void {
    const { agenda } = this.#cluster;
    const deadline = agenda.now + withinMs;
    while (!holds()) {
      demand(
        agenda.now < deadline && agenda.count < eventsMax,
        rule,
        () => `in ${withinMs} ms: ${this.#describe()}`,
      );
      const stepEnd = Math.min(deadline, agenda.now + 10);
      while (agenda.step(stepEnd));
    }
  }

  #describe(): string {
    const members = this.#cluster.hosts.map((host) => {
      const status = host.driver?.status();
      return status === undefined
        ? `${host.id} down`
        : `${host.id} ${status.role} term ${status.term} commit ${status.commit} of ${status.last.index} applied ${host.driver?.gauges.applied}`;
    });
    const clients = this.#clients.map((client) => client.waitingFor);
    return [...members, ...clients].join('; ');
  }

  /** Somebody leads and has committed in its own term. */
  #leads(): boolean {
    const { leader, log } = this.#cluster;
    if (leader === undefined) return false;
    return log.committed.at(-1)?.inTerm === log.leaderTerm;
  }

  #clearAlarms(): void {
    this.#cluster.system({
      compare: [],
      then: [{ op: 'delete', start: 'alarm/', end: 'alarm0' }],
    });
  }

  /** Every member that runs stands where the leader stands. Who was removed and was not told of it does
   *  not count: it asks for votes for ever, and disturbs nobody. */
  #isConverged(): boolean {
    const { leader, hosts, log } = this.#cluster;
    const commit = leader?.driver?.status().commit;
    if (commit === undefined) return false;
    return hosts.every((host) => {
      if (host.driver === undefined) return host.isIdle;
      return isOutside(host, log.config) || host.driver.gauges.applied === commit;
    });
  }

  /** What a member answers, and what its disk holds, are what they should be. */
  #compare(host: Host): void {
    const { state, log } = this.#cluster;
    const machine = host.driver?.machine;
    if (machine === undefined) return;
    state.head(host.id, machine.head());
    const range = { start: '!', end: '~' };
    const floor = isOutside(host, log.config) ? 0 : state.model.users.revision;
    state.read(range, machine.range(range), floor);
    state.disk(host.id, host.disk);
  }

  result(violation: Violation | undefined): RunResult {
    const { agenda, trace, log, state } = this.#cluster;
    const sum = (of: (client: Client) => number) =>
      this.#clients.reduce((total, client) => total + of(client), 0);
    return {
      violation,
      hash: trace.text,
      lines: trace.lines ?? [],
      virtualMs: agenda.now,
      counts: {
        events: agenda.count,
        entries: log.committed.length,
        revisions: state.model.users.revision,
        acknowledged: sum((client) => client.acknowledged),
        reads: sum((client) => client.reads),
        changes: this.#admin.changes,
        ...log.counts,
        ...this.#cluster.counts,
      },
    };
  }
}
