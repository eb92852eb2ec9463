/** What the simulator's disk says of durability, and what the check of it makes of that (hazard 9). */
import { expect, test } from 'vitest';
import { emptyImage } from '../../lib/store/machine/state.ts';
import { encodeConfig, type RaftConfig } from '../../lib/store/raft/config.ts';
import type { Entry } from '../../lib/store/raft/entry.ts';
import { Raft } from '../../lib/store/raft/raft.ts';
import { raftOptions } from '../../lib/store/driver/options.ts';
import { LogCheck } from './check-log.ts';
import { Disk } from './disk.ts';

const id = 'a'.repeat(16);
const config: RaftConfig = { voters: [id], learners: [], witnesses: [] };
const first: Entry = { index: 1, term: 1, kind: 'config', data: encodeConfig(config) };
const tail: readonly Entry[] = [2, 3, 4].map((index) => ({
  index,
  term: 2,
  kind: 'noop',
  data: '',
}));

/** A disk with a log to 4 of term 2, and the check of a process that started from it. */
function started() {
  const identity = {
    clusterId: '0'.repeat(32),
    epoch: 1,
    memberId: id,
    dataId: '1'.repeat(32),
    featureLevel: 1,
  };
  const disk = new Disk(identity, emptyImage().head);
  disk.begin({ hard: { term: 2, vote: undefined, commit: 1 }, entries: [first, ...tail] });
  disk.complete();
  const check = new LogCheck(
    { nowMs: () => 0, disk: () => disk, onLeader: () => undefined },
    { ...raftOptions, learnerLagEntriesMax: 16 },
  );
  check.begin(first);
  check.started(id, disk.stored());
  const { hard, base, entries } = disk.stored();
  const raft = new Raft(
    { id, hard, base, entries, applied: 0 },
    { ...raftOptions, random: () => 0 },
  );
  return { disk, check, status: raft.status() };
}

/** A state at 3 of term 3 takes the place of the log. */
function install(disk: Disk): void {
  const at = { index: 3, term: 3 };
  disk.begin({ stage: { first: true, part: { rows: [], records: [] } } });
  disk.complete();
  const head = { ...emptyImage().head, applied: at };
  disk.begin({ install: { head, base: { at, config } } });
  disk.complete();
}

test('hazard 9: a log that a state has replaced counts as durable until the process is told', () => {
  const { disk, check, status } = started();
  expect(status.persisted).toBe(4);
  install(disk);
  expect(disk.last).toBe(3);
  // a process that was paused when its disk was done ticks before it hears of that
  expect(() => check.examine(id, status, disk)).not.toThrow();
  disk.told();
  expect(() => check.examine(id, status, disk)).toThrow('persistedAhead');
});

test('hazard 9: an install that was not told of excuses nothing that never was durable', () => {
  const { disk, check, status } = started();
  install(disk);
  const ahead = { ...status, persisted: 5 };
  expect(() => check.examine(id, ahead, disk)).toThrow('persistedAhead');
  expect(disk.isKnownDurable(4, 3)).toBe(false);
});

test('hazard 9: a process that died knows what its disk holds', () => {
  const { disk } = started();
  install(disk);
  disk.crash(true);
  expect(disk.isKnownDurable(4, 2)).toBe(false);
  expect(disk.isKnownDurable(3, 3)).toBe(true);
});
