/** Whoever else connects: raw bytes, TLS with a certificate or without, and go-betweens. */
import { createPrivateKey } from 'node:crypto';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach } from 'vitest';
import { makeKeyPair } from '../../../lib/store/peer/authority.ts';
import { frameHead, frameTypes } from '../../../lib/store/peer/frame.ts';
import { encodeHello } from '../../../lib/store/peer/hello.ts';
import type { PeerAddress } from '../../../lib/store/peer/secure.ts';
import { helloOf } from './cluster.ts';

const open = new Set<{ destroy(): void }>();
afterEach(() => {
  for (const each of open) each.destroy();
  open.clear();
});

/** A connection that sends what it is told, and what became of it. */
export function raw(
  to: PeerAddress,
  bytes: Uint8Array | string,
): { ended: boolean; socket: Socket } {
  const socket = connectTcp(to);
  open.add(socket);
  const connection = { ended: false, socket };
  socket.on('error', () => (connection.ended = true));
  socket.on('close', () => (connection.ended = true));
  socket.resume();
  socket.write(bytes);
  return connection;
}

/** What a stranger shows. */
export interface Shown {
  readonly privateKey?: string;
  readonly certificate?: string;
  readonly maxVersion?: 'TLSv1.2';
}

/** What became of a connection with TLS. */
export interface SecureStranger {
  readonly ended: boolean;
  /** This side thinks that it is let in, as TLS goes. */
  readonly isSecure: boolean;
  readonly received: Buffer;
  send(...frames: readonly Buffer[]): void;
  end(): void;
}

/** TLS with a certificate or without, that says what it is told. */
export function secure(
  to: PeerAddress,
  { privateKey: key, certificate: cert, ...options }: Shown,
  ...frames: readonly Buffer[]
): SecureStranger {
  const identity = cert === undefined ? {} : { key, cert };
  const socket = connectTls({ ...to, rejectUnauthorized: false, ...identity, ...options });
  open.add(socket);
  const connection = {
    ended: false,
    isSecure: false,
    received: Buffer.alloc(0),
    send: (...more: readonly Buffer[]) => void socket.write(Buffer.concat(more)),
    end: () => void socket.end(),
  };
  socket.on('secureConnect', () => (connection.isSecure = true));
  socket.on('data', (data: Buffer) => {
    connection.received = Buffer.concat([connection.received, data]);
  });
  socket.on('error', () => (connection.ended = true));
  socket.on('close', () => (connection.ended = true));
  if (frames.length > 0) connection.send(...frames);
  return connection;
}

/** One frame. */
export const frame = (type: number, ...pieces: readonly Buffer[]) => {
  const payload = Buffer.concat(pieces);
  return Buffer.concat([frameHead(type, payload.length), payload]);
};
/** The first words of a member. */
export const hello = (id: string) =>
  frame(frameTypes.hello, encodeHello(helloOf(id), 'ee'.repeat(16)));
/** The last of a handshake. */
export const accept = frame(frameTypes.accept);

/** Where connections are taken, and nothing is ever said. */
export async function startMute(): Promise<PeerAddress> {
  const server = createServer((socket) => open.add(socket));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  open.add({ destroy: () => server.close() });
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

/** A key that TLS takes for the one of a certificate: its public half is, its private half is not. */
export function forgedKey(privateKey: string): string {
  const export_ = (text: string) => createPrivateKey(text).export({ format: 'der', type: 'sec1' });
  const forged = export_(privateKey);
  // ECPrivateKey (RFC 5915): 30 len, 02 01 01, 04 20, 32 bytes of private key, then the public key
  export_(makeKeyPair().privateKey).copy(forged, 7, 7, 39);
  const lines = forged.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN EC PRIVATE KEY-----\n${lines.join('\n')}\n-----END EC PRIVATE KEY-----\n`;
}

/** A go-between for bytes that can stop handing them on without closing anything. */
export async function startMiddle(
  to: PeerAddress,
): Promise<{ address: PeerAddress; freeze(): void }> {
  const frozen = new Set<Socket>();
  const pairs: Socket[] = [];
  const server = createServer((from) => {
    const onward = connectTcp(to);
    pairs.push(from, onward);
    for (const [one, other] of [
      [from, onward],
      [onward, from],
    ] as const) {
      open.add(one);
      one.on('data', (data) => {
        if (!frozen.has(one)) other.write(data);
      });
      one.on('error', () => one.destroy());
      one.on('close', () => {
        if (!frozen.has(one)) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  open.add({ destroy: () => server.close() });
  const { port } = server.address() as { port: number };
  return {
    address: { host: '127.0.0.1', port },
    freeze: () => {
      for (const each of pairs) frozen.add(each);
    },
  };
}
