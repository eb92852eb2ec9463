/**
 * Real etcd servers on loopback, in a temporary folder, with ports of their own. Each runs the binary of the
 * Debian package that `npm run setup` installs; none outlives the test.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandPath } from '../lab/packages.ts';
import { freePort } from './free-port.ts';
import { slowness } from './slowness.ts';
import { until } from './until.ts';
import type { EtcdEndpoint } from '../../lib/store/etcd/transport.ts';

/** Time for an answer that is asked for once, and for one that is asked for again: a frozen server gives none. */
const answerMs = 20_000 * slowness;
const probeMs = 2_000;

/** How servers are started. */
export interface EtcdOptions {
  /** Servers of the cluster; 1 unless given. */
  readonly size?: number;
  /** More arguments for each server. */
  readonly args?: readonly string[];
  /** Clients have to speak TLS; paths of the server's files. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** Of etcd's answer about itself, what we read. */
interface Status {
  readonly leader?: string;
  readonly header: { readonly member_id: string; readonly revision?: string };
}

interface Server {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
  process: ChildProcess | undefined;
}

/** An etcd of one or more servers. */
export class EtcdCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-'));
  readonly #options: EtcdOptions;
  readonly #servers: readonly Server[];

  private constructor(options: EtcdOptions, servers: readonly Server[]) {
    this.#options = options;
    this.#servers = servers;
  }

  /** Starts a cluster and waits until it takes requests. */
  static async start(options: EtcdOptions = {}): Promise<EtcdCluster> {
    for (let attempt = 1; ; attempt += 1) {
      const servers: Server[] = [];
      for (let n = 0; n < (options.size ?? 1); n += 1) {
        const [client, peer] = [await freePort(), await freePort()];
        servers.push({ name: `s${n}`, client, peer, process: undefined });
      }
      const cluster = new EtcdCluster(options, servers);
      try {
        for (const [index] of servers.entries()) cluster.launch(index);
        await cluster.ready();
        return cluster;
      } catch (error) {
        await cluster.stop();
        if (attempt === 3) throw error;
      }
    }
  }

  /** Endpoints in the order of the servers. */
  get endpoints(): readonly EtcdEndpoint[] {
    return this.#servers.map(({ client }) => ({ host: '127.0.0.1', port: client }));
  }

  /** Starts a server that does not run; with its data if it had some. */
  launch(index: number): void {
    const server = this.#at(index);
    const binary = commandPath('etcd');
    if (binary === undefined) throw new Error('etcd is not installed: npm run setup');
    const { tls, args = [] } = this.#options;
    const clientUrl = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${server.client}`;
    const peerUrl = `http://127.0.0.1:${server.peer}`;
    const members = this.#servers.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`);
    const log = join(this.folder, `${server.name}.log`);
    const child = spawn(
      binary,
      [
        ...['--name', server.name, '--data-dir', join(this.folder, server.name)],
        ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
        ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
        ...['--initial-cluster', members.join(), '--logger', 'zap', '--log-level', 'warn'],
        ...(tls === undefined
          ? []
          : ['--cert-file', tls.cert, '--key-file', tls.key, '--trusted-ca-file', tls.ca]),
        ...(tls === undefined ? [] : ['--client-cert-auth']),
        ...args,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child.stdout.on('data', (part: Buffer) => this.#log(log, part));
    child.stderr.on('data', (part: Buffer) => this.#log(log, part));
    child.once('exit', () => {
      if (server.process === child) server.process = undefined;
    });
    server.process = child;
  }

  /** Waits until every server has a leader, or fails as soon as one has died. */
  async ready(): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      if (this.#servers.some((server) => server.process === undefined)) return true;
      const leaders = await Promise.all(
        this.#servers.map((_, index) => this.#status(index, probeMs)),
      );
      return leaders.every(({ leader = '0' }) => leader !== '0');
    };
    // with TLS only clients with a certificate can ask: their own first request waits instead
    if (this.#options.tls === undefined) await until('etcd to have a leader', isReady);
    const dead = this.#servers.find((server) => server.process === undefined);
    if (dead === undefined) return;
    throw new Error(readFileSync(join(this.folder, `${dead.name}.log`), 'utf8').slice(-2_000));
  }

  /** The number of the server that leads. */
  async leader(): Promise<number> {
    return until('a leader', async () => {
      for (const [index] of this.#servers.entries()) {
        const status = await this.#status(index, probeMs).catch(() => undefined);
        if (status !== undefined && status.leader === status.header.member_id) return `${index}`;
      }
      return undefined;
    }).then(Number);
  }

  /** Sends a signal; after SIGKILL waits until the server is gone. */
  async signal(index: number, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const child = this.#at(index).process;
    if (child === undefined) return;
    const gone = signal === 'SIGKILL' ? once(child, 'exit') : undefined;
    child.kill(signal);
    await gone;
  }

  /** Asks a server something, as JSON. */
  async call(path: string, body: object, index = 0, timeoutMs = answerMs): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#at(index).client}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text);
  }

  /** The revision that etcd is at. */
  async revision(): Promise<number> {
    const { header } = await this.#status(0);
    return Number(header.revision ?? 0);
  }

  /** Forgets all changes up to a revision. */
  async compact(revision: number): Promise<void> {
    await this.call('/v3/kv/compaction', { revision: String(revision), physical: true });
  }

  /** Kills all servers and removes what they wrote. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((_, index) => this.signal(index, 'SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #status(index: number, timeoutMs = answerMs): Promise<Status> {
    return (await this.call('/v3/maintenance/status', {}, index, timeoutMs)) as Status;
  }

  #at(index: number): Server {
    const server = this.#servers[index];
    if (server === undefined) throw new Error(`there is no server ${index}`);
    return server;
  }

  #log(path: string, part: Buffer): void {
    try {
      appendFileSync(path, part);
    } catch {
      // the folder is gone already: the test is over
    }
  }
}
