/** Connections between members in one process: who is let in, what is sent, how they end. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { FairleadError, type ErrorCode } from '../../../lib/errors.ts';
import { peerSilentMs, peerWindowFramesMax } from '../../../lib/limits.ts';
import type { PeerMessage } from '../../../lib/store/driver/messages.ts';
import { makeAuthority } from '../../../lib/store/peer/authority.ts';
import type { HelloFacts } from '../../../lib/store/peer/hello.ts';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';
import {
  addressOf,
  authority,
  clusterId,
  connect,
  credentialsOf,
  helloOf,
  introduce,
  isConnected,
  memberId,
  startMember,
} from './cluster.ts';

const heartbeat = (round: number): PeerMessage => ({
  kind: 'heartbeat',
  term: 1,
  commit: 0,
  round,
});
const ask = { timeoutMs: 5_000 };
const soon = () => new Promise((resolve) => setImmediate(resolve));

describe('two members', () => {
  it('talk both ways over the connection that one of them made', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    one.peers.send(two.id, { kind: 'timeoutNow', term: 5 });
    two.peers.send(one.id, { kind: 'heartbeatReply', term: 5, round: 9 });
    await until('both have something', () => one.received.length + two.received.length === 2);
    expect(two.received).toEqual([[one.id, { kind: 'timeoutNow', term: 5 }]]);
    expect(one.received).toEqual([[two.id, { kind: 'heartbeatReply', term: 5, round: 9 }]]);
    for (const [asker, asked] of [
      [one, two],
      [two, one],
    ] as const) {
      const answer = await asker.peers.request(asked.id, { a: [1, null] }, ask);
      expect(answer).toEqual({ from: asker.id, request: { a: [1, null] } });
    }
  });

  it('that dial each other at once end with one connection, the same on both sides', async () => {
    for (let round = 0; round < 4; round += 1) {
      const [one, two] = [await startMember('1'), await startMember('2')];
      introduce(one, two);
      introduce(two, one);
      await until('both are connected', () => isConnected(one, two) && isConnected(two, one));
      const side = (from: typeof one) => from.peers.states()[0]?.connection?.dialled;
      await until('one connection', () => side(one) === true && side(two) === false);
      one.peers.send(two.id, heartbeat(1));
      two.peers.send(one.id, heartbeat(2));
      await until('messages', () => one.received.length === 1 && two.received.length === 1);
      expect([one.unreachable, two.unreachable]).toEqual([[], []]);
    }
  });

  it('lose no request while they settle on one of two connections', async () => {
    for (let round = 0; round < 4; round += 1) {
      const [one, two] = [await startMember('1'), await startMember('2')];
      introduce(one, two);
      introduce(two, one);
      await until('they are connected', () => isConnected(one, two) && isConnected(two, one), {
        everyMs: 0,
      });
      const asked = Array.from({ length: 200 }, async (_, at) => {
        await systemClock.sleep(at / 4);
        const [asker, other] = at % 2 === 0 ? [one, two] : [two, one];
        return asker.peers.request(other.id, at, ask);
      });
      expect((await Promise.all(asked)).length).toBe(200);
    }
  });

  it('know of each other what a person wants to know', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    await until('a ping was answered', () => one.peers.states()[0]?.connection?.rttMs);
    const [state] = one.peers.states();
    expect(state).toMatchObject({ member: two.id, connected: true, lastError: undefined });
    expect(state?.connection).toMatchObject({
      dialled: true,
      address: `127.0.0.1:${addressOf(two).port}`,
      hello: { host: 'host-2', version: '0.1.0', position: { last: { index: 7 } } },
      certificate: { memberId: two.id, outOfDate: false },
    });
    expect(state?.connection?.rttMs).toBeLessThan(1_000);
    const { sinceMs = 0, heardMs = 0 } = state?.connection ?? {};
    expect(heardMs).toBeGreaterThan(sinceMs);
  });

  it('connect again when one of them comes back as another process', async () => {
    // nobody else is given it while it is away
    const listen = { host: '127.0.0.1', port: await freePort() };
    const [one, two] = [await startMember('1'), await startMember('2', { listen })];
    await connect(one, two);
    await two.peers.close();
    await until('it is gone', () => !isConnected(one, two));
    await until('it was reported', () => one.unreachable.length === 1);
    const again = await startMember('2', { listen });
    await until('it is back', () => isConnected(one, again) && isConnected(again, one));
    expect(await one.peers.request(again.id, 1, ask)).toEqual({ from: one.id, request: 1 });
  });

  it('let go of a connection whose other end was silently replaced', async () => {
    const one = await startMember('1');
    const [old, fresh] = [await startMember('2'), await startMember('2')];
    await connect(old, one);
    introduce(fresh, one);
    await until('the new one', () => isConnected(fresh, one) && !isConnected(old, one));
    old.peers.setMembers([]);
    expect(isConnected(one, fresh)).toBe(true);
  });
});

describe('messages', () => {
  it('arrive in order, in one piece, up to the largest', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    const data = 'ü'.repeat(1_000_000);
    const large: PeerMessage = {
      kind: 'append',
      term: 1,
      previous: { index: 0, term: 0 },
      entries: [{ index: 1, term: 1, kind: 'command', data }],
      commit: 0,
    };
    const sent = [heartbeat(1), large, heartbeat(2)];
    for (const message of sent) one.peers.send(two.id, message);
    await until('all of it', () => two.received.length === sent.length);
    expect(two.received.map(([, message]) => message)).toEqual(sent);
  });

  it('beyond the credit are dropped, reported once, and go again when there is room', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    for (let round = 0; round < 1_000; round += 1) one.peers.send(two.id, heartbeat(round));
    await until('it was reported', () => one.unreachable.length > 0);
    await until('what was let through', () => two.received.length >= peerWindowFramesMax);
    expect(two.received.length).toBe(peerWindowFramesMax);
    expect(one.unreachable).toEqual([two.id]);
    // credit is on its way
    await until('there is room', () => {
      one.peers.send(two.id, heartbeat(5_000));
      return two.received.length > peerWindowFramesMax;
    });
    expect(isConnected(one, two)).toBe(true);
  });

  it('to a member that is not connected are dropped, and reported once', async () => {
    const one = await startMember('1');
    for (let round = 0; round < 3; round += 1) one.peers.send(memberId('7'), heartbeat(round));
    // never from within the call
    expect(one.unreachable).toEqual([]);
    await soon();
    expect(one.unreachable).toEqual([memberId('7')]);
  });

  it('flow without end in parts larger than the credit of frames', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    let sent = 0;
    await until(
      'ten windows',
      () => {
        for (let room = 0; room < 32; room += 1) one.peers.send(two.id, heartbeat((sent += 1)));
        return two.received.length >= 10 * peerWindowFramesMax;
      },
      { everyMs: 0 },
    );
    const rounds = two.received.map(([, message]) => ('round' in message ? message.round : -1));
    expect(rounds).toEqual(rounds.toSorted((first, second) => first - second));
  });
});

describe('requests', () => {
  it('are answered with the error that the other side threw, its fix included', async () => {
    const one = await startMember('1');
    const two = await startMember('2', {
      onRequest: () =>
        Promise.reject(new FairleadError('LEASE_UNKNOWN', 'no such lease', { fix: 'grant one' })),
    });
    await connect(one, two);
    await expect(one.peers.request(two.id, 1, ask)).rejects.toMatchObject({
      code: 'LEASE_UNKNOWN',
      message: 'no such lease',
      fix: 'grant one',
    });
  });

  it('end at their deadline, their signal, and with the connection; never silently', async () => {
    const aborted: string[] = [];
    const one = await startMember('1');
    const two = await startMember('2', {
      onRequest: (_, __, signal) =>
        new Promise(() => signal.addEventListener('abort', () => aborted.push('aborted'))),
    });
    await connect(one, two);
    await expect(one.peers.request(two.id, 1, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'DEADLINE',
      detail: { outcome: 'unknown' },
    });
    const stop = new AbortController();
    const stopped = one.peers.request(two.id, 1, { ...ask, signal: stop.signal });
    stop.abort('enough');
    await expect(stopped).rejects.toBe('enough');
    const cut = one.peers.request(two.id, 1, ask).catch((thrown: unknown) => thrown);
    await soon();
    await two.peers.close();
    expect(await cut).toMatchObject({ code: 'PEER_UNREACHABLE', detail: { outcome: 'unknown' } });
    await until('work in vain was told', () => aborted.length > 0);
    await expect(one.peers.request(two.id, 1, ask)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      detail: { outcome: 'not-sent' },
    });
  });

  it('that are too many are refused before they are sent, the others are answered', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 3_000 }, (_, at) => one.peers.request(two.id, at, ask)),
    );
    const busy = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    expect(busy.length).toBe(3_000 - peerWindowFramesMax);
    for (const each of busy.slice(0, 3)) {
      expect(each).toMatchObject({ code: 'BUSY', detail: { outcome: 'not-sent' } });
    }
    expect(await one.peers.request(two.id, 1, ask)).toBeDefined();
  });

  it('and answers larger than a frame are refused; many large answers all arrive', async () => {
    const large = 'x'.repeat(1_000_000);
    const one = await startMember('1');
    const two = await startMember('2', {
      onRequest: async (_, times) => large.repeat(Number(times)),
    });
    await connect(one, two);
    for (const payload of [9, large.repeat(9)]) {
      await expect(one.peers.request(two.id, payload, ask)).rejects.toMatchObject({
        code: 'REQUEST_TOO_LARGE',
      });
    }
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => one.peers.request(two.id, 1, ask)),
    );
    expect(answers.every((answer) => answer === large)).toBe(true);
  });
});

/** Two members, the second with other facts or another judgement; the first dials it. */
async function refusedBy(
  facts: Partial<HelloFacts>,
  judge?: () => FairleadError | undefined,
): Promise<{ one: Awaited<ReturnType<typeof startMember>>; codes: () => readonly unknown[] }> {
  const two = await startMember('2', {
    hello: () => helloOf(memberId('2'), facts),
    ...(judge === undefined ? {} : { judge }),
  });
  const one = await startMember('1');
  introduce(one, two);
  await until('a refusal', () => one.peers.states()[0]?.lastError ?? one.refusals[0]);
  await until('it is told', () => one.refusals.length > 0);
  return { one, codes: () => one.refusals };
}

