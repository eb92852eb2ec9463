/** The moment at which a snapshot takes the place of state and log. */
import { expect, test } from 'vitest';
import type { SnapshotChunk } from '../../../lib/store/driver/messages.ts';
import { ClusterTwin, configOf } from './twins/cluster.ts';

import { behind, headOf, lagging, replyOf, tight, wholeOf } from './twins/behind.ts';

test('hazard 25: a crash at any write of an installation leaves the old state or the new one whole', () => {
  let crashes = 0;
  for (const isLost of [true, false]) {
    for (let at = 0; ; at += 1) {
      const { cluster, leader, late } = behind();
      const old = late.disk.stored.machine.head;
      late.restart();
      late.disk.isHeld = true;
      let writes = 0;
      let isOver = false;
      cluster.ticks(60, () => {
        if (late.replaced.length > 0) isOver = true;
        while (!isOver && late.disk.pending !== undefined && writes < at) {
          late.disk.finish();
          writes += 1;
          cluster.settle();
        }
        return isOver || late.disk.pending !== undefined;
      });
      if (isOver) break;
      crashes += 1;
      const wasInstall = late.disk.pending?.install !== undefined;
      late.crash(isLost);
      const { head } = late.disk.stored.machine;
      if (!wasInstall || isLost) expect(head.revision).toBe(old.revision);
      late.disk.isHeld = false;
      late.restart();
      cluster.ticks(60);
      expect(headOf(late), `crash at write ${at}`).toEqual(headOf(leader));
      if (at > 200) throw new Error('it never ends');
    }
  }
  expect(crashes, 'stage after stage, and the flip').toBeGreaterThan(8);
});

test('hazard 7: a snapshot of what the log has is not put in its place, and the log stays', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const leader = cluster.elect();
  const follower = cluster.members.find((member) => member !== leader);
  if (follower === undefined) throw new Error('three members');
  // the follower gets entries and never learns that they are committed
  cluster.isLost = ({ to, message }) => to === follower.id && message.kind === 'heartbeat';
  leader.put('one');
  cluster.settle();
  const whole = wholeOf(leader, 900);
  const before = follower.driver.status();
  expect(before.commit, 'else this shows nothing').toBeLessThanOrEqual(whole.base.at.index);
  leader.put('two');
  cluster.settle();
  const { last } = follower.driver.status();
  follower.driver.receive(leader.id, whole);
  cluster.settle();
  expect(replyOf(cluster, 900)).toEqual(['installed']);
  expect(follower.replaced).toEqual([]);
  expect(follower.driver.status().last).toEqual(last);
});

test('hazard 1: that the log has it is told when the log has it durably', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc' });
  const leader = cluster.elect();
  const follower = cluster.members.find((member) => member !== leader);
  if (follower === undefined) throw new Error('three members');
  follower.disk.isHeld = true;
  leader.put('one');
  cluster.settle();
  follower.driver.receive(leader.id, wholeOf(leader, 900));
  cluster.settle();
  expect(replyOf(cluster, 900)).toEqual([]);
  follower.disk.isHeld = false;
  cluster.settle();
  expect(replyOf(cluster, 900)).toEqual(['installed']);
});

test('while a snapshot takes the place of the log nothing gets into it', () => {
  const { cluster, leader, late } = behind();
  const whole = wholeOf(leader, 900);
  late.restart();
  cluster.isLost = ({ to }) => to === late.id;
  late.disk.isHeld = true;
  late.driver.receive(leader.id, whole);
  cluster.settle();
  expect(late.disk.pending?.stage).toBeDefined();
  late.disk.finish();
  cluster.settle();
  expect(late.disk.pending?.install).toBeDefined();
  const before = late.driver.status();
  const { term, commit, last } = before;
  const entries = [{ index: last.index + 1, term, kind: 'noop', data: '' } as const];
  late.driver.receive(leader.id, { kind: 'append', term, previous: last, entries, commit });
  for (let tick = 0; tick < 100; tick += 1) late.driver.tick();
  expect(late.driver.status()).toMatchObject({ term, commit, last, role: before.role });
  late.disk.finish();
  expect(late.driver.status()).toMatchObject({ commit: whole.base.at.index });
  expect(late.disk.stored.entries).toEqual([]);
});

test('a snapshot of a later term makes that term known, with no vote in it', () => {
  const { cluster, leader, late } = behind();
  const whole = wholeOf(leader, 900);
  late.restart();
  cluster.isLost = () => true;
  const last = { index: 1_000, term: 40 };
  late.driver.receive(leader.id, { kind: 'vote', term: 40, last, transfer: true });
  cluster.settle();
  expect(late.driver.status()).toMatchObject({ term: 40, vote: leader.id });
  const at = { ...whole.base.at, term: 50 };
  const head = { ...whole.head, applied: at };
  late.driver.receive(leader.id, {
    ...whole,
    term: 60,
    base: { ...whole.base, at },
    head: head as SnapshotChunk['head'],
  });
  cluster.settle();
  const installed = late.disk.writes.find(({ install }) => install !== undefined);
  expect(installed?.hard).toEqual({ term: 50, vote: undefined, commit: at.index });
});

