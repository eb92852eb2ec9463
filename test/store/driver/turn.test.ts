/** The order in which things reach disk and network: one write under way, everything else behind it. */
import { expect, test } from 'vitest';
import { driverBounds } from '../../../lib/store/driver/options.ts';
import { ClusterTwin, configOf, idOf } from './twins/cluster.ts';

const alone = (bounds = {}) => new ClusterTwin({ config: configOf('a'), members: 'a', bounds });
/** With every change of the state in the next batch of the log. */
const eager = { delta: { ...driverBounds.delta, ride: { entriesMax: 1, bytesMax: 1_000_000 } } };

test('a voter that is alone leads without a tick', () => {
  const a = alone().member('a');
  expect(a.role).toBe('leader');
  expect(a.disk.stored.hard).toMatchObject({ term: 1, vote: idOf('a') });
});

test('256 writers become one append and one batch; those who come meanwhile the next', () => {
  const cluster = alone();
  const a = cluster.member('a');
  const before = a.disk.writes.length;
  const answers = Array.from({ length: 256 }, (_, at) => a.put(`first${at}`));
  a.disk.isHeld = true;
  cluster.settle();
  answers.push(...Array.from({ length: 100 }, (_, at) => a.put(`second${at}`)));
  cluster.settle();
  expect(a.disk.pending?.entries).toHaveLength(256);
  a.disk.isHeld = false;
  cluster.settle();
  const sizes = a.disk.writes.slice(before).map(({ entries }) => entries?.length);
  expect(sizes).toEqual([256, 100]);
  expect(answers.every(({ outcome }) => outcome?.kind === 'reply')).toBe(true);
});

test('no batch is larger than its bounds', () => {
  const batch = { entriesMax: 10, bytesMax: 100_000 };
  const bounds = { batch };
  const cluster = new ClusterTwin({ config: configOf('a'), members: 'a', bounds });
  const a = cluster.member('a');
  for (let at = 0; at < 35; at += 1) a.put(`key${at}`);
  for (let at = 0; at < 3; at += 1) a.put(`large${at}`, 'x'.repeat(60_000));
  cluster.settle();
  const sizes = a.disk.writes.map(({ entries = [] }) => entries.length).filter((size) => size > 0);
  expect(sizes).toEqual([1, 10, 10, 10, 6, 1, 1]);
});

test('hazard 26: what was applied rides in the next batch, with the place where it stands', () => {
  const cluster = alone(eager);
  const a = cluster.member('a');
  const answer = a.put('key', 'value');
  cluster.settle();
  expect(answer.outcome).toMatchObject({ kind: 'reply', index: 2 });
  expect(a.valueOf('key')).toBe('value');
  expect(a.driver.gauges).toMatchObject({ applied: 2, appliedDurable: 1 });
  const writes = a.disk.writes.length;
  a.put('other');
  cluster.settle();
  expect(a.disk.writes).toHaveLength(writes + 1);
  expect(a.disk.writes.at(-1)).toMatchObject({
    entries: [{ index: 3 }],
    delta: { head: { applied: { index: 2 }, revision: 1 }, rows: [['users', 'key', {}]] },
  });
});

test('changes of the state ride with the log when there are enough of them, or enough bytes', () => {
  const ride = { entriesMax: 4, bytesMax: 10_000 };
  const a = alone({ delta: { idleTicks: 1_000, entriesMax: 1_000, ride } });
  const told = (key: string, value = ''): number | undefined => {
    a.member('a').put(key, value);
    a.settle();
    return a.member('a').disk.writes.at(-1)?.delta?.head.applied.index;
  };
  // the first entry is the leader's own; a write tells what was applied before it began
  expect(['1', '2', '3', '4'].map((key) => told(key))).toEqual([
    undefined,
    undefined,
    undefined,
    4,
  ]);
  expect([told('5'), told('6')]).toEqual([undefined, undefined]);
  expect([told('7', 'x'.repeat(10_000)), told('8')]).toEqual([undefined, 8]);
});

