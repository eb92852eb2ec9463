/** Hazard 23: a lease never ends sooner than its ttl after it was last kept alive, whoever leads. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { LeaseClock } from '../../../lib/store/driver/lease-clock.ts';
import type { LeaseOutcome } from '../../../lib/store/driver/ports.ts';
import { ClusterTwin, configOf, type MemberTwin } from './twins/cluster.ts';

const ttlMs = 2_000;
const tickMs = 50;
const ticksOf = (ms: number): number => Math.ceil(ms / tickMs);

/** A cluster with a lease and a key that goes with it. */
function leased(voters = 'abc'): { readonly cluster: ClusterTwin; readonly leader: MemberTwin } {
  const cluster = new ClusterTwin({ config: configOf(voters), members: voters });
  const leader = cluster.elect();
  leader.submit({ do: 'grantLease', lease: '7', ttlMs });
  leader.put('key', 'value', '7');
  cluster.settle();
  expect(leader.valueOf('key')).toBe('value');
  return { cluster, leader };
}

function keep(member: MemberTwin): { outcome: LeaseOutcome | undefined } {
  const answer: { outcome: LeaseOutcome | undefined } = { outcome: undefined };
  member.driver.keepLease('7', (outcome) => (answer.outcome = outcome));
  return answer;
}

const hasKey = (member: MemberTwin): boolean => member.valueOf('key') !== undefined;

test('hazard 23: a lease that nobody keeps ends after its ttl and not before, with its keys', () => {
  const { cluster, leader } = leased();
  cluster.ticks(ticksOf(ttlMs) - 1);
  expect(hasKey(leader)).toBe(true);
  cluster.ticks(10);
  expect(hasKey(leader)).toBe(false);
  expect(leader.driver.machine?.lease('7')).toBeUndefined();
  const answer = keep(leader);
  cluster.settle();
  expect(answer.outcome).toEqual({ kind: 'unknownLease' });
});

test('hazard 23: a lease lives as long as it is kept', () => {
  const { cluster, leader } = leased();
  for (let at = 0; at < 10; at += 1) {
    cluster.ticks(ticksOf(ttlMs) - 10);
    const answer = keep(leader);
    cluster.settle();
    expect(answer.outcome).toEqual({ kind: 'kept', ttlMs });
  }
  cluster.ticks(ticksOf(ttlMs) - 1);
  expect(hasKey(leader)).toBe(true);
  cluster.ticks(10);
  expect(hasKey(leader)).toBe(false);
});

test('hazard 23: a leader that is deposed and does not know keeps no lease alive', () => {
  const { cluster, leader } = leased();
  cluster.isLost = ({ from, to }) => from === leader.id || to === leader.id;
  const answer = keep(leader);
  cluster.settle();
  expect(leader.role, 'it still thinks so').toBe('leader');
  expect(answer.outcome, 'and says nothing').toBeUndefined();
  cluster.ticks(100);
  expect(answer.outcome).toMatchObject({ kind: 'refused' });
});

test('hazard 23: a new leader gives each lease its full time again', () => {
  const { cluster, leader } = leased();
  cluster.ticks(ticksOf(ttlMs) - 15);
  leader.crash();
  const next = cluster.elect();
  const since = cluster.nowMs;
  cluster.ticks(ticksOf(ttlMs) - 10);
  expect(hasKey(next)).toBe(true);
  cluster.ticks(20, () => !hasKey(next));
  expect(hasKey(next)).toBe(false);
  // elect() lets four ticks pass after the term's first entry was committed
  expect(cluster.nowMs - since + 4 * tickMs).toBeGreaterThanOrEqual(ttlMs);
});

test('hazard 23: a leader that comes back to lead does not count the time before', () => {
  const { cluster, leader } = leased();
  const other = cluster.members.find((member) => member !== leader);
  if (other === undefined) throw new Error('three members');
  cluster.ticks(10);
  leader.driver.transfer(other.id, () => undefined);
  cluster.ticks(10);
  for (let at = 0; at < 4; at += 1) {
    cluster.ticks(ticksOf(ttlMs) - 10);
    const answer = keep(other);
    cluster.settle();
    expect(answer.outcome).toEqual({ kind: 'kept', ttlMs });
  }
  other.driver.transfer(leader.id, () => undefined);
  cluster.ticks(ticksOf(ttlMs) - 5);
  expect(cluster.leader).toBe(leader);
  expect(hasKey(leader)).toBe(true);
  cluster.ticks(20);
  expect(hasKey(leader)).toBe(false);
});

test('hazard 23: a call that came in time keeps the lease, though confirming takes longer', () => {
  const { cluster, leader } = leased();
  cluster.ticks(ticksOf(ttlMs) - 2);
  cluster.isLost = ({ message }) => message.kind === 'heartbeatReply';
  const answer = keep(leader);
  cluster.ticks(8);
  expect(answer.outcome).toBeUndefined();
  cluster.isLost = () => false;
  cluster.ticks(5);
  expect(answer.outcome).toEqual({ kind: 'kept', ttlMs });
  expect(hasKey(leader)).toBe(true);
});

test('hazard 23: after a stall of the event loop each lease has its full time again', () => {
  const { cluster, leader } = leased('a');
  cluster.ticks(ticksOf(ttlMs) - 10);
  // SIGSTOP for ten seconds; the leader's tick comes before any message could be read
  cluster.nowMs += 10_000;
  cluster.ticks(ticksOf(ttlMs) - 1);
  expect(hasKey(leader)).toBe(true);
  expect(leader.driver.gauges.stallMs).toBe(10_000);
  cluster.ticks(10);
  expect(hasKey(leader)).toBe(false);
});