test('hazard 7: entries that come while a snapshot reaches the disk make it useless, and stay', () => {
  const { cluster, leader, late, append } = lagging();
  late.disk.isHeld = true;
  late.driver.receive(leader.id, wholeOf(leader, 900));
  cluster.settle();
  expect(late.disk.pending?.stage).toBeDefined();
  append(2);
  late.disk.isHeld = false;
  cluster.settle();
  expect(late.replaced).toEqual([]);
  expect(late.disk.writes.filter(({ install }) => install !== undefined)).toEqual([]);
  expect(replyOf(cluster, 900)).toEqual(['installed']);
  expect(late.disk.stored.entries).toHaveLength(31);
});

test('hazard 2: what the core wrote before a snapshot is durable before it is put in place', () => {
  const { cluster, leader, late } = lagging();
  const { term } = late.driver.status();
  late.disk.isHeld = true;
  late.driver.receive(leader.id, wholeOf(leader, 900));
  cluster.settle();
  const last = { index: 1_000, term };
  late.driver.receive(leader.id, { kind: 'vote', term: term + 1, last, transfer: true });
  const before = cluster.posted.filter(({ message: { kind } }) => kind === 'voteReply').length;
  const order: string[] = [];
  for (; late.disk.pending !== undefined; late.runSoon()) {
    const votes =
      cluster.posted.filter(({ message: { kind } }) => kind === 'voteReply').length - before;
    order.push(`${Object.keys(late.disk.pending).join()} ${votes}`);
    late.disk.finish();
  }
  expect(order).toEqual(['stage 0', 'hard,entries 0', 'hard,install 1']);
  expect(late.disk.stored.hard).toMatchObject({ term: term + 1, vote: leader.id });
});

test('a log that was to be cut when a snapshot took its place begins after the snapshot', () => {
  const { cluster, leader, late, append } = lagging(tight);
  const more = () => {
    for (let at = 0; at < 10; at += 1) leader.put(`more${at}`);
    cluster.settle();
  };
  append(2, 31);
  cluster.ticks(5);
  const cut = late.disk.stored.base.at.index;
  more();
  append(32, 41);
  cluster.settle();
  more();
  const whole = wholeOf(leader, 900);
  late.disk.isHeld = true;
  late.driver.receive(leader.id, whole);
  late.runSoon();
  // the log is long enough to be cut now, while a part is under way
  late.driver.tick();
  expect(late.driver.status().base.at.index).toBeGreaterThan(cut);
  while (late.disk.pending !== undefined) {
    late.disk.finish();
    late.runSoon();
  }
  expect(late.replaced).toHaveLength(1);
  expect(late.disk.stored.base).toEqual(whole.base);
});

test('what was committed and not applied when a snapshot took its place is part of it', () => {
  const { cluster, leader, late, append } = lagging({ apply: { entriesMax: 1, bytesMax: 1 } });
  append(2, 31);
  for (let at = 0; at < 10; at += 1) leader.put(`more${at}`);
  for (const member of cluster.members) member.disk.isHeld = member === late;
  while (leader.driver.gauges.applied < 41) {
    leader.runSoon();
    leader.disk.finish();
    for (const other of cluster.members) if (other !== late && other !== leader) cluster.step();
  }
  expect(late.driver.gauges.applied, 'it is behind').toBeLessThan(20);
  late.driver.receive(leader.id, wholeOf(leader, 900));
  for (let writes = 0; late.replaced.length === 0 && writes < 10; writes += 1) {
    late.disk.finish();
    late.runSoon();
  }
  expect(late.replaced).toHaveLength(1);
  late.disk.isHeld = false;
  cluster.settle();
  expect(headOf(late)).toEqual(headOf(leader));
});

test('hazard 15: a snapshot brings the configuration as of its place', () => {
  const cluster = new ClusterTwin({
    config: configOf('abc'),
    members: 'abcd',
    bounds: tight,
    sources: () => [],
  });
  const leader = cluster.elect();
  for (let at = 0; at < 40; at += 1) {
    leader.put(`key${at}`);
    cluster.ticks(1);
  }
  const next = configOf('abc', { learners: 'd' });
  leader.driver.changeConfig(next, () => undefined);
  cluster.ticks(30);
  const learner = cluster.member('d');
  expect(learner.replaced).toHaveLength(1);
  expect(learner.disk.stored.base.config).toEqual(next);
  expect(headOf(learner)).toEqual(headOf(leader));
});
