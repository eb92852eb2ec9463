/** Hosts of a cluster in one process: real disks, real TLS on loopback, no agent around them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import type { FairleadError } from '../../../lib/errors.ts';
import { createLogger } from '../../../lib/log.ts';
import type { MemberRole } from '../../../lib/store/membership/rows.ts';
import { ClusterNode } from '../../../lib/store/replicated/node.ts';
import { NodeOperations } from '../../../lib/store/replicated/operations.ts';

/** A host. */
export interface SiteHost {
  readonly name: string;
  readonly directory: string;
  node: ClusterNode;
  operations: NodeOperations;
  /** What ended its store, if anything did. */
  readonly fatal: FairleadError[];
}

const log = createLogger({
  level: (process.env['SITE_LOG'] as 'debug' | undefined) ?? 'fatal',
  format: 'json',
  node: 'test',
});

/** A port nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Hosts that are removed with everything they wrote. */
export class Site {
  readonly #hosts: SiteHost[] = [];

  /** A host that is alone. */
  async host(name: string): Promise<SiteHost> {
    const directory = await mkdtemp(join(tmpdir(), `fairlead-${name}-`));
    const fatal: FairleadError[] = [];
    const host = await this.#open({ name, directory, fatal });
    this.#hosts.push(host);
    return host;
  }

  /** Starts a host again that was stopped. */
  async start(host: SiteHost): Promise<void> {
    const { node, operations } = await this.#open(host);
    host.node = node;
    host.operations = operations;
  }

  /** A host that joined the cluster of another. */
  async joined(first: SiteHost, name: string, role: MemberRole): Promise<SiteHost> {
    const host = await this.host(name);
    await this.join(first, host, role);
    return host;
  }

  /** Lets a host join. */
  async join(first: SiteHost, host: SiteHost, role: MemberRole): Promise<void> {
    const listen = first.node.file === undefined ? { listen: await freeAddress() } : {};
    const wish = { role, ttlMs: 600_000, uses: 1, ...listen };
    const { token } = await first.operations.token(wish);
    await host.operations.join({ token, listen: await freeAddress() });
  }

  /** Stops everything. */
  async close(): Promise<void> {
    await Promise.all(
      this.#hosts.map(async ({ node, directory }) => {
        await node.close();
        await rm(directory, { recursive: true });
      }),
    );
  }

  async #open({
    name,
    directory,
    fatal,
  }: Pick<SiteHost, 'name' | 'directory' | 'fatal'>): Promise<SiteHost> {
    const node = await ClusterNode.open({
      dataDirectory: directory,
      hostName: name,
      version: '0.0.0',
      clock: systemClock,
      log: log.child({ host: name }),
      timing: { heartbeatMs: 50, electionMs: 300, steadyMs: 500 },
      blocksJoin: (key) => key.startsWith('work/'),
      onFatal: (error) => fatal.push(error),
    });
    const operations = new NodeOperations(node);
    await operations.foundIfAlone();
    return { name, directory, fatal, node, operations };
  }
}

/** An address on loopback. */
export async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}
