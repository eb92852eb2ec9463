/** Voters put together into one cluster, each a process of its own, as an operator would do it. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterStatus } from '../../lib/store/replicated/cluster.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import type { VoterSettings } from './engines.ts';
import { StoreClient } from './store-client.ts';
import { VoterProcess, type Runtime } from './voter-process.ts';

/** What a voter says about itself. */
export interface VoterStatus {
  readonly name: string;
  readonly role: string;
  readonly clusterId: string;
  readonly term: number;
  readonly applied: number;
  readonly revision: number;
  readonly digest: string;
  /** Name of the leader as this voter sees it. */
  readonly leader?: string;
}

/** One of them. */
export interface Voter {
  readonly process: VoterProcess;
  /** For operators and status; clients under test have their own. */
  readonly client: StoreClient;
  /** host:port where other members reach it. */
  readonly address: string;
}

/** How to make a cluster. */
export interface VotersPlan {
  readonly folder: string;
  /** One per voter. */
  readonly runtimes: readonly Runtime[];
  /** As `VoterProcessPlan`. */
  readonly binary?: string;
  readonly settings?: Partial<VoterSettings>;
  /** For all of them. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where each lives, when not on this host. */
  readonly places?: readonly VoterPlace[];
}

/** A place to live. */
export interface VoterPlace {
  readonly namespace: string;
  readonly address: string;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Port of a voter that has an address of its own. */
export const voterPort = 7_979;
const joinMs = 60_000;
const tokenMs = 600_000;

/** A cluster of voters. */
export class Voters {
  readonly all: Voter[] = [];
  readonly #plan: VotersPlan;
  /** Every process that ever was. */
  readonly #started: VoterProcess[] = [];
  #made = 0;

  constructor(plan: VotersPlan) {
    this.#plan = plan;
  }

  /** Starts a voter that is in no cluster yet. `at` is its place. */
  async add(at: number, runtime: Runtime): Promise<Voter> {
    const { folder, binary, settings = {}, places, environment } = this.#plan;
    const place = places?.[at];
    this.#made += 1;
    const name = `v${this.#made}`;
    const directory = join(place?.directory ?? folder, name);
    mkdirSync(directory, { recursive: true });
    const port = place === undefined ? await freePort() : voterPort;
    const address = `${place?.address ?? '127.0.0.1'}:${port}`;
    const socketPath = join(folder, `${name}.sock`);
    const running = new VoterProcess({
      runtime,
      ...(binary === undefined ? {} : { binary }),
      settings: { engine: 'replicated', ...settings, directory, socketPath, name },
      ...(place === undefined ? {} : { namespace: place.namespace }),
      environment: { ...environment, ...place?.environment },
      logFile: join(folder, `${name}.log`),
    });
    this.#started.push(running);
    await running.start();
    return { process: running, client: new StoreClient(socketPath), address };
  }

  /** Makes a voter the first of the cluster. */
  async found(voter: Voter): Promise<void> {
    await voter.client.operate('init', wishOf(voter));
    this.all.push(voter);
  }

  /** Lets a voter in and waits until it votes. */
  async join(voter: Voter): Promise<void> {
    const { token } = await this.ask<{ readonly token: string }>('token', {
      role: 'voter',
      ttlMs: tokenMs,
      uses: 1,
    });
    await voter.client.operate('join', { ...wishOf(voter), token });
    this.all.push(voter);
    await this.untilVoting(voter.process.plan.settings.name);
  }

  /** Waits until a member votes. */
  async untilVoting(name: string): Promise<void> {
    const votes = async (): Promise<boolean> => {
      const { members } = await this.ask<ClusterStatus>('status');
      const standing = members.find((each) => each.name === name)?.standing;
      return standing === 'leader' || standing === 'follower';
    };
    await until(`${name} votes`, votes, { timeoutMs: joinMs, everyMs: 100 });
  }

  /** Asks the first voter that answers. */
  async ask<Result>(operation: string, ...words: readonly unknown[]): Promise<Result> {
    let last: unknown;
    for (const { client, process: running } of this.all) {
      if (!running.isReady) continue;
      try {
        return await client.operate<Result>(operation, ...words);
      } catch (thrown) {
        last = thrown;
      }
    }
    throw new Error(`nobody answers ${operation}`, { cause: last });
  }

  /** The voter that leads and that at least itself knows of. */
  async leader(): Promise<Voter> {
    for (const voter of this.all) {
      if (!voter.process.isReady) continue;
      const status = await voter.client.status<VoterStatus>().catch(() => undefined);
      if (status?.role === 'leader') return voter;
    }
    throw new Error('no voter leads');
  }

  /** Ends a voter for good, has it removed from the cluster and forgets it. */
  async remove(voter: Voter): Promise<void> {
    await this.#drop(voter);
    const { name } = voter.process.plan.settings;
    await until(`${name} is removed`, () => this.#removed(name), {
      timeoutMs: joinMs,
      everyMs: 200,
    });
  }

  async #removed(name: string): Promise<boolean> {
    const isMember = async (): Promise<boolean> => {
      const { members } = await this.ask<ClusterStatus>('status');
      return members.some((each) => each.name === name);
    };
    if (!(await isMember())) return true;
    await this.ask('remove', name, false);
    return !(await isMember());
  }

  async #drop(voter: Voter): Promise<void> {
    await voter.process.end();
    await voter.client.close();
    const at = this.all.indexOf(voter);
    if (at >= 0) this.all.splice(at, 1);
    rmSync(voter.process.plan.settings.directory, { recursive: true, force: true });
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    for (const { client } of this.all) await client.close();
    await Promise.all(this.#started.map((running) => running.end()));
  }
}

function wishOf({ address }: Voter): { readonly listen: string; readonly advertise: [string] } {
  return { listen: address, advertise: [address] };
}

/** Makes a cluster and waits until all vote. One voter stays without a listener. */
export async function openVoters(plan: VotersPlan): Promise<Voters> {
  const voters = new Voters(plan);
  try {
    for (const [at, runtime] of plan.runtimes.entries()) {
      const voter = await voters.add(at, runtime);
      if (plan.runtimes.length === 1) voters.all.push(voter);
      else if (at === 0) await voters.found(voter);
      else await voters.join(voter);
    }
    await until('a voter leads', () => voters.leader());
    return voters;
  } catch (thrown) {
    await voters.close();
    throw thrown;
  }
}
