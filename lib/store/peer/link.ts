/**
 * One connection between two members that have agreed to talk: messages, requests, pings, credit. It ends
 * with its first error, at silence, or when it is told to; it never connects again (`dialer.ts` does).
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { peerPingMs, peerSilentMs, peerWindowBytesMax, peerWindowFramesMax } from '../../limits.ts';
import type { PeerMessage } from '../driver/messages.ts';
import { ByteReader, ByteWriter, malformed } from './bytes.ts';
import { Calls, withOutcome, type RequestOptions } from './calls.ts';
import type { MemberCertificate } from './certificate.ts';
import { lanes, ReceiveTally, SendWindow, type Lane } from './credit.ts';
import type { FrameSocket } from './frame-socket.ts';
import { frameHeadBytes, frameTypes, type Frame } from './frame.ts';
import { decodeRefusal, encodeRefusal, type Hello } from './hello.ts';
import { decodeMessage, isMessageFrame, type EncodedMessage } from './message-codec.ts';

/** What a link is made of, and who is told what. */
export interface LinkOptions {
  readonly frames: FrameSocket;
  readonly clock: Clock;
  readonly hello: Hello;
  readonly certificate: MemberCertificate;
  /** The certificate as it came, to be verified again when authorities change. */
  readonly certificateBytes: Uint8Array;
  /** Whether this side made the connection. */
  readonly dialled: boolean;
  /** Where the other side is, for people. */
  readonly address: string;
}

/** Who is told what. All are called inside the socket's events. */
export interface LinkHandlers {
  readonly onMessage: (message: PeerMessage) => void;
  readonly onRequest: (request: unknown, signal: AbortSignal) => Promise<unknown>;
  /** The other side wants no more of us. The connection ends. */
  readonly onRefused: (error: FairleadError) => void;
  /** Called once. */
  readonly onClosed: (reason: FairleadError) => void;
}

const window = { frames: peerWindowFramesMax, bytes: peerWindowBytesMax };
const tallyBytes = lanes.length * 16;

/** A connection at work. */
export class Link {
  readonly hello: Hello;
  readonly certificate: MemberCertificate;
  readonly certificateBytes: Uint8Array;
  readonly dialled: boolean;
  readonly address: string;
  readonly sinceMs: number;
  /** Of the last ping; undefined before the first was answered. */
  rttMs: number | undefined;
  /** When another connection took its place; it lives until nothing is under way on it. */
  retiredMs: number | undefined;
  readonly #frames: FrameSocket;
  readonly #clock: Clock;
  readonly #calls: Calls;
  readonly #handlers: LinkHandlers;
  readonly #windows: Readonly<Record<Lane, SendWindow>>;
  readonly #tallies: Readonly<Record<Lane, ReceiveTally>>;
  #pingSentMs: number;
  #tickedMs: number;
  #patientUntilMs = 0;

