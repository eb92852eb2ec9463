/**
 * One connection of a watch: from a revision on until it ends for some reason. Batches wait here until they
 * are taken, up to a bound; beyond it the connection ends and its reader begins another one where this one
 * was. Nothing is ever passed over.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { etcdAnswerBytesMax, etcdWatchIdleMs } from '../../limits.ts';
import type { KeyRange, WatchBatch } from '../port.ts';
import { BatchCollector, eventBytes } from './batches.ts';
import type { EtcdGateway } from './gateway.ts';
import { Lines } from './lines.ts';
import { rangeBody } from './messages.ts';
import { judgeRefusal } from './refusal.ts';
import { watchLineSchema, type EtcdWatchMessage } from './schemas.ts';
import type { EtcdEndpoint } from './transport.ts';

/** Why a connection gives no more. */
export type WatchEnd =
  /** Too much waits to be taken. */
  | { readonly why: 'full' }
  /** An event was not whole; asking once more gets it. */
  | { readonly why: 'torn' }
  /** The connection or its endpoint failed. */
  | { readonly why: 'lost'; readonly message: string }
  /** What comes next is forgotten, or too large; `from` is where history begins now, if etcd said. */
  | { readonly why: 'gone'; readonly from: number }
  /** Trying again has no sense. */
  | { readonly why: 'refused'; readonly error: FairleadError }
  | { readonly why: 'closed' };

/** What a connection needs. */
export interface WatchConnectionOptions {
  readonly gateway: EtcdGateway;
  readonly clock: Clock;
  readonly prefix: string;
  readonly endpoint: EtcdEndpoint;
  readonly token: string | undefined;
  readonly range: KeyRange;
  /** First revision to give. */
  readonly next: number;
  readonly bufferBytes: number;
}

/** See the head of the file. */
export class WatchConnection {
  readonly #options: WatchConnectionOptions;
  readonly #collector: BatchCollector;
  readonly #lines = new Lines(etcdAnswerBytesMax);
  readonly #stream: { close(): void };
  readonly #ended = new AbortController();
  readonly #waiting: { readonly batch: WatchBatch; readonly bytes: number }[] = [];
  #waitingBytes = 0;
  #next: number;
  #end: WatchEnd | undefined;
  #wake: (() => void) | undefined;
  #heardMs: number;
  #isEstablished = false;

