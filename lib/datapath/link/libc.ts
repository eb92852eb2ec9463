/**
 * The few calls of the C library that links need, with errors as values: a negative result is minus
 * errno. Calls that may wait for the kernel's lock on links (held up to 20 ms while one is deleted)
 * run on a thread of the runtime's pool, the others at once. Keeps the memory of a call alive until it
 * is done. Knows nothing of netlink. ioctl is variadic in C; with one pointer the calling conventions
 * of x86-64 and arm64 Linux make no difference.
 */
import { constants } from 'node:os';
import { koffi } from '../../runtime/native.ts';

/** Numbers of socket(7) and netlink(7). */
export const socketNumber = {
  familyInet: 2,
  familyNetlink: 16,
  datagram: 2,
  raw: 3,
  closeOnExec: 0o2000000,
  levelSocket: 1,
  receiveTimeout: 20,
  receiveBufferForce: 33,
  levelNetlink: 270,
  netlinkCapAck: 10,
  netlinkExtAck: 11,
} as const;

/** Numbers of errno(3) that are looked at. */
export const errorNumber = constants.errno;

/** Do not wait; and return the true length of a message that was longer than the buffer. */
const receiveFlag = { now: 0x40, trueLength: 0x20 } as const;

/** The calls. All results below 0 are minus errno. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(descriptor: number, address: Uint8Array): number;
  setOption(descriptor: number, level: number, option: number, value: Uint8Array): number;
  close(descriptor: number): number;
  /** Sends, on a thread. */
  send(descriptor: number, bytes: Uint8Array): Promise<number>;
  /** Waits for a datagram, on a thread, as long as the socket's receive timeout says. */
  receive(descriptor: number, buffer: Uint8Array): Promise<number>;
  /** A datagram that is there already, else -EAGAIN. */
  receiveNow(descriptor: number, buffer: Uint8Array): number;
  /** Calls ioctl with a pointer, on a thread. `also` is memory that `argument` points to. */
  ioctl(
    descriptor: number,
    request: number,
    argument: Uint8Array,
    also?: Uint8Array,
  ): Promise<number>;
  /** Where the bytes are; stays valid while somebody holds them. */
  addressOf(bytes: Uint8Array): bigint;
  /** The system's text for an errno. */
  describe(errno: number): string;
}

/** Memory for native calls: off the JavaScript heap, so that no collection moves it. */
export function nativeBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** Loads the C library of this process. */
export function openLibc(): Libc {
  const library = koffi.load(null);
  const socket = library.func('socket', 'int', ['int', 'int', 'int']);
  const bind = library.func('bind', 'int', ['int', 'void *', 'uint32']);
  const option = library.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32']);
  const close = library.func('close', 'int', ['int']);
  const send = library.func('send', 'intptr', ['int', 'void *', 'size_t', 'int']);
  const receive = library.func('recv', 'intptr', ['int', 'void *', 'size_t', 'int']);
  const ioctl = library.func('ioctl', 'int', ['int', 'ulong', 'void *']);
  const describe = library.func('strerror', 'str', ['int']);
  return {
    socket: (family, type, protocol) => checked(socket(family, type, protocol)),
    bind: (descriptor, address) => checked(bind(descriptor, address, address.length)),
    setOption: (descriptor, level, name, value) =>
      checked(option(descriptor, level, name, value, value.length)),
    close: (descriptor) => checked(close(descriptor)),
    send: (descriptor, bytes) => onThread(send, [descriptor, bytes, bytes.length, 0]),
    receive: (descriptor, buffer) =>
      onThread(receive, [descriptor, buffer, buffer.length, receiveFlag.trueLength]),
    receiveNow: (descriptor, buffer) => {
      const flags = receiveFlag.now | receiveFlag.trueLength;
      return checked(receive(descriptor, buffer, buffer.length, flags));
    },
    ioctl: (descriptor, request, argument, also) =>
      onThread(ioctl, [descriptor, request, argument], also),
    addressOf: (bytes) => koffi.address(bytes),
    describe: (errno) => String(describe(errno)),
  };
}

type NativeFunction = ReturnType<ReturnType<typeof koffi.load>['func']>;

function checked(result: unknown): number {
  const value = Number(result);
  return value < 0 ? -koffi.errno() : value;
}

/** Runs a call on a thread. The arguments and `also` are held by the callback until it is done. */
function onThread(
  call: NativeFunction,
  parameters: readonly unknown[],
  also?: Uint8Array,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const held = [parameters, also];
    call.async(...parameters, (error: unknown, result: unknown) => {
      // koffi puts the thread's errno back in place for the time of this callback
      if (held.length > 0 && error === null) resolve(checked(result));
      else reject(error);
    });
  });
}
