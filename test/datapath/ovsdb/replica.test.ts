import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createReplica, type Change, type Replica } from '../../../lib/datapath/ovsdb/replica.ts';
import type { AnyRow } from '../../../lib/datapath/ovsdb/rows.ts';
import { columnsOf, tableNames, type TableName } from '../../../lib/datapath/ovsdb/schema.ts';
import { decodeUpdates } from '../../../lib/datapath/ovsdb/updates.ts';
import {
  defaultDatum,
  encodeDatum,
  type Atomic,
  type ColumnType,
  type Datum,
} from '../../../lib/datapath/ovsdb/values.ts';
import { FairleadError } from '../../../lib/errors.ts';

/** A database of the twin: rows by table and uuid. */
type Database = Readonly<Record<TableName, ReadonlyMap<string, AnyRow>>>;

const uuids = [1, 2, 3].map((digit) => `00000000-0000-4000-8000-00000000000${digit}`);

// few different values, so that sets and maps of two states overlap
const atoms: Readonly<Record<Atomic, fc.Arbitrary<string | number | boolean>>> = {
  string: fc.constantFrom('', 'a', 'b'),
  integer: fc.constantFrom(0, 1, 2),
  boolean: fc.boolean(),
  uuid: fc.constantFrom(...uuids),
};

function datum(type: ColumnType): fc.Arbitrary<Datum> {
  const key = atoms[type.key];
  switch (type.kind) {
    case 'atom':
      return key;
    case 'optional':
      return fc.option(key, { nil: undefined });
    case 'set':
      return fc.array(key, { maxLength: 3 }).map((list) => new Set(list));
    case 'map':
    default:
      return fc
        .array(fc.tuple(key, atoms[type.value]), { maxLength: 3 })
        .map((list) => new Map(list));
  }
}

const database: fc.Arbitrary<Database> = fc.record(
  Object.fromEntries(
    tableNames.map((table) => {
      const columns = Object.entries(columnsOf(table)).map(([name, type]) => [name, datum(type)]);
      const row = fc.record(Object.fromEntries(columns) as Record<string, fc.Arbitrary<Datum>>);
      const rows = fc.uniqueArray(fc.tuple(fc.constantFrom(...uuids), row), {
        selector: ([uuid]) => uuid,
      });
      return [table, rows.map((list) => new Map(list))];
    }),
  ) as unknown as Record<TableName, fc.Arbitrary<ReadonlyMap<string, AnyRow>>>,
);

const empty: Database = {
  Open_vSwitch: new Map(),
  Bridge: new Map(),
  Port: new Map(),
  Interface: new Map(),
};

const text = (value: Datum): string =>
  value instanceof Set || value instanceof Map
    ? [...value]
        .map((element) => JSON.stringify(element))
        .toSorted((a, b) => (a < b ? -1 : 1))
        .join()
    : JSON.stringify([value]);

/** The server's side of update2, written from ovsdb-server(7) section 4.1.14 word by word. */
function differenceJson(type: ColumnType, before: Datum, after: Datum): unknown {
  if (before instanceof Set && after instanceof Set) {
    const all = new Set([...before, ...after]);
    return encodeDatum(type, new Set([...all].filter((e) => before.has(e) !== after.has(e))));
  }
  if (before instanceof Map && after instanceof Map) {
    const pairs = [
      ...[...before].filter(([key]) => !after.has(key)),
      ...[...after].filter(([key]) => !before.has(key)),
      ...[...after].filter(([key, value]) => before.has(key) && before.get(key) !== value),
    ];
    return encodeDatum(type, new Map(pairs));
  }
  return encodeDatum(type, after);
}

function rowJson(table: TableName, row: AnyRow, keep: (type: ColumnType, value: Datum) => boolean) {
  return Object.fromEntries(
    Object.entries(columnsOf(table))
      .filter(([name, type]) => keep(type, row[name]))
      .map(([name, type]) => [name, encodeDatum(type, row[name])]),
  );
}

const notDefault = (type: ColumnType, value: Datum) => text(value) !== text(defaultDatum(type));

type RowUpdateJson = (
  table: TableName,
  before: AnyRow | undefined,
  after: AnyRow | undefined,
) => object | undefined;

const rowUpdate2: RowUpdateJson = (table, before, after) => {
  if (after === undefined) return { delete: null };
  if (before === undefined) return { insert: rowJson(table, after, notDefault) };
  const changed = Object.entries(columnsOf(table))
    .filter(([name]) => text(before[name]) !== text(after[name]))
    .map(([name, type]) => [name, differenceJson(type, before[name], after[name])]);
  return changed.length === 0 ? undefined : { modify: Object.fromEntries(changed) as object };
};

const rowUpdate1: RowUpdateJson = (table, before, after) => {
  const all = () => true;
  if (after === undefined) return { old: rowJson(table, before ?? {}, all) };
  if (before === undefined) return { new: rowJson(table, after, all) };
  return { old: {}, new: rowJson(table, after, all) };
};

/** All updates from one state to the next, through the text that would be on the wire. */
function wire(before: Database, after: Database, rowUpdate: RowUpdateJson): unknown {
  const json = Object.fromEntries(
    tableNames.map((table) => {
      const all = new Set([...before[table].keys(), ...after[table].keys()]);
      const updates = [...all].map((uuid) => [
        uuid,
        rowUpdate(table, before[table].get(uuid), after[table].get(uuid)),
      ]);
      return [table, Object.fromEntries(updates)];
    }),
  );
  return JSON.parse(JSON.stringify(json)) as unknown;
}

function stateOf(replica: Replica): Database {
  const rows = tableNames.map((table) => [table, new Map(replica.rows(table))]);
  return Object.fromEntries(rows) as Database;
}

