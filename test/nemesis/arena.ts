/**
 * Where a run takes place: three hosts in namespaces of their own on one underlay, each with a small disk,
 * a clock that can be set and a preloaded library that slows its syncs; on each a voter that is started
 * again when it dies, as an init system does. Knows how to undo everything.
 */
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostAddress, makeHostNamespace, makeOutside, removeNamespace } from '../lab/namespaces.ts';
import { runOk } from '../lab/run.ts';
import { until } from '../support/until.ts';
import { clearDetour } from './detour.ts';
import { clearNetwork } from './network.ts';
import { Supervisor } from './supervisor.ts';
import { Voters, type Voter, type VoterPlace, type VoterStatus } from './voters.ts';
import type { Runtime } from './voter-process.ts';

/** A host of the arena. */
export interface Site extends VoterPlace {
  readonly number: number;
  readonly runtime: Runtime;
  /** Holds the milliseconds that every sync waits. */
  readonly syncFile: string;
  /** Holds what libfaketime adds to wall time. */
  readonly clockFile: string;
  /** Fills the disk. */
  readonly ballast: string;
}

/** How to build one. */
export interface ArenaPlan {
  readonly runtimes: readonly Runtime[];
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly say: (line: string) => void;
}

const diskBytes = 400 * 1024 * 1024;

/** A run's place. */
export class Arena {
  readonly folder: string;
  /** One per voter. */
  readonly sites: readonly Site[];
  /** For a voter that comes and goes. */
  readonly spare: Site;
  readonly voters: Voters;
  readonly plan: ArenaPlan;
  /** Keeps the voter of each site running. */
  readonly supervisors: Supervisor[] = [];
  /** How many crowds have come. */
  crowds = 0;
  /** Namespace between the hosts. */
  readonly outside: string;
  readonly #buried: string[] = [];
  readonly #hidden = new Set<number>();

  private constructor(plan: ArenaPlan) {
    this.plan = plan;
    this.folder = mkdtempSync(join(tmpdir(), 'fairlead-nemesis-'));
    const start = `fnem${process.pid}-`;
    this.outside = `${start}out`;
    const makeSite = (runtime: Runtime, at: number): Site => {
      const number = at + 1;
      const own = join(this.folder, `site${number}`);
      const syncFile = join(this.folder, `sync${number}`);
      const clockFile = join(this.folder, `clock${number}`);
      return {
        number,
        runtime,
        namespace: `${start}h${number}`,
        address: hostAddress(number),
        directory: own,
        ballast: join(own, 'ballast'),
        syncFile,
        clockFile,
        environment: faultEnvironment(this.folder, { syncFile, clockFile }),
      };
    };
    this.sites = plan.runtimes.map(makeSite);
    this.spare = makeSite('bun', plan.runtimes.length);
    this.voters = new Voters({
      folder: this.folder,
      runtimes: plan.runtimes,
      places: [...this.sites, this.spare],
      settings: { heartbeatMs: plan.heartbeatMs, electionMs: plan.electionMs },
    });
  }

  /** Builds the hosts and a cluster on them. */
  static async open(plan: ArenaPlan): Promise<Arena> {
    const arena = new Arena(plan);
    try {
      await arena.#build();
      return arena;
    } catch (thrown) {
      await arena.close();
      throw thrown;
    }
  }

