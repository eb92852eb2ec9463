/**
 * Questions to an etcd with several endpoints. Guarantees: a write is sent again only when it is certain
 * that nothing was done; all endpoints belong to one cluster, whose revisions never run backwards. The
 * endpoint that failed is asked last from then on.
 */
import type { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  etcdReadMs,
  etcdRefusedMs,
  etcdRequestsMax,
  etcdRetryPauseMs,
  etcdWriteMs,
  storeQueueBytesMax,
  storeQueueTxnsMax,
} from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { Gate } from './gate.ts';
import { rangeBody } from './messages.ts';
import { judgeRefusal, type RequestKind, type Verdict } from './refusal.ts';
import { authenticateSchema, rangeSchema, type EtcdAnswer } from './schemas.ts';
import {
  endpointName,
  EtcdTransport,
  TransportFailure,
  type EtcdEndpoint,
  type EtcdReply,
  type EtcdTls,
} from './transport.ts';

/** A user of etcd. */
export interface EtcdCredentials {
  readonly name: string;
  readonly password: string;
}

/** What a gateway needs. */
export interface GatewayOptions {
  /** Not empty; the first is asked first. */
  readonly endpoints: readonly EtcdEndpoint[];
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tls?: EtcdTls | undefined;
  readonly credentials?: EtcdCredentials | undefined;
  /** This etcd is not the one that it was; called at most once. */
  readonly onFatal: (error: FairleadError) => void;
}

/** One question. */
export interface Question<Answer extends EtcdAnswer> {
  readonly path: string;
  readonly body: object;
  readonly schema: z.ZodType<Answer>;
  readonly kind: RequestKind;
  /** The member that answers need not know the newest state. */
  readonly mayBeStale?: true;
  /** Nor a leader. */
  readonly needsNoLeader?: true;
  /** Does not wait behind others. For what is rare and must be in time. */
  readonly isUrgent?: true;
}

/** How one attempt went. */
type Attempt<Answer> = { readonly answer: Answer } | Verdict;