/** A state with a change played on it: what a listener that only hears changes would hold. */
function played(state: Database, change: Change | undefined): Database {
  if (change === undefined) return state;
  const tables = tableNames.map((table) => {
    const rows = new Map(state[table]);
    for (const [uuid, { old, new: row }] of change[table]) {
      expect(rows.get(uuid)).toEqual(old);
      if (row === undefined) rows.delete(uuid);
      else rows.set(uuid, row);
    }
    return [table, rows];
  });
  return Object.fromEntries(tables) as Database;
}

/** The code of the error, `taken` for none; what is not ours falls through. */
function codeOf(act: () => unknown): string {
  try {
    act();
    return 'taken';
  } catch (thrown) {
    if (thrown instanceof FairleadError) return thrown.code;
    throw thrown;
  }
}

describe('a replica', () => {
  test.each([
    ['updates2', rowUpdate2],
    ['updates', rowUpdate1],
  ] as const)('follows the database through %s', (format, rowUpdate) => {
    fc.assert(
      fc.property(fc.array(database, { minLength: 1, maxLength: 5 }), (states) => {
        const replica = createReplica();
        let before = empty;
        let heard = empty;
        for (const after of states) {
          heard = played(
            heard,
            replica.apply(decodeUpdates(format, wire(before, after, rowUpdate))),
          );
          expect(stateOf(replica)).toEqual(after);
          expect(heard).toEqual(after);
          before = after;
        }
      }),
    );
  });

  test('a snapshot replaces everything and reports exactly the difference', () => {
    fc.assert(
      fc.property(database, database, (before, after) => {
        const replica = createReplica();
        replica.replace(decodeUpdates('updates2', wire(empty, before, rowUpdate2)));
        const kept = new Map(replica.rows('Port'));
        const change = replica.replace(decodeUpdates('updates2', wire(empty, after, rowUpdate2)));
        expect(stateOf(replica)).toEqual(after);
        expect(played(before, change)).toEqual(after);
        for (const [uuid, row] of kept) {
          // rows that are the same stay the same object: nothing is said about them
          const now = replica.rows('Port').get(uuid);
          expect(now === row).toBe(change?.Port.has(uuid) !== true);
        }
        expect(
          replica.replace(decodeUpdates('updates2', wire(empty, after, rowUpdate2))),
        ).toBeUndefined();
      }),
    );
  });

  const [uuid = ''] = uuids;
  const port = (update: unknown, of = uuid) => ({ Port: { [of]: update } });

  test('rows that were handed out do not change', () => {
    const replica = createReplica();
    replica.apply(decodeUpdates('updates2', port({ initial: { name: 'p', trunks: 5 } })));
    const before = replica.rows('Port').get(uuid);
    replica.apply(decodeUpdates('updates2', port({ modify: { trunks: ['set', [5, 6]] } })));
    expect(before?.trunks).toEqual(new Set([5]));
    expect(replica.rows('Port').get(uuid)?.trunks).toEqual(new Set([6]));
  });

  test.each<[string, unknown]>([
    ['a change of a row that is not there', port({ modify: { tag: 5 } }, uuids[1])],
    ['an insert of a row that is there', port({ insert: {} })],
    ['a deletion of a row that is not there', port({ delete: null }, uuids[1])],
  ])('%s is refused, and the updates beside it are not applied', (_what, json) => {
    const replica = createReplica();
    replica.apply(decodeUpdates('updates2', port({ initial: { name: 'p' } })));
    const before = stateOf(replica);
    const updates = decodeUpdates('updates2', {
      Bridge: { [uuid]: { insert: {} } },
      ...(json as object),
    });
    expect(() => replica.apply(updates)).toThrow(/does not fit/u);
    expect(stateOf(replica)).toEqual(before);
  });

  test.each<[string, unknown]>([
    ['no object', []],
    ['an unknown table', { QoS: {} }],
    ['a table called like a method of objects', { toString: {} }],
    ['a uuid that is none', port({ delete: null }, 'x')],
    ['an unknown column', port({ insert: { no_such_column: 'x' } })],
    ['an unknown kind', port({ remove: null })],
    ['two kinds at once', port({ insert: {}, delete: null })],
    ['no kind', port({})],
    ['a deleted row with content', port({ delete: {} })],
    ['a row that is a list', port({ insert: [] })],
    ['a row that is null', port(null)],
    ['a value of the wrong type', port({ modify: { tag: 'x' } })],
  ])('%s is refused', (_what, json) => {
    expect(() => decodeUpdates('updates2', json)).toThrow(
      expect.objectContaining({ code: 'OVS_PROTOCOL' }),
    );
  });

  test('a plain update must hold all columns', () => {
    expect(() => decodeUpdates('updates', port({ new: { name: 'p' } }))).toThrow(/other columns/u);
  });

  test('any JSON is applied or refused as a protocol error', () => {
    const json = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(
        fc.constantFrom(...tableNames, 'x'),
        fc.dictionary(
          fc.constantFrom(...uuids, 'x'),
          fc.dictionary(
            fc.constantFrom('initial', 'insert', 'modify', 'delete', 'old', 'new'),
            fc.oneof(
              fc.constant(null),
              fc.dictionary(
                fc.constantFrom('name', 'tag', 'trunks'),
                fc.jsonValue({ maxDepth: 2 }),
              ),
            ),
            { maxKeys: 1 },
          ),
        ),
      ),
    );
    fc.assert(
      fc.property(fc.constantFrom('updates', 'updates2'), fc.array(json), (format, list) => {
        const replica = createReplica();
        for (const updates of list) {
          const code = codeOf(() => replica.apply(decodeUpdates(format, updates)));
          expect(['taken', 'OVS_PROTOCOL']).toContain(code);
        }
      }),
      { numRuns: 200 },
    );
  });
});
