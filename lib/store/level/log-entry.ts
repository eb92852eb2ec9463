/**
 * The log as it is stored: in blocks of entries that follow each other, one for each write of the log or a few.
 * A row for each entry would cost the database more than all else that a write does. A block replaces whatever
 * earlier ones hold from its first entry on, so that a log that is cut needs no block written again.
 *
 * Every entry has a hash of everything up to and including it (the chain), and a block that after its last one:
 * an entry which is whole but does not belong here is told from one that does, be it of an older history or of
 * another store.
 */
import type { Entry, EntryKind, Position } from '../raft/entry.ts';
import { hashText, damaged } from './format.ts';

const letters = { noop: 'n', command: 'c', config: 'v' } as const satisfies Record<
  EntryKind,
  string
>;
const kindOfLetter: Readonly<Record<string, EntryKind>> = {
  n: 'noop',
  c: 'command',
  v: 'config',
};

/** Entries that follow each other. */
export interface LogBlock {
  readonly entries: readonly Entry[];
  /** The chain after the last of them. */
  readonly chain: string;
}

/** How much goes into one block; one entry always does. */
export interface BlockBounds {
  readonly entriesMax: number;
  readonly charactersMax: number;
}

/** The chain at the beginning of a log that starts after `base`. */
export const chainAt = (base: Position): string => hashText(`base ${base.index} ${base.term}`);

/** The chain after `entry`. */
export function chainAfter(chain: string, { index, term, kind, data }: Entry): string {
  return hashText(`${chain} ${index} ${term} ${letters[kind]} ${data}`);
}

/** Cuts entries that follow each other into blocks. */
export function inBlocks(
  entries: readonly Entry[],
  { entriesMax, charactersMax }: BlockBounds,
): readonly (readonly Entry[])[] {
  const blocks: (readonly Entry[])[] = [];
  let from = 0;
  let characters = 0;
  for (const [at, { data }] of entries.entries()) {
    const isFull = at - from >= entriesMax || characters + data.length > charactersMax;
    if (isFull && at > from) {
      blocks.push(entries.slice(from, at));
      from = at;
      characters = 0;
    }
    characters += data.length;
  }
  if (from < entries.length) blocks.push(from === 0 ? entries : entries.slice(from));
  return blocks;
}

/** The body of a block: its chain; term, kind and length of each entry; what they say, as one text. */
export function encodeBlock({ entries, chain }: LogBlock): string {
  const heads = entries.map(({ term, kind, data }) => `${term}${letters[kind]}${data.length}`);
  return `${chain} ${heads.join()} ${entries.map(({ data }) => data).join('')}`;
}

const chainPattern = /^[0-9a-f]{32} /;
const chainCharacters = 32;
const headPattern = /^(\d{1,16})([ncv])(\d{1,9})$/;

/**
 * The block of a body; `first` is the index of its first entry.
 * @throws STORE_DAMAGED
 */
export function decodeBlock(first: number, body: string): LogBlock {
  const headsAt = chainCharacters + 1;
  const headsEnd = body.indexOf(' ', headsAt);
  if (!chainPattern.test(body) || headsEnd < 0) throw unreadable(first);
  const chain = body.slice(0, chainCharacters);
  const heads = body.slice(headsAt, headsEnd);
  if (/^\d{1,16}$/.test(heads)) return { entries: [singleEntry(first, body)], chain };
  const entries: Entry[] = [];
  let at = headsEnd + 1;
  for (const head of heads.split(',')) {
    const [, term, letter = '', length] = headPattern.exec(head) ?? [];
    const kind = kindOfLetter[letter];
    const end = at + Number(length);
    if (kind === undefined || end > body.length) throw unreadable(first);
    const data = body.slice(at, end);
    entries.push({ index: first + entries.length, term: Number(term), kind, data });
    at = end;
  }
  if (at !== body.length) throw unreadable(first);
  return { entries, chain };
}

const singlePattern = /^[0-9a-f]{32} (\d{1,16}) ([ncv]) /;

/** Format 3 had an entry in each row: chain, term, kind, what it says. */
function singleEntry(index: number, body: string): Entry {
  const [prefix = '', term, letter = ''] = singlePattern.exec(body) ?? [];
  const kind = kindOfLetter[letter];
  if (kind === undefined) throw unreadable(index);
  return { index, term: Number(term), kind, data: body.slice(prefix.length) };
}

const unreadable = (index: number): Error => damaged('a block of its log is unreadable', { index });
