/** Snapshots between members, and how far the log is cut. */
import { expect, test } from 'vitest';
import type { SnapshotChunk } from '../../../lib/store/driver/messages.ts';
import { driverBounds } from '../../../lib/store/driver/options.ts';
import { ClusterTwin, configOf, idOf, type MemberTwin } from './twins/cluster.ts';

import { behind, chunks, headOf, replyOf, tight, wholeOf } from './twins/behind.ts';

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

test('a sender that begins again is followed', () => {
  const { cluster, leader, late } = behind();
  const whole = wholeOf(leader, 900);
  late.restart();
  cluster.isLost = ({ to }) => to === late.id;
  const half = { ...whole.part, rows: whole.part.rows.slice(0, 5) };
  late.driver.receive(leader.id, { ...whole, part: half, head: undefined });
  cluster.settle();
  late.driver.receive(leader.id, { ...whole, transfer: 901 });
  cluster.settle();
  expect([replyOf(cluster, 900), replyOf(cluster, 901)]).toEqual([['next'], ['installed']]);
  expect(headOf(late)).toEqual(headOf(leader));
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
