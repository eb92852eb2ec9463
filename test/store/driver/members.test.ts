/** States compared, entries that are too new, observers, stalls. */
import { expect, test } from 'vitest';
import type { DriverBounds } from '../../../lib/store/driver/options.ts';
import { StallWatch } from '../../../lib/store/driver/stall-watch.ts';
import { Subscription } from '../../../lib/store/driver/subscription.ts';
import type { Entry } from '../../../lib/store/raft/entry.ts';
import { ClusterTwin, configOf, idOf, type MemberTwin } from './twins/cluster.ts';

const often: Partial<DriverBounds> = { digestTicks: 10 };

const headOf = (member: MemberTwin) => {
  const { compacted: _, ...head } = member.driver.machine?.head() ?? { compacted: 0 };
  return head;
};

const digests = (cluster: ClusterTwin) =>
  cluster.posted.filter(({ message }) => message.kind === 'digest');

test('hazard 34: members that agree compare now and then, and go on', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abco', bounds: often });
  const leader = cluster.elect();
  for (let at = 0; at < 30; at += 1) {
    leader.put(`key${at}`);
    cluster.ticks(2);
  }
  expect(cluster.members.map(({ fatal }) => fatal)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const hearers = new Set(digests(cluster).map(({ to }) => to));
  expect(hearers.size, 'two followers and the observer').toBe(3);
});

test('hazard 34: a member whose state differs stops, and votes no more', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds: often });
  const leader = cluster.elect();
  leader.put('key');
  cluster.ticks(10);
  const [bad, good] = cluster.members.filter((member) => member !== leader);
  if (bad === undefined || good === undefined) throw new Error('three members');
  // what the disk holds after a bad apply comes back with the next start
  const { machine } = bad.disk.stored;
  bad.crash();
  bad.disk.stored = {
    ...bad.disk.stored,
    machine: { ...machine, head: { ...machine.head, revision: machine.head.revision + 1 } },
  };
  bad.restart();
  cluster.ticks(40);
  expect(bad.fatal?.code).toBe('STORE_DIVERGED');
  expect([leader.fatal, good.fatal]).toEqual([undefined, undefined]);
  const { length } = cluster.posted;
  bad.driver.receive(idOf('z'), {
    kind: 'vote',
    term: 100,
    last: { index: 1_000, term: 99 },
    transfer: true,
  });
  cluster.ticks(10);
  expect(cluster.posted.slice(length).filter(({ from }) => from === bad.id)).toEqual([]);
});

test('hazard 34: a member that is behind compares when it comes to the place', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds: often });
  const leader = cluster.elect();
  cluster.ticks(10);
  const late = cluster.members.find((member) => member !== leader);
  const head = leader.driver.machine?.head();
  if (late === undefined || head === undefined) throw new Error('three members');
  const { applied } = head;
  const wrong = { ...head, applied: { ...applied, index: applied.index + 1 }, digest: 'f' };
  late.driver.receive(leader.id, { kind: 'digest', head: wrong });
  expect(late.fatal).toBeUndefined();
  leader.put('key');
  cluster.ticks(2);
  expect(late.fatal?.code).toBe('STORE_DIVERGED');
});

test('hazard 34: heads count from the leader only', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const leader = cluster.elect();
  const [one, other] = cluster.members.filter((member) => member !== leader);
  const head = one?.driver.machine?.head();
  if (one === undefined || other === undefined || head === undefined) throw new Error('three');
  one.driver.receive(other.id, { kind: 'digest', head: { ...head, digest: 'f' } });
  expect(one.fatal).toBeUndefined();
  one.driver.receive(leader.id, { kind: 'digest', head: { ...head, digest: 'f' } });
  expect(one.fatal?.code).toBe('STORE_DIVERGED');
});

test.each(['{"command":{"do":"teleport"},"wallMs":0}', 'no JSON'])(
  'hazard 37: an entry that is not understood stops the member before it is applied: %s',
  (data) => {
    const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
    const b = cluster.member('b');
    const entries: Entry[] = [
      { index: 1, term: 1, kind: 'noop', data: '' },
      { index: 2, term: 1, kind: 'command', data },
      { index: 3, term: 1, kind: 'noop', data: '' },
    ];
    const previous = { index: 0, term: 0 };
    b.driver.receive(idOf('a'), { kind: 'append', term: 1, previous, entries, commit: 3 });
    cluster.settle();
    expect(b.fatal?.code).toBe('STORE_TOO_NEW');
    expect(b.driver.gauges.applied).toBe(1);
    // it is stopped for good: a start comes to the same entry
    b.crash();
    b.restart();
    b.driver.receive(idOf('a'), { kind: 'append', term: 1, previous, entries, commit: 3 });
    cluster.settle();
    expect(b.fatal?.code).toBe('STORE_TOO_NEW');
  },
);

