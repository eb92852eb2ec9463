/**
 * Ways to a syslog server: datagrams by UDP (RFC 5426), a stream by TCP with the length before each message (RFC 6587
 * section 3.4.1), datagrams to a unix socket such as /dev/log.
 */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { syslogConnectMs, syslogSendMs } from '../limits.ts';
import type { SyslogTarget } from './syslog-target.ts';
import { openUnixDatagram } from './unix-datagram.ts';

/** An open way; it holds a socket until closed. */
export interface SyslogTransport {
  /** Resolves when the message has left this process. @throws {Error} when it did not; the way is then of no use */
  send(message: Buffer): Promise<void>;
  close(): void;
}

/** Opens a way. @throws {Error} when there is none now */
export type OpenSyslogTransport = (target: SyslogTarget) => Promise<SyslogTransport>;

/** Opens a way by the kernel's sockets. */
export const openSyslogTransport: OpenSyslogTransport = async (target) => {
  if (target.transport === 'unix') return openUnix(target.path);
  return target.transport === 'udp' ? openUdp(target) : openTcp(target);
};

interface Place {
  readonly host: string;
  readonly port: number;
}

async function openUdp({ host, port }: Place): Promise<SyslogTransport> {
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  // errors are those of single sends, which hear of them
  socket.on('error', () => undefined);
  socket.unref();
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        socket.send(message, port, address, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => socket.close(),
  };
}

async function openTcp({ host, port }: Place): Promise<SyslogTransport> {
  const socket = connect({ host, port, noDelay: true, keepAlive: true });
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  const opened = new Promise<void>((resolve) => socket.once('connect', resolve));
  socket.on('error', (error) => broken.reject(error));
  socket.on('close', () => broken.reject(new Error('the server closed the connection')));
  // a server says nothing by this protocol; what it says anyway is not kept
  socket.resume();
  try {
    await withinBound(Promise.race([opened, broken.promise]), syslogConnectMs);
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
  return {
    async send(message) {
      const framed = Buffer.concat([Buffer.from(`${message.length} `, 'latin1'), message]);
      const written = new Promise<void>((resolve, reject) => {
        socket.write(framed, (error) => (error ? reject(error) : resolve()));
      });
      await withinBound(Promise.race([written, broken.promise]), syslogSendMs);
    },
    close: () => socket.destroy(),
  };
}

async function openUnix(path: string): Promise<SyslogTransport> {
  const socket = await openUnixDatagram(path);
  return {
    async send(message) {
      const errno = socket.send(message);
      if (errno !== 0) throw new Error(getSystemErrorName(-errno));
    },
    close: () => socket.close(),
  };
}

function withinBound<T>(work: Promise<T>, boundMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`nothing in ${boundMs} ms`)), boundMs);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
