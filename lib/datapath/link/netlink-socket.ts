/**
 * One rtnetlink socket: requests and their acknowledgements, and listings. Guarantees: one operation
 * at a time, the others wait in a bounded queue; every operation settles; an answer is only taken for
 * the request with its number; after an unclear answer the socket is replaced, so that nothing of one
 * operation is ever read as the answer of another. Knows no message beyond netlink's own.
 *
 * The kernel carries a request out inside send(2), so send runs on a thread and the acknowledgement is
 * there when it returns. Listings are produced inside recv(2), so there recv runs on a thread.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  netlinkDumpMessagesMax,
  netlinkDumpTriesMax,
  netlinkInterruptsMax,
  netlinkQueueMax,
  netlinkReadBytes,
  netlinkReceiveTickMs,
  netlinkRequestMs,
} from '../../limits.ts';
import { errorNumber, nativeBytes, socketNumber, type Libc } from './libc.ts';
import { kernelError } from './link-errors.ts';
import {
  encodeRequests,
  endsDump,
  messageFlag,
  readAcknowledgement,
  splitMessages,
  type Acknowledgement,
  type NetlinkMessage,
  type NetlinkRequest,
} from './netlink-codec.ts';

/** The answer to one request: how it ended and, for a request that reads, what came before. */
export interface Reply extends Acknowledgement {
  readonly messages: readonly NetlinkMessage[];
}

const sequenceMax = 0xffff_ffff;

/** An open socket. */
export class NetlinkSocket {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #buffer = nativeBytes(netlinkReadBytes);
  #descriptor: number | undefined;
  #closed = false;
  #waiting = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #nextSequence = 1;

  /**
   * Opens it in the network namespace of this process.
   * @throws LINK_FAILED
   */
  constructor(libc: Libc, clock: Clock) {
    this.#libc = libc;
    this.#clock = clock;
    this.#descriptor = openNetlink(libc);
  }

