/**
 * Questions to an etcd with several endpoints. Guarantees: a write is sent again only when it is certain
 * that nothing was done; answers come from one cluster, whose revisions never run backwards. The endpoint
 * that failed is asked last from then on.
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
import { judgeFailure, judgeUnread, readAnswer } from './answer.ts';
import { Gate } from './gate.ts';
import { Members, type EtcdCredentials } from './members.ts';
import { judgeRefusal, type RequestKind, type Verdict } from './refusal.ts';
import type { EtcdAnswer } from './schemas.ts';
import { EtcdTransport, type EtcdEndpoint, type EtcdReply, type EtcdTls } from './transport.ts';

/** What a gateway needs. */
export interface GatewayOptions {
  /** Not empty; the first is asked first. */
  readonly endpoints: readonly EtcdEndpoint[];
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tls?: EtcdTls | undefined;
  readonly credentials?: EtcdCredentials | undefined;
  /** This etcd is not the one that it was; called once at most. */
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
  readonly #members: Members;
  readonly #options: GatewayOptions;
  readonly #gate = new Gate({
    atOnce: etcdRequestsMax,
    waitingMax: storeQueueTxnsMax,
    waitingBytesMax: storeQueueBytesMax,
  });
  #revision = 0;
  #failure: FairleadError | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.transport = new EtcdTransport(options);
    this.#members = new Members({ ...options, transport: this.transport });
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
    const leave = question.isUrgent === true ? () => {} : await this.#gate.enter(body.length);
    try {
      return await this.#askEach(question, body);
    } finally {
      leave();
    }
  }

  /**
   * Asks every endpoint which cluster it belongs to. That one does not answer is only logged.
   * @throws CLUSTER_OTHER when two of them differ
   */
  async meet(): Promise<void> {
    const verdicts = await Promise.all(this.#members.order.map((each) => this.#members.know(each)));
    for (const verdict of verdicts) {
      if (verdict?.error.code === 'CLUSTER_OTHER') throw verdict.error;
      if (verdict === undefined) continue;
      this.#options.log.warn({ err: verdict.error }, 'an endpoint of etcd cannot be used now');
    }
  }

  /** The endpoint for a watch and the token to use; or why there is none now. */
  async endpointForWatch(): Promise<
    { readonly endpoint: EtcdEndpoint; readonly token: string | undefined } | Verdict
  > {
    const endpoint = this.#members.first;
    const verdict = await this.#members.know(endpoint);
    if (verdict === undefined) return { endpoint, token: this.#members.token };
    if (verdict.logInAgain === true) this.#members.forgetToken();
    else this.#members.demote(endpoint);
    return verdict;
  }

  /** Whether an endpoint answers, whatever it says. */
  isAlive(endpoint: EtcdEndpoint): Promise<boolean> {
    return this.#members.isAlive(endpoint);
  }

  /** Asks this endpoint last from now on. */
  demote(endpoint: EtcdEndpoint): void {
    this.#members.demote(endpoint);
  }

  /** The login is no longer good. */
  forgetToken(): void {
    this.#members.forgetToken();
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
    const members = this.#members;
    const startMs = clock.monotonicMs();
    let mayLogIn = true;
    let refused: FairleadError | undefined;
    for (let asked = 1; ; asked++) {
      if (this.#failure !== undefined) throw this.#failure;
      const endpoint = members.first;
      const attempt = await this.#attempt(endpoint, question, body);
      if ('answer' in attempt) return attempt.answer;
      if (attempt.logInAgain === true && mayLogIn) {
        mayLogIn = false;
        members.forgetToken();
        continue;
      }
      if (!attempt.tryAgain) throw attempt.error;
      // what etcd says tells more than that another endpoint is silent
      if (attempt.error.code !== 'STORE_UNREACHABLE') refused = attempt.error;
      if (clock.monotonicMs() - startMs >= etcdRefusedMs) throw refused ?? attempt.error;
      members.demote(endpoint);
      if (asked % members.order.length === 0) await clock.sleep(etcdRetryPauseMs);
    }
  }

  async #attempt<Answer extends EtcdAnswer>(
    endpoint: EtcdEndpoint,
    question: Question<Answer>,
    body: string,
  ): Promise<Attempt<Answer>> {
    const stranger = await this.#members.know(endpoint);
    if (stranger !== undefined) return stranger;
    const { path, kind, mayBeStale = false, needsNoLeader = false } = question;
    // an answer that knows the newest state can only be at this revision or later
    const floor = mayBeStale ? 0 : this.#revision;
    let reply: EtcdReply;
    try {
      const request = { endpoint, path, body, token: this.#members.token };
      reply = await this.transport.exchange(
        { ...request, needsLeader: !needsNoLeader },
        kind === 'read' ? etcdReadMs : etcdWriteMs,
      );
    } catch (thrown) {
      return judgeFailure(thrown, kind);
    }
    if (reply.status !== 200) return judgeRefusal(reply, kind);
    const answer = readAnswer(question.schema, reply.text, path);
    if (answer instanceof FairleadError) return judgeUnread(answer, kind);
    const { cluster_id: clusterId, revision } = answer.header;
    if (!this.#members.isOurs(clusterId) || revision < floor) {
      return { error: this.#fail(answer.header, floor), tryAgain: false };
    }
    this.sawRevision(revision);
    return { answer };
  }

  /** Another etcd, or its past, is at our endpoint: nothing that we know holds there. */
  #fail(header: EtcdAnswer['header'], floor: number): FairleadError {
    if (this.#failure !== undefined) return this.#failure;
    this.#failure = new FairleadError(
      'CLUSTER_OTHER',
      this.#members.isOurs(header.cluster_id)
        ? `etcd went back from revision ${floor} to ${header.revision}: an old copy was restored`
        : 'another etcd answers at the endpoint of ours',
      { fix: 'check the endpoints of etcd, then restart the agent', detail: { header, floor } },
    );
    this.#options.onFatal(this.#failure);
    return this.#failure;
  }
}
