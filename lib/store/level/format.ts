/**
 * Keys and seals: how entries are named in LevelDB, how each is told from a damaged one, and the hash
 * behind the log's chain and the state's digest. What stands in the bodies is in `meta.ts`, `rows.ts`
 * and `log-entry.ts`.
 *
 *     M                                  whose store it is
 *     H                                  hard state, and where the log ends
 *     F                                  where the log begins
 *     A                                  where the state stands, and which generation is the live one
 *     D + generation (6 hex) + kind      the log and the state of one generation:
 *       C, E + name                        records: sessions, leases
 *       L + first index (14 hex)           blocks of entries of the log
 *       R + last revision (14 hex)         change records
 *       S, Y + key                         rows: of users, of the system
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { FairleadError } from '../../errors.ts';
import type { Hash } from '../machine/digest.ts';
import type { RecordSpace, RowSpace } from '../machine/image.ts';

/** Number of this layout. */
export const storeFormat = 4;
/** Layouts that are read, too, and become this one with the first write: 3 had a row for each entry of the log. */
export const earlierFormats: readonly number[] = [3];

/** LevelDB's keys of the rows that there is one of. */
export const identityKey = 'M';
export const hardKey = 'H';
export const baseKey = 'F';
export const headKey = 'A';
/** What all other keys begin with. */
export const generationPrefix = 'D';

/** The kinds of entries within a generation, in key order. */
export const kinds = {
  sessions: 'C',
  leases: 'E',
  log: 'L',
  changes: 'R',
  users: 'S',
  system: 'Y',
} as const satisfies Record<RowSpace | RecordSpace | 'log' | 'changes', string>;
/** A kind of entry. */
export type Kind = keyof typeof kinds;

const generationDigits = 6;
const numberDigits = 14;
/** Generations are counted up to here; one is used per snapshot received. */
export const generationMax = 16 ** generationDigits - 1;

let newestStart = { generation: -1, text: '' };

/** The first part of the keys of a generation; that of the next one is the end of its range. */
export function generationStart(generation: number): string {
  // nearly all keys are of one generation
  if (generation !== newestStart.generation) {
    const digits = generation.toString(16).padStart(generationDigits, '0');
    newestStart = { generation, text: generationPrefix + digits };
  }
  return newestStart.text;
}

/** The first part of the keys of a kind. */
export const kindStart = (generation: number, kind: Kind): string =>
  generationStart(generation) + kinds[kind];

/** The first key behind a kind's. */
export const kindEnd = (generation: number, kind: Kind): string =>
  generationStart(generation) + String.fromCharCode(kinds[kind].charCodeAt(0) + 1);

/** A number as part of a key: fixed width, so that key order is number order. */
export const numberText = (value: number): string => value.toString(16).padStart(numberDigits, '0');

/** Key of the block of the log that begins with the entry at `index`. */
export const entryKey = (generation: number, index: number): string =>
  kindStart(generation, 'log') + numberText(index);
/** Key of a change record. */
export const changeKey = (generation: number, revision: number): string =>
  kindStart(generation, 'changes') + numberText(revision);
/** Key of a row. */
export const rowKey = (generation: number, space: RowSpace, key: string): string =>
  kindStart(generation, space) + key;
/** Key of a record. */
export const recordKey = (generation: number, space: RecordSpace, key: string): string =>
  kindStart(generation, space) + key;

/** The stored value of a body. */
export function seal(key: string, body: string): string {
  return `${checksum(key, body)} ${body}`;
}

/**
 * The body of a stored value.
 * @throws STORE_DAMAGED when the checksum is not of this key and body
 */
export function unseal(key: string, stored: string): string {
  const body = stored.slice(9);
  if (stored.slice(0, 9) !== `${checksum(key, body)} `) throw damaged(`wrong checksum`, { key });
  return body;
}

function checksum(key: string, body: string): string {
  // one call, because each converts a text to bytes
  return crc32(key + body)
    .toString(16)
    .padStart(8, '0');
}

/** 128 bits of SHA-256 over a text, as 32 hex digits. */
export function hashText(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 32);
}

/** The same as a number: the hash that the machine's digest is made with. */
export const contentHash: Hash = (text) => BigInt(`0x${hashText(text)}`);

/** The error of everything that the audit objects to. */
export function damaged(why: string, detail?: unknown): FairleadError {
  return new FairleadError('STORE_DAMAGED', `the store is damaged: ${why}`, { detail });
}
