/** Clusters in which a member is behind, and snapshots made by hand. */
import { expect } from 'vitest';
import type { SnapshotChunk } from '../../../../lib/store/driver/messages.ts';
import type { DriverBounds } from '../../../../lib/store/driver/options.ts';
import { ClusterTwin, configOf, type MemberTwin } from './cluster.ts';

/** Little log is kept, and parts are small. */
export const tight: Partial<DriverBounds> = {
  retention: {
    kept: { entries: 4, bytes: 100_000 },
    max: { entries: 16, bytes: 100_000 },
    cutMin: 1,
    cutMax: 64,
  },
  partBytes: 400,
};

/** A leader, and a member that is too far behind for the log. */
export function behind(bounds: Partial<DriverBounds> = tight): {
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

/** Parts that were sent. */
export const chunks = (cluster: ClusterTwin): readonly SnapshotChunk[] =>
  cluster.posted.flatMap(({ message }) => (message.kind === 'snapshotChunk' ? [message] : []));

/** What members must agree on. */
export const headOf = (member: MemberTwin) => {
  const { compacted: _, ...head } = member.driver.machine?.head() ?? { compacted: 0 };
  return head;
};

/** A single part that holds the whole state of a member. */
export function wholeOf(member: MemberTwin, transfer: number): SnapshotChunk {
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

/** How a transfer was answered. */
export const replyOf = (cluster: ClusterTwin, transfer: number) =>
  cluster.posted
    .flatMap(({ message }) => (message.kind === 'snapshotReply' ? [message] : []))
    .filter((reply) => reply.transfer === transfer)
    .map(({ outcome }) => outcome);

/** Two followers and a leader that keeps its whole log; one follower has none of the newest entries. */
export function lagging(bounds: Partial<DriverBounds> = {}): {
  readonly cluster: ClusterTwin;
  readonly leader: MemberTwin;
  readonly late: MemberTwin;
  /** Brings the follower what the leader's log has from an index on. */
  readonly append: (from: number, commit?: number) => void;
} {
  const cluster = new ClusterTwin({ config: configOf('abc'), members: 'abc', bounds });
  const leader = cluster.elect();
  const late = cluster.members.find((member) => member !== leader);
  if (late === undefined) throw new Error('three members');
  cluster.isLost = ({ to }) => to === late.id;
  for (let at = 0; at < 30; at += 1) leader.put(`key${at}`);
  cluster.ticks(10);
  const append = (from: number, commit = 0): void => {
    const { term } = leader.driver.status();
    const all = leader.disk.writes.flatMap(({ entries = [] }) => entries);
    const previous = all.find(({ index }) => index === from - 1) ?? { index: 0, term: 0 };
    late.driver.receive(leader.id, {
      kind: 'append',
      term,
      previous: { index: previous.index, term: previous.term },
      entries: all.filter(({ index }) => index >= from),
      commit,
    });
  };
  return { cluster, leader, late, append };
}
