/**
 * A configuration from JSON that came from outside, checked field by field in Contiv's order and words. What is
 * not a field is left out, as Contiv did: its clients send links back.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import { formats, type Format } from './formats.ts';
import type { Config, Field, FieldValue, ListField, ObjectKind, TextField } from './kind.ts';
import { keyOf } from './object-keys.ts';

/**
 * The configuration of the object with this key, with defaults.
 * @throws REQUEST_INVALID when it is not of the right shape, OBJECT_INVALID when a value does not do
 */
export function readConfig(kind: ObjectKind, key: string, json: unknown): Config {
  if (kind.access !== 'all') throw invalid('Invalid object type');
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new FairleadError('REQUEST_INVALID', 'the request is not a JSON object');
  }
  const given = json as Readonly<Record<string, unknown>>;
  const names = fieldNames(kind);
  // every command comes by here, some 20 fields each: no lists of pairs
  const raw: Record<string, FieldValue> = {};
  for (const name of names) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    raw[name] = rawValue(name, fieldOf(kind, name), value);
  }
  if (keyOf(kind, raw) !== key) throw invalid('Invalid Key');
  if (kind.single !== undefined && key !== kind.single) throw invalid('Invalid Key');
  const config: Record<string, FieldValue> = {};
  for (const name of names) {
    config[name] = checkedValue(name, fieldOf(kind, name), raw[name] ?? '');
  }
  return config;
}

/** The configuration of a kind in which nothing is given, with defaults; for the one object of its kind. */
export function defaultConfig(kind: ObjectKind): Config {
  return readConfig(kind, kind.single ?? '', { [kind.key[0] ?? '']: kind.single ?? '' });
}

const namesOfFields = new Map<ObjectKind, readonly string[]>();

/** The names of the fields of a kind, in the order in which they are checked and shown. */
export function fieldNames(kind: ObjectKind): readonly string[] {
  const known = namesOfFields.get(kind);
  if (known !== undefined) return known;
  const names = Object.keys(kind.fields).toSorted((one, other) =>
    one.toLowerCase() < other.toLowerCase() ? -1 : 1,
  );
  namesOfFields.set(kind, names);
  return names;
}

/** What a field is when it is not given. */
export function zeroOf(field: Field): FieldValue {
  return field.type === 'text' ? '' : field.type === 'whole' ? 0 : [];
}

function fieldOf(kind: ObjectKind, name: string): Field {
  const field = kind.fields[name];
  if (field === undefined) throw new FairleadError('INTERNAL', `${kind.name} has no ${name}`);
  return field;
}

/** The value as it came, of the field's type. */
function rawValue(name: string, field: Field, value: unknown): FieldValue {
  if (value === undefined || value === null) return zeroOf(field);
  switch (field.type) {
    case 'text':
      if (typeof value === 'string') return value;
      throw wrongType(name, 'a text');
    case 'whole':
      if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
      throw wrongType(name, 'a whole number');
    case 'list': {
      if (!Array.isArray(value)) throw wrongType(name, 'a list of texts');
      const items = value.filter((item): item is string => typeof item === 'string');
      if (items.length !== value.length) throw wrongType(name, 'a list of texts');
      // to name something twice is to name it
      return field.refers === undefined ? items : [...new Set(items)];
    }
    default:
      return unreachable(field);
  }
}

function checkedValue(name: string, field: Field, value: FieldValue): FieldValue {
  switch (field.type) {
    case 'whole': {
      const number = Number(value);
      if (number < field.min || number > field.max) throw invalid(`${name} Value Out of bound`);
      return number === 0 ? (field.default ?? 0) : number;
    }
    case 'text': {
      const text = String(value);
      if (text === '' && field.required !== true) return field.default ?? '';
      checkText(name, field, text);
      return text;
    }
    case 'list': {
      const items = Array.isArray(value) ? value.map(String) : [];
      if (items.length > field.itemsMax) {
        throw invalid(`${name} has ${items.length} entries, expected at most ${field.itemsMax}`);
      }
      for (const item of items) checkText(name, field, item);
      return items;
    }
    default:
      return unreachable(field);
  }
}

function checkText(name: string, field: TextField | ListField, text: string): void {
  if (text.length > field.charactersMax) throw invalid(`${name} string too long`);
  const format: Format = formats[field.format];
  if (text !== '' && format.fits(text)) return;
  throw invalid(`${name} string invalid format, expected ${format.expected}`);
}

function wrongType(name: string, expected: string): FairleadError {
  return new FairleadError('REQUEST_INVALID', `${name} is not ${expected}`);
}

/** A refusal of a value. */
export function invalid(message: string): FairleadError {
  return new FairleadError('OBJECT_INVALID', message);
}
