/** What callers are told, and when nothing better than "unknown" can be said. */
import { expect, test } from 'vitest';
import type { ReadOutcome } from '../../../lib/store/driver/ports.ts';
import { ClusterTwin, configOf, idOf, type MemberTwin } from './twins/cluster.ts';

const three = (bounds = {}) => new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds });

const cutOff = (cluster: ClusterTwin, member: MemberTwin): void => {
  cluster.isLost = ({ from, to }) => from === member.id || to === member.id;
};

test('hazard 12: proposals of a leader that is cut off are unknown, those that it had queued are refused', () => {
  const cluster = three();
  const leader = cluster.elect();
  cutOff(cluster, leader);
  const appended = leader.put('appended');
  cluster.settle();
  leader.disk.isHeld = true;
  const underWay = leader.put('on its way to the disk');
  cluster.settle();
  const queued = leader.put('queued');
  cluster.ticks(60);
  expect(leader.role).not.toBe('leader');
  expect(appended.outcome).toEqual({ kind: 'unknown' });
  expect(underWay.outcome).toEqual({ kind: 'unknown' });
  expect(queued.outcome).toMatchObject({ kind: 'refused', why: 'notLeader' });
  expect(leader.driver.gauges.proposals).toBe(0);
});

test('what is known to be committed when leadership goes is still answered', () => {
  const cluster = three({ apply: { entriesMax: 1, bytesMax: 1_000_000 } });
  const leader = cluster.elect();
  const answers = Array.from({ length: 8 }, (_, at) => leader.put(`key${at}`));
  while (answers[0]?.outcome === undefined) cluster.step();
  // one of eight is applied; a message of a later term ends leadership in between
  const { term } = leader.driver.status();
  leader.driver.receive(idOf('z'), { kind: 'heartbeat', term: term + 1, commit: 0, round: 0 });
  expect(leader.role).not.toBe('leader');
  cluster.settle();
  expect(answers.map(({ outcome }) => outcome?.kind)).toEqual(answers.map(() => 'reply'));
});

test('a proposal whose place another leader has filled for ever is refused: it never lands', () => {
  const cluster = three();
  const leader = cluster.elect();
  cutOff(cluster, leader);
  const answer = leader.put('key');
  cluster.settle();
  const { last, term, commit } = leader.driver.status();
  expect([last.index, answer.outcome]).toEqual([commit + 1, undefined]);
  const other = cluster.members.find((member) => member !== leader);
  leader.driver.receive(other?.id ?? '', {
    kind: 'append',
    term: term + 1,
    previous: { index: commit, term },
    entries: [{ index: last.index, term: term + 1, kind: 'noop', data: '' }],
    commit: last.index,
  });
  cluster.settle();
  expect(answer.outcome).toMatchObject({ kind: 'refused', why: 'notLeader' });
  expect(leader.valueOf('key')).toBeUndefined();
});

test('members that do not lead refuse, and say who does', () => {
  const cluster = three();
  const leader = cluster.elect();
  for (const member of cluster.members.filter((each) => each !== leader)) {
    const refused = { kind: 'refused', why: 'notLeader', leader: leader.id };
    expect(member.put('key').outcome).toEqual(refused);
    let read: unknown;
    member.driver.confirmRead((outcome) => (read = outcome));
    expect(read).toEqual(refused);
    let kept: unknown;
    member.driver.keepLease('1', (outcome) => (kept = outcome));
    expect(kept).toEqual(refused);
    let changed: unknown;
    member.driver.changeConfig(configOf('abcd'), (outcome) => (changed = outcome));
    expect(changed).toEqual(refused);
  }
});

test('more proposals than the bound are refused as busy, by number and by bytes', () => {
  const cluster = three({ proposals: { proposalsMax: 5, bytesMax: 5_000 } });
  const leader = cluster.elect();
  cutOff(cluster, leader);
  const answers = Array.from({ length: 7 }, (_, at) => leader.put(`key${at}`));
  cluster.settle();
  expect(answers.map(({ outcome }) => outcome)).toMatchObject([
    ...Array.from({ length: 5 }, () => undefined),
    { kind: 'refused', why: 'busy' },
    { kind: 'refused', why: 'busy' },
  ]);
  cluster.isLost = () => false;
  cluster.ticks(10);
  expect(answers.slice(0, 5).every(({ outcome }) => outcome?.kind === 'reply')).toBe(true);
  expect(leader.put('large', 'x'.repeat(4_900)).outcome).toBeUndefined();
  expect(leader.put('more', 'x'.repeat(500)).outcome).toMatchObject({ why: 'busy' });
});

test('a text that no member could read back is refused by its name, and stops nobody', () => {
  const cluster = three();
  const leader = cluster.elect();
  const command = { do: 'grantLease', lease: '1', ttlMs: 1.5 } as const;
  expect(() => leader.submit(command)).toThrow(expect.objectContaining({ code: 'STORE_LIMIT' }));
  const answer = leader.put('key');
  cluster.settle();
  expect(answer.outcome).toMatchObject({ kind: 'reply' });
});

function askToRead(member: MemberTwin): { outcome: ReadOutcome | undefined } {
  const answer: { outcome: ReadOutcome | undefined } = { outcome: undefined };
  member.driver.confirmRead((outcome) => (answer.outcome = outcome));
  return answer;
}

test('hazard 19: a read gets an index that covers every write answered before it', () => {
  const cluster = three();
  const leader = cluster.elect();
  const write = leader.put('key');
  cluster.settle();
  const index = write.outcome?.kind === 'reply' ? write.outcome.index : undefined;
  const answer = askToRead(leader);
  cluster.settle();
  expect(answer.outcome).toEqual({ kind: 'index', index });
});

