/**
 * Sessions of clients: what makes a retry harmless (hazard 22). A client numbers its commands; the answer
 * of each number is remembered until the client says that it has it. A number whose answer is forgotten,
 * or a client that is, gets a refusal that says so: never a second application.
 */
import { FairleadError } from '../../errors.ts';
import type { Reply, SessionMark } from './command.ts';
import { damagedRecord } from './damage.ts';
import type { Digest } from './digest.ts';
import type { MachineLimits } from './machine-limits.ts';
import { RecordChanges } from './records.ts';
import { decodeReply, encodeReply, isStoredReply } from './reply-text.ts';

/** What a session counts for besides its answers: key, numbers and the objects around them. */
const sessionBytes = 256;

interface Session {
  /** Answers of numbers up to here are forgotten. */
  floor: number;
  /** Machine time of its last command. */
  usedMs: number;
  /** Texts of answers by number, in order of application. */
  readonly replies: Map<number, string>;
  /** Characters of them. */
  bytes: number;
}

/** All sessions. */
export class Sessions {
  readonly #limits: MachineLimits;
  /** The one that was silent longest comes first. */
  readonly #sessions = new Map<string, Session>();
  #bytes = 0;
  readonly changes = new RecordChanges('sessions', (client) => this.#textOf(client));

  constructor(limits: MachineLimits) {
    this.#limits = limits;
  }

  /** Makes a session, unless there is one. */
  open(client: string, timeMs: number): void {
    const session = this.#sessions.get(client);
    if (session === undefined) this.#bytes += sessionBytes;
    this.#use(
      client,
      session ?? { floor: 0, usedMs: timeMs, replies: new Map(), bytes: 0 },
      timeMs,
    );
    this.#makeRoom();
  }

  /** Forgets a session, if there is one. */
  close(client: string): void {
    const session = this.#sessions.get(client);
    if (session === undefined) return;
    this.#sessions.delete(client);
    this.#bytes -= sessionBytes + session.bytes;
    this.changes.note(client);
  }

  /**
   * The answer that a command already got; undefined for a command that is to be applied now.
   * @throws SESSION_UNKNOWN, STORE_OUTCOME_UNKNOWN when the answer is forgotten
   */
  recall(mark: SessionMark, timeMs: number): Reply | undefined {
    const { client, sequence, acknowledged } = mark;
    const session = this.#sessions.get(client);
    if (session === undefined) {
      throw new FairleadError('SESSION_UNKNOWN', 'the cluster does not know this client any more');
    }
    this.#use(client, session, timeMs);
    const known = session.replies.get(sequence);
    this.#forget(session, acknowledged);
    if (known !== undefined) return decodeReply(known);
    if (sequence <= session.floor) {
      throw new FairleadError(
        'STORE_OUTCOME_UNKNOWN',
        `what became of change ${sequence} of this client is forgotten`,
      );
    }
    return undefined;
  }

  /** Remembers the answer of a command that `recall` let through. */
  remember({ client, sequence }: SessionMark, reply: Reply): void {
    const session = this.#sessions.get(client);
    if (session === undefined) return;
    const { storeSessionReplyBytesMax, storeSessionBytesMax, storeSessionRepliesMax } =
      this.#limits;
    const room = Math.max(0, storeSessionBytesMax - session.bytes);
    const text = encodeReply(sequence, reply, Math.min(storeSessionReplyBytesMax, room));
    session.replies.set(sequence, text);
    this.#count(session, text.length);
    if (session.replies.size > storeSessionRepliesMax) {
      this.#forget(session, Math.min(...session.replies.keys()));
    }
    this.#makeRoom();
  }

  /**
   * Takes in the record of an image; `order` is to be called after the last.
   * @throws STORE_DAMAGED
   */
  load(client: string, text: string, digest: Digest): void {
    const session = decodeSession(text);
    if (session === undefined || this.#sessions.has(client)) {
      throw damagedRecord('sessions', client);
    }
    this.#sessions.set(client, session);
    this.#bytes += sessionBytes + session.bytes;
    this.changes.load(client, text, digest);
  }

  /** Puts the sessions of an image into the order in which they are forgotten. */
  order(): void {
    // no two commands have the same machine time
    const ordered = [...this.#sessions].toSorted(([, a], [, b]) => a.usedMs - b.usedMs);
    this.#sessions.clear();
    for (const [client, session] of ordered) this.#sessions.set(client, session);
  }

  /** All records as text. */
  *records(): Generator<readonly [string, string], void> {
    for (const [client, session] of this.#sessions) yield [client, encodeSession(session)];
  }

  /** Makes the digest up to date. */
  settle(digest: Digest): void {
    this.changes.settle(digest);
  }

  #use(client: string, session: Session, timeMs: number): void {
    session.usedMs = timeMs;
    this.#sessions.delete(client);
    this.#sessions.set(client, session);
    this.changes.note(client);
  }

  /** Forgets answers of numbers up to `upTo`. */
  #forget(session: Session, upTo: number): void {
    if (upTo <= session.floor) return;
    const few = upTo - session.floor <= session.replies.size;
    if (few) {
      for (let sequence = session.floor + 1; sequence <= upTo; sequence += 1) {
        this.#drop(session, sequence);
      }
    } else {
      for (const sequence of session.replies.keys()) {
        if (sequence <= upTo) this.#drop(session, sequence);
      }
    }
    session.floor = upTo;
  }

  #drop(session: Session, sequence: number): void {
    const text = session.replies.get(sequence);
    if (text === undefined) return;
    session.replies.delete(sequence);
    this.#count(session, -text.length);
  }

  #count(session: Session, bytes: number): void {
    session.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Forgets the longest silent sessions. The one in use is the last, and fits (limits.ts). */
  #makeRoom(): void {
    const { storeSessionsMax, storeSessionsBytesMax } = this.#limits;
    for (const client of this.#sessions.keys()) {
      if (this.#sessions.size <= storeSessionsMax && this.#bytes <= storeSessionsBytesMax) return;
      if (this.#sessions.size === 1) return;
      this.close(client);
    }
  }

  #textOf(client: string): string | undefined {
    const session = this.#sessions.get(client);
    return session && encodeSession(session);
  }
}

function encodeSession({ floor, usedMs, replies }: Session): string {
  return `[${[floor, usedMs, ...replies.values()].join()}]`;
}

function decodeSession(text: string): Session | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const [floor, usedMs, ...stored] = parsed as readonly unknown[];
  if (typeof floor !== 'number' || typeof usedMs !== 'number') return undefined;
  const replies = new Map<number, string>();
  let bytes = 0;
  for (const reply of stored) {
    if (!isStoredReply(reply)) return undefined;
    const replyText = JSON.stringify(reply);
    replies.set(reply[0], replyText);
    bytes += replyText.length;
  }
  return { floor, usedMs, replies, bytes };
}
