/** Hosts of a cluster in one process: real disks, real TLS on loopback, no agent around them. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { FairleadError, type ErrorCode } from '../../../lib/errors.ts';
import type { StoreIdentity } from '../../../lib/store/driver/storage.ts';
import { parseAddress } from '../../../lib/store/peer/address.ts';
import { FrameSocket } from '../../../lib/store/peer/frame-socket.ts';
import { frameTypes } from '../../../lib/store/peer/frame.ts';
import { decodeRefusal } from '../../../lib/store/peer/hello.ts';
import { connectSecure } from '../../../lib/store/peer/secure.ts';
import type { PeerFile } from '../../../lib/store/replicated/peer-file.ts';
import { credentialsOf } from '../../../lib/store/replicated/peer-link.ts';
import { createLogger } from '../../../lib/log.ts';
import { tokenRange, type MemberRole } from '../../../lib/store/membership/rows.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import type { Timing } from '../../../lib/store/replicated/member-store.ts';
import type { NodeOptions } from '../../../lib/store/replicated/node-options.ts';
import { ClusterNode } from '../../../lib/store/replicated/node.ts';
import { NodeOperations } from '../../../lib/store/replicated/operations.ts';
import { everything } from '../../conformance/open-store.ts';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';

/** What a test may choose of a host. */
export type Choices = Partial<
  Pick<
    NodeOptions,
    'clock' | 'between' | 'featureLevel' | 'version' | 'limits' | 'timing' | 'remains'
  >
>;

/** A host. */
export interface SiteHost {
  readonly name: string;
  readonly directory: string;
  choices: Choices;
  node: ClusterNode;
  operations: NodeOperations;
  /** What ended its store, if anything did. */
  readonly fatal: FairleadError[];
}

/** Fast, since everything is on one host; as patient as a busy machine needs. */
export const timing: Timing = {
  heartbeatMs: 50,
  electionMs: 400,
  steadyMs: 100,
  loopMs: 30,
  aliveMs: 1_000,
  waitMs: 2_000,
};

const log = createLogger({
  level: (process.env['SITE_LOG'] as 'debug' | undefined) ?? 'fatal',
  format: 'json',
  node: 'test',
});

/** An address on loopback. */
export async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}

/** The clock of a host whose wall time is off. */
export function clockOff(byMs: () => number): Clock {
  return { ...systemClock, wallMs: () => systemClock.wallMs() + byMs() };
}

/** What a member says to whoever introduces itself with this peer file. */
export async function refusalOf(
  host: SiteHost,
  { file, identity, said = {} }: { file: PeerFile; identity: StoreIdentity; said?: object },
): Promise<ErrorCode | 'none'> {
  const socket = await connectSecure(parseAddress(host.node.file?.listen ?? ''), {
    credentials: credentialsOf(file, false),
    clock: systemClock,
    signal: new AbortController().signal,
  });
  const frames = new FrameSocket(socket, systemClock);
  const hello = {
    ...identity,
    version: '9.0.0',
    host: file.name,
    position: { term: 1, last: { index: 1, term: 1 }, applied: 1 },
    ...{ protocolMin: 1, protocolMax: 1, run: 'ab'.repeat(16) },
    ...said,
  };
  frames.send(frameTypes.hello, Buffer.from(JSON.stringify(hello)));
  const { type, payload } = await frames.next();
  socket.destroy();
  return type === frameTypes.refused ? decodeRefusal(payload).code : 'none';
}

/** A site that ends with its test; tests that each have their own may run side by side. */
export function siteOf({ onTestFinished }: TestContext): Site {
  const site = new Site();
  onTestFinished(() => site.close());
  return site;
}

/** Hosts that are removed with everything they wrote. */
export class Site {
  readonly #hosts: SiteHost[] = [];
  readonly #directories: string[] = [];
  readonly #frozen: (() => void)[] = [];

  /** A host that is alone. */
  async host(name: string, choices: Choices = {}): Promise<SiteHost> {
    return this.hostIn(await this.directory(name), name, choices);
  }

