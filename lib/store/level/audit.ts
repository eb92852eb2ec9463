/**
 * The audit at open: reads everything and believes nothing. LevelDB drops damaged records from the
 * middle of its log and serves flipped bytes from its tables without a word, so it is we who check:
 * the checksum of every entry, that the change records are complete and chained up to the meta row,
 * that the rows add up to the digest, and LevelDB's own notes of what it dropped. What has passed is
 * held in memory from then on, so the disk is never trusted again while the process lives.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import type { Database, StoredEntry } from './database.ts';
import {
  chainBefore,
  chainStart,
  changeKey,
  changePrefix,
  contentHash,
  decodeHead,
  decodeRow,
  digestAdd,
  metaKey,
  rowPrefix,
  unseal,
  type Head,
} from './format.ts';
import { createState, type State } from './view.ts';

/** What an audited store holds. */
export interface Audited {
  readonly head: Head;
  readonly state: State;
}

interface Tally {
  readonly head: Head;
  readonly state: State;
  digest: bigint;
  /** Change record that must come next, and the chain up to it (unknown before the first). */
  nextRevision: number;
  chain: string | undefined;
}

/**
 * Reads and checks the whole database.
 * @throws STORE_DAMAGED
 */
export async function auditDatabase(database: Database): Promise<Audited> {
  const storedHead = await database.get(metaKey);
  if (storedHead === undefined) throw damaged('it has no meta row');
  const head = decodeHead(unseal(metaKey, storedHead));
  const tally: Tally = {
    head,
    state: createState(),
    digest: 0n,
    nextRevision: head.compacted + 1,
    chain: head.compacted === 0 ? chainStart : undefined,
  };
  // begins at the first change kept: in front of it lie only the tombstones of forgotten ones
  for await (const page of database.pages(changeKey(head.compacted + 1))) {
    for (const entry of page) auditEntry(entry, tally);
  }
  if (tally.nextRevision !== head.revision + 1) throw damaged('its history has a gap');
  if (tally.chain !== undefined && tally.chain !== head.chain) {
    throw damaged('its history does not lead to its state');
  }
  if (tally.state.rows !== head.rows) throw damaged('rows are missing or came back');
  if (tally.digest !== head.digest) throw damaged('its rows do not add up');
  return { head, state: tally.state };
}

function auditEntry([key, stored]: StoredEntry, tally: Tally): void {
  const body = unseal(key, stored);
  if (key.startsWith(rowPrefix)) auditRow(key, body, tally);
  else if (key.startsWith(changePrefix)) auditChange(key, body, tally);
  else throw damaged('it holds an unknown entry');
}

function auditRow(key: string, body: string, tally: Tally): void {
  const row = decodeRow(key, body);
  if (row.createRevision > row.modRevision || row.modRevision > tally.head.revision) {
    throw damaged('a row has an impossible revision');
  }
  tally.digest = digestAdd(tally.digest, contentHash(key, body));
  tally.state.put(row);
}

function auditChange(key: string, body: string, tally: Tally): void {
  if (key !== changeKey(tally.nextRevision)) throw damaged('its history has a gap');
  if (tally.chain !== undefined && chainBefore(body) !== tally.chain) {
    throw damaged('its history is not one chain');
  }
  tally.chain = contentHash(key, body);
  tally.nextRevision += 1;
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

function damaged(why: string, detail?: unknown): FairleadError {
  return new FairleadError('STORE_DAMAGED', `the store is damaged: ${why}`, { detail });
}
