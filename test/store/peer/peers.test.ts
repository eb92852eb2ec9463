/** Connections between members in one process: who is let in, what is sent, how they end. */
import { describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { addressOf, introduce, isConnected, startMember } from './cluster.ts';

describe('two members', () => {
  it('talk both ways over the connection that one of them made', async () => {
    const [one, two] = [await startMember('1'), await startMember('2')];
    introduce(one, two);
    await until('both are connected', () => isConnected(one, two) && isConnected(two, one));
    one.peers.send(two.id, { kind: 'timeoutNow', term: 5 });
    two.peers.send(one.id, { kind: 'heartbeatReply', term: 5, round: 9 });
    await until('both have something', () => one.received.length + two.received.length === 2);
    expect(two.received).toEqual([[one.id, { kind: 'timeoutNow', term: 5 }]]);
    expect(one.received).toEqual([[two.id, { kind: 'heartbeatReply', term: 5, round: 9 }]]);
    expect(await one.peers.request(two.id, { a: 1 }, { timeoutMs: 1_000 })).toEqual({
      from: one.id,
      request: { a: 1 },
    });
    expect(await two.peers.request(one.id, null, { timeoutMs: 1_000 })).toEqual({
      from: two.id,
      request: null,
    });
    expect(addressOf(one).port).toBeGreaterThan(0);
  });
});
