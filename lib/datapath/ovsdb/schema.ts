/**
 * The tables and columns of Open vSwitch that we read and write, in one table from which the monitor
 * requests, the decoding of updates, the check of the server's schema and the TypeScript types come
 * (ovs-vswitchd.conf.db(5)). What is not listed here is never asked for: statistics and status, which
 * vswitchd rewrites every few seconds for each interface, cost us nothing.
 */
import type { Atomic, ColumnType, ValueOf, WriteValueOf } from './values.ts';

const one = <const A extends Atomic>(key: A) => ({ kind: 'atom', key }) as const;
const optional = <const A extends Atomic>(key: A) => ({ kind: 'optional', key }) as const;
const setOf = <const A extends Atomic>(key: A) => ({ kind: 'set', key }) as const;
const textMap = { kind: 'map', key: 'string', value: 'string' } as const;

/** The database we talk about. */
export const databaseName = 'Open_vSwitch';

/** Every table and column in use. Names are the server's. */
export const tables = {
  /** One row, made by `ovs-vsctl init`. */
  Open_vSwitch: {
    bridges: setOf('uuid'),
    /** Raised by whoever changes something and wants to know when it is done. */
    next_cfg: one('integer'),
    /** Set by vswitchd to the next_cfg it has taken up. */
    cur_cfg: one('integer'),
    external_ids: textMap,
    ovs_version: optional('string'),
    datapath_types: setOf('string'),
  },
  Bridge: {
    name: one('string'),
    ports: setOf('uuid'),
    datapath_type: one('string'),
    fail_mode: optional('string'),
    /** VLANs in which no MAC is learned. */
    flood_vlans: setOf('integer'),
    external_ids: textMap,
    other_config: textMap,
  },
  Port: {
    name: one('string'),
    interfaces: setOf('uuid'),
    tag: optional('integer'),
    trunks: setOf('integer'),
    vlan_mode: optional('string'),
    /** Ports that are protected do not send to one another. */
    protected: one('boolean'),
    bond_mode: optional('string'),
    lacp: optional('string'),
    other_config: textMap,
    external_ids: textMap,
  },
  Interface: {
    name: one('string'),
    type: one('string'),
    /** OpenFlow port number; -1 when the interface could not be made, see `error`. */
    ofport: optional('integer'),
    ofport_request: optional('integer'),
    error: optional('string'),
    /** `up` or `down`. */
    link_state: optional('string'),
    admin_state: optional('string'),
    /** The MAC that an internal port is to have. */
    mac: optional('string'),
    mac_in_use: optional('string'),
    mtu: optional('integer'),
    mtu_request: optional('integer'),
    external_ids: textMap,
    options: textMap,
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, ColumnType>>>>;

/** Name of a table in use. */
export type TableName = keyof typeof tables;

/** Name of a column in use. */
export type ColumnName<T extends TableName> = keyof (typeof tables)[T] & string;

/** A row as read. */
export type Row<T extends TableName> = {
  readonly [C in ColumnName<T>]: (typeof tables)[T][C] extends infer K extends ColumnType
    ? ValueOf<K>
    : never;
};

/** Columns to be written. */
export type WriteRow<T extends TableName> = {
  readonly [C in ColumnName<T>]?: WriteColumn<T, C>;
};

/** What may be written to one column. */
export type WriteColumn<
  T extends TableName,
  C extends ColumnName<T>,
> = (typeof tables)[T][C] extends infer K extends ColumnType ? WriteValueOf<K> : never;

/** All table names, in the order above. */
export const tableNames = Object.keys(tables) as readonly TableName[];

/** True for a table that we know. */
export function isTableName(name: string): name is TableName {
  return Object.hasOwn(tables, name);
}

/** The columns of a table with their types. */
export function columnsOf(table: TableName): Readonly<Record<string, ColumnType>> {
  return tables[table];
}

/** The type of a column, undefined when we do not know it. */
export function columnType(table: TableName, column: string): ColumnType | undefined {
  const columns = columnsOf(table);
  return Object.hasOwn(columns, column) ? columns[column] : undefined;
}
