/**
 * Connections to all other members: listens, dials, introduces, and hands messages and requests on. Knows
 * who is where and whether a certificate is good; whether a member may take part is asked of `judge`.
 * Callbacks are never called from within `send`, `request`, `setMembers`, `rotate` or `disconnect`.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { peerTickMs } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import type { PeerMessage } from '../driver/messages.ts';
import type { MemberId } from '../raft/entry.ts';
import { Acceptor } from './acceptor.ts';
import { withOutcome, type RequestOptions } from './calls.ts';
import { verifyMember, type MemberCertificate } from './certificate.ts';
import { Dialer } from './dialer.ts';
import type { Hello, HelloFacts } from './hello.ts';
import { Introducer } from './introducer.ts';
import { JoinServer, type JoinJudge } from './join-server.ts';
import type { Link } from './link.ts';
import { encodeMessage } from './message-codec.ts';
import { Roster } from './roster.ts';
import { present, type PeerAddress, type PeerCredentials, type Presentation } from './secure.ts';

/** Another member, and where it listens. */
export interface PeerMember {
  readonly id: MemberId;
  readonly addresses: readonly PeerAddress[];
  /** Keep a connection to it. False: only take one that it makes. */
  readonly dial: boolean;
}

/** What connections need, and who is told what. */
export interface PeersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Where to listen; without it this member only dials. */
  readonly listen?: PeerAddress;
  readonly credentials: PeerCredentials;
  readonly members: readonly PeerMember[];
  /** What to tell of this member at this moment. Cluster and member id never change. */
  readonly hello: () => HelloFacts;
  /**
   * Whether a member, its certificate verified, may take part. What it answers is told to that member. The
   * position in a HELLO may be older than what the same run of that process has confirmed since, over
   * another connection.
   */
  readonly judge: (hello: Hello) => FairleadError | undefined;
  readonly onMessage: (from: MemberId, message: PeerMessage) => void;
  /** Answers a request; the signal is aborted when nobody waits for the answer any more. What it throws
   *  as FairleadError is told to whoever asked. */
  readonly onRequest: (from: MemberId, request: unknown, signal: AbortSignal) => Promise<unknown>;
  /** What was sent to this member may be lost. */
  readonly onUnreachable: (member: MemberId) => void;
  /** A member does not want us: MEMBER_REMOVED, CLUSTER_EPOCH, … It has shown a certificate that we
   *  trust, which is all that is known of it. */
  readonly onRefused: (error: FairleadError, by: MemberId) => void;
  /** Lets hosts in that have a token; without it nobody may join here. */
  readonly onJoin?: JoinJudge;
}

/** What is known of a connection to a member. */
export interface PeerState {
  readonly member: MemberId;
  readonly connected: boolean;
  /** Of the connection in use. */
  readonly connection:
    | {
        readonly sinceMs: number;
        /** When anything came from it last, monotonic. */
        readonly heardMs: number;
        readonly rttMs: number | undefined;
        readonly address: string;
        readonly dialled: boolean;
        /** What it said of itself when it connected. */
        readonly hello: Hello;
        readonly certificate: MemberCertificate;
      }
    | undefined;
  /** Why there is none. */
  readonly lastError: FairleadError | undefined;
}

/**
 * Opens connections to other members.
 * @throws SOCKET_IN_USE, SOCKET_FAILED, PEER_CERTIFICATE
 */
export async function openPeers(options: PeersOptions): Promise<Peers> {
  const peers = new Peers(options);
  await peers.open();
  return peers;
}