test('an observer is fed, and by another member when its own falls silent', () => {
  const config = configOf('abc');
  const sources = () => [idOf('b'), idOf('c')];
  const cluster = new ClusterTwin({ config, members: 'abco', sources });
  const leader = cluster.elect();
  const observer = cluster.member('o');
  leader.put('one');
  cluster.ticks(30);
  expect(observer.valueOf('one')).toBe('one');
  const feeders = () =>
    cluster.posted.filter(({ to, message }) => to === observer.id && message.kind === 'feed');
  expect(new Set(feeders().map(({ from }) => from))).toEqual(new Set([idOf('b')]));
  cluster.isLost = ({ from, to }) =>
    (from === idOf('b') && to === observer.id) || (to === idOf('b') && from === observer.id);
  cluster.leader.put('two');
  cluster.ticks(100);
  expect(observer.valueOf('two')).toBe('two');
  expect(headOf(observer)).toEqual(headOf(cluster.leader));
  expect(observer.driver.status()).toMatchObject({ role: 'observer', leader: leader.id });
});

test('an observer that is far behind gets a snapshot from the member that feeds it', () => {
  const bounds = {
    retention: {
      kept: { entries: 4, bytes: 100_000 },
      max: { entries: 8, bytes: 100_000 },
      cutMin: 1,
      cutMax: 64,
    },
    digestTicks: 10,
  };
  const sources = () => [idOf('c')];
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abco', bounds, sources });
  const leader = cluster.elect();
  cluster.member('o').crash();
  for (let at = 0; at < 40; at += 1) {
    leader.put(`key${at}`);
    cluster.ticks(2);
  }
  const observer = cluster.member('o');
  observer.restart();
  cluster.ticks(60);
  expect(observer.replaced).toHaveLength(1);
  expect(headOf(observer)).toEqual(headOf(leader));
  expect(observer.fatal).toBeUndefined();
});

test('a source is kept while it speaks; a broken connection is left at once', () => {
  const subscription = new Subscription({ repeatTicks: 3, silentTicks: 5 });
  const sources = ['x', 'y', 'z'];
  const asked = (count: number) => Array.from({ length: count }, () => subscription.tick(sources));
  expect(asked(4)).toEqual(['x', undefined, undefined, 'x']);
  subscription.heard('x');
  expect(asked(5)).toEqual([undefined, undefined, 'x', undefined, undefined]);
  expect(asked(1)).toEqual(['y']);
  subscription.unreachable('x');
  expect(asked(1)).toEqual([undefined]);
  subscription.unreachable('y');
  expect(asked(1)).toEqual(['z']);
  subscription.unreachable('z');
  expect(asked(1)).toEqual(['x']);
  expect(subscription.tick(['y'])).toBe('y');
  expect(subscription.tick([])).toBeUndefined();
  expect(subscription.source).toBeUndefined();
});

test('hazard 35: a leader whose disk hangs leaves, though only state was on its way there', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const leader = cluster.elect();
  leader.put('key');
  cluster.settle();
  leader.disk.isHeld = true;
  cluster.ticks(5);
  expect(leader.disk.pending?.entries ?? []).toEqual([]);
  expect(leader.disk.pending?.delta).toBeDefined();
  const waiting = leader.put('waiting');
  cluster.ticks(10);
  expect(leader.role).toBe('leader');
  cluster.ticks(30);
  expect(leader.role).not.toBe('leader');
  expect(waiting.outcome).toMatchObject({ kind: 'refused', why: 'notLeader' });
  const answer = cluster.leader.put('elsewhere');
  cluster.ticks(4);
  expect(answer.outcome).toMatchObject({ kind: 'reply' });
});

test('hazard 36: how late ticks come is seen for a while, then forgotten', () => {
  const watch = new StallWatch({ tickMs: 50, windowTicks: 3 }, 0);
  expect([0, 50, 300, 340, 390].map((now) => watch.tick(now))).toEqual([0, 0, 200, 0, 0]);
  expect(watch.longestMs).toBe(200);
  for (const now of [440, 490, 540, 590, 640, 690]) watch.tick(now);
  expect(watch.longestMs).toBe(0);
});

test('hazard 36: the first tick is late when it comes late after the beginning', () => {
  const watch = new StallWatch({ tickMs: 50, windowTicks: 3 }, 1_000);
  expect(watch.tick(1_400)).toBe(350);
  expect(watch.longestMs).toBe(350);
});