test('state that nothing carries to the disk goes by itself after some idle ticks, and once', () => {
  const cluster = alone(eager);
  const a = cluster.member('a');
  a.put('key');
  cluster.settle();
  const writes = a.disk.writes.length;
  cluster.ticks(1);
  expect(a.disk.writes).toHaveLength(writes);
  a.disk.isHeld = true;
  cluster.ticks(10);
  expect(a.disk.pending?.delta?.head.applied.index).toBe(2);
  expect(a.driver.gauges.appliedDurable, 'not before it is there').toBe(1);
  a.disk.isHeld = false;
  cluster.ticks(10);
  expect(a.disk.writes).toHaveLength(writes + 1);
  expect(a.disk.writes.at(-1)?.delta?.head.applied.index).toBe(2);
  expect(a.driver.gauges.appliedDurable).toBe(2);
});

test('hazard 26: a start applies again what the state on the disk lacks', () => {
  const cluster = alone();
  const a = cluster.member('a');
  for (let at = 0; at < 20; at += 1) a.put(`key${at}`);
  cluster.settle();
  const head = a.driver.machine?.head();
  expect(a.disk.stored.machine.head.applied.index).toBeLessThan(21);
  a.crash();
  a.restart();
  cluster.settle();
  expect(a.valueOf('key19')).toBe('key19');
  expect(a.driver.machine?.head()).toMatchObject({
    revision: head?.revision,
    digest: head?.digest,
    timeMs: head?.timeMs,
  });
});

test('hazards 1, 2: a vote leaves when term and vote are on the disk, in one batch', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const b = cluster.member('b');
  b.disk.isHeld = true;
  const message = {
    kind: 'vote',
    term: 5,
    last: { index: 0, term: 0 },
    transfer: false,
  } as const;
  b.driver.receive(idOf('a'), message);
  cluster.settle();
  const replies = () => cluster.posted.filter(({ message: { kind } }) => kind === 'voteReply');
  expect(b.disk.pending?.hard).toEqual({ term: 5, vote: idOf('a'), commit: 0 });
  expect(replies()).toEqual([]);
  b.disk.finish();
  expect(replies()).toMatchObject([{ message: { term: 5, granted: true } }]);
});

test('hazard 8: an append is acknowledged when its batch is durable, and no earlier one does for it', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const b = cluster.member('b');
  const append = (term: number, previous: number, indexes: readonly number[]) => {
    b.driver.receive(idOf('a'), {
      kind: 'append',
      term,
      previous: { index: previous, term: previous === 0 ? 0 : 1 },
      entries: indexes.map((index) => ({ index, term, kind: 'noop', data: '' })),
      commit: 0,
    });
    b.runSoon();
  };
  const matched = () =>
    cluster.posted.flatMap(({ message }) => ('matched' in message ? [message.matched] : []));
  b.disk.isHeld = true;
  append(1, 0, [1, 2, 3]);
  // another leader's entries take the place of two of them while they are on their way to the disk
  append(2, 1, [2, 3, 4]);
  expect(matched()).toEqual([]);
  b.disk.finish();
  b.runSoon();
  expect(matched().every((index) => index <= 3)).toBe(true);
  expect(b.disk.pending).toMatchObject({ truncateFrom: 2, hard: { term: 2 } });
  b.disk.finish();
  expect(matched().at(-1)).toBe(4);
  expect(b.disk.stored.entries.map(({ term }) => term)).toEqual([1, 2, 2, 2]);
});

test('hazard 9: followers get entries before the own disk has them, and the leader counts only what its has', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const leader = cluster.elect();
  const [follower, other] = cluster.members.filter((member) => member !== leader);
  if (follower === undefined || other === undefined) throw new Error('three members');
  other.crash();
  leader.disk.isHeld = true;
  const answer = leader.put('key');
  cluster.settle();
  expect(follower.disk.stored.entries.at(-1)?.data).toContain('key');
  expect(answer.outcome).toBeUndefined();
  leader.disk.isHeld = false;
  cluster.settle();
  expect(answer.outcome).toMatchObject({ kind: 'reply' });
});

