/** What a listener and a connection survive: garbage, slowness, silence, floods, and forged identities. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { FairleadError } from '../../../lib/errors.ts';
import { peerConnectionsMax, peerHandshakeMs, peerPingMs } from '../../../lib/limits.ts';
import { frameTypes } from '../../../lib/store/peer/frame.ts';
import { raftFrameTypes } from '../../../lib/store/peer/raft-codec.ts';
import { until } from '../../support/until.ts';
import {
  addressOf,
  connect,
  credentialsOf,
  isConnected,
  memberId,
  startMember,
  type TestMember,
} from './cluster.ts';
import {
  accept,
  forgedKey,
  frame,
  hello,
  raw,
  secure,
  startMiddle,
  startMute,
} from './strangers.ts';

/** A clock on which nothing is ever silent for long. */
const timeless: Clock = { ...systemClock, monotonicMs: () => 0 };

/** That a member still does what it is for. */
async function expectAlive(one: TestMember): Promise<void> {
  const fresh = await startMember('8');
  await connect(fresh, one);
  await expect(fresh.peers.request(one.id, 1, { timeoutMs: 5_000 })).resolves.toBeDefined();
  // a later one of the same name would fight with it for the connection
  await fresh.peers.close();
  await until('it is gone', () => !isConnected(one, fresh));
}

describe('a listener', () => {
  it('cuts whoever does not speak TLS, at once', async () => {
    const one = await startMember('1');
    const garbage = ['GET / HTTP/1.1\r\n\r\n', Buffer.alloc(1_000, 0xff), '\n', Buffer.alloc(6)];
    const connections = garbage.map((bytes) => raw(addressOf(one), bytes));
    await until('the long ones', () => connections.slice(0, 2).every(({ ended }) => ended));
    await expectAlive(one);
  });

  it('gives a handshake that drips a bounded time, and lets others in meanwhile', async () => {
    const sleepers: (() => void)[] = [];
    const clock = heldHandshakes(sleepers);
    const one = await startMember('1', { clock });
    // the first bytes of a ClientHello of 200 bytes
    const drip = Buffer.from('16030100c8010000c40303', 'hex');
    const slow = Array.from({ length: 40 }, () => raw(addressOf(one), drip));
    const mute = secure(addressOf(one), credentialsOf(memberId('2')));
    await until('all have begun', () => sleepers.length === slow.length + 1);
    await expectAlive(one);
    expect(slow.some(({ ended }) => ended)).toBe(false);
    for (const wake of sleepers) wake();
    await until('they are cut', () => mute.ended && slow.every(({ ended }) => ended));
    await expectAlive(one);
  });

  it('refuses protocols before TLS 1.3', async () => {
    const one = await startMember('1');
    const old = secure(addressOf(one), { maxVersion: 'TLSv1.2' });
    await until('it is cut', () => old.ended);
    expect(old.isSecure).toBe(false);
    await expectAlive(one);
  });

  it('is not taken in by a certificate without its key', async () => {
    const one = await startMember('1');
    const victim = credentialsOf(memberId('2'));
    const stolen = { certificate: victim.certificate, privateKey: forgedKey(victim.privateKey) };
    const connection = secure(addressOf(one), stolen, hello(memberId('2')));
    await until('it is cut', () => connection.ended);
    expect(connection.received.length).toBe(0);
    expect(one.peers.states()).toEqual([]);
  });

  it.each([
    ['a frame that is too long', Buffer.from('00100001', 'hex')],
    ['no HELLO', frame(frameTypes.ping, Buffer.alloc(40))],
    ['a HELLO that is none', frame(frameTypes.hello, Buffer.from('{"memberId":7}'))],
    ['a HELLO, then no acceptance', Buffer.concat([hello(memberId('2')), hello(memberId('2'))])],
    ['more than was asked for', Buffer.concat([hello(memberId('2')), Buffer.alloc(70_000)])],
  ])('cuts a member that says %s', async (_, bytes) => {
    const one = await startMember('1', { clock: timeless });
    const connection = secure(addressOf(one), credentialsOf(memberId('2')), bytes);
    await until('it is cut', () => connection.ended);
    expect(one.peers.states()).toEqual([]);
    expect([one.refusals, one.unreachable]).toEqual([[], []]);
  });

  it('cuts the oldest of those that say nothing when they are too many, and no member', async () => {
    // however slow this machine is, none of them is cut for its age
    const [one, two] = [
      await startMember('1', { clock: heldHandshakes([]) }),
      await startMember('2'),
    ];
    await connect(two, one);
    const idle: ReturnType<typeof raw>[] = [];
    while (idle.length < peerConnectionsMax + 8) {
      // fewer than the kernel queues, which would leave some out
      const some = Array.from({ length: 193 }, () => raw(addressOf(one), ''));
      await until('they are connected', () => some.every(({ socket }) => !socket.connecting));
      idle.push(...some);
    }
    // one of the many places is the member's
    const tooMany = idle.length + 1 - peerConnectionsMax;
    await until('the oldest are cut', () => idle.filter(({ ended }) => ended).length === tooMany);
    expect(idle.slice(0, tooMany).every(({ ended }) => ended)).toBe(true);
    expect([isConnected(one, two), one.unreachable]).toEqual([true, []]);
    await expectAlive(one);
  });

  it('is not held up by 300 that connect at the same moment and are refused', async () => {
    const [one, two] = [
      await startMember('1'),
      await startMember('2', {
        judge: ({ memberId: id }) =>
          id === memberId('1')
            ? undefined
            : new FairleadError('MEMBER_UNKNOWN', 'you are no member'),
      }),
    ];
    await connect(one, two);
    const credentials = credentialsOf(memberId('7'));
    const flood = Array.from({ length: 300 }, () =>
      secure(addressOf(two), credentials, hello(memberId('7'))),
    );
    let worstUs = 0;
    await until(
      'all are refused',
      async () => {
        const started = process.cpuUsage();
        await one.peers.request(two.id, 1, { timeoutMs: 5_000 });
        const { user, system } = process.cpuUsage(started);
        worstUs = Math.max(worstUs, user + system);
        return flood.every(({ ended }) => ended);
      },
      { everyMs: 1 },
    );
    expect(flood.every(({ received }) => received.includes('MEMBER_UNKNOWN'))).toBe(true);
    expect(isConnected(one, two)).toBe(true);
    // both ends and all 300 clients share this event loop; what others on the machine do meanwhile does not count
    expect(worstUs).toBeLessThan(1_000_000);
  });
});

