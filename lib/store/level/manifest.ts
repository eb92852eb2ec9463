/**
 * Which tables count: LevelDB's manifest is a log of changes to that list. A table that it does not name
 * is a leftover, of which a crash may have left any part. Formats: leveldb, doc/log_format.md and
 * db/version_edit.cc.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ByteReader } from './bytes.ts';
import { castagnoli, unmaskChecksum } from './castagnoli.ts';
import { damaged } from './format.ts';

/** A table that counts. */
export interface LiveTable {
  readonly number: number;
  readonly bytes: number;
}

/**
 * The tables that count.
 * @throws STORE_DAMAGED when the manifest is unreadable, or has lost changes at its end
 */
export async function readLiveTables(folder: string): Promise<readonly LiveTable[]> {
  const current = await readFile(join(folder, 'CURRENT'), 'latin1');
  const log = await readFile(join(folder, current.trimEnd()));
  const version: Version = { live: new Map(), firstLog: 0 };
  for (const edit of recordsOf(log)) applyEdit(edit, version);
  await checkFirstLog(folder, version);
  return [...version.live.values()];
}

/** What the changes so far add up to. */
interface Version {
  readonly live: Map<number, LiveTable>;
  /** The first log whose writes are in no table; 0 of a database that has written nothing yet. */
  firstLog: number;
}

/**
 * That log is there: LevelDB makes it before it names it, and removes it only when a later change that names another one
 * is durable. So it tells a manifest that lost its last changes from one whose last change a crash cut short.
 */
async function checkFirstLog(folder: string, { firstLog }: Version): Promise<void> {
  if (firstLog === 0) return;
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  if (logs.some((name) => Number.parseInt(name, 10) === firstLog)) return;
  throw damaged(`its log ${firstLog} is missing, or its manifest lost its last changes`);
}

const blockBytes = 32 * 1024;
const headerBytes = 7;

/** The records of a log. One that was cut short at the end was never valid; anything else is damage. */
function* recordsOf(log: Uint8Array): Generator<Uint8Array, void> {
  let parts: Uint8Array[] = [];
  for (let at = 0; at + headerBytes <= log.length;) {
    const left = blockBytes - (at % blockBytes);
    if (left < headerBytes) {
      at += left;
      continue;
    }
    const view = new DataView(log.buffer, log.byteOffset + at, headerBytes);
    const end = at + headerBytes + view.getUint16(4, true);
    if (end > log.length) return;
    const checksum = unmaskChecksum(view.getUint32(0, true));
    if (castagnoli(log.subarray(at + 6, end)) !== checksum) throw damaged('its manifest');
    // 1 whole, 2 first, 3 middle, 4 last
    const type = log[at + 6] ?? 0;
    if (type === 1 || type === 2) parts = [];
    parts.push(log.subarray(at + headerBytes, end));
    if (type === 1 || type === 4) yield Buffer.concat(parts);
    at = end;
  }
}

function applyEdit(edit: Uint8Array, version: Version): void {
  const reader = new ByteReader(edit);
  const text = () => reader.bytes(reader.number());
  while (!reader.isAtEnd) {
    const tag = reader.number();
    switch (tag) {
      // comparator
      case 1:
        text();
        break;
      // the number of the log
      case 2:
        version.firstLog = reader.number();
        break;
      // numbers of the next file, the last write, the log before
      case 3:
      case 4:
      case 9:
        reader.number();
        break;
      // where compaction goes on: level, key
      case 5:
        reader.number();
        text();
        break;
      // a table is gone: level, number
      case 6:
        reader.number();
        version.live.delete(reader.number());
        break;
      // a new table: level, number, size, first and last key
      case 7: {
        reader.number();
        const number = reader.number();
        version.live.set(number, { number, bytes: reader.number() });
        text();
        text();
        break;
      }
      default:
        throw damaged('its manifest says what is unknown');
    }
  }
}