test('hazard 19: a leader that is cut off confirms no read', () => {
  const cluster = three();
  const leader = cluster.elect();
  cutOff(cluster, leader);
  const answer = askToRead(leader);
  cluster.settle();
  expect(answer.outcome).toBeUndefined();
  cluster.ticks(60);
  expect(answer.outcome).toMatchObject({ kind: 'refused', why: 'notLeader' });
});

test('readers who come together share a round, and there are not more than the bound', () => {
  const cluster = three({ readersMax: 100 });
  const leader = cluster.elect();
  const before = cluster.posted.length;
  const answers = Array.from({ length: 101 }, () => askToRead(leader));
  cluster.settle();
  const rounds = cluster.posted
    .slice(before)
    .filter(({ message, to }) => message.kind === 'heartbeat' && to !== leader.id);
  expect(rounds).toHaveLength(2);
  expect(answers.filter(({ outcome }) => outcome?.kind === 'index')).toHaveLength(100);
  expect(answers.at(-1)?.outcome).toMatchObject({ kind: 'refused', why: 'busy' });
});

test('waiting for an entry ends when the state has it, by giving up, or with the driver', () => {
  const cluster = three({ applyWaitersMax: 3 });
  const leader = cluster.elect();
  const { applied } = leader.driver.gauges;
  const heard: [string, boolean][] = [];
  const wait = (name: string, index: number) =>
    leader.driver.whenApplied(index, (reached) => heard.push([name, reached]));
  wait('there', applied);
  expect(heard).toEqual([['there', true]]);
  const giveUp = wait('given up', applied + 1);
  wait('later', applied + 2);
  wait('next', applied + 1);
  wait('too many', applied + 1);
  expect(heard.splice(0)).toEqual([
    ['there', true],
    ['too many', false],
  ]);
  giveUp();
  leader.put('key');
  cluster.settle();
  expect(heard.splice(0)).toEqual([['next', true]]);
  leader.driver.stop();
  expect(heard).toEqual([['later', false]]);
});

test('changes of members are done when they are applied, and one at a time', () => {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abcd' });
  const leader = cluster.elect();
  const outcomes: unknown[] = [];
  const next = configOf('abc', { learners: 'd' });
  leader.driver.changeConfig(next, (outcome) => outcomes.push(outcome));
  leader.driver.changeConfig(configOf('ab'), (outcome) => outcomes.push(outcome));
  cluster.settle();
  expect(outcomes).toEqual([
    { kind: 'refused', why: 'changePending', leader: leader.id },
    { kind: 'done' },
  ]);
  expect(leader.statuses.at(-1)?.config).toEqual(next);
  cluster.ticks(10);
  expect(cluster.member('d').role).toBe('learner');
});

test('leadership is handed over, and the caller hears when it is', () => {
  const cluster = three();
  const leader = cluster.elect();
  const other = cluster.members.find((member) => member !== leader);
  if (other === undefined) throw new Error('three members');
  let outcome: unknown;
  leader.driver.transfer(other.id, (answer) => (outcome = answer));
  cluster.ticks(10);
  expect(outcome).toEqual({ kind: 'done' });
  expect(cluster.leader).toBe(other);
  other.driver.transfer(other.id, (answer) => (outcome = answer));
  expect(outcome).toMatchObject({ kind: 'refused', why: 'targetInvalid' });
});

test('a handing over that comes to nothing is unknown, and the leader goes on', () => {
  const cluster = three();
  const leader = cluster.elect();
  const other = cluster.members.find((member) => member !== leader);
  if (other === undefined) throw new Error('three members');
  cluster.isLost = ({ to }) => to === other.id;
  let outcome: unknown;
  leader.driver.transfer(other.id, (answer) => (outcome = answer));
  expect(leader.put('meanwhile').outcome).toBeUndefined();
  cluster.ticks(60);
  expect(outcome).toEqual({ kind: 'unknown' });
  const answer = leader.put('key');
  cluster.settle();
  expect(answer.outcome).toMatchObject({ kind: 'reply' });
});

test('after a stop everyone is answered, nothing is sent or written, and requests are refused', () => {
  const cluster = three();
  const leader = cluster.elect();
  cutOff(cluster, leader);
  const appended = leader.put('appended');
  cluster.settle();
  const queued = leader.put('queued');
  const reader = askToRead(leader);
  const { length } = cluster.posted;
  const writes = leader.disk.writes.length;
  leader.driver.stop();
  expect(appended.outcome).toEqual({ kind: 'unknown' });
  expect(queued.outcome).toMatchObject({ kind: 'refused' });
  expect(reader.outcome).toMatchObject({ kind: 'refused' });
  expect(leader.put('late').outcome).toMatchObject({ kind: 'refused' });
  expect(askToRead(leader).outcome).toMatchObject({ kind: 'refused' });
  leader.driver.stop();
  leader.runSoon();
  leader.disk.finish();
  leader.driver.tick();
  leader.runSoon();
  expect(cluster.posted.filter(({ from }) => from === leader.id).length).toBeGreaterThan(0);
  expect(cluster.posted.slice(length).filter(({ from }) => from === leader.id)).toEqual([]);
  expect(leader.disk.writes.length).toBe(writes);
});

test('who leads is told once for each change', () => {
  const cluster = three();
  const leader = cluster.elect();
  cluster.ticks(50);
  const told = leader.statuses.map(({ role, term }) => `${role} ${term}`);
  expect(told).toEqual([...new Set(told)]);
  expect(told.at(-1)).toMatch(/^leader /);
});
