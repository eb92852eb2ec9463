import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { NetlinkSocket } from '../../../lib/datapath/link/netlink-socket.ts';
import { messageFlag, type NetlinkRequest } from '../../../lib/datapath/link/netlink-codec.ts';
import { netlinkDumpTriesMax, netlinkQueueMax } from '../../../lib/limits.ts';
import { acknowledgement, done, fakeLibc, message, type SentRequest } from './fake-libc.ts';

const { EINTR, ENOBUFS, EEXIST, EPERM } = constants.errno;
const ask: NetlinkRequest = {
  type: 19,
  flags: messageFlag.acknowledge,
  body: new Uint8Array(16),
};
const list: NetlinkRequest = { type: 18, flags: messageFlag.dump, body: new Uint8Array(16) };

function open(clock: Clock = systemClock) {
  const { kernel, libc } = fakeLibc();
  return { kernel, socket: new NetlinkSocket(libc, clock) };
}

const sequenceOf = (requests: readonly SentRequest[]) => requests[0]?.sequence ?? 0;

describe('requests', () => {
  test('each request of a batch gets its own answer, in order', async () => {
    const { kernel, socket } = open();
    kernel.onSend = (requests) =>
      requests.map(({ sequence }, index) => acknowledgement(sequence, index === 1 ? EEXIST : 0));
    const replies = await socket.exchange([ask, ask, ask]);
    expect(replies.map(({ errno }) => errno)).toEqual([0, EEXIST, 0]);
  });

  test('answers of other requests are not taken', async () => {
    const { kernel, socket } = open();
    kernel.onSend = ([request]) => {
      const sequence = request?.sequence ?? 0;
      return [acknowledgement(sequence + 7, EPERM), acknowledgement(sequence, 0)];
    };
    expect(await socket.exchange([ask])).toMatchObject([{ errno: 0 }]);
  });

  test('what a request reads outlives the next read', async () => {
    const { kernel, socket } = open();
    kernel.onSend = ([request]) => {
      const sequence = request?.sequence ?? 0;
      return [message(16, sequence, Uint8Array.of(sequence)), acknowledgement(sequence, 0)];
    };
    const first = await socket.exchange([ask]);
    await socket.exchange([ask]);
    expect([...(first[0]?.messages[0]?.body ?? [])]).toEqual([1]);
  });

  test('a send that a signal interrupted is repeated', async () => {
    const { kernel, socket } = open();
    kernel.sendResults.push(-EINTR, -EINTR);
    expect(await socket.exchange([ask])).toMatchObject([{ errno: 0 }]);
  });

  test('a lost answer fails with the name of the errno, and the next request has a new socket', async () => {
    const { kernel, socket } = open();
    const answer = kernel.onSend;
    kernel.onSend = () => [-ENOBUFS];
    await expect(socket.exchange([ask])).rejects.toMatchObject({
      code: 'LINK_FAILED',
      detail: { errno: 'ENOBUFS' },
    });
    kernel.onSend = answer;
    expect(await socket.exchange([ask])).toMatchObject([{ errno: 0 }]);
    expect(kernel.opened).toEqual([100, 101]);
    expect(kernel.closed).toEqual([100]);
  });

  test('what the kernel forbids says who may', async () => {
    const { kernel, socket } = open();
    kernel.sendResults.push(-EPERM);
    await expect(socket.exchange([ask])).rejects.toMatchObject({
      code: 'LINK_FAILED',
      fix: expect.stringContaining('CAP_NET_ADMIN'),
    });
  });

  test('a kernel that never answers ends in DEADLINE', async () => {
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => (nowMs += 1_000) };
    const { kernel, socket } = open(clock);
    kernel.onSend = () => [];
    await expect(socket.exchange([ask])).rejects.toMatchObject({ code: 'DEADLINE' });
    expect(nowMs).toBeLessThan(10_000);
  });
});

describe('turns', () => {
  test('one request is in work at a time; too many waiting are refused', async () => {
    const { kernel, socket } = open();
    const gate = Promise.withResolvers<void>();
    kernel.gate = gate.promise;
    const running = socket.exchange([ask]);
    await new Promise(setImmediate);
    const waiting = Array.from({ length: netlinkQueueMax }, () => socket.exchange([ask]));
    await expect(socket.exchange([ask])).rejects.toMatchObject({ code: 'BUSY' });
    gate.resolve();
    await Promise.all([running, ...waiting]);
    expect(kernel.sendingMax).toBe(1);
  });

  test('closing lets the request in work end, refuses the others, and frees the descriptor', async () => {
    const { kernel, socket } = open();
    const gate = Promise.withResolvers<void>();
    kernel.gate = gate.promise;
    const running = socket.exchange([ask]);
    await new Promise(setImmediate);
    const waiting = socket.exchange([ask]);
    const closed = socket.close();
    const refused = waiting.catch((error: unknown) => error);
    expect(kernel.closed).toEqual([]);
    gate.resolve();
    expect(await running).toMatchObject([{ errno: 0 }]);
    expect(await refused).toMatchObject({ code: 'STOPPING' });
    await closed;
    expect(kernel.closed).toEqual([100]);
    await expect(socket.exchange([ask])).rejects.toMatchObject({ code: 'STOPPING' });
  });
});

describe('listings', () => {
  const numbers = (body: Uint8Array) => body[0];

  test('a listing goes on over several reads until its end', async () => {
    const { kernel, socket } = open();
    kernel.onSend = (requests) => {
      const sequence = sequenceOf(requests);
      return [
        message(16, sequence, Uint8Array.of(1, 0, 0, 0)),
        message(16, sequence, Uint8Array.of(2, 0, 0, 0)),
        done(sequence),
      ];
    };
    expect(await socket.dump(list, ({ body }) => numbers(body))).toEqual([1, 2]);
  });

  test('a listing that was interrupted is read again, and given up in the end', async () => {
    const { kernel, socket } = open();
    let attempts = 0;
    let interruptions = 2;
    kernel.onSend = (requests) => {
      const sequence = sequenceOf(requests);
      const flags = ++attempts <= interruptions ? messageFlag.dumpInterrupted : 0;
      return [message(16, sequence, Uint8Array.of(attempts, 0, 0, 0), flags), done(sequence)];
    };
    expect(await socket.dump(list, ({ body }) => numbers(body))).toEqual([3]);
    attempts = 0;
    interruptions = Infinity;
    await expect(socket.dump(list, () => undefined)).rejects.toMatchObject({ code: 'LINK_FAILED' });
    expect(attempts).toBe(netlinkDumpTriesMax);
  });

  test('a row that cannot be read fails the listing and its rest is never an answer', async () => {
    const { kernel, socket } = open();
    kernel.onSend = (requests) => {
      const sequence = sequenceOf(requests);
      return [Uint8Array.of(1, 2, 3), done(sequence)];
    };
    await expect(socket.dump(list, () => undefined)).rejects.toMatchObject({ code: 'LINK_FAILED' });
    expect(kernel.closed).toEqual([100]);
  });
});