  /** A host on what a directory holds. */
  async hostIn(directory: string, name: string, choices: Choices = {}): Promise<SiteHost> {
    const fatal: FairleadError[] = [];
    const host = {
      name,
      directory,
      fatal,
      choices,
      ...(await open(name, directory, { choices, fatal, between: this.#betweenOf(directory) })),
    };
    this.#hosts.push(host);
    return host;
  }

  #betweenOf(directory: string) {
    return async (step: string): Promise<void> => this.between.get(directory)?.(step);
  }

  /** An empty directory. */
  async directory(name: string): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), `fairlead-${name}-`));
    this.#directories.push(directory);
    return directory;
  }

  /** A copy of a data directory, as a snapshot of a disk would be. */
  async copyOf(directory: string): Promise<string> {
    const copy = await this.directory('copy');
    await cp(directory, copy, { recursive: true });
    return copy;
  }

  /** Starts a host again that was stopped. */
  async start(host: SiteHost): Promise<void> {
    const between = this.#betweenOf(host.directory);
    const { choices, fatal } = host;
    Object.assign(host, await open(host.name, host.directory, { choices, fatal, between }));
  }

  /** Ends a host as a crash would: nothing more is written or answered, nobody is told. */
  async kill(host: SiteHost): Promise<void> {
    host.node.engine.fail(new FairleadError('STORE_FAILED', 'killed by the test'));
    await host.node.close();
  }

  /**
   * Begins an operation and stops the host for good at a step of it; answers the directory as it was then,
   * and leaves it to nobody else.
   */
  async crashAt(step: string, host: SiteHost, operation: () => Promise<unknown>): Promise<string> {
    const reached = Promise.withResolvers<string>();
    const released = Promise.withResolvers<void>();
    this.#frozen.push(released.resolve);
    let isOver = false;
    this.between.set(host.directory, async (each) => {
      if (each !== step || isOver) return;
      isOver = true;
      const copy = await this.copyOf(host.directory);
      await host.node.peers?.close();
      reached.resolve(copy);
      await released.promise;
      throw new Error(`crashed at ${step}`);
    });
    operation().then(
      () => reached.reject(new Error(`${step} was never reached`)),
      (thrown: unknown) => reached.reject(thrown),
    );
    return reached.promise;
  }

  /** What happens between the steps of a host, by its directory. */
  readonly between = new Map<string, (step: string) => Promise<void>>();

  /** A host that joined the cluster of another. */
  async joined(
    first: SiteHost,
    name: string,
    role: MemberRole,
    choices: Choices = {},
  ): Promise<SiteHost> {
    const host = await this.host(name, choices);
    await this.join(first, host, role);
    return host;
  }

  /** Lets a host join. */
  async join(first: SiteHost, host: SiteHost, role: MemberRole): Promise<void> {
    const token = await this.token(first, role);
    await host.operations.join({ token, listen: await freeAddress() });
  }

  /** A token; the host listens from then on. */
  async token(host: SiteHost, role: MemberRole, uses = 1): Promise<string> {
    const listen = host.node.file === undefined ? { listen: await freeAddress() } : {};
    return (await host.operations.token({ role, ttlMs: 600_000, uses, ...listen })).token;
  }

  /** So many voters, named from host-a on. */
  async voters(count: number): Promise<readonly SiteHost[]> {
    const first = await this.host('host-a');
    const hosts = [first];
    while (hosts.length < count) {
      const name = `host-${'abcdefg'[hosts.length] ?? ''}`;
      hosts.push(await this.joined(first, name, 'voter'));
    }
    await until('all voters vote', () => hosts.every((host) => votersOf(host).length === count));
    return hosts;
  }

  /** Stops everything. */
  async close(): Promise<void> {
    for (const release of this.#frozen) release();
    await Promise.all(this.#hosts.map(({ node }) => node.close()));
    await Promise.all(this.#directories.map((each) => rm(each, { recursive: true, force: true })));
  }
}

async function open(
  name: string,
  directory: string,
  {
    choices,
    fatal,
    between,
  }: Pick<SiteHost, 'choices' | 'fatal'> & { between: (step: string) => Promise<void> },
): Promise<Pick<SiteHost, 'node' | 'operations'>> {
  const node = await ClusterNode.open({
    dataDirectory: directory,
    hostName: name,
    version: '0.0.0',
    clock: systemClock,
    log: log.child({ host: name }),
    timing,
    blocksJoin: (key) => key.startsWith('work/'),
    onFatal: (error) => fatal.push(error),
    between,
    ...choices,
  });
  const operations = new NodeOperations(node);
  await operations.foundIfAlone();
  return { node, operations };
}

/** Ids of the voters as a host sees them. */
export const votersOf = ({ node }: SiteHost): readonly string[] =>
  node.engine.status().config.voters;

/** The host that leads. */
export async function leaderOf(hosts: readonly SiteHost[]): Promise<SiteHost> {
  return until('a leader', () => {
    const leader = hosts.find(({ node }) => node.engine.status().role === 'leader');
    const isKnown = hosts.every(
      ({ node }) => node.engine.status().leader === leader?.node.identity.memberId,
    );
    return isKnown && leader;
  });
}

/** All but some. */
export const but = (hosts: readonly SiteHost[], ...not: readonly SiteHost[]): readonly SiteHost[] =>
  hosts.filter((host) => !not.includes(host));

/** The keys of a store, by a linearizable read or as a member has them. */
export async function keysOf(
  store: StateStore,
  consistency: 'linearizable' | 'local' = 'linearizable',
): Promise<readonly string[]> {
  const { rows } = await store.range({ ...everything, consistency });
  return rows.map(({ key }) => key);
}

/** What a host says of the cluster when nothing is wrong with it: a busy machine may be late with that. */
export async function soundStatus(host: SiteHost | undefined) {
  const status = await host?.operations.status();
  return status?.problems.length === 0 ? status : undefined;
}

/** What an operation could have changed: not what members tell of themselves, and ask for, by and by. */
export async function lookOf({ node, operations }: SiteHost): Promise<unknown> {
  const { clusterId, epoch, revision } = await operations.status();
  const members = node.rows
    .members()
    .map(({ id, name, role, leaving }) => [id, name, role, leaving]);
  const tokens = node.engine.localSystemRange(tokenRange).rows.map(({ value }) => value);
  const { seeds: _, sealKey: __, ...file } = node.file ?? { seeds: [], sealKey: undefined };
  return { clusterId, epoch, revision, members, tokens, file, config: node.engine.status().config };
}

/** Expects a refusal, and that it has changed nothing on these hosts. */
export async function expectRefused(
  code: ErrorCode,
  hosts: readonly SiteHost[],
  operation: () => Promise<unknown>,
): Promise<FairleadError> {
  const before = await Promise.all(hosts.map(lookOf));
  const error = await operation().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code });
  expect(await Promise.all(hosts.map(lookOf))).toEqual(before);
  return error as FairleadError;
}
