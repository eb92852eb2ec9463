/**
 * The audit at open: reads everything and believes nothing. LevelDB drops damaged records from the
 * middle of its log and serves flipped bytes from its tables without a word, so it is we who check:
 * the checksum of every entry, that the log is one chain from its beginning to its end, that the state
 * stands within the log, that change records and rows are complete, and LevelDB's own notes of what it
 * dropped. (That the rows add up to the digest is for the machine to say; see `prove` in `open.ts`.)
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreIdentity } from '../driver/storage.ts';
import type { MachineHead, MachineImage, RecordSpace, RowSpace } from '../machine/image.ts';
import type { Entry } from '../raft/entry.ts';
import { eachEntry, type Database } from './database.ts';
import {
  baseKey,
  changeKey,
  damaged,
  generationPrefix,
  generationStart,
  hardKey,
  headKey,
  identityKey,
  kindEnd,
  kindStart,
  numberText,
  unseal,
} from './format.ts';
import { auditLog } from './log-audit.ts';
import {
  decodeIdentity,
  decodeLogBase,
  decodeLogEnd,
  decodeStateHead,
  type LogBase,
  type LogEnd,
  type StateHead,
} from './meta.ts';
import { decodeRow, firstRevisionOf } from './rows.ts';

/** What an audited store holds. */
export interface Audited {
  readonly identity: StoreIdentity;
  /** The layout that it has. */
  readonly format: number;
  readonly end: LogEnd;
  readonly base: LogBase;
  readonly state: StateHead;
  readonly entries: readonly Entry[];
  /** The chain after each of the entries. */
  readonly chains: readonly string[];
  /** The first index of each block of the log. */
  readonly blocks: readonly number[];
  /** The last revision of each change record. */
  readonly records: readonly number[];
  readonly machine: MachineImage;
}

/**
 * Reads and checks the whole database.
 * @throws STORE_DAMAGED, STORE_TOO_NEW
 */
export async function auditDatabase(database: Database): Promise<Audited> {
  const { identity, format } = decodeIdentity(await readOnly(database, identityKey));
  const end = decodeLogEnd(await readOnly(database, hardKey));
  const base = decodeLogBase(await readOnly(database, baseKey));
  const state = decodeStateHead(await readOnly(database, headKey));
  await auditKeys(database, state);
  const log = await auditLog(database, state.live, { base, end });
  auditPosition(state.head, base, log.entries);
  const records = await auditChanges(database, state);
  const machine = await readState(database, state);
  return { identity, format, end, base, state, ...log, records, machine };
}

async function readOnly(database: Database, key: string): Promise<string> {
  const stored = await database.get(key);
  if (stored === undefined) throw damaged(`its row ${key} is missing`);
  return unseal(key, stored);
}

/** Nothing but the rows that we know, and generations that we have begun. */
async function auditKeys(database: Database, { live, newest }: StateHead): Promise<void> {
  const below = await database.keys('', generationPrefix, 2);
  const above = await database.keys(generationStart(newest + 1), '\u{10ffff}', 4);
  const all = [...below, ...above].toSorted().join(' ');
  if (live > newest || all !== [headKey, baseKey, hardKey, identityKey].toSorted().join(' ')) {
    throw damaged('it holds an unknown entry', { below, above });
  }
}

/** The state lies between the ends of the log. */
function auditPosition(head: MachineHead, base: LogBase, entries: readonly Entry[]): void {
  const { applied } = head;
  const { at } = base.mark;
  if (base.stateless && applied.index < at.index) return;
  const term = applied.index === at.index ? at.term : entries[applied.index - at.index - 1]?.term;
  if (applied.index < at.index || term !== applied.term) {
    throw damaged('its state does not stand within its log', { applied, base: at });
  }
}

/** Change records are complete. What they say is decoded when somebody asks for it. */
async function auditChanges(
  database: Database,
  { live, head }: StateHead,
): Promise<readonly number[]> {
  const records: number[] = [];
  let revision = head.compacted;
  const range = { start: changeKey(live, revision + 1), end: kindEnd(live, 'changes') };
  const prefix = kindStart(live, 'changes');
  await eachEntry(database, range, (key, stored) => {
    const first = firstRevisionOf(unseal(key, stored));
    const last = Number.parseInt(key.slice(prefix.length), 16);
    // the first one may begin with what is forgotten
    const follows = first === revision + 1 || (records.length === 0 && first <= revision);
    if (!follows || last < first || key !== prefix + numberText(last)) {
      throw damaged('its history has a gap', { revision });
    }
    records.push(last);
    revision = last;
  });
  if (revision !== head.revision) throw damaged('its history does not lead to its state');
  return records;
}

async function readState(database: Database, { live, head }: StateHead): Promise<MachineImage> {
  const rows: MachineImage['rows'][number][] = [];
  const records: MachineImage['records'][number][] = [];
  for (const space of ['users', 'system'] as const satisfies readonly RowSpace[]) {
    const last = space === 'users' ? head.revision : head.systemRevision;
    await eachBody(database, kindStart(live, space), kindEnd(live, space), (key, body) => {
      const row = decodeRow(key, body);
      if (row.createRevision > row.modRevision || row.modRevision > last) {
        throw damaged('a row has an impossible revision', { key });
      }
      rows.push([space, row]);
    });
  }
  for (const space of ['sessions', 'leases'] as const satisfies readonly RecordSpace[]) {
    await eachBody(database, kindStart(live, space), kindEnd(live, space), (key, body) => {
      records.push([space, key, body]);
    });
  }
  if (rows.length + records.length !== head.count) throw damaged('rows are missing or came back');
  return { rows, records, head };
}

/** The entries of a kind, by the names that they have outside. */
async function eachBody(
  database: Database,
  start: string,
  end: string,
  visit: (key: string, body: string) => void,
): Promise<void> {
  await eachEntry(database, { start, end }, (key, stored) => {
    visit(key.slice(start.length), unseal(key, stored));
  });
}

/**
 * Looks into LevelDB's own notes (of this opening and the one before) for records that it dropped.
 * @throws STORE_DAMAGED
 */
export async function auditInfoLog(folder: string): Promise<void> {
  for (const name of ['LOG', 'LOG.old']) {
    const notes = await readFile(join(folder, name), 'utf8').catch(() => '');
    const line = notes.split('\n').find((candidate) => candidate.includes('dropping'));
    if (line !== undefined) throw damaged('records of its log are unreadable', { line });
  }
}
