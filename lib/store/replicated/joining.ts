/**
 * Becoming a member of another cluster. The cluster lets the host in first; then, in an order that a crash
 * cannot confuse: who this host is from now on is written down, the store that it had is put aside, the
 * new one is made empty and fills from the others.
 */
import { FairleadError, hasCode } from '../../errors.ts';
import { featureLevelNewest, joinTimeoutMs } from '../../limits.ts';
import type { MemberRole } from '../membership/rows.ts';
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
import { advertised, listenDefault, requireFree } from './own-addresses.ts';
import { keepPending, keysOf, readPending, type Pending } from './pending.ts';

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
    const pending = await this.#prepare(wish);
    const joined = await requestJoin({
      token,
      keys: keysOf(pending),
      facts: this.#facts(pending, token.clusterId),
      clock: this.#node.options.clock,
      timeoutMs: joinTimeoutMs,
      signal: new AbortController().signal,
    });
    await this.#node.options.between?.('join: let in');
    await this.#become(joined, pending);
  }

  /** Makes a request to carry to a voter; the key stays here. */
  async request(wish: ListenWish): Promise<string> {
    await this.#checkMayJoin(undefined);
    const pending = await this.#prepare(wish);
    return makeJoinRequestFile(keysOf(pending), this.#facts(pending, undefined));
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
    const pending = await readPending(this.#node.paths.joining);
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
    const { retired } = engine;
    // what this host has is older than what its cluster has, or not wanted there
    if (retired !== undefined && !hasCode(retired, 'STORE_ROLLED_BACK')) return;
    // it knows by the name whether this host is a member still, or was left behind by a recovery
    if (clusterId === identity.clusterId) return;
    if (rows.members().length > 1) {
      throw new FairleadError('CLUSTER_CHANGE', 'this host is a member of another cluster', {
        fix: 'fairlead cluster leave',
      });
    }
    const all = { start: '!', end: '\x7f', consistency: 'local' } as const;
    const { rows: found, more } = await store.range(all);
    const inUse = found.find(({ key }) => this.#node.options.blocksJoin(key));
    if (inUse === undefined && !more) return;
    throw new FairleadError('CLUSTER_NOT_EMPTY', 'this host has networks of its own', {
      detail: { key: inUse?.key },
    });
  }

  /** The same key again if an earlier attempt lost the answer: the token is then not used twice. */
  async #prepare(wish: ListenWish): Promise<Pending> {
    const { paths, file } = this.#node;
    const listen = wish.listen ?? listenDefault;
    // what cannot be listened at is found out before anybody has let this host in
    if (listen !== file?.listen) await requireFree(listen);
    const before = await readPending(paths.joining);
    const advertise = [...(wish.advertise ?? advertised(listen))];
    return keepPending(paths.joining, before, { listen, advertise });
  }

  #facts({ dataId, advertise = [] }: Pending, clusterId: string | undefined): JoinFacts {
    const { options, memberName, identity } = this.#node;
    const { hostName, version, featureLevel = featureLevelNewest } = options;
    const name = clusterId === identity.clusterId ? memberName : hostName;
    return { name, dataId, addresses: advertise, version, featureLevel };
  }

  async #become(joined: Joined, pending: Pending): Promise<void> {
    const node = this.#node;
    const welcome = welcomeSchema.safeParse(joined.welcome);
    if (!welcome.success) {
      throw new FairleadError('PEER_PROTOCOL', 'the cluster let this host in and says not where', {
        cause: welcome.error,
      });
    }
    const { epoch, role, seeds, founder, name = node.options.hostName } = welcome.data;
    const { clusterId, memberId, certificate, authorities } = joined;
    const { privateKey, dataId, listen, advertise = [] } = pending;
    await node.reopen(() =>
      node.become({
        format: 1,
        clusterId,
        epoch,
        memberId,
        dataId,
        storeMade: false,
        name,
        role,
        privateKey,
        certificate,
        authorities: [...authorities],
        ...(listen === undefined ? {} : { listen }),
        advertise,
        ...(founder === undefined ? {} : { founder }),
        seeds: [...seeds],
      }),
    );
  }
}