  async #build(): Promise<void> {
    await buildShim(this.folder);
    await makeOutside(this.outside);
    for (const site of [...this.sites, this.spare]) {
      await makeHostNamespace(site.namespace, this.outside, site.number);
      await this.#mount(site);
      this.setSync(site, 0);
      this.setClock(site, '+0');
    }
    for (const site of this.sites) {
      const voter = await this.voters.add(site.number - 1, site.runtime);
      if (site.number === 1) await this.voters.found(voter);
      else await this.voters.join(voter);
      this.supervisors.push(new Supervisor(voter, this.plan.say));
    }
  }

  async #mount(site: Site): Promise<void> {
    const image = join(this.folder, `disk${site.number}`);
    mkdirSync(site.directory);
    await runOk(['truncate', '-s', String(diskBytes), image]);
    await runOk(['mkfs.ext4', '-q', '-m', '0', '-O', '^has_journal', image]);
    await runOk(['mount', '-o', 'loop', image, site.directory]);
  }

  /** Each sync of a site's voter waits so long. */
  setSync({ syncFile }: Site, ms: number): void {
    writeFileSync(syncFile, `${ms}\n`);
  }

  /** Wall time of a site's voter, as libfaketime writes it: `+3y`. */
  setClock({ clockFile }: Site, offset: string): void {
    writeFileSync(clockFile, `${offset}\n`);
  }

  /** The voter on a site. */
  voterOn({ number }: Site): Voter {
    return this.supervisorOf({ number }).voter;
  }

  /** Where clients reach the voter of a site. */
  socketOf(site: Site): string {
    if (this.#hidden.has(site.number)) return join(this.folder, 'nobody.sock');
    return this.voterOn(site).process.plan.settings.socketPath;
  }

  /** Clients do not reach the voter of a site until it is replaced: it is of no cluster of theirs. */
  hide({ number }: Site): void {
    this.#hidden.add(number);
  }

  supervisorOf({ number }: Pick<Site, 'number'>): Supervisor {
    const supervisor = this.supervisors[number - 1];
    if (supervisor === undefined) throw new Error(`site ${number} has no voter`);
    return supervisor;
  }

  /** The site whose voter leads; the first when none does. */
  async leaderSite(): Promise<Site> {
    const leader = await this.voters.leader().catch(() => undefined);
    const found = this.sites.find((site) => this.voterOn(site) === leader) ?? this.sites[0];
    if (found === undefined) throw new Error('the arena has no site');
    return found;
  }

  /** Puts a fresh voter in the place of one that is lost; the others must have a majority. */
  async replace(site: Site): Promise<void> {
    const supervisor = this.supervisorOf(site);
    supervisor.hold();
    const lost = supervisor.voter;
    this.#buried.push(...lost.process.deaths);
    await this.voters.remove(lost);
    const fresh = await this.voters.add(site.number - 1, site.runtime);
    await this.voters.join(fresh);
    supervisor.adopt(fresh);
    this.#hidden.delete(site.number);
  }

  /** Every death that any voter spoke of. */
  deaths(): readonly string[] {
    return [...this.#buried, ...this.voters.all.flatMap((each) => each.process.deaths)];
  }

  /** Undoes everything and waits until all voters stand at the same place with the same digest. */
  async heal(): Promise<readonly VoterStatus[]> {
    for (const site of this.sites) {
      await clearNetwork(site.namespace);
      await clearDetour(site.namespace);
      this.setSync(site, 0);
      this.setClock(site, '+0');
      rmSync(site.ballast, { force: true });
      this.voterOn(site).process.signal('SIGCONT');
      this.supervisorOf(site).release();
    }
    return until('all voters stand at the same place', () => this.#agreed(), {
      timeoutMs: 60_000,
      everyMs: 200,
    });
  }

  async #agreed(): Promise<readonly VoterStatus[] | undefined> {
    const statuses = await Promise.all(
      this.sites.map((site) => this.voterOn(site).client.status<VoterStatus>()),
    );
    const [first] = statuses;
    return statuses.every((each) => each.applied === first?.applied) ? statuses : undefined;
  }

  /** Ends everything and removes it. */
  async close(): Promise<void> {
    for (const supervisor of this.supervisors) supervisor.hold();
    await this.voters.close();
    for (const site of [...this.sites, this.spare]) {
      await removeNamespace(site.namespace);
      if (existsSync(site.directory))
        await runOk(['umount', '--lazy', site.directory]).catch(() => undefined);
    }
    await removeNamespace(this.outside);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const shimName = 'slow-sync.so';

async function buildShim(folder: string): Promise<void> {
  const source = join(import.meta.dirname, 'slow-sync.c');
  await runOk(['gcc', '-shared', '-fPIC', '-O1', '-o', join(folder, shimName), source, '-ldl']);
}

/** Variables that put both libraries into a voter. Only wall time is faked. */
function faultEnvironment(
  folder: string,
  { syncFile, clockFile }: { readonly syncFile: string; readonly clockFile: string },
): Readonly<Record<string, string>> {
  const [faketime] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  if (faketime === undefined) throw new Error('libfaketime is not installed: npm run setup');
  return {
    LD_PRELOAD: `${join(folder, shimName)}:${faketime}`,
    SLOW_SYNC_FILE: syncFile,
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // files keep their own times
    NO_FAKE_STAT: '1',
  };
}
