/**
 * Open vSwitch's database on paper: it carries transactions out as ovsdb-server does (RFC 7047 section 5.2), as
 * far as ours need it, on rows that a test may change by hand. Names of bridges, ports and interfaces are
 * unique, and rows that nothing refers to are gone.
 */
import type { Operation, ResultsOf } from '../../../lib/datapath/ovsdb/operations.ts';
import type { Change } from '../../../lib/datapath/ovsdb/replica.ts';
import { decodeColumns, withDefaults, type AnyRow } from '../../../lib/datapath/ovsdb/rows.ts';
import type { Row, TableName } from '../../../lib/datapath/ovsdb/schema.ts';
import type { Uuid } from '../../../lib/datapath/ovsdb/values.ts';

type Wire = Readonly<Record<string, unknown>>;
const byText = (one: string, other: string): number => (one < other ? -1 : 1);
type Mutable = Record<string, AnyRow[string]>;

const names = ['Open_vSwitch', 'Bridge', 'Port', 'Interface'] as const;
/** Which column of which table keeps rows of another one alive. */
const references = [
  ['Open_vSwitch', 'bridges', 'Bridge'],
  ['Bridge', 'ports', 'Port'],
  ['Port', 'interfaces', 'Interface'],
] as const;

/** The database. It begins with the one row that `ovs-vsctl init` makes. */
export class PaperOvsdb {
  readonly #tables: Readonly<Record<TableName, Map<Uuid, Mutable>>> = {
    Open_vSwitch: new Map(),
    Bridge: new Map(),
    Port: new Map(),
    Interface: new Map(),
  };
  readonly #listeners = new Set<(change: Change) => void>();
  #count = 0;
  /** Transactions so far. */
  transactions = 0;
  /** Called before a transaction is carried out. */
  before: () => void = () => {};

  constructor() {
    this.#add('Open_vSwitch', {});
  }

  rows<T extends TableName>(table: T): ReadonlyMap<Uuid, Row<T>> {
    return this.#tables[table] as unknown as ReadonlyMap<Uuid, Row<T>>;
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async transactConfigured<const Ops extends readonly Operation<unknown>[]>(
    operations: Ops,
  ): Promise<{ readonly results: ResultsOf<Ops>; readonly nextCfg: number }> {
    this.before();
    this.transactions += 1;
    const named = new Map<string, Uuid>();
    for (const { wire } of operations) {
      const name = wire['uuid-name'];
      if (typeof name === 'string') named.set(name, this.#nextUuid());
    }
    for (const { wire } of operations) this.#carryOut(this.#resolve(wire, named) as Wire, named);
    this.#collect();
    this.#checkNames();
    return { results: [] as unknown as ResultsOf<Ops>, nextCfg: this.transactions };
  }

  waitConfigured(): Promise<void> {
    return Promise.resolve();
  }

  /** The one row of this name. */
  named<T extends 'Bridge' | 'Port' | 'Interface'>(table: T, name: string): Row<T> | undefined {
    return this.rows(table)
      .values()
      .find((row) => row.name === name);
  }

  /** Changes a row by hand. */
  set<T extends 'Bridge' | 'Port' | 'Interface'>(
    table: T,
    name: string,
    columns: Partial<Row<T>>,
  ): void {
    for (const row of this.#tables[table].values()) {
      if (row['name'] === name) Object.assign(row, columns);
    }
  }

  /** Removes a port or a bridge by hand, as ovs-vsctl does. */
  remove(table: 'Bridge' | 'Port', name: string): void {
    for (const [uuid, row] of this.#tables[table]) {
      if (row['name'] === name) this.#tables[table].delete(uuid);
    }
    this.#collect();
  }

  /** Tells listeners of every interface that there is. */
  tellAll(): void {
    const rows = this.rows('Interface');
    const told = new Map([...rows].map(([uuid, row]) => [uuid, { old: undefined, new: row }]));
    const none = new Map<Uuid, never>();
    const change = { Open_vSwitch: none, Bridge: none, Port: none, Interface: told };
    for (const listener of this.#listeners) listener(change);
  }

  /** All of it as a text, to compare. */
  toText(): string {
    return JSON.stringify(
      names.map((table) => [...this.#tables[table]]),
      (_, value: unknown) => {
        if (!(value instanceof Map) && !(value instanceof Set)) return value;
        return [...value].map((each) => JSON.stringify(each)).toSorted(byText);
      },
    );
  }

  #nextUuid(): Uuid {
    this.#count += 1;
    return `00000000-0000-0000-0000-${String(this.#count).padStart(12, '0')}`;
  }

  #add(table: TableName, sent: AnyRow, uuid = this.#nextUuid()): void {
    this.#tables[table].set(uuid, { ...withDefaults(table, sent) });
  }

  /** Names of rows of this transaction become their uuids. */
  #resolve(value: unknown, named: ReadonlyMap<string, Uuid>): unknown {
    if (Array.isArray(value)) {
      if (value[0] === 'named-uuid') {
        const uuid = named.get(String(value[1]));
        if (uuid === undefined) throw new Error(`no row is named ${String(value[1])}`);
        return ['uuid', uuid];
      }
      return value.map((each) => this.#resolve(each, named));
    }
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, this.#resolve(each, named)]),
    );
  }

  #carryOut(wire: Wire, named: ReadonlyMap<string, Uuid>): void {
    const table = wire['table'] as TableName;
    if (wire['op'] === 'insert') {
      this.#add(table, decodeColumns(table, wire['row']), named.get(String(wire['uuid-name'])));
      return;
    }
    for (const [uuid, row] of this.#tables[table]) {
      const where = wire['where'] as readonly (readonly [string, string, readonly string[]])[];
      if (!where.every(([column, , value]) => column === '_uuid' && value[1] === uuid)) continue;
      if (wire['op'] === 'update') Object.assign(row, decodeColumns(table, wire['row']));
      else if (wire['op'] === 'mutate') this.#mutate(table, row, wire);
      else throw new Error(`no operation ${String(wire['op'])} on paper`);
    }
  }

  #mutate(table: TableName, row: Mutable, wire: Wire): void {
    for (const [column, how, value] of wire['mutations'] as [string, string, unknown][]) {
      const old = row[column];
      if (old instanceof Set) {
        const given = decodeColumns(table, { [column]: value })[column] as ReadonlySet<string>;
        row[column] = how === 'insert' ? old.union(given) : old.difference(given);
      } else if (old instanceof Map && how === 'insert') {
        const given = decodeColumns(table, { [column]: value })[column] as typeof old;
        // keys that are there keep their value
        row[column] = new Map([...given, ...old]);
      } else if (old instanceof Map) {
        const keys = (value as [string, string[]])[1];
        row[column] = new Map([...old].filter(([key]) => !keys.includes(String(key))));
      }
    }
  }

  #collect(): void {
    for (const [from, column, to] of references) {
      const alive = new Set(
        [...this.#tables[from].values()].flatMap((row) => [...(row[column] as Set<Uuid>)]),
      );
      for (const uuid of this.#tables[to].keys()) {
        if (!alive.has(uuid)) this.#tables[to].delete(uuid);
      }
      for (const row of this.#tables[from].values()) {
        const there = [...(row[column] as Set<Uuid>)].filter((id) => this.#tables[to].has(id));
        row[column] = new Set(there);
      }
    }
  }

  #checkNames(): void {
    for (const table of ['Bridge', 'Port', 'Interface'] as const) {
      const taken = [...this.rows(table).values()].map(({ name }) => name);
      if (new Set(taken).size !== taken.length) throw new Error(`${table}: ${taken.join()}`);
    }
  }
}
