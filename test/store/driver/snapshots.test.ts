/** Snapshots between members, and how far the log is cut. */
import { expect, test } from 'vitest';
import type { SnapshotChunk } from '../../../lib/store/driver/messages.ts';
import type { DriverBounds } from '../../../lib/store/driver/options.ts';
import { driverBounds } from '../../../lib/store/driver/options.ts';
import { ClusterTwin, configOf, idOf, type MemberTwin } from './twins/cluster.ts';

/** Little log is kept, and parts are small. */
const tight: Partial<DriverBounds> = {
  retention: {
    kept: { entries: 4, bytes: 100_000 },
    max: { entries: 16, bytes: 100_000 },
    cutMin: 1,
    cutMax: 64,
  },
  partBytes: 400,
};

/** A leader, and a member that is too far behind for the log. */
function behind(bounds: Partial<DriverBounds> = tight): {
  readonly cluster: ClusterTwin;
  readonly leader: MemberTwin;
  readonly late: MemberTwin;
} {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds });
  const leader = cluster.elect();
  const late = cluster.members.find((member) => member !== leader);
  if (late === undefined) throw new Error('three members');
  late.crash();
  for (let at = 0; at < 60; at += 1) {
    leader.put(`key${at % 30}`, `value ${at}`);
    cluster.ticks(2);
  }
  return { cluster, leader, late };
}

const chunks = (cluster: ClusterTwin): readonly SnapshotChunk[] =>
  cluster.posted.flatMap(({ message }) => (message.kind === 'snapshotChunk' ? [message] : []));

const headOf = (member: MemberTwin) => {
  const { compacted: _, ...head } = member.driver.machine?.head() ?? { compacted: 0 };
  return head;
};

test('hazard 24: the log is cut to what is kept, and never past the state on the disk', () => {
  const { leader } = behind();
  const { logEntries, applied } = leader.driver.gauges;
  expect(logEntries).toBeLessThanOrEqual(16);
  expect(leader.disk.stored.base.at.index).toBe(applied - logEntries);
  expect(leader.disk.stored.base.config).toEqual(configOf('abc'));
});

test('hazard 24: what a live member lacks is kept, up to the bound', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds: tight });
  const leader = cluster.elect();
  const late = cluster.members.find((member) => member !== leader);
  cluster.isLost = ({ to, message }) => to === late?.id && message.kind === 'append';
  for (let at = 0; at < 10; at += 1) leader.put(`key${at}`);
  cluster.ticks(10);
  expect(leader.driver.gauges.logEntries, 'more than the four kept anyway').toBe(10);
  for (let at = 0; at < 10; at += 1) leader.put(`more${at}`);
  cluster.ticks(10);
  expect(leader.driver.gauges.logEntries).toBe(16);
});

test('a member below the log gets state, position and configuration, and goes on from there', () => {
  const { cluster, leader, late } = behind();
  late.restart();
  cluster.ticks(40);
  expect(chunks(cluster).length).toBeGreaterThan(3);
  expect(late.replaced).toHaveLength(1);
  expect(headOf(late)).toEqual(headOf(leader));
  const answer = leader.put('after');
  cluster.ticks(10);
  expect(answer.outcome).toMatchObject({ kind: 'reply' });
  expect(late.valueOf('after')).toBe('after');
  late.crash();
  late.restart();
  cluster.ticks(10);
  expect(headOf(late)).toEqual(headOf(leader));
});

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

test('hazard 25: each part is durable before the next one is sent', () => {
  const { cluster, late } = behind();
  late.restart();
  late.disk.isHeld = true;
  cluster.ticks(20, () => late.disk.pending?.stage !== undefined);
  for (let number = 0; number < 3; number += 1) {
    expect(late.disk.pending?.stage).toMatchObject({ first: number === 0 });
    expect(chunks(cluster).at(-1)?.number).toBe(number);
    late.disk.finish();
    cluster.settle();
  }
});

