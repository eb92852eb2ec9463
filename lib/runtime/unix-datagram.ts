/**
 * Datagrams to a unix socket, sent by libc, since not every runtime has sockets for that. Sending never waits.
 */
import { Buffer } from 'node:buffer';

const unixDatagram = { family: 1, type: 2 | 0o2000000 };
/** MSG_NOSIGNAL and MSG_DONTWAIT: who does not read must not hold us. */
const sendFlags = 0x4000 | 0x40;

/** A socket that sends to one place; it holds a descriptor until closed. */
export interface UnixDatagram {
  /** Sends one; 0, or the errno(3) of what kept it. */
  send(bytes: Uint8Array): number;
  close(): void;
}

/**
 * Opens one. `@` at the beginning of the path stands for the zero byte of a name that is no file (unix(7)).
 * @throws {Error} when there is no native code, or no descriptor
 */
export async function openUnixDatagram(path: string): Promise<UnixDatagram> {
  const { koffi } = await import('./native.ts');
  const libc = koffi.load(null);
  const open = libc.func('int socket(int family, int type, int protocol)');
  const close = libc.func('int close(int descriptor)');
  const send = libc.func(
    'intptr_t sendto(int socket, void *message, size_t length, int flags, void *address, uint32_t addressLength)',
  );
  const descriptor = open(unixDatagram.family, unixDatagram.type, 0) as number;
  if (descriptor < 0) throw new Error(`socket: errno ${koffi.errno()}`);
  const address = socketAddress(path);
  return {
    send(bytes) {
      const sent = send(descriptor, bytes, bytes.length, sendFlags, address, address.length);
      return Number(sent) < 0 ? koffi.errno() : 0;
    },
    close: () => void close(descriptor),
  };
}

/** A sockaddr_un. */
function socketAddress(path: string): Buffer {
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = unixDatagram.family;
  const isFile = path.startsWith('/');
  const name = Buffer.from(isFile ? `${path}\0` : `\0${path.slice(1)}`);
  return Buffer.concat([family, name]);
}