describe('a member is refused', () => {
  it.each<[ErrorCode]>([
    ['MEMBER_REMOVED'],
    ['MEMBER_UNKNOWN'],
    ['MEMBER_DATA_LOST'],
    ['CLUSTER_VERSION'],
  ])('by membership with %s, and is told (hazards 13, 32)', async (code) => {
    const { one } = await refusedBy({}, () => new FairleadError(code, 'for a reason'));
    expect(one.refusals[0]).toEqual([code, memberId('2')]);
    expect(one.peers.states()[0]).toMatchObject({
      connected: false,
      lastError: { code, message: 'for a reason' },
    });
  });

  it('when the cluster went on without it, whichever of the two dials (hazard 33)', async () => {
    const { one } = await refusedBy({ epoch: 2 });
    expect(one.refusals[0]).toEqual(['CLUSTER_EPOCH', memberId('2')]);
    const [older, newer] = [
      await startMember('1'),
      await startMember('2', { hello: () => helloOf(memberId('2'), { epoch: 2 }) }),
    ];
    introduce(newer, older);
    await until('the older is told', () => older.refusals.length > 0);
    expect(older.refusals[0]).toEqual(['CLUSTER_EPOCH', memberId('2')]);
    await until('the newer has seen why', () => newer.peers.states()[0]?.lastError);
    expect(newer.peers.states()[0]?.lastError?.code).toBe('CLUSTER_EPOCH');
    expect(newer.refusals).toEqual([]);
  });

  it('of a later epoch that it does not know is not believed: anyone may say that', async () => {
    const one = await startMember('1', {
      judge: () => new FairleadError('MEMBER_REMOVED', 'gone'),
    });
    const two = await startMember('2', { hello: () => helloOf(memberId('2'), { epoch: 9 }) });
    introduce(two, one);
    await until('two is told', () => two.refusals.length > 0);
    // nor does a member of an older epoch tell it anything that lasts
    expect(two.refusals[0]).toEqual(['PEER_REFUSED', one.id]);
    expect(one.refusals).toEqual([]);
  });

  it('while it is connected, and told why', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    one.peers.setMembers([]);
    one.peers.disconnect(two.id, new FairleadError('MEMBER_REMOVED', 'it was removed'));
    await until('it is told', () => two.refusals.length > 0);
    expect(two.refusals).toEqual([['MEMBER_REMOVED', one.id]]);
    await until('it is gone', () => !isConnected(one, two) && !isConnected(two, one));
  });

  it('with a certificate of another authority; and believes no refusal of a stranger', async () => {
    const stranger = makeAuthority(clusterId, 0);
    const id = memberId('2');
    const two = await startMember('2', { credentials: credentialsOf(id, { by: stranger }) });
    const one = await startMember('1');
    introduce(one, two);
    introduce(two, one);
    await until('both have failed', () =>
      [one, two].every(({ peers }) => peers.states()[0]?.lastError?.code === 'PEER_CERTIFICATE'),
    );
    expect([one.refusals, two.refusals]).toEqual([[], []]);
  });

  it('of another cluster with the same authority', async () => {
    const id = memberId('2');
    const cluster = 'c2'.repeat(16);
    const two = await startMember('2', {
      credentials: credentialsOf(id, { cluster }),
      hello: () => helloOf(id, { clusterId: cluster }),
    });
    const one = await startMember('1');
    introduce(one, two);
    await until('it has failed', () => one.peers.states()[0]?.lastError);
    expect(one.peers.states()[0]?.lastError?.code).toBe('CLUSTER_OTHER');
  });

  it('when another member answers at its address', async () => {
    const [one, three] = [await startMember('1'), await startMember('3')];
    const addresses = [addressOf(three)];
    one.peers.setMembers([{ id: memberId('2'), addresses, dial: true }]);
    await until('it has failed', () => one.peers.states()[0]?.lastError);
    expect(one.peers.states()[0]?.lastError).toMatchObject({
      code: 'PEER_CERTIFICATE',
      message: expect.stringContaining(three.id),
    });
  });

  it('when it says that it is another than its certificate', async () => {
    const id = memberId('2');
    const two = await startMember('2');
    // the member that it was when it began, and the one that it says it is from then on
    let said = memberId('1');
    const one = await startMember('1', { hello: () => helloOf(said) });
    said = memberId('9');
    introduce(one, two);
    await until('it is told', () => one.refusals.length > 0);
    expect(one.refusals[0]).toEqual(['PEER_CERTIFICATE', id]);
  });

  it('out of date only when dates are enforced (hazard 21)', async () => {
    const lateMs = Date.UTC(2060, 0, 1);
    const clock = { ...systemClock, wallMs: () => lateMs };
    const [one, two] = [await startMember('1', { clock }), await startMember('2', { clock })];
    await connect(one, two);
    expect(one.peers.states()[0]?.connection?.certificate.outOfDate).toBe(true);
    const strict = { ...credentialsOf(memberId('3')), enforceDates: true };
    const three = await startMember('3', { clock, credentials: strict });
    introduce(three, two);
    introduce(one, three);
    await until('the strict one has failed', () => three.peers.states()[0]?.lastError);
    expect(three.peers.states()[0]?.lastError?.code).toBe('PEER_CERTIFICATE');
    await until('the strict one has refused', () => one.refusals.length > 0);
    expect(one.refusals[0]).toEqual(['PEER_CERTIFICATE', three.id]);
  });
});

