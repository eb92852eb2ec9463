/**
 * The endpoints of one etcd: which is asked first, which of them are known to belong to it, and our login.
 * Guarantees that nothing is asked of an endpoint before it named the cluster of those before it.
 */
import { assert } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import { etcdReadMs } from '../../limits.ts';
import { judgeFailure, readAnswer } from './answer.ts';
import { rangeBody } from './messages.ts';
import { judgeRefusal, type Verdict } from './refusal.ts';
import { authenticateSchema, rangeSchema } from './schemas.ts';
import {
  endpointName,
  type EtcdEndpoint,
  type EtcdReply,
  type EtcdTransport,
} from './transport.ts';

/** A user of etcd. */
export interface EtcdCredentials {
  readonly name: string;
  readonly password: string;
}

/** What is needed to know endpoints. */
export interface MembersOptions {
  readonly transport: EtcdTransport;
  /** Not empty; the first is asked first. */
  readonly endpoints: readonly EtcdEndpoint[];
  readonly prefix: string;
  readonly credentials?: EtcdCredentials | undefined;
}

/** See the head of the file. */
export class Members {
  readonly #options: MembersOptions;
  /** Endpoints that were asked who they are, or are being asked; those that failed are taken out. */
  readonly #known = new Map<EtcdEndpoint, Promise<Verdict | undefined>>();
  #order: readonly EtcdEndpoint[];
  #clusterId: string | undefined;
  #token: string | undefined;

  constructor(options: MembersOptions) {
    assert(options.endpoints.length > 0, 'an etcd has endpoints');
    this.#options = options;
    this.#order = options.endpoints;
  }

  /** All endpoints; the first is to be asked next. */
  get order(): readonly EtcdEndpoint[] {
    return this.#order;
  }

  /** The endpoint to ask next. */
  get first(): EtcdEndpoint {
    const [first] = this.#order;
    assert(first !== undefined, 'an etcd has endpoints');
    return first;
  }

  /** The login, if there is one. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Whether an answer is from our cluster. */
  isOurs(clusterId: string): boolean {
    return clusterId === this.#clusterId;
  }

  /** Asks this endpoint last from now on, and first who it is. */
  demote(endpoint: EtcdEndpoint): void {
    this.#known.delete(endpoint);
    if (this.first === endpoint) this.#order = [...this.#order.slice(1), endpoint];
  }

  /** The login is no longer good. */
  forgetToken(): void {
    this.#token = undefined;
    this.#known.clear();
  }

  /** Makes sure, once, that an endpoint belongs to our cluster; or says why that is not known. */
  know(endpoint: EtcdEndpoint): Promise<Verdict | undefined> {
    const known = this.#known.get(endpoint);
    if (known !== undefined) return known;
    const asking = this.#introduce(endpoint).then((verdict) => {
      if (verdict !== undefined && this.#known.get(endpoint) === asking) {
        this.#known.delete(endpoint);
      }
      return verdict;
    });
    this.#known.set(endpoint, asking);
    return asking;
  }

  /** Whether an endpoint answers, whatever it says. */
  async isAlive(endpoint: EtcdEndpoint): Promise<boolean> {
    try {
      await this.#askIdentity(endpoint);
      return true;
    } catch (thrown) {
      return judgeFailure(thrown, 'read').error.code !== 'STORE_UNREACHABLE';
    }
  }

  async #introduce(endpoint: EtcdEndpoint): Promise<Verdict | undefined> {
    try {
      const refused = await this.#logIn(endpoint);
      if (refused !== undefined) return refused;
      const reply = await this.#askIdentity(endpoint);
      if (reply.status !== 200) return judgeRefusal(reply, 'read');
      const read = readAnswer(rangeSchema, reply.text, '/v3/kv/range');
      // a port of something else; the next endpoint may be right
      if (read instanceof FairleadError) return { error: read, tryAgain: true };
      this.#clusterId ??= read.header.cluster_id;
      if (this.isOurs(read.header.cluster_id)) return undefined;
      const name = endpointName(endpoint);
      const message = `${name} belongs to another etcd than the other endpoints`;
      return { error: new FairleadError('CLUSTER_OTHER', message), tryAgain: true };
    } catch (thrown) {
      return judgeFailure(thrown, 'read');
    }
  }

  #askIdentity(endpoint: EtcdEndpoint): Promise<EtcdReply> {
    const { prefix, transport } = this.#options;
    const body = JSON.stringify(rangeBody(prefix, { start: '!' }, { serializable: true }));
    const request = { endpoint, path: '/v3/kv/range', body, token: this.#token };
    return transport.exchange({ ...request, needsLeader: false }, etcdReadMs);
  }

  async #logIn(endpoint: EtcdEndpoint): Promise<Verdict | undefined> {
    const { credentials, transport } = this.#options;
    if (credentials === undefined || this.#token !== undefined) return undefined;
    const path = '/v3/auth/authenticate';
    const body = JSON.stringify(credentials);
    const reply = await transport.exchange({ endpoint, path, body, needsLeader: true }, etcdReadMs);
    if (reply.status !== 200) return judgeRefusal(reply, 'read');
    const read = readAnswer(authenticateSchema, reply.text, path);
    if (read instanceof FairleadError) return { error: read, tryAgain: true };
    this.#token = read.token;
    return undefined;
  }
}
