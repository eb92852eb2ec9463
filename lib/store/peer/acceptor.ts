/**
 * Listens for members and for hosts that want to join. A connection has a bounded time and a bounded number
 * of bytes to say who it is; connections that have not yet take turns, and the oldest of them goes when
 * there are too many. What comes in is handed on with TLS in place.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import { FairleadError, hasCode } from '../../errors.ts';
import { peerConnectionsMax, peerHandshakeMs, peerHandshakesPerTurn } from '../../limits.ts';
import { formatAddress } from './address.ts';
import { acceptSecure, type PeerAddress, type Presentation } from './secure.ts';

/** A connection with TLS in place, whoever the other side may be. */
export interface SecureConnection {
  readonly socket: TLSSocket;
  /** Of the other side, for people. */
  readonly address: string;
  /** What this side has shown. */
  readonly presentation: Presentation;
}

/** What an acceptor needs. */
export interface AcceptorOptions {
  readonly clock: Clock;
  /** Asked for each connection, so that a change is live. */
  readonly presentation: () => Presentation;
  /**
   * A connection with TLS. Settles when it is known who the other side is: until then it may be cut for
   * its age. Must not reject.
   */
  readonly onSecure: (connection: SecureConnection) => Promise<void>;
  /** A connection that ended before that: not TLS, too slow, broken off. */
  readonly onStranger: (address: string, why: string) => void;
}

/** A listening socket. */
export class Acceptor {
  readonly #server: Server;
  readonly #options: AcceptorOptions;
  /** All that are open, in order of arrival; true while it is not known who they are. */
  readonly #open = new Map<Socket, boolean>();
  #arrived: Socket[] = [];

  private constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (raw) => this.#accept(raw));
  }

  /**
   * Begins to listen; port 0 leaves the choice to the system. `::` is every address of both families, or of
   * the one that the kernel has.
   * @throws SOCKET_IN_USE when the address is taken, SOCKET_FAILED when it is not ours
   */
  static async open(place: PeerAddress, options: AcceptorOptions): Promise<Acceptor> {
    const acceptor = new Acceptor(options);
    try {
      await acceptor.#listen(place);
    } catch (thrown) {
      if (place.host !== '::' || hasCode(thrown, 'SOCKET_IN_USE')) throw thrown;
      await acceptor.#listen({ ...place, host: '0.0.0.0' });
    }
    return acceptor;
  }

  /** Where it listens. */
  get address(): PeerAddress {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Takes no more connections and cuts those that have not said who they are. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const [raw, isStranger] of this.#open) if (isStranger) raw.destroy();
    this.#arrived = [];
    await closed;
  }

  async #listen({ host, port }: PeerAddress): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.listen({ host, port });
    try {
      await listening;
    } catch (cause) {
      const where = formatAddress({ host, port });
      if ((cause as { readonly code?: string }).code === 'EADDRINUSE') {
        throw new FairleadError('SOCKET_IN_USE', `another process listens on ${where}`, { cause });
      }
      throw new FairleadError('SOCKET_FAILED', `cannot listen on ${where}`, { cause });
    }
  }

  #accept(raw: Socket): void {
    const address = `${raw.remoteAddress ?? 'unknown'}:${raw.remotePort ?? 0}`;
    if (this.#open.size >= peerConnectionsMax) this.#cutOldestStranger();
    if (this.#open.size >= peerConnectionsMax) {
      raw.destroy();
      return;
    }
    this.#open.set(raw, true);
    raw.on('error', () => raw.destroy());
    raw.on('close', () => {
      if (this.#open.get(raw) === true) this.#options.onStranger(address, 'it ended early');
      this.#open.delete(raw);
    });
    if (this.#arrived.length === 0) setImmediate(() => this.#takeTurn());
    this.#arrived.push(raw);
  }

  #cutOldestStranger(): void {
    for (const [raw, isStranger] of this.#open) {
      if (!isStranger) continue;
      this.#open.delete(raw);
      raw.destroy();
      return;
    }
  }

  #takeTurn(): void {
    for (const raw of this.#arrived.splice(0, peerHandshakesPerTurn)) {
      if (!raw.destroyed) this.#secure(raw);
    }
    if (this.#arrived.length > 0) setImmediate(() => this.#takeTurn());
  }

  #secure(raw: Socket): void {
    const { clock, onSecure } = this.#options;
    const presentation = this.#options.presentation();
    const address = `${raw.remoteAddress ?? 'unknown'}:${raw.remotePort ?? 0}`;
    const known = new AbortController();
    const introduce = async () => {
      await onSecure({ socket, address, presentation });
      known.abort();
      if (this.#open.has(raw)) this.#open.set(raw, false);
    };
    const socket = acceptSecure(raw, presentation.context, () => void introduce());
    const cut = () => {
      socket.destroy();
      raw.destroy();
    };
    socket.on('error', cut);
    raw.once('close', () => known.abort());
    clock.sleep(peerHandshakeMs, known.signal).then(cut, () => undefined);
  }
}