describe('rotation', () => {
  it('shows another certificate from the next connection on, and cuts none', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    const seen = () => two.peers.states()[0]?.connection?.certificate.fingerprint;
    const before = seen();
    one.peers.rotate(credentialsOf(one.id));
    two.peers.rotate(credentialsOf(two.id));
    expect(isConnected(one, two) && isConnected(two, one)).toBe(true);
    expect(await one.peers.request(two.id, 1, ask)).toBeDefined();
    one.peers.disconnect(two.id, new FairleadError('BUSY', 'connect again'));
    await until('another certificate', () => seen() !== undefined && seen() !== before);
  });

  it('to another authority goes by way of both, and ends what the old one let in', async () => {
    const next = makeAuthority(clusterId, 0);
    const authorities = [authority.certificate, next.certificate];
    const [one, two] = [await startMember('1'), await startMember('2')];
    await connect(one, two);
    // both are trusted everywhere
    for (const { id, peers } of [one, two]) peers.rotate({ ...credentialsOf(id), authorities });
    // one has a certificate of the next authority
    one.peers.rotate({ ...credentialsOf(one.id, { by: next }), authorities });
    expect(await two.peers.request(one.id, 1, ask)).toBeDefined();
    // the old one is forgotten while two still has its certificate
    one.peers.rotate(credentialsOf(one.id, { by: next }));
    await until('two is told', () => two.refusals.length > 0);
    expect(two.refusals[0]).toEqual(['PEER_CERTIFICATE', one.id]);
    two.peers.rotate(credentialsOf(two.id, { by: next }));
    await until('both are connected', () => isConnected(one, two) && isConnected(two, one));
  });

  it('refuses what is not its own, and goes on with what it had', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    const own = credentialsOf(one.id);
    for (const wrong of [
      credentialsOf(two.id),
      { ...own, privateKey: credentialsOf(one.id).privateKey },
      { ...own, authorities: [makeAuthority(clusterId, 0).certificate] },
      { ...own, certificate: 'none' },
    ]) {
      expect(() => one.peers.rotate(wrong)).toThrow(
        expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
      );
    }
    await connect(one, two);
    expect(isConnected(two, one)).toBe(true);
  });
});

