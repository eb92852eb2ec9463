/** The nemesis: faults of hosts and links, each class at its own rate, and each one undone after a while. */
import type { Admin } from './admin.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { Fault } from './options.ts';
import type { Random } from './random.ts';

/** Makes faults until the cluster is not faulty any more. */
export class Nemesis {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #admin: Admin;

  constructor(cluster: Cluster, random: Random, admin: Admin) {
    this.#cluster = cluster;
    this.#random = random;
    this.#admin = admin;
  }

  start(): void {
    const acts: Partial<Record<Fault, () => void>> = {
      slowLink: () => this.#slowLink(),
      cutOneWay: () => this.#cutOneWay(),
      cutPair: () => this.#cutPair(),
      split: () => this.#split(this.#some()),
      isolateLeader: () => this.#isolateLeader(),
      crash: () => this.#crash(this.#host()),
      crashLeader: () => this.#crash(this.#cluster.leader),
      restartAll: () => this.#cluster.hosts.forEach((host) => this.#crash(host)),
      stop: () => this.#stop(this.#host()),
      pause: () => this.#pause(this.#random.chance(0.5) ? this.#cluster.leader : this.#host()),
      wallJump: () => this.#wallJump(this.#host()),
      loseDirectory: () => this.#loseDirectory(this.#host()),
      transfer: () => this.#admin.transfer(),
      changeConfig: () => this.#admin.change(),
      fillDisk: () => this.#fillDisk(),
    };
    for (const [name, act] of Object.entries(acts)) {
      const rate = this.#cluster.options.faults[name as Fault];
      if (rate > 0) this.#repeat(rate, act);
    }
  }

  #repeat(rate: number, act: () => void): void {
    const afterMs = (1000 / rate) * this.#random.between(0.2, 1.8);
    this.#cluster.agenda.after(afterMs, () => {
      if (!this.#cluster.isFaulty) return;
      act();
      this.#repeat(rate, act);
    });
  }

  #later(undo: () => void): void {
    const { outageMs } = this.#cluster.options;
    this.#cluster.agenda.after(outageMs * this.#random.between(0.2, 1.8), undo);
  }

  #host(): Host {
    return this.#random.pick(this.#cluster.hosts);
  }

  #some(): readonly Host[] {
    return this.#cluster.hosts.filter(() => this.#random.chance(0.5));
  }

  #slowLink(): void {
    const [from, to] = [this.#host().number, this.#host().number];
    this.#cluster.network.slow(from, to, this.#random.between(5, 200));
    this.#later(() => this.#cluster.network.slow(from, to, 0));
  }

  #cut(from: Host, to: Host): void {
    const { network } = this.#cluster;
    if (from === to || network.isCut(from.number, to.number)) return;
    network.cut(from.number, to.number, true);
    this.#cluster.note(70, from.number, to.number, () => `cut ${from.id} -> ${to.id}`);
    if (this.#random.chance(0.3)) from.run((driver) => driver.unreachable(to.id));
    this.#later(() => {
      this.#cluster.note(71, from.number, to.number, () => `whole ${from.id} -> ${to.id}`);
      network.cut(from.number, to.number, false);
    });
  }

  #cutOneWay(): void {
    this.#cut(this.#host(), this.#host());
  }

  #cutPair(): void {
    const [one, other] = [this.#host(), this.#host()];
    this.#cut(one, other);
    this.#cut(other, one);
  }

  #split(side: readonly Host[]): void {
    for (const one of this.#cluster.hosts) {
      for (const other of this.#cluster.hosts) {
        if (side.includes(one) && !side.includes(other)) {
          this.#cut(one, other);
          this.#cut(other, one);
        }
      }
    }
  }

  /** The leader with less than a majority on its side; half of the time it can still send. */
  #isolateLeader(): void {
    const { leader, hosts } = this.#cluster;
    if (leader === undefined) return;
    const others = hosts.filter((host) => host !== leader);
    const companions = others.slice(0, this.#random.below(Math.max(1, (hosts.length - 1) / 2)));
    if (this.#random.chance(0.5)) {
      this.#split([leader, ...companions]);
      return;
    }
    for (const other of others) {
      if (!companions.includes(other)) this.#cut(other, leader);
    }
  }

  #crash(host: Host | undefined): void {
    if (host?.driver === undefined && host?.isPaused !== true) return;
    host.crash();
    this.#cluster.startLater(host);
  }

  #stop(host: Host): void {
    if (host.driver === undefined || host.isPaused) return;
    host.stop();
    this.#cluster.startLater(host);
  }

  #pause(host: Host | undefined): void {
    if (host === undefined || host.isPaused) return;
    host.pause();
    this.#later(() => host.resume());
  }

  #wallJump(host: Host): void {
    host.wallOffsetMs += this.#random.between(-1, 1) * this.#random.pick([100, 10_000, 3e9]);
    host.wallOffsetMs = Math.floor(host.wallOffsetMs);
    host.hasJumped = true;
  }

  /**
   * A voter's directory is gone, and the host comes back as somebody else. Only where the others are
   * enough, whatever becomes of changes of members under way: what a majority lost, nobody can bring back.
   */
  #loseDirectory(host: Host): void {
    const { configs, lost } = this.#cluster;
    if (lost !== undefined || !this.#admin.isIdle || host.isIdle) return;
    // a witness cannot bring another member up to date, so with one there must be no loss
    if (configs.some(({ witnesses }) => witnesses.length > 0)) return;
    const isMember = configs.some(
      ({ voters, learners }) => voters.includes(host.id) || learners.includes(host.id),
    );
    if (isMember && configs.some(({ voters }) => voters.length > 0 && voters.length < 3)) return;
    if (isMember) this.#cluster.lost = host.id;
    this.#cluster.note(72, host.number, 0, () => `${host.id} loses its directory`);
    this.#cluster.renew(host);
    this.#cluster.startLater(host);
  }

  /** The alarm of a full disk is raised, and taken back when there is room. */
  #fillDisk(): void {
    const key = `alarm/nospace/${this.#host().id}`;
    this.#cluster.system({ compare: [], then: [{ op: 'put', key, value: 'full' }] });
    this.#later(() => this.#cluster.system({ compare: [], then: [{ op: 'delete', start: key }] }));
  }
}