test('a part or an answer that is lost is sent again; repetitions change nothing', () => {
  const bounds = { ...tight, transfers: { ...driverBounds.transfers, resendTicks: 2 } };
  const { cluster, leader, late } = behind(bounds);
  let count = 0;
  cluster.isLost = ({ message }) => {
    const isPart = message.kind === 'snapshotChunk' || message.kind === 'snapshotReply';
    count += isPart ? 1 : 0;
    return isPart && count % 3 === 0;
  };
  late.restart();
  cluster.ticks(200);
  expect(late.replaced).toHaveLength(1);
  expect(headOf(late)).toEqual(headOf(leader));
  const numbers = chunks(cluster).map(({ number }) => number);
  expect(numbers.length).toBeGreaterThan(new Set(numbers).size);
});

test('a snapshot that makes no progress is given up and begun again', () => {
  const transfers = { transfersMax: 2, resendTicks: 4, silentTicks: 10 };
  const { cluster, late, leader } = behind({ ...tight, transfers });
  cluster.isLost = ({ message }) => message.kind === 'snapshotReply';
  late.restart();
  cluster.ticks(60);
  const ids = new Set(chunks(cluster).map(({ transfer }) => transfer));
  expect(ids.size).toBeGreaterThan(2);
  cluster.isLost = () => false;
  cluster.ticks(60);
  expect(headOf(late)).toEqual(headOf(leader));
});

test('a snapshot that stays away, or that the log has overtaken, gives its memory back', () => {
  const transfers = { transfersMax: 2, resendTicks: 4, silentTicks: 10 };
  const { cluster, leader, late } = behind({ ...tight, transfers });
  late.restart();
  cluster.isLost = ({ to }) => to === late.id;
  const whole = wholeOf(leader, 900);
  const part = { ...whole, part: { rows: [], records: [] }, head: undefined };
  late.driver.receive(leader.id, part);
  cluster.settle();
  expect(replyOf(cluster, 900)).toEqual(['next']);
  cluster.ticks(12);
  late.driver.receive(leader.id, { ...part, number: 1 });
  cluster.settle();
  expect(replyOf(cluster, 900), 'it is not known any more').toEqual(['next', 'refused']);
});

test('no more than so many snapshots are under way at once', () => {
  const config = configOf('a');
  const bounds = { ...tight, transfers: { ...driverBounds.transfers, transfersMax: 2 } };
  const cluster = new ClusterTwin({ config, members: 'aopqr', bounds });
  const a = cluster.member('a');
  for (const letter of 'opqr') cluster.member(letter).crash();
  for (let at = 0; at < 40; at += 1) {
    a.put(`key${at}`, 'x'.repeat(100));
    cluster.ticks(3);
  }
  for (const letter of 'opqr') {
    cluster.member(letter).restart();
    cluster.member(letter).disk.isHeld = true;
  }
  cluster.ticks(30);
  const transfers = new Set(chunks(cluster).map(({ transfer }) => transfer));
  expect(transfers.size).toBe(2);
  for (const letter of 'opqr') cluster.member(letter).disk.isHeld = false;
  cluster.ticks(100);
  for (const letter of 'opqr') expect(headOf(cluster.member(letter))).toEqual(headOf(a));
});

/** A single part that holds the whole state of a member. */
function wholeOf(member: MemberTwin, transfer: number): SnapshotChunk {
  const { machine, gauges } = member.driver;
  const { term, config } = member.driver.status();
  const image = machine?.image();
  if (image === undefined) throw new Error('a witness');
  const at = image.head.applied;
  expect(at.index).toBe(gauges.applied);
  return {
    kind: 'snapshotChunk',
    term,
    transfer,
    number: 0,
    base: { at, config },
    part: { rows: image.rows, records: image.records },
    head: image.head,
  };
}

const replyOf = (cluster: ClusterTwin, transfer: number) =>
  cluster.posted
    .flatMap(({ message }) => (message.kind === 'snapshotReply' ? [message] : []))
    .filter((reply) => reply.transfer === transfer)
    .map(({ outcome }) => outcome);