/** See the head of the file. */
export class EtcdGateway {
  readonly transport: EtcdTransport;
  readonly #options: GatewayOptions;
  readonly #gate = new Gate({
    atOnce: etcdRequestsMax,
    waitingMax: storeQueueTxnsMax,
    waitingBytesMax: storeQueueBytesMax,
  });
  #order: readonly EtcdEndpoint[];
  /** Endpoints of our cluster, and those that are being asked. */
  readonly #known = new Map<EtcdEndpoint, Promise<Verdict | undefined>>();
  #clusterId: string | undefined;
  #revision = 0;
  #token: string | undefined;
  #failure: FairleadError | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#order = options.endpoints;
    this.transport = new EtcdTransport(options);
  }

  /** Why nothing is asked any more, if so. */
  get failure(): FairleadError | undefined {
    return this.#failure;
  }

  /** The newest revision that any answer had. */
  get revision(): number {
    return this.#revision;
  }

  /** Sees a revision in a message of a watch. */
  sawRevision(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  /**
   * Asks until it is answered, or refused, or it takes too long.
   * @throws the errors of `StateStore`
   */
  async ask<Answer extends EtcdAnswer>(question: Question<Answer>): Promise<Answer> {
    const body = JSON.stringify(question.body);
    const leave = question.isUrgent ? () => {} : await this.#gate.enter(body.length);
    try {
      return await this.#askEach(question, body);
    } finally {
      leave();
    }
  }

  /**
   * Asks every endpoint which cluster it belongs to.
   * @throws CLUSTER_OTHER when two of them differ; what the last endpoint said when none answers
   */
  async meet(): Promise<void> {
    const verdicts = await Promise.all(this.#order.map((each) => this.#know(each)));
    const foreign = verdicts.find((verdict) => verdict?.error.code === 'CLUSTER_OTHER');
    if (foreign !== undefined) throw foreign.error;
    for (const verdict of verdicts) {
      if (verdict !== undefined)
        this.#options.log.warn({ err: verdict.error }, 'an endpoint of etcd is not usable');
    }
  }

  /** The endpoint for a watch and the token to use; or why there is none now. */
  async endpointForWatch(): Promise<
    { readonly endpoint: EtcdEndpoint; readonly token: string | undefined } | Verdict
  > {
    const [endpoint] = this.#order;
    if (endpoint === undefined) throw new FairleadError('INTERNAL', 'there are no endpoints');
    const verdict = await this.#know(endpoint);
    if (verdict !== undefined) {
      this.demote(endpoint);
      return verdict;
    }
    return { endpoint, token: this.#token };
  }

  /** Whether this endpoint answers at all. */
  async isAlive(endpoint: EtcdEndpoint): Promise<boolean> {
    try {
      await this.transport.exchange(this.#identityRequest(endpoint, this.#token), etcdReadMs);
      return true;
    } catch (thrown) {
      if (thrown instanceof TransportFailure) return false;
      throw thrown;
    }
  }

  /** Asks this endpoint last from now on, and first which cluster it belongs to. */
  demote(endpoint: EtcdEndpoint): void {
    this.#known.delete(endpoint);
    if (this.#order[0] === endpoint) this.#order = [...this.#order.slice(1), endpoint];
  }

  /** The token is no longer good. */
  forgetToken(): void {
    this.#token = undefined;
    this.#known.clear();
  }

  /** Waits for the answers of what was asked, then closes all connections. */
  async close(): Promise<void> {
    await this.#gate.idle();
    this.transport.close();
  }

  async #askEach<Answer extends EtcdAnswer>(
    question: Question<Answer>,
    body: string,
  ): Promise<Answer> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    let mayLogIn = true;
    let refused: FairleadError | undefined;
    for (let asked = 1; ; asked++) {
      if (this.#failure !== undefined) throw this.#failure;
      const [endpoint] = this.#order;
      if (endpoint === undefined) throw new FairleadError('INTERNAL', 'there are no endpoints');
      const attempt = await this.#attempt(endpoint, question, body);
      if ('answer' in attempt) return attempt.answer;
      // what etcd says tells more than that another endpoint is silent
      if (attempt.error.code !== 'STORE_UNREACHABLE') refused = attempt.error;
      if (attempt.logInAgain === true && mayLogIn) {
        mayLogIn = false;
        this.forgetToken();
        continue;
      }
      if (!attempt.tryAgain) throw attempt.error;
      if (clock.monotonicMs() - startMs >= etcdRefusedMs) throw refused ?? attempt.error;
      this.demote(endpoint);
      if (asked % this.#order.length === 0) await clock.sleep(etcdRetryPauseMs);
    }
  }

  async #attempt<Answer extends EtcdAnswer>(
    endpoint: EtcdEndpoint,
    question: Question<Answer>,
    body: string,
  ): Promise<Attempt<Answer>> {
    const stranger = await this.#know(endpoint);
    if (stranger !== undefined) return stranger;
    const { path, kind, mayBeStale = false, needsNoLeader = false } = question;
    // an answer that sees the newest state can only be at this revision or later
    const floor = mayBeStale ? 0 : this.#revision;
    let reply: EtcdReply;
    try {
      const request = { endpoint, path, body, token: this.#token, needsLeader: !needsNoLeader };
      reply = await this.transport.exchange(request, kind === 'read' ? etcdReadMs : etcdWriteMs);
    } catch (thrown) {
      return judgeFailure(thrown, kind);
    }
    if (reply.status !== 200) return judgeRefusal(reply, kind);
    const read = readAnswer(question.schema, reply.text, path);
    if (read instanceof FairleadError) return { error: unread(read, kind), tryAgain: false };
    const { header } = read;
    if (header.cluster_id !== this.#clusterId || header.revision < floor) {
      return { error: this.#fail(header, floor), tryAgain: false };
    }
    this.#revision = Math.max(this.#revision, header.revision);
    return { answer: read };
  }

  /** Another etcd, or its past, is at our endpoint: nothing that we know holds there. */
  #fail(header: EtcdAnswer['header'], floor: number): FairleadError {
    this.#failure ??= new FairleadError(
      'CLUSTER_OTHER',
      header.cluster_id === this.#clusterId
        ? `etcd went back from revision ${floor} to ${header.revision}: an old copy was restored`
        : 'another etcd answers at the endpoint of ours',
      {
        fix: 'check the endpoints of etcd, then restart the agent',
        detail: { header, floor, clusterId: this.#clusterId },
      },
    );
    this.#options.onFatal(this.#failure);
    return this.#failure;
  }

  /** Makes sure, once, that an endpoint belongs to our cluster; or says why it is not known. */
  #know(endpoint: EtcdEndpoint): Promise<Verdict | undefined> {
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

  async #introduce(endpoint: EtcdEndpoint): Promise<Verdict | undefined> {
    try {
      const token = await this.#logIn(endpoint);
      if (token !== undefined && typeof token !== 'string') return token;
      const reply = await this.transport.exchange(
        this.#identityRequest(endpoint, token),
        etcdReadMs,
      );
      if (reply.status !== 200) return judgeRefusal(reply, 'read');
      const read = readAnswer(rangeSchema, reply.text, '/v3/kv/range');
      if (read instanceof FairleadError) return { error: read, tryAgain: true };
      this.#clusterId ??= read.header.cluster_id;
      if (read.header.cluster_id === this.#clusterId) return undefined;
      const message = `${endpointName(endpoint)} belongs to another etcd than the endpoints before it`;
      return { error: new FairleadError('CLUSTER_OTHER', message), tryAgain: true };
    } catch (thrown) {
      return judgeFailure(thrown, 'read');
    }
  }

  #identityRequest(endpoint: EtcdEndpoint, token: string | undefined) {
    const range = rangeBody(this.#options.prefix, { start: '!' }, { serializable: true });
    const body = JSON.stringify(range);
    return { endpoint, path: '/v3/kv/range', body, token, needsLeader: false };
  }

  async #logIn(endpoint: EtcdEndpoint): Promise<string | Verdict | undefined> {
    const { credentials } = this.#options;
    if (credentials === undefined || this.#token !== undefined) return this.#token;
    const path = '/v3/auth/authenticate';
    const body = JSON.stringify(credentials);
    const reply = await this.transport.exchange(
      { endpoint, path, body, needsLeader: true },
      etcdReadMs,
    );
    if (reply.status !== 200) return judgeRefusal(reply, 'read');
    const read = readAnswer(authenticateSchema, reply.text, path);
    if (read instanceof FairleadError) return { error: read, tryAgain: false };
    this.#token = read.token;
    return this.#token;
  }
}

function judgeFailure(thrown: unknown, kind: RequestKind): Verdict {
  if (!(thrown instanceof TransportFailure)) throw thrown;
  const { message: why, sent } = thrown;
  if (kind === 'write' && sent) {
    const message = `etcd did not answer: ${why}`;
    return {
      error: new FairleadError('STORE_OUTCOME_UNKNOWN', message, { cause: thrown }),
      tryAgain: false,
    };
  }
  const error = new FairleadError('STORE_UNREACHABLE', `etcd does not answer: ${why}`, {
    cause: thrown,
  });
  return { error, tryAgain: true };
}

/** What a write whose answer we cannot read did is unknown. */
function unread(error: FairleadError, kind: RequestKind): FairleadError {
  return kind === 'read'
    ? error
    : new FairleadError('STORE_OUTCOME_UNKNOWN', error.message, { cause: error });
}

function readAnswer<Answer>(
  schema: z.ZodType<Answer>,
  text: string,
  path: string,
): Answer | FairleadError {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return new FairleadError('ETCD_PROTOCOL', `etcd answered no JSON to ${path}`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  return new FairleadError('ETCD_PROTOCOL', `etcd's answer to ${path} is not understood`, {
    cause: parsed.error,
  });
}
