/**
 * Becoming a member of another cluster. The cluster lets the host in first; then, in an order that a crash
 * cannot confuse: who this host is from now on is written down, the store that it had is put aside, the
 * new one is made empty and fills from the others.
 */
import { rm, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { joinTimeoutMs } from '../../limits.ts';
import { isSystemError, writeFileDurably } from '../level/durable-file.ts';
import { randomId } from '../level/layout.ts';
import type { MemberRole } from '../membership/rows.ts';
import { makeKeyPair, type KeyPair } from '../peer/authority.ts';
import { requestJoin } from '../peer/join-client.ts';
import {
  makeJoinAcceptFile,
  makeJoinRequestFile,
  readJoinAcceptFile,
  readJoinRequestFile,
} from '../peer/join-file.ts';
import type { Joined } from '../peer/join-grant.ts';
import { parseJoinToken } from '../peer/token.ts';
import { admit, requireKeys, welcomeSchema, type JoinFacts } from './admission.ts';
import type { ListenWish } from './cluster.ts';
import type { ClusterNode } from './node.ts';
import { admissionOf } from './node-view.ts';
import { advertised, listenDefault } from './own-addresses.ts';

/** What a host keeps between its request and the answer. */
const pendingSchema = z.strictObject({
  privateKey: z.string(),
  publicKey: z.string(),
  dataId: z.string(),
  listen: z.string(),
  advertise: z.array(z.string()),
});
type Pending = z.infer<typeof pendingSchema>;

/** Joining, by token or by file. */
export class Joining {
  readonly #node: ClusterNode;

  constructor(node: ClusterNode) {
    this.#node = node;
  }

  /** Joins with a token. */
  async join(wish: ListenWish & { readonly token: string }): Promise<void> {
    const token = parseJoinToken(wish.token);
    await this.#checkMayJoin(token.clusterId);
    // the same key again if an earlier attempt lost the answer: the token is then not used twice
    const pending = (await this.#pending()) ?? (await this.#prepare(wish));
    const joined = await requestJoin({
      token,
      keys: keysOf(pending),
      facts: this.#facts(pending),
      clock: this.#node.options.clock,
      timeoutMs: joinTimeoutMs,
      signal: new AbortController().signal,
    });
    await this.#become(joined, pending);
  }

  /** Makes a request to carry to a voter; the key stays here. */
  async request(wish: ListenWish): Promise<string> {
    await this.#checkMayJoin(undefined);
    const pending = await this.#prepare(wish);
    return makeJoinRequestFile(keysOf(pending), this.#facts(pending));
  }

  /** Lets in the host that made a request. */
  async answer(text: string, role: MemberRole): Promise<string> {
    const application = readJoinRequestFile(text);
    const parts = admissionOf(this.#node);
    const { authority, privateKey } = requireKeys(parts);
    const grant = await admit(application, { kind: 'operator', role }, parts);
    return makeJoinAcceptFile({ certificate: authority.certificates[0] ?? '', privateKey }, grant);
  }

  /** Joins with the answer. */
  async accept(text: string, pin: string | undefined): Promise<void> {
    const pending = await this.#pending();
    if (pending === undefined) {
      throw new FairleadError('REQUEST_INVALID', 'this host has made no join request', {
        fix: 'fairlead cluster join --request FILE',
      });
    }
    const { publicKey } = pending;
    const joined = readJoinAcceptFile(text, { publicKey, pin });
    await this.#checkMayJoin(joined.clusterId);
    await this.#become(joined, pending);
  }

  /** A host that is alone and has nothing, or is out of its cluster, may join another. */
  async #checkMayJoin(clusterId: string | undefined): Promise<void> {
    const { engine, identity, rows, store } = this.#node;
    if (engine.retired !== undefined) return;
    if (clusterId === identity.clusterId) {
      throw new FairleadError('MEMBER_EXISTS', 'this host is a member of that cluster already', {
        fix: 'fairlead cluster status',
      });
    }
    if (rows.members().length > 1) {
      throw new FairleadError('CLUSTER_CHANGE', 'this host is a member of another cluster', {
        fix: 'fairlead cluster leave',
      });
    }
    const { rows: found } = await store.range({ start: '!', end: '\x7f', consistency: 'local' });
    const inUse = found.find(({ key }) => this.#node.options.blocksJoin(key));
    if (inUse === undefined) return;
    throw new FairleadError('CLUSTER_NOT_EMPTY', 'this host has networks of its own', {
      detail: { key: inUse.key },
    });
  }

  async #prepare(wish: ListenWish): Promise<Pending> {
    const listen = wish.listen ?? listenDefault;
    const pending: Pending = {
      ...makeKeyPair(),
      dataId: randomId(),
      listen,
      advertise: [...(wish.advertise ?? advertised(listen))],
    };
    await writeFileDurably(this.#pendingPath(), `${JSON.stringify(pending)}\n`);
    return pending;
  }

  async #pending(): Promise<Pending | undefined> {
    try {
      return pendingSchema.parse(JSON.parse(await readFile(this.#pendingPath(), 'utf8')));
    } catch (error) {
      // one that cannot be read is made again; what it asked for is a member that never comes
      if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
      if (error instanceof z.ZodError) return undefined;
      throw error;
    }
  }

  #pendingPath(): string {
    return join(dirname(this.#node.storeDirectory), 'joining.json');
  }

  #facts({ dataId, advertise }: Pending): JoinFacts {
    const { hostName, version } = this.#node.options;
    return { name: hostName, dataId, addresses: advertise, version };
  }

  async #become(joined: Joined, pending: Pending): Promise<void> {
    const node = this.#node;
    const welcome = welcomeSchema.safeParse(joined.welcome);
    if (!welcome.success) {
      throw new FairleadError('PEER_PROTOCOL', 'the cluster let this host in and says not where', {
        cause: welcome.error,
      });
    }
    const { epoch, role, seeds } = welcome.data;
    const { clusterId, memberId, certificate, authorities } = joined;
    const { privateKey, dataId, listen, advertise } = pending;
    await node.reopen(() =>
      node.become({
        format: 1,
        clusterId,
        epoch,
        memberId,
        dataId,
        storeMade: false,
        name: node.options.hostName,
        role,
        privateKey,
        certificate,
        authorities: [...authorities],
        listen,
        advertise,
        seeds: [...seeds],
      }),
    );
    await rm(this.#pendingPath(), { force: true });
  }
}

const keysOf = ({ privateKey, publicKey }: Pending): KeyPair => ({ privateKey, publicKey });
