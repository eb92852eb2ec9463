/** Rows and change records as they are stored. */
import type { KeyValue, WatchEvent } from '../port.ts';
import type { Change } from '../machine/image.ts';
import { damaged } from './format.ts';

/** The body of a row: create revision, mod revision, version, lease or -, value. */
export function encodeRow(row: KeyValue): string {
  const { createRevision, modRevision, version, lease, value } = row;
  return `${createRevision} ${modRevision} ${version} ${lease ?? '-'} ${value}`;
}

const rowPattern = /^([1-9]\d{0,15}) ([1-9]\d{0,15}) ([1-9]\d{0,15}) (-|\d{1,20}) /;

/**
 * The row of a body.
 * @throws STORE_DAMAGED
 */
export function decodeRow(key: string, body: string): KeyValue {
  const match = rowPattern.exec(body);
  if (match === null) throw damaged('a row is unreadable', { key });
  const [prefix, createRevision, modRevision, version, lease = '-'] = match;
  return {
    key,
    value: body.slice(prefix.length),
    createRevision: Number(createRevision),
    modRevision: Number(modRevision),
    version: Number(version),
    ...(lease === '-' ? {} : { lease }),
  };
}

type StoredRow = readonly [
  value: string,
  createRevision: number,
  modRevision: number,
  version: number,
  lease?: string,
];
type StoredEvent =
  | readonly ['put', string, StoredRow, StoredRow?]
  | readonly ['delete', string, StoredRow?];

/** A change as a change record holds it. */
export function encodeChange(change: Change): string {
  return JSON.stringify(
    change.events.map((event): StoredEvent => {
      const before: [StoredRow?] = event.previous === undefined ? [] : [shrink(event.previous)];
      return event.type === 'delete'
        ? ['delete', event.key, ...before]
        : ['put', event.row.key, shrink(event.row), ...before];
    }),
  );
}

const firstRevisionPattern = /^([1-9]\d{0,15}) \[/;

/**
 * The revision that a change record begins with.
 * @throws STORE_DAMAGED
 */
export function firstRevisionOf(body: string): number {
  const [, first] = firstRevisionPattern.exec(body) ?? [];
  if (first === undefined) throw damaged('a change record is unreadable');
  return Number(first);
}

/**
 * The changes in the record that stands under revision `last`.
 * @throws STORE_DAMAGED
 */
export function decodeChanges(last: number, body: string): readonly Change[] {
  const first = firstRevisionOf(body);
  try {
    // ours, and under a checksum: a shape that does not fit can only come from a bug
    const stored = JSON.parse(body.slice(body.indexOf(' '))) as readonly (readonly StoredEvent[])[];
    if (stored.length === last - first + 1) {
      return stored.map((events, at) => ({ revision: first + at, events: events.map(growEvent) }));
    }
  } catch {
    // said below
  }
  throw damaged('a change record is unreadable', { last });
}

function growEvent(stored: StoredEvent): WatchEvent {
  const key = stored[1];
  if (stored[0] === 'delete')
    return { type: 'delete', key, previous: growPrevious(key, stored[2]) };
  return { type: 'put', row: grow(key, stored[2]), previous: growPrevious(key, stored[3]) };
}

function growPrevious(key: string, stored: StoredRow | undefined): KeyValue | undefined {
  return stored === undefined ? undefined : grow(key, stored);
}

function shrink(row: KeyValue): StoredRow {
  const { value, createRevision, modRevision, version, lease } = row;
  return lease === undefined
    ? [value, createRevision, modRevision, version]
    : [value, createRevision, modRevision, version, lease];
}

function grow(key: string, stored: StoredRow): KeyValue {
  const [value, createRevision, modRevision, version, lease] = stored;
  return {
    key,
    value,
    createRevision,
    modRevision,
    version,
    ...(lease === undefined ? {} : { lease }),
  };
}
