/**
 * Our copy of the monitored rows. Guarantees: an update is applied whole or not at all; a row object
 * never changes after it was handed out, a changed row is a new object; an update that does not fit
 * the rows (a second insert, a change of an absent row) is OVS_PROTOCOL, since then the copy is wrong
 * and must be fetched anew. Pure: knows nothing of connections.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import { applyDifference, sameDatum } from './difference.ts';
import type { AnyRow } from './rows.ts';
import { columnType, tableNames, type Row, type TableName } from './schema.ts';
import type { RowUpdate } from './updates.ts';
import type { Uuid } from './values.ts';

/** A row before and after; undefined where it is not there. */
export interface RowChange<T extends TableName> {
  readonly old: Row<T> | undefined;
  readonly new: Row<T> | undefined;
}

/** The rows that one transaction (or a reconnect) changed, by table and uuid. */
export type Change = { readonly [T in TableName]: ReadonlyMap<Uuid, RowChange<T>> };

/** The copy. */
export interface Replica {
  /** The rows of a table; the map is live, the rows are not. */
  rows<T extends TableName>(table: T): ReadonlyMap<Uuid, Row<T>>;
  /**
   * Applies updates on top of what is there.
   * @returns what changed, undefined for nothing
   * @throws OVS_PROTOCOL when they do not fit; nothing is changed then
   */
  apply(updates: readonly RowUpdate[]): Change | undefined;
  /**
   * Replaces everything by a snapshot.
   * @returns the difference, undefined for none
   * @throws OVS_PROTOCOL when it holds something but inserts; nothing is changed then
   */
  replace(snapshot: readonly RowUpdate[]): Change | undefined;
}

interface AnyChange {
  readonly old: AnyRow | undefined;
  readonly new: AnyRow | undefined;
}

type PerTable<V> = Readonly<Record<TableName, Map<Uuid, V>>>;

/** Makes an empty copy. */
export function createReplica(): Replica {
  const held = perTable<AnyRow>();

  const commit = (changes: PerTable<AnyChange>): Change | undefined => {
    let some = false;
    for (const table of tableNames) {
      for (const [uuid, change] of changes[table]) {
        some = true;
        if (change.new === undefined) held[table].delete(uuid);
        else held[table].set(uuid, change.new);
      }
    }
    return some ? (changes as unknown as Change) : undefined;
  };

  return {
    rows: <T extends TableName>(table: T) =>
      held[table] as ReadonlyMap<Uuid, AnyRow> as unknown as ReadonlyMap<Uuid, Row<T>>,

    apply(updates) {
      const changes = perTable<AnyChange>();
      for (const update of updates) {
        const old = held[update.table].get(update.uuid);
        const row = rowAfter(old, update);
        if (old === undefined || row === undefined || !sameRow(old, row)) {
          changes[update.table].set(update.uuid, { old, new: row });
        }
      }
      return commit(changes);
    },

    replace(snapshot) {
      const changes = perTable<AnyChange>();
      const seen = perTable<true>();
      for (const update of snapshot) {
        if (update.kind !== 'insert') throw unfitting(update);
        seen[update.table].set(update.uuid, true);
        const old = held[update.table].get(update.uuid);
        if (old !== undefined && sameRow(old, update.row)) continue;
        changes[update.table].set(update.uuid, { old, new: update.row });
      }
      for (const table of tableNames) {
        for (const [uuid, old] of held[table]) {
          if (!seen[table].has(uuid)) changes[table].set(uuid, { old, new: undefined });
        }
      }
      return commit(changes);
    },
  };
}

function perTable<V>(): PerTable<V> {
  return {
    Open_vSwitch: new Map(),
    Bridge: new Map(),
    Port: new Map(),
    Interface: new Map(),
  };
}

function rowAfter(old: AnyRow | undefined, update: RowUpdate): AnyRow | undefined {
  // an insert is the only update of a row that is not there, and never of one that is
  if ((update.kind === 'insert') !== (old === undefined)) throw unfitting(update);
  switch (update.kind) {
    case 'insert':
    case 'replace':
      return update.row;
    case 'modify':
      return modified(old ?? {}, update.table, update.difference);
    case 'delete':
      return undefined;
    default:
      return unreachable(update);
  }
}

function modified(old: AnyRow, table: TableName, difference: AnyRow): AnyRow {
  const row = { ...old };
  for (const [column, value] of Object.entries(difference)) {
    const type = columnType(table, column);
    if (type !== undefined) row[column] = applyDifference(type, old[column], value);
  }
  return row;
}

function sameRow(left: AnyRow, right: AnyRow): boolean {
  return Object.keys(left).every((column) => sameDatum(left[column], right[column]));
}

function unfitting(update: RowUpdate): FairleadError {
  return new FairleadError('OVS_PROTOCOL', 'ovsdb-server sent a change of rows that does not fit', {
    detail: { table: update.table, uuid: update.uuid, kind: update.kind },
  });
}
