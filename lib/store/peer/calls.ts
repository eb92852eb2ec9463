/**
 * Requests and answers over one connection. A request settles once: with the answer, at its deadline, at its
 * signal, or with the connection. Answers wait here when the other side is slow to take them; beyond a bound
 * of bytes BUSY is answered instead.
 */
import { asFairleadError, FairleadError } from '../../errors.ts';
import { peerAnswerBytesMax, peerFrameBytesMax, peerRequestsMax } from '../../limits.ts';
import { ByteReader, ByteWriter, malformed } from './bytes.ts';
import { frameHeadBytes, frameTypes, type Frame } from './frame.ts';
import { decodeRefusal, encodeRefusal } from './hello.ts';
import { encodeJson, parseJson } from './json.ts';

/** `detail` of an error of a request: whether the other side may have acted on it. */
export interface RequestDetail {
  readonly outcome: 'not-sent' | 'unknown';
}

/** How a request is bounded. */
export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What calls need of their connection. */
export interface CallsOptions {
  /** Sends a frame, unless the window is full. */
  readonly trySend: (type: number, pieces: readonly Buffer[]) => boolean;
  /** Does what a request asks. */
  readonly onRequest: (request: unknown, signal: AbortSignal) => Promise<unknown>;
}

interface Pending {
  readonly deadlineMs: number;
  readonly settle: (outcome: { readonly answer: unknown } | FairleadError) => void;
}

interface Answer {
  readonly type: number;
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
}

/** The requests of one connection, both ways. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #ended = new AbortController();
  #nextId = 1;
  #inWork = 0;
  #answers: Answer[] = [];
  #answerBytes = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Nothing is asked or answered at the moment. */
  get idle(): boolean {
    return this.#pending.size === 0 && this.#inWork === 0 && this.#answers.length === 0;
  }

  /**
   * Asks.
   * @throws BUSY and REQUEST_TOO_LARGE (not sent), DEADLINE and PEER_UNREACHABLE (unknown), the signal's
   *   reason, and what the other side answered with
   */
  request(
    payload: unknown,
    { timeoutMs, signal }: RequestOptions,
    nowMs: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = this.#nextId;
      const pieces = [idBytes(id), encodeJson(payload)];
      if (isTooLarge(pieces)) throw tooLarge('request');
      if (
        this.#pending.size >= peerRequestsMax ||
        !this.#options.trySend(frameTypes.request, pieces)
      ) {
        throw withOutcome('BUSY', 'too much waits to be sent to the other host', 'not-sent');
      }
      this.#nextId += 1;
      const onAbort = () => {
        if (this.#pending.delete(id)) reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle: Pending['settle'] = (outcome) => {
        this.#pending.delete(id);
        signal?.removeEventListener('abort', onAbort);
        if (outcome instanceof FairleadError) reject(outcome);
        else resolve(outcome.answer);
      };
      this.#pending.set(id, { deadlineMs: nowMs + timeoutMs, settle });
    });
  }

  /**
   * Takes a frame of a call.
   * @throws PEER_PROTOCOL
   */
  receive({ type, payload }: Frame): void {
    const reader = new ByteReader(payload);
    const id = reader.u64();
    const content = reader.slice(reader.left);
    if (type === frameTypes.request) {
      this.#serve(id, parseJson(content));
      return;
    }
    if (id >= this.#nextId) throw malformed('an answer to what nobody asked');
    const outcome =
      type === frameTypes.failure ? decodeRefusal(content) : { answer: parseJson(content) };
    // nobody waits any more for an answer that came after its deadline
    this.#pending.get(id)?.settle(outcome);
  }

  /** Sends answers that waited, as far as there is room. */
  pump(): void {
    while (this.#answers.length > 0) {
      const [first] = this.#answers;
      if (first === undefined || !this.#options.trySend(first.type, first.pieces)) return;
      this.#answers.shift();
      this.#answerBytes -= first.bytes;
    }
  }

  /** Gives up on requests whose time is over. */
  tick(nowMs: number): void {
    for (const { deadlineMs, settle } of this.#pending.values()) {
      if (nowMs < deadlineMs) continue;
      settle(withOutcome('DEADLINE', 'the other host has not answered in time', 'unknown'));
    }
  }

  /** The connection has ended. */
  end(reason: FairleadError): void {
    const error = withOutcome('PEER_UNREACHABLE', reason.message, 'unknown');
    for (const { settle } of this.#pending.values()) settle(error);
    this.#answers = [];
    this.#answerBytes = 0;
    this.#ended.abort(error);
  }

  #serve(id: number, request: unknown): void {
    if (this.#inWork >= peerRequestsMax) {
      this.#answerFailure(id, busy());
      return;
    }
    this.#inWork += 1;
    void this.#work(id, request);
  }

  async #work(id: number, request: unknown): Promise<void> {
    try {
      const content = encodeJson(await this.#options.onRequest(request, this.#ended.signal));
      if (isTooLarge([content])) throw tooLarge('answer');
      this.#answer(id, frameTypes.answer, content);
    } catch (thrown) {
      this.#answerFailure(id, asFairleadError(thrown));
    } finally {
      this.#inWork -= 1;
    }
  }

  #answerFailure(id: number, error: FairleadError): void {
    this.#answer(id, frameTypes.failure, encodeRefusal(error));
  }

  #answer(id: number, type: number, content: Buffer): void {
    if (this.#ended.signal.aborted) return;
    const bytes = frameHeadBytes + 8 + content.length;
    if (this.#answerBytes + bytes > peerAnswerBytesMax) {
      if (type === frameTypes.answer) this.#answerFailure(id, busy());
      return;
    }
    this.#answers.push({ type, pieces: [idBytes(id), content], bytes });
    this.#answerBytes += bytes;
    this.pump();
  }
}

/** With room to spare for what is around it. */
function isTooLarge(pieces: readonly Buffer[]): boolean {
  return pieces.reduce((sum, { length }) => sum + length, 64) > peerFrameBytesMax;
}

function tooLarge(what: string): FairleadError {
  return new FairleadError(
    'REQUEST_TOO_LARGE',
    `the ${what} is larger than the ${peerFrameBytesMax} bytes that one message may have`,
  );
}

function idBytes(id: number): Buffer {
  return new ByteWriter(8).u64(id).finish();
}

function busy(): FairleadError {
  return new FairleadError('BUSY', 'the other host has too many requests in work');
}

/** An error of a request that says whether it was sent. */
export function withOutcome(
  code: 'BUSY' | 'DEADLINE' | 'PEER_UNREACHABLE',
  message: string,
  outcome: RequestDetail['outcome'],
): FairleadError {
  return new FairleadError(code, message, { detail: { outcome } satisfies RequestDetail });
}
