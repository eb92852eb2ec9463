/**
 * What Contiv's client knew of each kind of object: fields, their types, and their order, which is the order
 * of its `-j` and `inspect`, made from the descriptions of the model. An answer is read by its shape: what is empty is left out, what the shape does
 * not know is dropped, what has another type is refused.
 */

import { assert } from '../../../assert.ts';
import type { KindName, ObjectKind } from '../../../model/objects/kind.ts';
import { allKinds, describedKind } from '../../../model/objects/kinds.ts';

/** The type of a field. */
export type Shape =
  | 'text'
  | 'number'
  | 'texts'
  | 'link'
  | 'links'
  | { readonly list: FieldShapes }
  | { readonly group: FieldShapes };

/** Fields by name, in the order they are written. */
export interface FieldShapes {
  readonly [name: string]: Shape;
}

/** A value as JSON has it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
/** An object as JSON has it. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** What was read, or what does not fit, in words. */
export type Shaped<Value> = { readonly value: Value } | { readonly complaint: string };

/** One kind: its name in paths, the fields that make its key, and its shapes. */
interface Kind {
  readonly plural: string;
  readonly key: readonly string[];
  readonly config: FieldShapes;
  readonly oper: FieldShapes;
}

/** Of what kind the objects in a figure are: what is found out about each. */
const operItems: Readonly<Record<string, KindName>> = {
  endpoints: 'endpoint',
  providers: 'endpoint',
  networks: 'network',
  endpointGroups: 'endpointGroup',
};

/** Kinds of which Contiv told nothing that was found out: where we have nothing to tell, nothing shows. */
const untold: ReadonlySet<KindName> = new Set(['netprofile']);

/** Kinds by name: names and types are the model's, the order is that of Contiv's client, by byte. */
export const kinds: ReadonlyMap<KindName, Kind> = new Map(
  allKinds.map((kind) => [
    kind.name,
    { plural: kind.plural, key: kind.key, config: configShapes(kind), oper: operShapes(kind) },
  ]),
);

/** The description of a kind. */
export function kindNamed(name: KindName): Kind {
  const kind = kinds.get(name);
  assert(kind !== undefined, `${name} is no kind`);
  return kind;
}

function configShapes({ fields, linkSets, links }: ObjectKind): FieldShapes {
  const shapes = { text: 'text', whole: 'number', list: 'texts' } as const;
  const hasSome = (of: object) => Object.keys(of).length > 0;
  return {
    ...(hasSome(fields) ? { key: 'text' } : {}),
    ...inOrder(fields, ({ type }) => shapes[type]),
    ...(hasSome(linkSets) ? { 'link-sets': { group: inOrder(linkSets, () => 'links') } } : {}),
    ...(hasSome(links) ? { links: { group: inOrder(links, () => 'link') } } : {}),
  };
}

function operShapes({ oper }: ObjectKind): FieldShapes {
  const shapes = { text: 'text', whole: 'number', texts: 'texts' } as const;
  return inOrder(oper, ({ type }, name) => {
    if (type !== 'objects') return shapes[type];
    const item = operItems[name];
    assert(item !== undefined, `${name} holds objects of no kind`);
    return { list: operShapes(describedKind(item)) };
  });
}

function inOrder<Value>(
  of: Readonly<Record<string, Value>>,
  shape: (value: Value, name: string) => Shape,
): FieldShapes {
  return Object.fromEntries(
    Object.entries(of)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => [name, shape(value, name)]),
  );
}

/** An object of a kind, as it is written. */
export function shapeObject(kind: KindName, value: unknown): Shaped<JsonObject> {
  return shapeFields(kindNamed(kind).config, value, kind);
}

/** What `inspect` answers: `Config` and `Oper`, as far as the kind has them. */
export function shapeInspection(kind: KindName, value: unknown): Shaped<JsonObject> {
  const { config, oper } = kindNamed(kind);
  const parts = Object.entries({ Config: config, Oper: oper });
  const isSilent = untold.has(kind) && !(isObject(value) && 'Oper' in value);
  const present = parts.filter(
    ([name, fields]) => Object.keys(fields).length > 0 && !(isSilent && name === 'Oper'),
  );
  const shapes = present.map(([name, group]) => [name, { group }] as const);
  return shapeFields(Object.fromEntries(shapes), value, kind);
}

/** Objects of a kind. */
export function shapeList(kind: KindName, value: unknown): Shaped<readonly JsonObject[]> {
  if (value === null) return { value: [] };
  if (!Array.isArray(value)) return unfit(value, kind, 'a list');
  const objects: JsonObject[] = [];
  for (const each of value as readonly unknown[]) {
    const shaped = shapeObject(kind, each);
    if ('complaint' in shaped) return shaped;
    objects.push(shaped.value);
  }
  return { value: objects };
}

function shapeFields(fields: FieldShapes, value: unknown, where: string): Shaped<JsonObject> {
  if (!isObject(value)) return unfit(value, where, 'an object');
  const written: Record<string, Json> = {};
  for (const [name, shape] of Object.entries(fields)) {
    const shaped = shapeField(shape, value[name], `${where}.${name}`);
    if ('complaint' in shaped) return shaped;
    if (shaped.value !== undefined) written[name] = shaped.value;
  }
  return { value: written };
}

/** A field as it is written; undefined when it is left out. */
function shapeField(shape: Shape, value: unknown, where: string): Shaped<Json | undefined> {
  if (typeof shape === 'object' && 'group' in shape) {
    return shapeFields(shape.group, value ?? {}, where);
  }
  if (shape === 'link') return shapeFields(linkFields, value ?? {}, where);
  if (value === undefined || value === null) return { value: undefined };
  switch (shape) {
    case 'text':
      if (typeof value !== 'string') return unfit(value, where, 'a text');
      return { value: value === '' ? undefined : value };
    case 'number':
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return unfit(value, where, 'a whole number');
      }
      return { value: value === 0 ? undefined : value };
    case 'texts':
      if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
        return unfit(value, where, 'a list of texts');
      }
      return { value: value.length === 0 ? undefined : value };
    case 'links':
      return shapeLinks(value, where);
    default:
      return shapeItems(shape.list, value, where);
  }
}

const linkFields: FieldShapes = { type: 'text', key: 'text' };

/** Maps are written in the order of their keys. */
function shapeLinks(value: unknown, where: string): Shaped<Json | undefined> {
  if (!isObject(value)) return unfit(value, where, 'an object');
  const names = Object.keys(value).toSorted();
  const written: Record<string, Json> = {};
  for (const name of names) {
    const shaped = shapeFields(linkFields, value[name], `${where}.${name}`);
    if ('complaint' in shaped) return shaped;
    written[name] = shaped.value;
  }
  return { value: names.length === 0 ? undefined : written };
}

function shapeItems(item: FieldShapes, value: unknown, where: string): Shaped<Json | undefined> {
  if (!Array.isArray(value)) return unfit(value, where, 'a list');
  const items: Json[] = [];
  for (const each of value as readonly unknown[]) {
    const shaped = shapeFields(item, each, where);
    if ('complaint' in shaped) return shaped;
    items.push(shaped.value);
  }
  return { value: items.length === 0 ? undefined : items };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unfit(value: unknown, where: string, wanted: string): { readonly complaint: string } {
  const found = Array.isArray(value)
    ? 'a list'
    : value === null
      ? 'null'
      : isObject(value)
        ? 'an object'
        : `a ${typeof value}`;
  return { complaint: `json: ${where} is ${found}, not ${wanted}` };
}
