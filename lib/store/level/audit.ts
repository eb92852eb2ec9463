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
import type { Database } from './database.ts';
import {
  baseKey,
  changeKey,
  damaged,
  entryKey,
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
import { chainAfter, decodeEntry } from './log-entry.ts';
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
  readonly end: LogEnd;
  readonly base: LogBase;
  readonly state: StateHead;
  readonly entries: readonly Entry[];
  /** The chain after each of the entries. */
  readonly chains: readonly string[];
  /** The last revision of each change record. */
  readonly records: readonly number[];
  readonly machine: MachineImage;
}

/**
 * Reads and checks the whole database.
 * @throws STORE_DAMAGED, STORE_TOO_NEW
 */
export async function auditDatabase(database: Database): Promise<Audited> {
  const identity = decodeIdentity(await readOnly(database, identityKey));
  const end = decodeLogEnd(await readOnly(database, hardKey));
  const base = decodeLogBase(await readOnly(database, baseKey));
  const state = decodeStateHead(await readOnly(database, headKey));
  await auditKeys(database, state);
  const log = await auditLog(database, state.live, base, end);
  auditPosition(state.head, base, log.entries);
  const records = await auditChanges(database, state);
  const machine = await readState(database, state);
  return { identity, end, base, state, ...log, records, machine };
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

async function auditLog(
  database: Database,
  generation: number,
  base: LogBase,
  end: LogEnd,
): Promise<{ entries: Entry[]; chains: string[] }> {
  const entries: Entry[] = [];
  const chains: string[] = [];
  let { index, term } = base.mark.at;
  let { chain } = base;
  if (base.cleared > index) throw damaged('the beginning of its log is impossible');
  // begins at the first entry kept: in front of it lie only the tombstones of forgotten ones
  const range = { start: entryKey(generation, index + 1), end: kindEnd(generation, 'log') };
  const prefix = kindStart(generation, 'log');
  await eachEntry(database, range, (key, stored) => {
    index += 1;
    if (key !== prefix + numberText(index)) throw damaged('its log has a gap', { index });
    const read = decodeEntry(index, unseal(key, stored));
    if (read.entry.term < term) throw damaged('terms fall in its log', { index });
    term = read.entry.term;
    chain = chainAfter(chain, read.entry);
    if (chain !== read.chain) throw damaged('its log is not one chain', { index });
    entries.push(read.entry);
    chains.push(chain);
  });
  if (index !== end.last.index || term !== end.last.term || chain !== end.chain) {
    throw damaged('its log does not lead to its end', { index, end: end.last });
  }
  return { entries, chains };
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

async function eachEntry(
  database: Database,
  range: { readonly start: string; readonly end: string },
  visit: (key: string, stored: string) => void,
): Promise<void> {
  // one turn of the event loop per page, not per entry: a start reads 100 000 of them
  for await (const page of database.pages(range.start, range.end)) {
    for (const [key, stored] of page) visit(key, stored);
  }
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