  constructor(options: WatchConnectionOptions) {
    const { gateway, endpoint, token, prefix, range, next } = options;
    this.#options = options;
    this.#next = next;
    this.#heardMs = options.clock.monotonicMs();
    this.#collector = new BatchCollector({ prefix, next, bytesMax: etcdAnswerBytesMax });
    const create = {
      ...rangeBody(prefix, range),
      // one revision earlier than needed: compaction at a revision takes parts of that very revision,
      // and etcd refuses only what is below it
      start_revision: String(Math.max(1, next - 1)),
      prev_kv: true,
      fragment: true,
      progress_notify: true,
    };
    const body = JSON.stringify({ create_request: create });
    this.#stream = gateway.transport.stream(
      { endpoint, path: '/v3/watch', body, token, needsLeader: true },
      {
        data: (part) => this.#onData(part),
        end: (why) => {
          if ('failure' in why) this.close({ why: 'lost', message: why.failure });
          else this.#onRefused(judgeRefusal(why.reply, 'read'));
        },
      },
    );
    void this.#guard();
  }

  /** Whom it is connected to. */
  get endpoint(): EtcdEndpoint {
    return this.#options.endpoint;
  }

  /** From which revision on another connection has to begin when all of this one has been taken. */
  get next(): number {
    return this.#next;
  }

  /** Whether etcd took the watch up. */
  get isEstablished(): boolean {
    return this.#isEstablished;
  }

  /** The next batch, as soon as there is one; or why there is none any more. */
  async take(): Promise<WatchBatch | WatchEnd> {
    for (;;) {
      const first = this.#waiting.shift();
      if (first !== undefined) {
        this.#waitingBytes -= first.bytes;
        return first.batch;
      }
      if (this.#end !== undefined) return this.#end;
      await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  /** Ends the connection; what waits can still be taken. Only the first reason counts. */
  close(end: WatchEnd = { why: 'closed' }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#ended.abort();
    this.#stream.close();
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #onData(part: Buffer): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    const lines = this.#lines.push(part);
    if (lines === undefined) {
      this.close({ why: 'lost', message: 'etcd sent a message without end' });
      return;
    }
    for (const line of lines) {
      if (this.#end !== undefined) return;
      if (line !== '') this.#onLine(line);
    }
  }

  #onLine(line: string): void {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch {
      json = undefined;
    }
    const parsed = watchLineSchema.safeParse(json);
    if (!parsed.success) {
      this.close({ why: 'lost', message: 'etcd sent a message that is not understood' });
    } else if ('error' in parsed.data) {
      this.#onCancelled(parsed.data.error.message);
    } else {
      this.#onMessage(parsed.data.result);
    }
  }

  #onMessage(message: EtcdWatchMessage): void {
    if (message.created) this.#isEstablished = true;
    if (message.canceled) {
      if (message.compact_revision > 0) {
        this.close({ why: 'gone', from: message.compact_revision + 1 });
      } else {
        this.#onCancelled(message.cancel_reason ?? 'etcd ended the watch');
      }
      return;
    }
    try {
      const { batches, next, broken } = this.#collector.take(message);
      for (const batch of batches) this.#keep(batch);
      this.#next = next;
      this.#options.gateway.sawRevision(message.header.revision);
      if (broken === 'torn') this.close({ why: 'torn' });
      if (broken === 'tooLarge') this.close({ why: 'gone', from: 0 });
    } catch (thrown) {
      if (!(thrown instanceof FairleadError)) throw thrown;
      this.close({ why: 'refused', error: thrown });
    }
    this.#wakeUp();
    if (this.#waitingBytes > this.#options.bufferBytes) this.close({ why: 'full' });
  }

  #keep(batch: WatchBatch): void {
    let bytes = 0;
    for (const event of batch.events) bytes += eventBytes(event);
    this.#waiting.push({ batch, bytes });
    this.#waitingBytes += bytes;
  }

  /** In a stream etcd says why in words only. */
  #onCancelled(words: string): void {
    this.#onRefused(
      judgeRefusal({ status: 200, text: JSON.stringify({ code: 2, message: words }) }, 'read'),
    );
  }

  #onRefused(verdict: ReturnType<typeof judgeRefusal>): void {
    const { error, logInAgain } = verdict;
    if (logInAgain === true) this.#options.gateway.forgetToken();
    const isHopeless = error.code === 'STORE_DENIED' && logInAgain !== true;
    this.close(isHopeless ? { why: 'refused', error } : { why: 'lost', message: error.message });
  }

  /** A member that is frozen, or a host that is gone, never closes its connection: ask it now and then. */
  async #guard(): Promise<void> {
    const { clock, gateway, endpoint } = this.#options;
    try {
      for (;;) {
        const quietMs = clock.monotonicMs() - this.#heardMs;
        if (quietMs < etcdWatchIdleMs) {
          await clock.sleep(etcdWatchIdleMs - quietMs, this.#ended.signal);
          continue;
        }
        const alive = await gateway.isAlive(endpoint);
        if (!alive) this.close({ why: 'lost', message: 'its endpoint does not answer' });
        else if (!this.#isEstablished) this.close({ why: 'lost', message: 'etcd does not begin' });
        this.#ended.signal.throwIfAborted();
        this.#heardMs = clock.monotonicMs();
      }
    } catch (thrown) {
      // the sleep ends with the connection
      if (!this.#ended.signal.aborted) throw thrown;
    }
  }
}