/** The connections of one member. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #roster: Roster;
  readonly #introducer: Introducer;
  readonly #dialers = new Map<MemberId, Dialer>();
  readonly #closed = new AbortController();
  /** Members that were reported unreachable since something was last sent to them. */
  readonly #lost = new Set<MemberId>();
  #acceptor: Acceptor | undefined;
  #presentation: Presentation;

  /** Use `openPeers`. */
  constructor(options: PeersOptions) {
    this.#options = options;
    this.#presentation = this.#present(options.credentials);
    this.#roster = new Roster(options.hello().memberId);
    const { clock, log, hello, judge, onJoin } = options;
    this.#introducer = new Introducer({
      clock,
      log,
      hello,
      judge,
      run: randomBytes(16).toString('hex'),
      join: onJoin === undefined ? undefined : new JoinServer(clock, onJoin),
      verify: (bytes) => this.#verify(bytes, this.#presentation.credentials),
      handlers: {
        onMessage: options.onMessage,
        onRequest: options.onRequest,
        onRefused: (error, by) => this.#refused(error, by),
        onLinked: (link) => this.#linked(link),
        onClosed: (link, reason) => this.#unlinked(link, reason),
      },
    });
  }

  /** Begins. */
  async open(): Promise<void> {
    const { clock, listen, log, members } = this.#options;
    if (listen !== undefined) {
      this.#acceptor = await Acceptor.open(listen, {
        clock,
        presentation: () => this.#presentation,
        onSecure: (connection) => this.#introducer.accept(connection),
        onStranger: (address, why) => log.debug({ address, why }, 'a connection came to nothing'),
      });
    }
    this.setMembers(members);
    void this.#tick();
  }

  /** Where this member listens; the port is known when the system chose it. */
  get address(): PeerAddress | undefined {
    return this.#acceptor?.address;
  }

  /** Sends if there is room; what cannot be sent is dropped, and reported by `onUnreachable` once. */
  send(to: MemberId, message: PeerMessage): void {
    const link = this.#roster.find(to);
    if (link?.sendMessage(encodeMessage(message)) === true) this.#lost.delete(to);
    else this.#reportLost(to);
  }

  /**
   * Asks another member.
   * @throws PEER_UNREACHABLE, BUSY, DEADLINE, REQUEST_TOO_LARGE with {@link RequestDetail}; the signal's
   *   reason; what the other member answered with
   */
  async request(to: MemberId, payload: unknown, options: RequestOptions): Promise<unknown> {
    const link = this.#roster.find(to);
    if (link === undefined) {
      const why = this.#dialers.get(to)?.lastError?.message ?? 'it is not connected';
      throw withOutcome('PEER_UNREACHABLE', `member ${to} cannot be asked: ${why}`, 'not-sent');
    }
    return link.request(payload, options);
  }

  /** Replaces the list of members to dial. Connections stay as they are: see `disconnect`. */
  setMembers(members: readonly PeerMember[]): void {
    const { clock, random = Math.random, hello } = this.#options;
    const own = hello().memberId;
    const wanted = new Map(
      members.filter(({ dial, id }) => dial && id !== own).map((each) => [each.id, each]),
    );
    for (const [id, dialer] of this.#dialers) {
      if (wanted.has(id)) continue;
      dialer.stop();
      this.#dialers.delete(id);
    }
    for (const [id, { addresses }] of wanted) {
      const dialer = this.#dialers.get(id);
      if (dialer === undefined) {
        const dial = (address: PeerAddress, signal: AbortSignal) =>
          this.#introducer.dial(id, address, this.#presentation.credentials, signal);
        const isConnected = this.#roster.find(id) !== undefined;
        this.#dialers.set(id, new Dialer({ clock, random, addresses, dial }, isConnected));
      } else {
        dialer.addresses = addresses;
      }
    }
  }

  /**
   * Shows another certificate from now on, and trusts other authorities. Connections stay, but for those
   * whose certificate is of no authority that is trusted now.
   * @throws PEER_CERTIFICATE when the credentials are not this member's; nothing has changed then
   */
  rotate(credentials: PeerCredentials): void {
    this.#presentation = this.#present(credentials);
    for (const link of this.#roster.all()) {
      const verdict = this.#verify(link.certificateBytes, credentials);
      if (verdict instanceof FairleadError) link.refuse(verdict);
    }
  }

  /** Tells a member why, and closes its connections. It may try again: `judge` decides. */
  disconnect(member: MemberId, error: FairleadError): void {
    for (const link of this.#roster.all()) {
      if (link.hello.memberId === member) link.refuse(error);
    }
  }

  /** Every member that is dialled or connected. */
  states(): readonly PeerState[] {
    const members = new Set([...this.#dialers.keys(), ...this.#roster.members()]);
    return [...members].toSorted().map((member) => {
      const link = this.#roster.find(member);
      const lastError = this.#dialers.get(member)?.lastError;
      return { member, connected: link !== undefined, connection: link?.state(), lastError };
    });
  }

  /** Ends all connections and stops listening. */
  async close(): Promise<void> {
    const reason = new FairleadError('STOPPING', 'this member stops');
    this.#closed.abort(reason);
    for (const dialer of this.#dialers.values()) dialer.stop();
    this.#dialers.clear();
    for (const link of this.#roster.all()) link.end(reason);
    await this.#acceptor?.close();
  }

  /** @throws PEER_CERTIFICATE when the credentials are not this member's */
  #present(credentials: PeerCredentials): Presentation {
    const verdict = this.#verify(credentials.certificate, { ...credentials, enforceDates: false });
    if (verdict instanceof FairleadError) throw verdict;
    if (verdict.memberId !== this.#options.hello().memberId) {
      throw new FairleadError('PEER_CERTIFICATE', 'the certificate is of another member');
    }
    return present(credentials);
  }

  #verify(
    certificate: string | Uint8Array,
    { authorities, enforceDates }: PeerCredentials,
  ): MemberCertificate | FairleadError {
    const { clock, hello } = this.#options;
    const { clusterId } = hello();
    try {
      return verifyMember(certificate, { clusterId, authorities, enforceDates }, clock.wallMs());
    } catch (thrown) {
      if (thrown instanceof FairleadError) return thrown;
      throw thrown;
    }
  }

  #linked(link: Link): void {
    const { clock, log } = this.#options;
    const { memberId: member, host, version } = link.hello;
    if (this.#closed.signal.aborted) {
      link.end(new FairleadError('STOPPING', 'this member stops'));
      return;
    }
    const replaced = this.#roster.add(link, clock.monotonicMs());
    this.#dialers.get(member)?.linked();
    replaced?.close(new FairleadError('PEER_UNREACHABLE', 'a newer connection took its place'));
    const { address, dialled, certificate } = link;
    log.info({ member, host, version, address, dialled }, 'connected to a member');
    if (certificate.outOfDate) {
      const validTo = new Date(certificate.validToMs).toISOString();
      log.warn({ member, validTo }, 'the certificate of a member is out of date');
    }
  }

  #unlinked(link: Link, reason: FairleadError): void {
    const member = link.hello.memberId;
    if (!this.#roster.remove(link)) return;
    this.#dialers.get(member)?.unlinked();
    this.#options.log.info({ member, reason: reason.message }, 'disconnected from a member');
    this.#lost.delete(member);
    this.#reportLost(member);
  }

  #refused(error: FairleadError, by: MemberId): void {
    if (this.#closed.signal.aborted) return;
    this.#options.onRefused(error, by);
  }

  #reportLost(member: MemberId): void {
    if (this.#lost.has(member)) return;
    this.#lost.add(member);
    // whoever sends is in the middle of something
    queueMicrotask(() => {
      if (!this.#closed.signal.aborted) this.#options.onUnreachable(member);
    });
  }

  async #tick(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      for (const link of this.#roster.all()) link.tick(nowMs);
      await clock.sleep(peerTickMs, signal).catch(() => undefined);
    }
  }
}
