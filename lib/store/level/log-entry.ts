/**
 * Entries of the log as they are stored. Each carries the hash of everything up to and including it (the
 * chain), so that an entry which is whole but does not belong here is told from one that does: a row of
 * an older history, or of another store.
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

/** The chain at the beginning of a log that starts after `base`. */
export const chainAt = (base: Position): string => hashText(`base ${base.index} ${base.term}`);

/** The chain after `entry`. */
export function chainAfter(chain: string, entry: Entry): string {
  return hashText(`${chain} ${entry.index} ${entryText(entry)}`);
}

/** The body of an entry; `chain` is the one after it. */
export function encodeEntry(entry: Entry, chain: string): string {
  return `${chain} ${entryText(entry)}`;
}

function entryText({ term, kind, data }: Entry): string {
  return `${term} ${letters[kind]} ${data}`;
}

const entryPattern = /^([0-9a-f]{32}) (\d{1,16}) ([ncv]) /;

/**
 * The entry of a body, and the chain after it as stored.
 * @throws STORE_DAMAGED
 */
export function decodeEntry(index: number, body: string): { entry: Entry; chain: string } {
  const match = entryPattern.exec(body);
  const [prefix = '', chain = '', term, letter = ''] = match ?? [];
  const kind = kindOfLetter[letter];
  if (kind === undefined) throw damaged('an entry of its log is unreadable', { index });
  return { chain, entry: { index, term: Number(term), kind, data: body.slice(prefix.length) } };
}
