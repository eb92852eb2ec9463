/**
 * Turns connections into links: looks at the certificate, exchanges first words, and hands over what came of
 * it. Whoever shows no certificate may only join.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { peerHandshakeMs } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import type { PeerMessage } from '../driver/messages.ts';
import type { MemberId } from '../raft/entry.ts';
import type { SecureConnection } from './acceptor.ts';
import { formatAddress } from './address.ts';
import type { MemberCertificate } from './certificate.ts';
import type { DialOutcome } from './dialer.ts';
import { FrameSocket } from './frame-socket.ts';
import { frameTypes } from './frame.ts';
import {
  introduceToDialer,
  introduceToListener,
  type HandshakeOptions,
  type Introduction,
} from './handshake.ts';
import { encodeRefusal, type Hello, type HelloFacts } from './hello.ts';
import type { JoinServer } from './join-server.ts';
import { Link } from './link.ts';
import {
  connectSecure,
  shownCertificate,
  type PeerAddress,
  type PeerCredentials,
} from './secure.ts';

/** Who is told what. */
export interface IntroducerHandlers {
  readonly onLinked: (link: Link) => void;
  readonly onClosed: (link: Link, reason: FairleadError) => void;
  readonly onMessage: (from: MemberId, message: PeerMessage) => void;
  readonly onRequest: (from: MemberId, request: unknown, signal: AbortSignal) => Promise<unknown>;
  readonly onRefused: (error: FairleadError, by: MemberId) => void;
}

/** What introducing takes. */
export interface IntroducerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly hello: () => HelloFacts;
  /** Of this process, random. */
  readonly run: string;
  readonly judge: (hello: Hello) => FairleadError | undefined;
  readonly verify: (certificate: Uint8Array) => MemberCertificate | FairleadError;
  readonly join: JoinServer | undefined;
  readonly handlers: IntroducerHandlers;
}

interface Conversation {
  readonly frames: FrameSocket;
  readonly certificateBytes: Uint8Array;
  readonly certificate: MemberCertificate | FairleadError;
  readonly dialled: boolean;
  readonly address: string;
}

/** Makes links of connections. */
export class Introducer {
  readonly #options: IntroducerOptions;

  constructor(options: IntroducerOptions) {
    this.#options = options;
  }

  /** A connection that was made to us. Never rejects. */
  async accept({ socket, address, presentation }: SecureConnection): Promise<void> {
    const { clock, join, log, verify } = this.#options;
    const frames = new FrameSocket(socket, clock);
    const certificateBytes = shownCertificate(socket);
    if (certificateBytes !== undefined) {
      const certificate = verify(certificateBytes);
      const conversation = { frames, certificateBytes, certificate, dialled: false, address };
      try {
        const outcome = await this.#introduce(conversation);
        if (outcome.kind === 'refused') logRefusal(log, address, outcome.error);
      } catch (thrown) {
        logRefusal(log, address, failed(frames, thrown));
      }
      return;
    }
    if (join === undefined) {
      const error = new FairleadError('PEER_REFUSED', 'no host can join at this address');
      frames.send(frameTypes.refused, encodeRefusal(error));
      frames.finish(error);
      return;
    }
    const { authorities } = presentation.credentials;
    // joining has a deadline of its own, and so is no stranger's business any more
    void join.serve({ frames, authorities, shown: presentation.shown });
  }

  /**
   * Connects to a member.
   * @throws PEER_UNREACHABLE, PEER_PROTOCOL, the signal's reason
   */
  async dial(
    member: MemberId,
    address: PeerAddress,
    credentials: PeerCredentials,
    signal: AbortSignal,
  ): Promise<DialOutcome> {
    const { clock, verify } = this.#options;
    const socket = await connectSecure(address, { credentials, clock, signal });
    const frames = new FrameSocket(socket, clock);
    const settled = new AbortController();
    const where = formatAddress(address);
    clock.sleep(peerHandshakeMs, AbortSignal.any([signal, settled.signal])).then(
      () => frames.close(new FairleadError('PEER_UNREACHABLE', `${where} says nothing`)),
      () => {
        if (signal.aborted) frames.close(signal.reason as FairleadError);
      },
    );
    try {
      const certificateBytes = shownCertificate(socket) ?? new Uint8Array();
      const certificate = requireMember(verify(certificateBytes), member, where);
      if (certificate instanceof FairleadError) {
        frames.close(certificate);
        return { kind: 'refused', error: certificate };
      }
      const dialled = true;
      return await this.#introduce({
        frames,
        certificateBytes,
        certificate,
        dialled,
        address: where,
      });
    } catch (thrown) {
      throw failed(frames, thrown);
    } finally {
      settled.abort();
    }
  }

  async #introduce(conversation: Conversation): Promise<DialOutcome> {
    const { hello, run, judge, handlers } = this.#options;
    const { frames, certificate, dialled } = conversation;
    const options: HandshakeOptions = { frames, own: hello(), run, certificate, judge };
    const introduction = await (dialled
      ? introduceToListener(options)
      : introduceToDialer(options));
    if (introduction.kind === 'accepted') {
      this.#link(conversation, introduction);
      return { kind: 'linked' };
    }
    const { by, error } = introduction;
    if (by === 'other' && !(certificate instanceof FairleadError)) {
      frames.close(error);
      handlers.onRefused(error, certificate.memberId);
    }
    return { kind: 'refused', error };
  }

  #link(
    { frames, certificateBytes, dialled, address }: Conversation,
    { hello, certificate }: Extract<Introduction, { readonly kind: 'accepted' }>,
  ): void {
    const { clock, handlers } = this.#options;
    const from = hello.memberId;
    const link: Link = new Link(
      { frames, clock, hello, certificate, certificateBytes, dialled, address },
      {
        onMessage: (message) => handlers.onMessage(from, message),
        onRequest: (request, signal) => handlers.onRequest(from, request, signal),
        onRefused: (error) => handlers.onRefused(error, from),
        onClosed: (reason) => handlers.onClosed(link, reason),
      },
    );
    handlers.onLinked(link);
    link.start();
  }
}

/** The certificate, if it is the one of the member that we meant to reach. */
function requireMember(
  certificate: MemberCertificate | FairleadError,
  member: MemberId,
  where: string,
): MemberCertificate | FairleadError {
  if (certificate instanceof FairleadError || certificate.memberId === member) return certificate;
  return new FairleadError(
    'PEER_CERTIFICATE',
    `${where} is the address of member ${certificate.memberId}, not of ${member}`,
  );
}

/** Ends a conversation that went wrong; bugs are passed on. */
function failed(frames: FrameSocket, thrown: unknown): FairleadError {
  if (!(thrown instanceof FairleadError)) throw thrown;
  frames.close(thrown);
  return thrown;
}

/** Anyone can cause these lines, so they are not loud. */
function logRefusal(log: Logger, address: string, error: FairleadError): void {
  log.debug({ err: error, address }, 'a connection was refused');
}