test('old terms, unknown transfers and states that do not add up are refused', () => {
  const { cluster, leader, late } = behind();
  const whole = wholeOf(leader, 900);
  late.restart();
  cluster.isLost = ({ to }) => to === late.id;
  const { term } = late.driver.status();
  const refused: SnapshotChunk[] = [
    { ...whole, transfer: 901, term: term - 1 },
    { ...whole, transfer: 902, number: 3 },
    { ...whole, transfer: 903, part: { ...whole.part, rows: whole.part.rows.slice(1) } },
  ];
  for (const chunk of refused) late.driver.receive(leader.id, chunk);
  cluster.settle();
  for (const { transfer } of refused) expect(replyOf(cluster, transfer)).toEqual(['refused']);
  expect(late.replaced).toEqual([]);
  late.driver.receive(leader.id, { ...whole, transfer: 904 });
  cluster.settle();
  expect(replyOf(cluster, 904)).toEqual(['installed']);
  expect(headOf(late)).toEqual(headOf(leader));
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
  const at = { ...whole.base.at, term: 50 };
  const head = { ...whole.head, applied: at };
  late.driver.receive(leader.id, {
    ...whole,
    term: 60,
    base: { ...whole.base, at },
    head: head as SnapshotChunk['head'],
  });
  cluster.settle();
  expect(late.disk.stored.hard).toMatchObject({ term: 50, vote: undefined, commit: at.index });
});

test('a witness takes the place of a snapshot and not its contents', () => {
  const config = configOf('abw', { witnesses: 'w' });
  const cluster = new ClusterTwin({ config, members: 'abw', bounds: tight });
  const leader = cluster.elect();
  const witness = cluster.member('w');
  witness.crash();
  for (let at = 0; at < 40; at += 1) {
    leader.put(`key${at}`);
    cluster.ticks(2);
  }
  witness.restart();
  cluster.ticks(30);
  const sent = chunks(cluster).filter(({ part }) => part.rows.length > 0);
  expect(sent).toEqual([]);
  expect(witness.driver.machine).toBeUndefined();
  expect(witness.disk.stored.machine.rows).toEqual([]);
  expect(witness.driver.gauges.applied).toBe(leader.driver.gauges.applied);
  // and is the majority with the leader
  cluster.members.find((member) => member !== leader && member !== witness)?.crash();
  const answer = leader.put('last');
  cluster.ticks(5);
  expect(answer.outcome).toMatchObject({ kind: 'reply' });
  witness.crash();
  witness.restart();
  cluster.ticks(10);
  expect(witness.driver.status().last).toEqual(leader.driver.status().last);
});

test('a witness that comes to lead hands on, and nothing asks it for a state', () => {
  const config = configOf('abw', { witnesses: 'w' });
  const cluster = new ClusterTwin({ config, members: 'abw' });
  const witness = cluster.member('w');
  cluster.isLost = ({ from, message }) => {
    const isElection = message.kind === 'preVote' || message.kind === 'vote';
    return message.kind === 'timeoutNow' || (from !== witness.id && isElection);
  };
  const isLed = (member: MemberTwin) => () => member.role === 'leader';
  cluster.ticks(400, isLed(witness));
  expect(witness.role).toBe('leader');
  cluster.ticks(30);
  expect(witness.role).toBe('leader');
  expect(witness.put('key').outcome).toMatchObject({ kind: 'refused' });
  cluster.isLost = () => false;
  cluster.ticks(30);
  expect(cluster.leader).not.toBe(witness);
});

test('a witness cuts its log, and a read or a write finds no leader in it', () => {
  const config = configOf('abw', { witnesses: 'w' });
  const cluster = new ClusterTwin({ config, members: 'abw', bounds: tight });
  const leader = cluster.elect();
  const witness = cluster.member('w');
  for (let at = 0; at < 60; at += 1) {
    leader.put(`key${at}`);
    cluster.ticks(2);
  }
  expect(witness.driver.gauges.logEntries).toBeLessThanOrEqual(16);
  let outcome: unknown;
  witness.driver.confirmRead((answer) => {
    outcome = answer;
  });
  expect(outcome).toMatchObject({ kind: 'refused', why: 'notLeader', leader: leader.id });
  expect(witness.put('key').outcome).toMatchObject({ kind: 'refused', leader: leader.id });
  expect(idOf('w')).toBe(witness.id);
});