test('hazard 23: a stall right after the start counts, before the first tick', () => {
  const { cluster, leader } = leased('a');
  leader.crash(false);
  leader.restart();
  cluster.settle();
  // alone, it leads at once
  const answer = keep(leader);
  cluster.settle();
  expect(answer.outcome).toEqual({ kind: 'kept', ttlMs });
  cluster.nowMs += ttlMs - 5 * tickMs;
  cluster.ticks(ticksOf(ttlMs) - 1);
  expect(hasKey(leader)).toBe(true);
  cluster.ticks(10);
  expect(hasKey(leader)).toBe(false);
});

test('hazard 23: a gap that is no stall does not stretch leases', () => {
  const { cluster, leader } = leased('a');
  cluster.ticks(ticksOf(ttlMs) - 10);
  cluster.nowMs += 9 * tickMs;
  cluster.ticks(10);
  expect(hasKey(leader)).toBe(false);
});

test('hazard 23: when the end is on its way through the log, keeping goes through the log behind it', () => {
  const { cluster, leader } = leased('a');
  leader.disk.isHeld = true;
  cluster.ticks(ticksOf(ttlMs) + 10);
  // the end is under way to the disk: the lease is still there, and cannot be saved any more
  expect(leader.driver.machine?.lease('7')).toBeDefined();
  const answer = keep(leader);
  cluster.settle();
  expect(answer.outcome, 'no promise while it is open').toBeUndefined();
  leader.disk.isHeld = false;
  cluster.settle();
  expect(answer.outcome).toEqual({ kind: 'unknownLease' });
  expect(hasKey(leader)).toBe(false);
});

test('hazard 23: an end that was decided by a leader of another term does nothing', () => {
  const { cluster, leader } = leased();
  const { term } = leader.driver.status();
  const expired = { generation: 1, decidedIn: term - 1 };
  const answer = leader.submit({ do: 'revokeLease', lease: '7', expired });
  cluster.settle();
  expect(answer.outcome).toMatchObject({ reply: { ok: true, result: { succeeded: false } } });
  expect(hasKey(leader)).toBe(true);
});

test('hazard 23: a lease that was granted elsewhere is unknown only to a leader that was confirmed', () => {
  const { cluster, leader } = leased();
  cluster.isLost = ({ from, to }) => from === leader.id || to === leader.id;
  cluster.ticks(1);
  const others = cluster.members.filter((member) => member !== leader);
  const answers: { outcome: LeaseOutcome | undefined }[] = [];
  cluster.ticks(100, () => {
    const answer: { outcome: LeaseOutcome | undefined } = { outcome: undefined };
    leader.driver.keepLease('8', (outcome) => (answer.outcome = outcome));
    answers.push(answer);
    const next = others.find(({ role }) => role === 'leader');
    next?.submit({ do: 'grantLease', lease: '8', ttlMs });
    return next?.driver.machine?.lease('8') !== undefined;
  });
  cluster.ticks(60);
  expect(answers.length).toBeGreaterThan(10);
  expect(answers.filter(({ outcome }) => outcome?.kind === 'unknownLease')).toEqual([]);
});

test('a leader that has not applied an entry of its own term keeps no lease, and says to ask again', () => {
  const { cluster, leader } = leased();
  leader.crash();
  let early: LeaseOutcome | undefined;
  cluster.isLost = ({ message }) => message.kind === 'appendReply';
  cluster.ticks(200, () => {
    const next = cluster.members.find(({ role, isDown }) => !isDown && role === 'leader');
    next?.driver.keepLease('7', (outcome) => (early = outcome));
    return next !== undefined;
  });
  expect(early).toMatchObject({ kind: 'refused', why: 'notReady' });
});

test('the clock never calls a lease over before its ttl has gone by since it was alive', () => {
  const lease = { id: '7', ttlMs: 100, generation: 1 };
  const action = fc.record({
    wait: fc.nat(120),
    what: fc.constantFrom('alive', 'look', 'look', 'stalled', 'ended'),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const clock = new LeaseClock(4);
      let now = 0;
      let alive = 0;
      let isEnding = false;
      for (const { wait, what } of actions) {
        now += wait;
        if (what === 'alive' && !isEnding) {
          clock.alive(lease, now);
          alive = now;
        }
        if (what === 'stalled') {
          clock.stalled();
          if (!isEnding) alive = now;
        }
        if (what === 'ended') {
          clock.ended('7');
          isEnding = false;
        }
        if (what !== 'look') continue;
        const isDue = clock.due([lease], now).length > 0;
        if (isDue) expect(now - alive).toBeGreaterThanOrEqual(lease.ttlMs);
        isEnding ||= isDue;
        expect(clock.isEnding('7')).toBe(isEnding);
      }
    }),
  );
});

test('no more than so many ends are under way at once', () => {
  const leases = Array.from({ length: 10 }, (_, at) => ({
    id: String(at),
    ttlMs: 10,
    generation: 1,
  }));
  const clock = new LeaseClock(4);
  expect(clock.due(leases, 0)).toEqual([]);
  expect(clock.due(leases, 20)).toHaveLength(4);
  expect(clock.due(leases, 30)).toEqual([]);
  clock.ended('0');
  expect(clock.due(leases, 40).length).toBe(1);
});