test('what followers are to write leaves a turn before the leader begins its own write, and once', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const leader = cluster.elect();
  // its own turns only: the first hands the command to the core, which sends it
  const first = leader.put('first');
  leader.runSoon();
  expect(leader.disk.pending).toBeUndefined();
  // who comes meanwhile is in the same write, and holds it up no further
  const second = leader.put('second');
  leader.runSoon();
  expect(leader.disk.pending?.entries).toHaveLength(2);
  cluster.settle();
  expect([first, second].map(({ outcome }) => outcome?.kind)).toEqual(['reply', 'reply']);
});

test('hazard 26: a state that is ahead of the own disk is not told to it before the log is there', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds: eager });
  const leader = cluster.elect();
  cluster.ticks(10);
  leader.disk.isHeld = true;
  const first = leader.put('first');
  cluster.settle();
  // two followers make a majority without the leader's disk
  expect(first.outcome).toMatchObject({ kind: 'reply' });
  const under = leader.disk.pending;
  expect(under?.entries).toHaveLength(1);
  expect(under?.delta).toBeUndefined();
  leader.disk.isHeld = false;
  // the twin objects to a state ahead of its log
  cluster.ticks(10);
  expect(leader.driver.gauges.appliedDurable).toBe(leader.driver.gauges.applied);
});

test('hazard 26: nor while a part of the log that it rests on waits behind the batch', () => {
  const bounds = { ...eager, batch: { entriesMax: 1, bytesMax: 1_000_000 } };
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds });
  const b = cluster.member('b');
  b.disk.isHeld = true;
  const append = (index: number, commit: number) => {
    const previous = { index: index - 1, term: Math.min(index - 1, 1) };
    const entries = [{ index, term: 1, kind: 'noop', data: '' } as const];
    b.driver.receive(idOf('a'), { kind: 'append', term: 1, previous, entries, commit });
    b.runSoon();
  };
  append(1, 0);
  append(2, 0);
  append(3, 3);
  expect(b.driver.gauges.applied).toBe(3);
  const told: unknown[] = [];
  while (b.disk.pending !== undefined) {
    const { entries, delta } = b.disk.pending;
    told.push([entries?.map(({ index }) => index), delta?.head.applied.index]);
    b.disk.finish();
    b.runSoon();
  }
  expect(told).toEqual([
    [[1], undefined],
    [[2], undefined],
    [[3], 3],
  ]);
});

test('hazard 36: a storm of committed entries is applied in slices, with others between', () => {
  const bounds = { apply: { entriesMax: 10, bytesMax: 1_000_000 } };
  const cluster = new ClusterTwin({ config: configOf('a'), members: 'a', bounds });
  const a = cluster.member('a');
  const last = Array.from({ length: 95 }, (_, at) => a.put(`key${at}`)).at(-1);
  a.runSoon();
  a.disk.finish();
  const steps: number[] = [];
  while (last?.outcome === undefined) {
    steps.push(a.driver.gauges.applied);
    a.runSoon();
  }
  expect(steps).toEqual([11, 21, 31, 41, 51, 61, 71, 81, 91]);
});

test('watchers hear of changes in order, each once, before the author is answered', () => {
  const cluster = alone();
  const a = cluster.member('a');
  const order: string[] = [];
  for (const key of ['x', 'y']) {
    const txn = { compare: [], then: [{ op: 'put', key, value: '1' }] } as const;
    a.driver.submit({ command: { do: 'txn', txn }, wallMs: 0 }, () => {
      order.push(`${key} after ${a.changes.length}`);
    });
  }
  cluster.settle();
  expect(a.changes.map(({ revision }) => revision)).toEqual([1, 2]);
  expect(order).toEqual(['x after 2', 'y after 2']);
});
