/**
 * TLS between members, both sides, in the one form that works alike on Node, Bun and Deno. TLS 1.3 proves
 * that the other side has the key of the certificate that it shows; whether that certificate is to be
 * trusted, `certificate.ts` says. This is the one place where the runtime is told not to judge, and every
 * connection made here goes through `verifyMember`, or is only let join.
 */
import type { Socket } from 'node:net';
import { connect, createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { peerConnectMs, peerHandshakeMs } from '../../limits.ts';
import { readCertificate } from './certificate.ts';

/** What a member shows and whom it trusts, PEM. */
export interface PeerCredentials {
  readonly privateKey: string;
  readonly certificate: string;
  readonly authorities: readonly string[];
  /** Refuse certificates that are out of date; only warned about otherwise. */
  readonly enforceDates: boolean;
}

/** Host and port. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

const version = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
const judgedByUs = { rejectUnauthorized: false } as const;

/** What a member shows to whoever connects. */
export interface Presentation {
  readonly credentials: PeerCredentials;
  readonly context: SecureContext;
  /** The certificate in bytes, as the other side gets it. */
  readonly shown: Uint8Array;
}

/**
 * Credentials, ready to be shown.
 * @throws PEER_CERTIFICATE when key and certificate are unusable or do not belong together
 */
export function present(credentials: PeerCredentials): Presentation {
  const shown = readCertificate(credentials.certificate).raw;
  try {
    const context = createSecureContext({ ...version, ...contextOptions(credentials) });
    return { credentials, context, shown };
  } catch (cause) {
    throw new FairleadError(
      'PEER_CERTIFICATE',
      'the key and certificate of this host are unusable',
      { cause },
    );
  }
}

function contextOptions({ privateKey, certificate, authorities }: PeerCredentials) {
  return { key: privateKey, cert: certificate, ca: [...authorities] };
}

/** TLS on an accepted connection; `onSecure` is called when it has come about. */
export function acceptSecure(raw: Socket, context: SecureContext, onSecure: () => void): TLSSocket {
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: context,
    requestCert: true,
    ...judgedByUs,
  });
  socket.once('secure', onSecure);
  return socket;
}

/**
 * Connects, without a certificate when there are no credentials.
 * @throws PEER_UNREACHABLE, the signal's reason
 */
export async function connectSecure(
  { host, port }: PeerAddress,
  options: {
    readonly credentials: PeerCredentials | undefined;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<TLSSocket> {
  const { credentials, clock, signal } = options;
  signal.throwIfAborted();
  const socket = connect({
    host,
    port,
    ...version,
    ...judgedByUs,
    // without `ca` a runtime may read the authorities of the whole world
    ...(credentials === undefined ? { ca: [] } : contextOptions(credentials)),
  });
  socket.setNoDelay(true);
  const settled = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const unreachable = (why: string, cause?: Error) => {
        const message = `cannot connect to ${host}:${port}: ${why}`;
        reject(new FairleadError('PEER_UNREACHABLE', message, { cause }));
      };
      // stays: a socket without a listener for errors ends the process
      socket.on('error', (cause: Error) => unreachable(cause.message, cause));
      socket.once('close', () => unreachable('the connection was closed'));
      socket.once('secureConnect', resolve);
      const giveUp = (why: string, afterMs: number, until: AbortSignal) => {
        clock.sleep(afterMs, until).then(
          () => unreachable(why),
          () => undefined,
        );
      };
      const connected = new AbortController();
      giveUp('no answer', peerConnectMs, AbortSignal.any([connected.signal, settled.signal]));
      socket.once('connect', () => {
        connected.abort();
        giveUp('what answers does not speak TLS', peerHandshakeMs, settled.signal);
      });
      signal.addEventListener('abort', () => reject(signal.reason), { signal: settled.signal });
    });
    return socket;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  } finally {
    settled.abort();
  }
}

/** The certificate that the other side has shown, if any. */
export function shownCertificate(socket: TLSSocket): Uint8Array | undefined {
  // an empty object where there is none
  const { raw } = (socket.getPeerCertificate() as { readonly raw?: Uint8Array } | undefined) ?? {};
  return raw;
}