  constructor(options: LinkOptions, handlers: LinkHandlers) {
    const { frames, clock } = options;
    this.hello = options.hello;
    this.certificate = options.certificate;
    this.certificateBytes = options.certificateBytes;
    this.dialled = options.dialled;
    this.address = options.address;
    this.#frames = frames;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#windows = { messages: new SendWindow(window), calls: new SendWindow(window) };
    this.#tallies = { messages: new ReceiveTally(), calls: new ReceiveTally() };
    this.#calls = new Calls({
      trySend: (type, pieces) => this.#trySend('calls', type, pieces),
      onRequest: handlers.onRequest,
    });
    this.sinceMs = clock.monotonicMs();
    this.#tickedMs = this.sinceMs;
    this.#pingSentMs = this.sinceMs - peerPingMs;
  }

  /** Begins to hand over what comes. */
  start(): void {
    this.#frames.attach(
      (frame) => this.#receive(frame),
      (reason) => {
        this.#calls.end(reason);
        this.#handlers.onClosed(reason);
      },
    );
  }

  /** Sends a message; false when the other side has not taken enough of what it was sent. */
  sendMessage({ type, pieces }: EncodedMessage): boolean {
    return this.#trySend('messages', type, pieces);
  }

  /** Asks; see {@link Calls.request}. */
  async request(payload: unknown, options: RequestOptions): Promise<unknown> {
    if (this.#frames.closed !== undefined) {
      throw withOutcome('PEER_UNREACHABLE', this.#frames.closed.message, 'not-sent');
    }
    return this.#calls.request(payload, options, this.#clock.monotonicMs());
  }

  /** To be called every `peerTickMs`. */
  tick(nowMs: number): void {
    const sinceTickMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    this.#calls.tick(nowMs);
    // after a stall of our own the bytes of the other side wait to be read
    if (sinceTickMs > peerPingMs) this.#patientUntilMs = nowMs + peerPingMs;
    const silentMs = nowMs - this.#frames.lastReceivedMs;
    if (nowMs >= this.#patientUntilMs && silentMs >= peerSilentMs) {
      this.close(new FairleadError('PEER_UNREACHABLE', 'the other host went silent'));
      return;
    }
    if (nowMs - this.#pingSentMs >= peerPingMs) this.#ping(nowMs);
    if (this.retiredMs !== undefined && nowMs - this.retiredMs >= peerPingMs && this.#calls.idle) {
      this.#frames.finish(
        new FairleadError('PEER_UNREACHABLE', 'another connection took its place'),
      );
    }
  }

  /** Tells the other side why, then closes. */
  refuse(error: FairleadError): void {
    this.#frames.send(frameTypes.refused, encodeRefusal(error));
    this.#frames.finish(error);
  }

  /** Lets what was sent leave, then closes. */
  end(reason: FairleadError): void {
    this.#frames.finish(reason);
  }

  /** What is known of it, for people. */
  state() {
    const { sinceMs, rttMs, address, dialled, hello, certificate } = this;
    const heardMs = this.#frames.lastReceivedMs;
    return { sinceMs, heardMs, rttMs, address, dialled, hello, certificate };
  }

  /** Cuts the connection. */
  close(reason: FairleadError): void {
    this.#frames.close(reason);
  }

  #trySend(lane: Lane, type: number, pieces: readonly Buffer[]): boolean {
    const bytes = pieces.reduce((sum, { length }) => sum + length, frameHeadBytes);
    const sendWindow = this.#windows[lane];
    if (this.#frames.closed !== undefined || !sendWindow.admits(bytes)) return false;
    sendWindow.spend(this.#frames.send(type, ...pieces));
    return true;
  }

  #receive(frame: Frame): void {
    const { type, payload } = frame;
    if (isMessageFrame(type)) {
      this.#handlers.onMessage(decodeMessage(type, payload));
      this.#took('messages', payload);
      return;
    }
    switch (type) {
      case frameTypes.request:
      case frameTypes.answer:
      case frameTypes.failure:
        this.#calls.receive(frame);
        this.#took('calls', payload);
        return;
      case frameTypes.ping:
        this.#readTallies(payload.subarray(8));
        this.#frames.send(frameTypes.pong, payload.subarray(0, 8));
        return;
      case frameTypes.pong:
        this.#readPong(payload);
        return;
      case frameTypes.credit:
        this.#readTallies(payload);
        return;
      case frameTypes.refused: {
        const error = decodeRefusal(payload);
        this.#handlers.onRefused(error);
        this.close(error);
        return;
      }
      default:
        throw malformed(`a frame of type ${type}`);
    }
  }

  #took(lane: Lane, payload: Buffer): void {
    const tally = this.#tallies[lane];
    tally.take(frameHeadBytes + payload.length);
    if (tally.isDue(window)) this.#frames.send(frameTypes.credit, this.#writeTallies());
  }

  /** The time in it is only ours to read. */
  #ping(nowMs: number): void {
    this.#pingSentMs = nowMs;
    const time = new ByteWriter(8).u64(Math.round(nowMs * 1_000)).finish();
    this.#frames.send(frameTypes.ping, time, this.#writeTallies());
  }

  #readPong(payload: Buffer): void {
    const reader = new ByteReader(payload);
    const elapsedMs = this.#clock.monotonicMs() - reader.u64() / 1_000;
    reader.end();
    if (elapsedMs < -1) throw malformed('an answer to a ping of the future');
    this.rttMs = Math.max(0, elapsedMs);
  }

  #writeTallies(): Buffer {
    const writer = new ByteWriter(tallyBytes);
    for (const lane of lanes) {
      const { frames, bytes } = this.#tallies[lane].tell();
      writer.u64(frames).u64(bytes);
    }
    return writer.finish();
  }

  #readTallies(payload: Buffer): void {
    const reader = new ByteReader(payload);
    for (const lane of lanes) {
      this.#windows[lane].taken({ frames: reader.u64(), bytes: reader.u64() });
    }
    reader.end();
    this.#calls.pump();
  }
}
