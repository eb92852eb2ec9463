/**
 * The side that lets hosts in. A connection without a certificate gets this and nothing else: it is shown
 * who we are, may send one request, and gets one answer. Whether a secret is good, and what becomes of the
 * host, is asked of `onJoin`, which may be asked the same twice: a host that has lost our answer repeats
 * its request, with the same secret and the same key.
 */
import type { Clock } from '../../clock.ts';
import { asFairleadError, FairleadError } from '../../errors.ts';
import { joinAnswerMs, joinRequestsMax, joinRequestsPerSecond } from '../../limits.ts';
import { malformed } from './bytes.ts';
import type { FrameSocket } from './frame-socket.ts';
import { frameTypes } from './frame.ts';
import { encodeRefusal } from './hello.ts';
import type { JoinGrant } from './join-grant.ts';
import { isSealedFor, joinRequestShape, verifyCertificateRequest } from './join-request.ts';
import { decodeJson, encodeJson } from './json.ts';
import { joinSecretHash } from './token.ts';

/** A host that has the secret of a token, its key proved. */
export interface JoinApplication {
  /** See `joinSecretHash`. */
  readonly secretHash: string;
  /** PEM. */
  readonly publicKey: string;
  readonly facts: unknown;
}

/** Decides on an application. What it throws as FairleadError is told to the host. */
export type JoinJudge = (application: JoinApplication) => Promise<JoinGrant>;

/** What a connection needs to be served. */
export interface JoinConnection {
  readonly frames: FrameSocket;
  /** PEM; shown, so that the pin of the token can be found among them. */
  readonly authorities: readonly string[];
  /** Our certificate, as TLS has shown it. */
  readonly shown: Uint8Array;
}

/** Serves hosts that join, a bounded number at a time. */
export class JoinServer {
  readonly #clock: Clock;
  readonly #judge: JoinJudge;
  #inWork = 0;
  #allowance = joinRequestsPerSecond;
  #allowanceAtMs: number;

  constructor(clock: Clock, judge: JoinJudge) {
    this.#clock = clock;
    this.#judge = judge;
    this.#allowanceAtMs = clock.monotonicMs();
  }

  /** Serves a connection to its end. Never rejects. */
  async serve(connection: JoinConnection): Promise<void> {
    const { frames, authorities } = connection;
    try {
      frames.send(frameTypes.joinOffer, encodeJson({ authorities }));
      const { type, payload } = await frames.next();
      if (type !== frameTypes.joinRequest) throw malformed(`a frame of type ${type}`);
      const grant = await this.#decide(payload, connection.shown);
      frames.send(frameTypes.joinAnswer, encodeJson(grant));
    } catch (thrown) {
      frames.send(frameTypes.refused, encodeRefusal(asFairleadError(thrown)));
    }
    frames.finish(new FairleadError('PEER_REFUSED', 'a host without a certificate may only join'));
  }

  async #decide(payload: Buffer, shown: Uint8Array): Promise<JoinGrant> {
    this.#admit();
    this.#inWork += 1;
    const answered = new AbortController();
    try {
      const request = decodeJson(joinRequestShape, payload);
      if (!isSealedFor(request, shown)) {
        throw new FairleadError('PEER_REFUSED', 'the request to join was meant for another host');
      }
      const facts = verifyCertificateRequest(request);
      const { publicKey, secret } = request;
      return await Promise.race([
        this.#judge({ secretHash: joinSecretHash(secret), publicKey, facts }),
        this.#deadline(answered.signal),
      ]);
    } finally {
      answered.abort();
      this.#inWork -= 1;
    }
  }

  async #deadline(signal: AbortSignal): Promise<never> {
    await this.#clock.sleep(joinAnswerMs, signal);
    throw new FairleadError('DEADLINE', 'the cluster has not let this host in in time');
  }

  #admit(): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#allowanceAtMs) / 1_000) * joinRequestsPerSecond;
    this.#allowance = Math.min(joinRequestsPerSecond, this.#allowance + earned);
    this.#allowanceAtMs = nowMs;
    if (this.#inWork >= joinRequestsMax || this.#allowance < 1) {
      throw new FairleadError('BUSY', 'too many hosts join at the same time');
    }
    this.#allowance -= 1;
  }
}