describe('time', () => {
  it('that jumps on a member breaks no connection: its own stall is not silence (hazard 36)', async () => {
    let skewMs = 0;
    const clock = {
      ...systemClock,
      monotonicMs: () => systemClock.monotonicMs() + skewMs,
    };
    const [one, two] = [await startMember('1', { clock }), await startMember('2')];
    await connect(one, two);
    const sinceMs = one.peers.states()[0]?.connection?.sinceMs;
    for (let jump = 0; jump < 3; jump += 1) {
      skewMs += 2 * peerSilentMs;
      const asked = one.received.length;
      two.peers.send(one.id, heartbeat(jump));
      await until('a message', () => one.received.length > asked);
      await one.peers.request(two.id, jump, { timeoutMs: 60_000 });
    }
    expect(one.peers.states()[0]?.connection?.sinceMs).toBe(sinceMs);
    expect(one.unreachable).toEqual([]);
  });
});

describe('opening', () => {
  it('fails when the port is taken, or the credentials are not those of this member', async () => {
    const one = await startMember('1');
    await expect(startMember('2', { listen: addressOf(one) })).rejects.toMatchObject({
      code: 'SOCKET_IN_USE',
    });
    const foreign = { host: '192.0.2.1', port: 0 };
    await expect(startMember('2', { listen: foreign })).rejects.toMatchObject({
      code: 'SOCKET_FAILED',
    });
    const credentials = credentialsOf(memberId('3'));
    await expect(startMember('2', { credentials })).rejects.toMatchObject({
      code: 'PEER_CERTIFICATE',
    });
  });
});
