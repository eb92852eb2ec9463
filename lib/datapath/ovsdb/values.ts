/**
 * OVSDB values and their JSON (RFC 7047 section 5.1): atoms, optional atoms, sets, maps. Guarantees:
 * what does not fit the column's type exactly is OVS_PROTOCOL when read and OVS_REFUSED when written;
 * text that would make ovsdb-server drop the connection is never sent. Knows nothing of tables.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';

/** Types of one atom in the tables we use (`real` is in none of them). */
export type Atomic = 'string' | 'integer' | 'boolean' | 'uuid';

/** Type of a column: one atom, at most one, a set of several, a map. */
export type ColumnType =
  | { readonly kind: 'atom'; readonly key: Atomic }
  | { readonly kind: 'optional'; readonly key: Atomic }
  | { readonly kind: 'set'; readonly key: Atomic }
  | { readonly kind: 'map'; readonly key: Atomic; readonly value: Atomic };

/** A row's uuid, 36 characters, lower case. */
export type Uuid = string;

/** A row that is inserted in the same transaction, by the name its insert gave it. */
export interface NamedUuid {
  readonly named: string;
}

/** An atom as read. */
export type Atom = string | number | boolean;

/** A value as read. */
export type Datum = Atom | undefined | ReadonlySet<Atom> | ReadonlyMap<Atom, Atom>;

type AtomOf<A extends Atomic> = A extends 'integer'
  ? number
  : A extends 'boolean'
    ? boolean
    : string;

type WriteAtomOf<A extends Atomic> = A extends 'uuid' ? Uuid | NamedUuid : AtomOf<A>;

/** What a column of this type reads as. */
export type ValueOf<C extends ColumnType> = C extends { kind: 'map'; value: infer V extends Atomic }
  ? ReadonlyMap<AtomOf<C['key']>, AtomOf<V>>
  : C extends { kind: 'set' }
    ? ReadonlySet<AtomOf<C['key']>>
    : C extends { kind: 'optional' }
      ? AtomOf<C['key']> | undefined
      : AtomOf<C['key']>;

/** What may be written to a column of this type. */
export type WriteValueOf<C extends ColumnType> = C extends {
  kind: 'map';
  value: infer V extends Atomic;
}
  ? ReadonlyMap<AtomOf<C['key']>, AtomOf<V>>
  : C extends { kind: 'set' }
    ? Iterable<WriteAtomOf<C['key']>>
    : C extends { kind: 'optional' }
      ? WriteAtomOf<C['key']> | undefined
      : WriteAtomOf<C['key']>;

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/u;

/** The uuid that stands for "none". */
export const zeroUuid: Uuid = '00000000-0000-0000-0000-000000000000';

/** True for a uuid as the server writes it. */
export function isUuid(value: unknown): value is Uuid {
  return typeof value === 'string' && uuidPattern.test(value);
}

/**
 * Reads a value.
 * @throws OVS_PROTOCOL
 */
export function decodeDatum(type: ColumnType, json: unknown): Datum {
  switch (type.kind) {
    case 'atom':
      return decodeAtom(type.key, json);
    case 'optional': {
      const elements = decodeSet(type.key, json);
      if (elements.size > 1) throw unreadable('more than one value where one is allowed', json);
      const [only] = elements;
      return only;
    }
    case 'set':
      return decodeSet(type.key, json);
    case 'map':
      return decodeMap(type.key, type.value, json);
    default:
      return unreachable(type);
  }
}

/** The value of a column that an insert did not name (RFC 7047 section 5.2.1). */
export function defaultDatum(type: ColumnType): Datum {
  switch (type.kind) {
    case 'atom':
      return defaultAtoms[type.key];
    case 'optional':
      return undefined;
    case 'set':
      return new Set();
    case 'map':
      return new Map();
    default:
      return unreachable(type);
  }
}

const defaultAtoms: Readonly<Record<Atomic, Atom>> = {
  string: '',
  integer: 0,
  boolean: false,
  uuid: zeroUuid,
};

/**
 * Writes a value.
 * @throws OVS_REFUSED when the value is not of the column's type, before anything is sent
 */
