/** A C library without a kernel: sockets whose answers a test scripts. */
import { constants } from 'node:os';
import type { Libc } from '../../../lib/datapath/link/libc.ts';
import { nested } from '../../../lib/datapath/link/netlink-codec.ts';

/** One request as it was sent. */
export interface SentRequest {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** What a test decides. `onSend` answers with the datagrams that then can be read. */
export interface FakeKernel {
  onSend: (requests: readonly SentRequest[]) => readonly (Uint8Array | number)[];
  /** Result of the next sends, when they should fail. */
  readonly sendResults: number[];
  /** Waits before a send is done. */
  gate: Promise<unknown>;
  readonly opened: number[];
  readonly closed: number[];
  /** Sends in progress, and the most there ever were. */
  sending: number;
  sendingMax: number;
}

/** A kernel that says yes to everything, and the library to reach it. */
export function fakeLibc(): { kernel: FakeKernel; libc: Libc } {
  const inboxes = new Map<number, (Uint8Array | number)[]>();
  const kernel: FakeKernel = {
    onSend: (requests) => requests.map(({ sequence }) => acknowledgement(sequence, 0)),
    sendResults: [],
    gate: Promise.resolve(),
    opened: [],
    closed: [],
    sending: 0,
    sendingMax: 0,
  };
  const take = (descriptor: number, buffer: Uint8Array): number => {
    const next = inboxes.get(descriptor)?.shift();
    if (next === undefined) return -constants.errno.EAGAIN;
    if (typeof next === 'number') return next;
    buffer.set(next.subarray(0, buffer.length));
    return next.length;
  };
  const libc: Libc = {
    socket: () => {
      const descriptor = 100 + kernel.opened.length;
      kernel.opened.push(descriptor);
      inboxes.set(descriptor, []);
      return descriptor;
    },
    bind: () => 0,
    setOption: () => 0,
    close: (descriptor) => {
      kernel.closed.push(descriptor);
      inboxes.delete(descriptor);
      return 0;
    },
    send: async (descriptor, bytes) => {
      kernel.sendingMax = Math.max(kernel.sendingMax, ++kernel.sending);
      await kernel.gate;
      kernel.sending--;
      const failure = kernel.sendResults.shift();
      if (failure !== undefined) return failure;
      inboxes.get(descriptor)?.push(...kernel.onSend(readRequests(bytes)));
      return bytes.length;
    },
    receive: async (descriptor, buffer) => take(descriptor, buffer),
    receiveNow: take,
    ioctl: async () => 0,
    addressOf: () => 0n,
    describe: (errno) => `text of ${errno}`,
  };
  return { kernel, libc };
}

/** A message of the kernel. */
export function message(type: number, sequence: number, body: Uint8Array, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, 16);
  return bytes;
}

/** NLMSG_ERROR with `errno` (0 is success), capped, with the kernel's explanation if there is one. */
export function acknowledgement(sequence: number, errno: number, text?: string): Uint8Array {
  const head = new Uint8Array(20);
  new DataView(head.buffer).setInt32(0, -errno, true);
  // the attribute that `nested` makes has a flag bit that readers ignore, so it serves for a text
  const words =
    text === undefined ? new Uint8Array() : nested(1, new TextEncoder().encode(`${text}\0`));
  const flags = text === undefined ? 0x100 : 0x300;
  return message(2, sequence, Uint8Array.of(...head, ...words), flags);
}

/** NLMSG_DONE. */
export function done(sequence: number, flags = 0): Uint8Array {
  return message(3, sequence, new Uint8Array(4), flags);
}

function readRequests(bytes: Uint8Array): SentRequest[] {
  const requests: SentRequest[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    requests.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.slice(at + 16, at + length),
    });
    at += Math.ceil(length / 4) * 4;
  }
  return requests;
}
