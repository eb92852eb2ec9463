/**
 * The state as data: what a storage keeps, what a snapshot carries, and what one turn changed. Text keys
 * and JSON-able values only, so that the adapters need to know nothing of what they mean.
 */
import type { KeyValue, WatchEvent } from '../port.ts';
import type { Position } from '../raft/entry.ts';

/** All events of one revision: a change record. */
export interface Change {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

/** The spaces of the state. `users` and `system` hold rows; `sessions` and `leases` hold records. */
export type RowSpace = 'users' | 'system';
export type RecordSpace = 'sessions' | 'leases';

/** Where the state stands. Equal position means equal head on every member (hazard 34). */
export interface MachineHead {
  /** The last entry applied. */
  readonly applied: Position;
  readonly revision: number;
  readonly systemRevision: number;
  /** Change records up to and including this revision are forgotten. After a snapshot was installed it
   *  is the snapshot's revision, so it may differ between members and is no part of their comparison. */
  readonly compacted: number;
  /** Time in the machine, ms. */
  readonly timeMs: number;
  /** Number of all rows and records. */
  readonly count: number;
  /** Sum modulo 2^128 of a hash over each row and record: the same whatever the order. 32 hex digits. */
  readonly digest: string;
}

/** The rows and records of an image or a part of one. */
export interface ImagePart {
  readonly rows: readonly (readonly [RowSpace, KeyValue])[];
  /** Space, key, value. */
  readonly records: readonly (readonly [RecordSpace, string, string])[];
}

/** A whole state. */
export interface MachineImage extends ImagePart {
  readonly head: MachineHead;
}

/** A whole state as it was at a moment, whose rows are made when they are walked; that can be done once. */
export interface FrozenImage {
  readonly head: MachineHead;
  readonly rows: Iterable<ImagePart['rows'][number]>;
  readonly records: ImagePart['records'];
}

/** What changed since the last delta was taken: final values, undefined for what is gone. */
export interface Delta {
  readonly rows: readonly (readonly [RowSpace, string, KeyValue | undefined])[];
  readonly records: readonly (readonly [RecordSpace, string, string | undefined])[];
  /** Change records to keep, in order. */
  readonly changes: readonly Change[];
  /** Change records in (from, to] are to be dropped. */
  readonly forget: { readonly from: number; readonly to: number };
  readonly head: MachineHead;
}
