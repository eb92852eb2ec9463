/**
 * What the store's entries look like on the disk, and back. Every entry is sealed: a CRC-32 of key and
 * body stands before the body. Content is hashed (SHA-256 cut to 128 bits) for the chain over the
 * revisions and for the digest of the state.
 *
 *     M                          meta: format, store id, revision, compacted, rows, chain, digest
 *     R + revision, 14 hex       change record: chain before it, then the events as JSON
 *     S + key                    row: create revision, mod revision, version, value
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { FairleadError } from '../../errors.ts';
import type { KeyValue, WatchEvent } from '../port.ts';

/** Number of this layout. A store with another one is not touched. */
export const storeFormat = 1;
/** LevelDB's key of the meta row, and what the other keys begin with. */
export const metaKey = 'M';
export const rowPrefix = 'S';
export const changePrefix = 'R';
/** Chain value before the first revision. */
export const chainStart = '0'.repeat(32);

/** Where the store stands after a revision. */
export interface Head {
  readonly storeId: string;
  readonly revision: number;
  /** Changes up to and including this revision are forgotten. */
  readonly compacted: number;
  /** Rows in the state. */
  readonly rows: number;
  /** Hash of the last change record, which holds the hash of the one before it, and so on. */
  readonly chain: string;
  /** Sum of the hashes of all rows, modulo 2^128: the same whatever the order. */
  readonly digest: bigint;
}

/** All events of one revision. */
export interface Change {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

/** LevelDB's key of a row. */
export const rowKey = (key: string): string => rowPrefix + key;
/** LevelDB's key of a change record; fixed width, so that key order is revision order. */
export const changeKey = (revision: number): string =>
  changePrefix + revision.toString(16).padStart(14, '0');

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
  if (stored.slice(0, 9) !== `${checksum(key, body)} `) throw damaged(key, 'checksum');
  return body;
}

function checksum(key: string, body: string): string {
  return crc32(body, crc32(key)).toString(16).padStart(8, '0');
}

/** 128 bits of a hash over an entry, as 32 hex digits. */
export function contentHash(key: string, body: string): string {
  return hash('sha256', `${key}\0${body}`, 'hex').slice(0, 32);
}

/** The digest with the hash of one entry added. */
export function digestAdd(digest: bigint, contentHashHex: string): bigint {
  return BigInt.asUintN(128, digest + BigInt(`0x${contentHashHex}`));
}
/** The digest with the hash of one entry taken away. */
export function digestSubtract(digest: bigint, contentHashHex: string): bigint {
  return BigInt.asUintN(128, digest - BigInt(`0x${contentHashHex}`));
}

/** The body of a row. */
export function encodeRow(row: KeyValue): string {
  return `${row.createRevision} ${row.modRevision} ${row.version} ${row.value}`;
}

const rowPattern = /^([1-9]\d{0,15}) ([1-9]\d{0,15}) ([1-9]\d{0,15}) /;

/**
 * The row of a body.
 * @throws STORE_DAMAGED
 */
export function decodeRow(key: string, body: string): KeyValue {
  const match = rowPattern.exec(body);
  if (match === null) throw damaged(key, 'row');
  const [prefix, createRevision, modRevision, version] = match;
  return {
    key: key.slice(rowPrefix.length),
    value: body.slice(prefix.length),
    createRevision: Number(createRevision),
    modRevision: Number(modRevision),
    version: Number(version),
  };
}

/** The body of the meta row. */
export function encodeHead(head: Head): string {
  const { storeId, revision, compacted, rows, chain, digest } = head;
  const digestHex = digest.toString(16).padStart(32, '0');
  return `${storeFormat} ${storeId} ${revision} ${compacted} ${rows} ${chain} ${digestHex}`;
}

const headPattern =
  /^(\d+) ([0-9a-f]{32}) (\d{1,16}) (\d{1,16}) (\d{1,16}) ([0-9a-f]{32}) ([0-9a-f]{32})$/;

/**
 * The meta row of a body.
 * @throws STORE_DAMAGED
 */
export function decodeHead(body: string): Head {
  const format = body.split(' ', 1)[0];
  if (format !== String(storeFormat)) {
    throw new FairleadError('STORE_DAMAGED', `the store has format ${format}, not ${storeFormat}`, {
      fix: 'run the version of Fairlead that wrote it',
    });
  }
  const match = headPattern.exec(body);
  if (match === null) throw damaged(metaKey, 'meta');
  const [, , storeId = '', revision, compacted, rows, chain = '', digest] = match;
  return {
    storeId,
    revision: Number(revision),
    compacted: Number(compacted),
    rows: Number(rows),
    chain,
    digest: BigInt(`0x${digest}`),
  };
}

type StoredPrevious = readonly [value: string, create: number, mod: number, version: number];
type StoredEvent =
  | readonly ['put', string, string, number, number, StoredPrevious?]
  | readonly ['delete', string, StoredPrevious?];

/** A change record: `chain` is the one before this revision. */
export function encodeChange(change: Change, chain: string): string {
  const events = change.events.map((event): StoredEvent => {
    const { previous } = event;
    const before: [StoredPrevious?] =
      previous === undefined
        ? []
        : [[previous.value, previous.createRevision, previous.modRevision, previous.version]];
    if (event.type === 'delete') return ['delete', event.key, ...before];
    const { key, value, createRevision, version } = event.row;
    return ['put', key, value, createRevision, version, ...before];
  });
  return `${chain} ${JSON.stringify(events)}`;
}

/** The chain value that a change record says came before it. */
export function chainBefore(body: string): string {
  return body.slice(0, 32);
}

/**
 * The events of a change record.
 * @throws STORE_DAMAGED
 */
export function decodeChange(revision: number, body: string): Change {
  let stored: readonly StoredEvent[];
  try {
    // ours, and under a checksum: a shape that does not fit can only come from a bug
    stored = JSON.parse(body.slice(33)) as readonly StoredEvent[];
  } catch {
    throw damaged(changeKey(revision), 'change record');
  }
  return { revision, events: stored.map((event) => decodeEvent(revision, event)) };
}

function decodeEvent(revision: number, stored: StoredEvent): WatchEvent {
  const key = stored[1];
  if (stored[0] === 'delete') {
    return { type: 'delete', key, previous: decodePrevious(key, stored[2]) };
  }
  const [, , value, createRevision, version, before] = stored;
  return {
    type: 'put',
    row: { key, value, createRevision, modRevision: revision, version },
    previous: decodePrevious(key, before),
  };
}

function decodePrevious(key: string, stored: StoredPrevious | undefined): KeyValue | undefined {
  if (stored === undefined) return undefined;
  const [value, createRevision, modRevision, version] = stored;
  return { key, value, createRevision, modRevision, version };
}

function damaged(key: string, what: string): FairleadError {
  return new FairleadError('STORE_DAMAGED', `the store is damaged: wrong ${what}`, {
    detail: { key },
  });
}
