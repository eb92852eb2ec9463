/** A storage in memory, as plain as can be: what a disk must hold after a list of writes. */
import { createHash } from 'node:crypto';
import { FairleadError } from '../../lib/errors.ts';
import type { KeyValue } from '../../lib/store/port.ts';
import type { Storage, StorageWrite, StoredState } from '../../lib/store/driver/storage.ts';
import { contentHash } from '../../lib/store/level/format.ts';
import { Digest, recordText, rowText } from '../../lib/store/machine/digest.ts';
import type {
  Change,
  ImagePart,
  MachineHead,
  MachineImage,
  RecordSpace,
  RowSpace,
} from '../../lib/store/machine/image.ts';
import { configEmpty } from '../../lib/store/raft/config.ts';
import { hardStateStart, positionStart, type Entry } from '../../lib/store/raft/entry.ts';

/** Rows and records by name. Never changed in place. */
export interface Content {
  readonly rows: ReadonlyMap<string, readonly [RowSpace, KeyValue]>;
  readonly records: ReadonlyMap<string, readonly [RecordSpace, string, string]>;
}

/** All that a disk holds. Never changed in place. */
export interface Twin extends Content {
  readonly identity: StoredState['identity'];
  readonly hard: StoredState['hard'];
  readonly base: StoredState['base'];
  readonly entries: readonly Entry[];
  readonly changes: readonly Change[];
  readonly head: MachineHead;
  readonly staged: Content | undefined;
}

/** The disk of a new member. */
export const twinStart: Twin = {
  identity: {
    clusterId: 'c'.repeat(32),
    epoch: 1,
    memberId: 'e'.repeat(16),
    dataId: 'd'.repeat(32),
    featureLevel: 1,
  },
  hard: hardStateStart,
  base: { at: positionStart, config: configEmpty },
  entries: [],
  changes: [],
  rows: new Map(),
  records: new Map(),
  head: {
    applied: positionStart,
    revision: 0,
    systemRevision: 0,
    compacted: 0,
    timeMs: 0,
    count: 0,
    digest: '0'.repeat(32),
  },
  staged: undefined,
};

/** What to make of an empty folder. */
export const creationOf = (twin: Twin) => ({
  identity: twin.identity,
  base: twin.base,
  machine: imageOf(twin),
});

const rowName = (space: RowSpace, key: string) => `${space} ${key}`;

/** The disk after a write. */
export function afterWrite(twin: Twin, write: StorageWrite): Twin {
  let { hard, base, entries, changes, rows, records, head, staged, identity } = twin;
  if (write.truncateFrom !== undefined) {
    const from = write.truncateFrom;
    entries = entries.filter(({ index }) => index < from);
  }
  entries = [...entries, ...(write.entries ?? [])];
  if (write.delta !== undefined) {
    const { delta } = write;
    const [newRows, newRecords] = [new Map(rows), new Map(records)];
    for (const [space, key, row] of delta.rows) {
      if (row === undefined) newRows.delete(rowName(space, key));
      else newRows.set(rowName(space, key), [space, row]);
    }
    for (const [space, key, value] of delta.records) {
      if (value === undefined) newRecords.delete(`${space} ${key}`);
      else newRecords.set(`${space} ${key}`, [space, key, value]);
    }
    [rows, records, head] = [newRows, newRecords, delta.head];
    changes = [...changes, ...delta.changes].filter(({ revision }) => revision > head.compacted);
  }
  if (write.base !== undefined) {
    base = write.base;
    entries = entries.filter(({ index }) => index > base.at.index);
  }
  if (write.stage !== undefined) {
    const before = write.stage.first ? undefined : staged;
    staged = withPart(before ?? { rows: new Map(), records: new Map() }, write.stage.part);
  }
  if (write.install !== undefined && staged !== undefined) {
    ({ rows, records } = staged);
    ({ head, base } = write.install);
    [entries, changes, staged] = [[], [], undefined];
  }
  if (write.hard !== undefined) hard = write.hard;
  const { featureLevel = identity.featureLevel, epoch = identity.epoch } = write;
  identity = { ...identity, featureLevel, epoch };
  return { identity, hard, base, entries, changes, rows, records, head, staged };
}

function withPart(content: Content, part: ImagePart): Content {
  const [rows, records] = [new Map(content.rows), new Map(content.records)];
  for (const [space, row] of part.rows) rows.set(rowName(space, row.key), [space, row]);
  for (const record of part.records) records.set(`${record[0]} ${record[1]}`, record);
  return { rows, records };
}

/** What the machine would say of rows and records. */
export function tally(content: Content): { readonly count: number; readonly digest: string } {
  const digest = new Digest(contentHash);
  for (const [space, row] of content.rows.values()) digest.add(rowText(space, row));
  for (const record of content.records.values()) digest.add(recordText(...record));
  return { count: digest.count, digest: digest.text };
}

/** Refuses a state that does not add up, as the machine does. */
export function prove({ machine }: StoredState): void {
  const { count, digest } = tally(withPart({ rows: new Map(), records: new Map() }, machine));
  if (count !== machine.head.count || digest !== machine.head.digest) {
    throw new FairleadError('STORE_DAMAGED', 'the state that was read does not add up');
  }
}

function imageOf(twin: Twin): MachineImage {
  return { rows: [...twin.rows.values()], records: [...twin.records.values()], head: twin.head };
}

/** One hash over everything that a disk holds, half-received snapshots left out. */
export function fingerprintOf(twin: Twin): string {
  const { identity, hard, base, entries, changes, head } = twin;
  const rows = Array.from(twin.rows.values(), (row) => rowText(...row)).toSorted();
  const records = Array.from(twin.records.values(), (one) => recordText(...one)).toSorted();
  const all = [identity, hard, base, entries, head, rows, records, changes];
  return createHash('sha256').update(canonical(all)).digest('hex').slice(0, 16);
}

/** The same of an open storage. */
export async function fingerprintFrom(storage: Storage, stored: StoredState): Promise<string> {
  return fingerprintOf(await twinFrom(storage, stored));
}

/** What an open storage held when it was opened. */
export async function twinFrom(storage: Storage, stored: StoredState): Promise<Twin> {
  const { compacted, revision } = stored.machine.head;
  const changes: Change[] = [];
  for (let at = compacted + 1; at <= revision; at += 1) {
    const change = await storage.readChange(at);
    if (change !== undefined) changes.push(change);
  }
  const { identity, hard, base, entries, machine } = stored;
  const content = withPart({ rows: new Map(), records: new Map() }, machine);
  const { head } = machine;
  return { identity, hard, base, entries, changes, ...content, head, staged: undefined };
}

/** JSON that does not depend on the order in which objects were put together. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
