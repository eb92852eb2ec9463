/**
 * Entries of the log in bytes: a count, a head for each (term, kind, length of its text in UTF-16 units),
 * then all texts as one piece of UTF-8, up to the end. Indexes are not sent: entries of a message follow
 * each other without a gap. The same entries go to several followers, one after the other, so the last
 * block is kept: encoding is done once.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { assert } from '../../assert.ts';
import { peerEntriesMax } from '../../limits.ts';
import type { Entry, EntryKind } from '../raft/entry.ts';
import { ByteReader, malformed, writeU64 } from './bytes.ts';

const kinds = ['noop', 'command', 'config'] as const satisfies readonly EntryKind[];
/** Term, kind and length. */
const headBytes = 8 + 1 + 4;

let kept: { readonly entries: readonly Entry[]; readonly block: Buffer } = {
  entries: [],
  block: Buffer.alloc(4),
};

/** Entries that follow the one at index `previous`. */
export function encodeEntries(previous: number, entries: readonly Entry[]): Buffer {
  const { entries: last, block } = kept;
  if (entries.length === last.length && entries.every((entry, at) => entry === last[at])) {
    return block;
  }
  assert(entries.length <= peerEntriesMax, 'a message holds a bounded number of entries');
  kept = { entries, block: writeEntries(previous, entries) };
  return kept.block;
}

function writeEntries(previous: number, entries: readonly Entry[]): Buffer {
  const text = entries.map(({ data }) => data).join('');
  assert(text.isWellFormed(), 'entries are text that can be written in UTF-8');
  const heads = 4 + entries.length * headBytes;
  // one call for all texts: a call for each costs more than what it does
  const block = Buffer.allocUnsafe(heads + Buffer.byteLength(text));
  block.write(text, heads);
  let at = block.writeUInt32BE(entries.length, 0);
  let expected = previous;
  for (const { index, term, kind, data } of entries) {
    expected += 1;
    assert(index === expected, 'entries of a message follow each other');
    at = writeU64(block, term, at);
    at = block.writeUInt8(kinds.indexOf(kind), at);
    at = block.writeUInt32BE(data.length, at);
  }
  return block;
}

/**
 * Entries that follow the one at index `previous`.
 * @throws PEER_PROTOCOL
 */
export function decodeEntries(previous: number, reader: ByteReader): readonly Entry[] {
  const count = reader.u32();
  if (count > peerEntriesMax) throw malformed(`${count} entries in one message`);
  if (!Number.isSafeInteger(previous + count)) throw malformed('an index beyond 2^53');
  if (count * headBytes > reader.left) throw malformed('it ends too early');
  const heads = new ByteReader(reader.slice(count * headBytes));
  const text = readText(reader.slice(reader.left));
  const entries: Entry[] = [];
  let from = 0;
  for (let index = previous + 1; heads.left > 0; index += 1) {
    const term = heads.u64();
    const kind = kinds[heads.u8()];
    if (kind === undefined) throw malformed('an entry of a kind that we do not know');
    const to = from + heads.u32();
    if (to > text.length) throw malformed('it ends too early');
    entries.push({ index, term, kind, data: text.slice(from, to) });
    from = to;
  }
  if (from < text.length) throw malformed(`${text.length - from} characters too many`);
  return entries;
}

/** Text that is UTF-8 to the last byte: a damaged one would be another state on this member. */
function readText(bytes: Buffer): string {
  // nearly all of it is ASCII, which is read twice as fast
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw malformed('text that is not UTF-8');
  return bytes.toString('utf8');
}