  /**
   * Sends requests in one piece; the kernel carries them out in order, also after one it refused.
   * Answers with one reply for each. Every request must carry the flag `acknowledge`.
   * @throws LINK_FAILED when it is not known what became of them; BUSY, STOPPING
   */
  exchange(requests: readonly NetlinkRequest[]): Promise<readonly Reply[]> {
    return this.#inTurn(async (descriptor, deadlineMs) => {
      const first = this.#takeSequences(requests.length);
      await this.#send(descriptor, encodeRequests(requests, first));
      const replies: Reply[] = [];
      let messages: NetlinkMessage[] = [];
      while (replies.length < requests.length) {
        for (const message of await this.#read(descriptor, deadlineMs, 'now')) {
          if (message.sequence !== first + replies.length) continue;
          const end = readAcknowledgement(message);
          if (end === undefined) messages.push({ ...message, body: message.body.slice() });
          else {
            replies.push({ ...end, messages });
            messages = [];
          }
        }
      }
      return replies;
    });
  }

  /**
   * Lists: sends a request with the flag `dump` and decodes every message of the answer, which is
   * consistent: a listing during which something changed is started again.
   * @throws LINK_FAILED, also when it never stopped changing; BUSY, STOPPING
   */
  dump<T>(
    request: NetlinkRequest,
    decode: (message: NetlinkMessage) => T | undefined,
  ): Promise<readonly T[]> {
    return this.#inTurn(async (descriptor, deadlineMs) => {
      for (let attempt = 0; attempt < netlinkDumpTriesMax; attempt++) {
        const rows = await this.#dumpOnce(descriptor, deadlineMs, request, decode);
        if (rows !== 'again') return rows;
      }
      throw new FairleadError(
        'LINK_FAILED',
        `the kernel's list changed during each of ${netlinkDumpTriesMax} readings`,
      );
    });
  }

  /** Refuses what waits, lets the operation in progress end, and closes. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#tail;
    if (this.#descriptor !== undefined) this.#libc.close(this.#descriptor);
    this.#descriptor = undefined;
  }

  #inTurn<T>(work: (descriptor: number, deadlineMs: number) => Promise<T>): Promise<T> {
    if (this.#waiting >= netlinkQueueMax) {
      const message = `${netlinkQueueMax} requests are waiting for the kernel`;
      return Promise.reject(new FairleadError('BUSY', message));
    }
    this.#waiting++;
    const mine = this.#tail.then(async () => {
      this.#waiting--;
      if (this.#closed) throw new FairleadError('STOPPING', 'the agent is stopping');
      this.#descriptor ??= openNetlink(this.#libc);
      try {
        return await work(this.#descriptor, this.#clock.monotonicMs() + netlinkRequestMs);
      } catch (error) {
        this.#libc.close(this.#descriptor);
        this.#descriptor = undefined;
        throw error;
      }
    });
    this.#tail = mine.catch(() => undefined);
    return mine;
  }

  async #dumpOnce<T>(
    descriptor: number,
    deadlineMs: number,
    request: NetlinkRequest,
    decode: (message: NetlinkMessage) => T | undefined,
  ): Promise<readonly T[] | 'again'> {
    const sequence = this.#takeSequences(1);
    await this.#send(descriptor, encodeRequests([request], sequence));
    const rows: T[] = [];
    let interrupted = false;
    for (let count = 0; ;) {
      for (const message of await this.#read(descriptor, deadlineMs, 'wait')) {
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & messageFlag.dumpInterrupted) !== 0;
        const end = readAcknowledgement(message);
        if (end !== undefined) {
          if (end.errno === errorNumber.EINTR) return 'again';
          if (end.errno !== 0) throw this.#error('cannot list', end.errno, end.text);
          if (endsDump(message)) return interrupted ? 'again' : rows;
          continue;
        }
        if (++count > netlinkDumpMessagesMax) {
          throw new FairleadError('LINK_FAILED', `more than ${netlinkDumpMessagesMax} rows listed`);
        }
        const row = decode(message);
        if (row !== undefined) rows.push(row);
      }
    }
  }

  async #send(descriptor: number, bytes: Uint8Array): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const result = await this.#libc.send(descriptor, bytes);
      if (result === bytes.length) return;
      const interrupted = result === -errorNumber.EINTR && attempt < netlinkInterruptsMax;
      if (!interrupted) throw this.#error('cannot send to the kernel', result < 0 ? -result : 0);
    }
  }

  /** One datagram. `now` first looks whether it is there already, which saves a thread. */
  async #read(
    descriptor: number,
    deadlineMs: number,
    when: 'now' | 'wait',
  ): Promise<readonly NetlinkMessage[]> {
    const buffer = this.#buffer;
    let length = when === 'now' ? this.#libc.receiveNow(descriptor, buffer) : -errorNumber.EAGAIN;
    while (length === -errorNumber.EAGAIN || length === -errorNumber.EINTR) {
      if (this.#clock.monotonicMs() >= deadlineMs) {
        throw new FairleadError('DEADLINE', `no answer of the kernel in ${netlinkRequestMs} ms`);
      }
      length = await this.#libc.receive(descriptor, buffer);
    }
    if (length < 0) throw this.#error("cannot read the kernel's answer", -length);
    if (length > buffer.length) {
      throw new FairleadError('LINK_FAILED', `the kernel's answer has ${length} bytes, too many`);
    }
    return splitMessages(buffer.subarray(0, length));
  }

  #takeSequences(count: number): number {
    if (this.#nextSequence + count > sequenceMax) this.#nextSequence = 1;
    const first = this.#nextSequence;
    this.#nextSequence += count;
    return first;
  }

  #error(what: string, errno: number, text?: string): FairleadError {
    return kernelError(this.#libc, what, errno, text);
  }
}

/**
 * Opens a socket of rtnetlink, as a member of multicast `groups` (bits of netlink(7)).
 * @throws LINK_FAILED
 */
export function openNetlink(libc: Libc, groups = 0): number {
  const { familyNetlink, raw, closeOnExec, levelSocket, levelNetlink } = socketNumber;
  const descriptor = libc.socket(familyNetlink, raw | closeOnExec, 0);
  if (descriptor < 0) throw kernelError(libc, 'cannot open a netlink socket', -descriptor);
  const address = nativeBytes(12);
  const view = new DataView(address.buffer);
  view.setUint16(0, familyNetlink, true);
  view.setUint32(8, groups, true);
  const timeout = nativeBytes(16);
  new DataView(timeout.buffer).setBigInt64(0, BigInt(netlinkReceiveTickMs / 1_000), true);
  const steps = [
    libc.setOption(descriptor, levelSocket, socketNumber.receiveTimeout, timeout),
    libc.bind(descriptor, address),
  ];
  // better error texts and shorter acknowledgements; kernels before 4.12 do without
  const on = Uint8Array.of(1, 0, 0, 0);
  libc.setOption(descriptor, levelNetlink, socketNumber.netlinkExtAck, on);
  libc.setOption(descriptor, levelNetlink, socketNumber.netlinkCapAck, on);
  const failed = steps.find((result) => result < 0);
  if (failed !== undefined) {
    libc.close(descriptor);
    throw kernelError(libc, 'cannot set up a netlink socket', -failed);
  }
  return descriptor;
}