describe('a connection', () => {
  it.each([
    ['a message of no kind', frame(99)],
    ['a message that ends too early', frame(16, Buffer.alloc(3))],
    ['credit for what was not sent', frame(frameTypes.credit, Buffer.alloc(32, 1))],
    [
      'an answer to what nobody asked',
      frame(frameTypes.answer, Buffer.from(`${'\0'.repeat(7)}\x05null`)),
    ],
    ['a pong of the future', frame(frameTypes.pong, Buffer.from('001fffffffffffff', 'hex'))],
    ['a frame of 9 MiB', Buffer.from('00900000', 'hex')],
  ])('ends with %s', async (_, bytes) => {
    const one = await startMember('1', { clock: timeless });
    const id = memberId('2');
    const connection = secure(addressOf(one), credentialsOf(id), hello(id));
    await until('the HELLO of the other side', () => connection.received.length > 0);
    connection.send(accept);
    await until('it is connected', () => isConnected(one, { id }));
    connection.send(bytes);
    await until('it has ended', () => connection.ended && !isConnected(one, { id }));
    expect(one.received).toEqual([]);
    expect(one.unreachable).toEqual([id]);
  });

  it('goes on or ends, whatever comes, and the member lives', async () => {
    const one = await startMember('1', { clock: timeless });
    const known = fc.constantFrom(...Object.values(frameTypes), ...Object.values(raftFrameTypes));
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(
          known,
          fc.oneof(
            fc.uint8Array({ maxLength: 60 }),
            fc.json().map((text) => Buffer.from(text)),
          ),
        )
        .map(([type, payload]) => frame(type, Buffer.from(payload))),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        run += 1;
        const id = run.toString(16).padStart(16, '0');
        const connection = secure(addressOf(one), credentialsOf(id), hello(id));
        await until('the HELLO of the other side', () => connection.received.length > 0, {
          everyMs: 1,
        });
        connection.send(accept, ...pieces);
        // some of it may be the beginning of a long frame
        connection.end();
        await until('it has ended', () => connection.ended, { everyMs: 1 });
      }),
      { numRuns: 60 },
    );
    await expectAlive(one);
  });

  it('that is half open is noticed and made again', async () => {
    let skewMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skewMs };
    const [one, two] = [await startMember('1', { clock }), await startMember('2')];
    const middle = await startMiddle(addressOf(two));
    one.peers.setMembers([{ id: two.id, addresses: [middle.address], dial: true }]);
    await until('both are connected', () => isConnected(one, two) && isConnected(two, one));
    middle.freeze();
    // the time of silence passes in steps that are no stall
    await until('it is noticed', () => {
      skewMs += peerPingMs / 8;
      return !isConnected(one, two);
    });
    expect(one.unreachable).toEqual([two.id]);
    await until('there is another', () => isConnected(one, two));
    await expect(one.peers.request(two.id, 1, { timeoutMs: 60_000 })).resolves.toBeDefined();
  });

  it('to what takes connections and says nothing is given up, and the next address is tried', async () => {
    const sleepers: (() => void)[] = [];
    const clock = heldHandshakes(sleepers);
    const [one, two] = [await startMember('1', { clock }), await startMember('2')];
    const mute = await startMute();
    const member = { id: two.id, addresses: [mute, addressOf(two)], dial: true };
    one.peers.setMembers([member]);
    await until('it waits', () => sleepers.length > 0);
    expect(isConnected(one, two)).toBe(false);
    for (const wake of sleepers) wake();
    await until('it is connected', () => isConnected(one, two));
  });
});

/** A clock on which a handshake's time is over when the test says so. */
function heldHandshakes(sleepers: (() => void)[]): Clock {
  return {
    ...systemClock,
    sleep: (ms, signal) =>
      ms === peerHandshakeMs
        ? new Promise<void>((resolve) => sleepers.push(resolve))
        : systemClock.sleep(ms, signal),
  };
}