export function encodeDatum(type: ColumnType, value: unknown): unknown {
  switch (type.kind) {
    case 'atom':
      return encodeAtom(type.key, value);
    case 'optional':
      return value === undefined ? ['set', []] : encodeAtom(type.key, value);
    case 'set':
      if (!isIterable(value)) throw unwritable('a set', value);
      return ['set', Array.from(value, (element) => encodeAtom(type.key, element))];
    case 'map':
      if (!(value instanceof Map)) throw unwritable('a map', value);
      return [
        'map',
        Array.from(value as ReadonlyMap<unknown, unknown>, ([key, held]) => [
          encodeAtom(type.key, key),
          encodeAtom(type.value, held),
        ]),
      ];
    default:
      return unreachable(type);
  }
}

/**
 * Reads an atom.
 * @throws OVS_PROTOCOL
 */
export function decodeAtom(type: Atomic, json: unknown): Atom {
  switch (type) {
    case 'string':
      if (typeof json === 'string') return json;
      break;
    case 'integer':
      // 64 bits on the wire; beyond 53 a number would silently be another one
      if (typeof json === 'number' && Number.isSafeInteger(json)) return json;
      break;
    case 'boolean':
      if (typeof json === 'boolean') return json;
      break;
    case 'uuid':
      if (Array.isArray(json) && json.length === 2 && json[0] === 'uuid' && isUuid(json[1])) {
        return json[1];
      }
  }
  throw unreadable(`no ${type}`, json);
}

/**
 * Writes an atom.
 * @throws OVS_REFUSED
 */
export function encodeAtom(type: Atomic, value: unknown): unknown {
  switch (type) {
    case 'string':
      // the server's JSON reader knows neither NUL nor lone surrogates and would hang up
      if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value;
      break;
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
      break;
    case 'boolean':
      if (typeof value === 'boolean') return value;
      break;
    case 'uuid':
      if (isUuid(value)) return ['uuid', value];
      if (isNamedUuid(value)) return ['named-uuid', value.named];
  }
  throw unwritable(`a value of type ${type}`, value);
}

/** True for a name that a lock, or a row inserted in a transaction, may have (RFC 7047 `<id>`). */
export function isIdentifier(name: string): boolean {
  return namePattern.test(name);
}

function isNamedUuid(value: unknown): value is NamedUuid {
  if (typeof value !== 'object' || value === null || !('named' in value)) return false;
  return typeof value.named === 'string' && isIdentifier(value.named);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  // a text is iterable, too, and never a set
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function taggedList(tag: 'set' | 'map', json: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(json) || json.length !== 2 || json[0] !== tag) return undefined;
  const list: unknown = json[1];
  return Array.isArray(list) ? list : undefined;
}

function decodeSet(type: Atomic, json: unknown): ReadonlySet<Atom> {
  // a set of one may be written as the bare atom
  const list = taggedList('set', json) ?? [json];
  const elements = new Set(list.map((element) => decodeAtom(type, element)));
  if (elements.size !== list.length) throw unreadable('a set that holds a value twice', json);
  return elements;
}

function decodeMap(key: Atomic, value: Atomic, json: unknown): ReadonlyMap<Atom, Atom> {
  const list = taggedList('map', json);
  if (list === undefined) throw unreadable('no map', json);
  const entries = new Map<Atom, Atom>();
  for (const pair of list) {
    if (!Array.isArray(pair) || pair.length !== 2) throw unreadable('no pair in a map', json);
    entries.set(decodeAtom(key, pair[0]), decodeAtom(value, pair[1]));
  }
  if (entries.size !== list.length) throw unreadable('a map that holds a key twice', json);
  return entries;
}

function unreadable(what: string, json: unknown): FairleadError {
  return new FairleadError('OVS_PROTOCOL', `ovsdb-server sent ${what}`, { detail: excerpt(json) });
}

function unwritable(wanted: string, value: unknown): FairleadError {
  return new FairleadError('OVS_REFUSED', `Open vSwitch needs ${wanted} here`, {
    detail: { outcome: 'not-sent', value: excerpt(value) },
  });
}

function excerpt(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  return text?.slice(0, 200) ?? 'nothing';
}
