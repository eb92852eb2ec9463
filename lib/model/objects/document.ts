/**
 * Objects as documents: the form of our own API and of files that are applied. What names an object is in
 * `metadata`, what it should be in `spec`. Unlike with Contiv's bodies, what is not known is refused, so that a
 * slip of the pen does not pass.
 *
 *     apiVersion: fairlead/v1
 *     kind: rule
 *     metadata: { tenant: default, policy: web, name: '1' }
 *     spec: { direction: in, protocol: tcp, port: 80, action: allow }
 */
import { FairleadError } from '../../errors.ts';
import type { Config, FieldValue, KindName, ObjectKind } from './kind.ts';
import { allKinds } from './kinds.ts';
import { keyText, nameOf, type ObjectName } from './object-keys.ts';
import { fieldNames, invalid, readConfig } from './read-config.ts';
import { isZero } from './shape.ts';

/** Version of the form. */
export const documentVersion = 'fairlead/v1';

/** An object as a document. */
export interface ObjectDocument {
  readonly apiVersion: typeof documentVersion;
  readonly kind: KindName;
  /** The parts of its key, and the revision of what is shown. */
  readonly metadata: Readonly<Record<string, string | number>>;
  /** Its fields, without those that were not given. */
  readonly spec: Readonly<Record<string, FieldValue>>;
}

/** A document that was read. */
export interface ReadDocument {
  readonly kind: ObjectKind;
  readonly name: ObjectName;
  /** As given: known fields, of whatever values. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** The revision it says the object has. */
  readonly revision?: number;
  /** What it names may be gone: it is as it was written once (`unresolved.ts`). */
  readonly unresolved?: boolean;
}

/** What may be left out of a document. */
export interface DocumentDefaults {
  readonly kind?: ObjectKind;
  readonly name?: ObjectName;
  readonly tenant?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The kinds that documents are of, in an order in which what is named comes before what names it. */
export const documentKinds: readonly ObjectKind[] = inOrder(
  allKinds.filter(({ access }) => access === 'all'),
);

/** What a field of the key is called in `metadata`: `name` for the last, `tenant` of `tenantName`. */
export function partName(kind: ObjectKind, field: string): string {
  return field === kind.key.at(-1) ? 'name' : field.replace(/Name$/, '');
}

/** The names of the fields in `spec`. */
export const specFields = (kind: ObjectKind): readonly string[] =>
  fieldNames(kind).filter((field) => !kind.key.includes(field));

/** An object as a document. */
export function documentOf(kind: ObjectKind, config: Config, revision?: number): ObjectDocument {
  const parts = kind.key.map((field) => [partName(kind, field), String(config[field])] as const);
  const given = specFields(kind).flatMap((field) => {
    const value = config[field];
    return value === undefined || isZero(value) ? [] : [[field, value] as const];
  });
  return {
    apiVersion: documentVersion,
    kind: kind.name,
    metadata: { ...Object.fromEntries(parts), ...(revision === undefined ? {} : { revision }) },
    spec: Object.fromEntries(given),
  };
}

/**
 * What a document says, without looking at the values of its fields.
 * @throws REQUEST_INVALID for what is no document, OBJECT_INVALID for what does not fit
 */
export function readDocument(json: unknown, defaults: DocumentDefaults = {}): ReadDocument {
  const { apiVersion, kind: kindText, metadata = {}, spec = {}, ...more } = objectIn(json, 'it');
  requireNone(more, 'a document', ['apiVersion', 'kind', 'metadata', 'spec']);
  const isOurs = apiVersion === documentVersion || (apiVersion === undefined && defaults.kind);
  if (!isOurs) throw wrong(`apiVersion is not ${documentVersion}`);
  const kind = kindOf(kindText, defaults.kind);
  const { revision, ...named } = objectIn(metadata, 'metadata');
  const { unresolved = false, ...rest } = named;
  const name = nameIn(kind, mayBeUnresolved(kind) ? rest : named, defaults);
  const fields = objectIn(spec, 'spec');
  const known = specFields(kind);
  requireNone(without(fields, known), `spec of a ${kind.name}`, known);
  if (typeof unresolved !== 'boolean') throw wrong('metadata.unresolved is not true or false');
  if (revision !== undefined && !Number.isSafeInteger(revision)) {
    throw wrong('metadata.revision is not a whole number');
  }
  const seen = revision === undefined ? {} : { revision: Number(revision) };
  return { kind, name, spec: fields, ...seen, ...(unresolved && { unresolved }) };
}

/**
 * The configuration that a document says.
 * @throws REQUEST_INVALID, OBJECT_INVALID
 */
export function configOfDocument({
  kind,
  name,
  spec,
}: Pick<ReadDocument, 'kind' | 'name' | 'spec'>): Config {
  const key = kind.key.map((field, at) => [field, name.parts[at]] as const);
  return readConfig(kind, keyText(name), { ...spec, ...Object.fromEntries(key) });
}

/**
 * A spec after a JSON merge patch (RFC 7396): `null` takes a field away, lists are given whole.
 * @throws REQUEST_INVALID, OBJECT_INVALID
 */
export function patchedSpec(kind: ObjectKind, before: Config, patch: Json): Json {
  const { spec } = documentOf(kind, before);
  const all = Object.entries({ ...spec, ...patch });
  return Object.fromEntries(all.filter(([, value]) => value !== null));
}

/** Whether objects of a kind stay when what they name goes. */
export const mayBeUnresolved = ({ fields }: ObjectKind): boolean =>
  Object.values(fields).some(({ refers }) => refers?.mayGo === true);

function kindOf(text: unknown, expected: ObjectKind | undefined): ObjectKind {
  if (text === undefined && expected !== undefined) return expected;
  const kind = documentKinds.find(({ name }) => name === text);
  if (kind === undefined) {
    throw wrong(`kind is none of ${documentKinds.map(({ name }) => name).join(', ')}`);
  }
  if (expected === undefined || kind === expected) return kind;
  throw wrong(`kind is ${kind.name}, not ${expected.name}`);
}

function nameIn(kind: ObjectKind, given: Json, { name, tenant }: DocumentDefaults): ObjectName {
  const known = kind.key.map((field) => partName(kind, field));
  const others = ['revision', ...(mayBeUnresolved(kind) ? ['unresolved'] : [])];
  requireNone(without(given, known), `metadata of a ${kind.name}`, [...known, ...others]);
  const config = kind.key.map((field, at) => {
    const part = partName(kind, field);
    const value = given[part] ?? name?.parts[at] ?? (part === 'tenant' ? tenant : kind.single);
    if (typeof value !== 'string' || value === '') throw wrong(`metadata.${part} is not a name`);
    if (name === undefined || value === name.parts[at]) return [field, value] as const;
    throw wrong(`metadata.${part} is not what the path says`);
  });
  return nameOf(kind, Object.fromEntries(config));
}

function objectIn(json: unknown, what: string): Json {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  throw wrong(`${what} is not an object with fields`);
}

const without = (json: Json, known: readonly string[]): Json =>
  Object.fromEntries(Object.entries(json).filter(([name]) => !known.includes(name)));

function requireNone(more: Json, of: string, known: readonly string[]): void {
  const [unknown] = Object.keys(more);
  if (unknown === undefined) return;
  const named = JSON.stringify(unknown.slice(0, 64));
  throw invalid(`${of} has no field ${named}, but ${known.join(', ')}`);
}

const wrong = (message: string): FairleadError => new FairleadError('REQUEST_INVALID', message);

/** A kind comes behind all kinds that its fields name. */
function inOrder(kinds: readonly ObjectKind[]): readonly ObjectKind[] {
  const placed: ObjectKind[] = [];
  const place = (kind: ObjectKind): void => {
    if (placed.includes(kind)) return;
    for (const { refers } of Object.values(kind.fields)) {
      const named = kinds.find(({ name }) => name === refers?.kind);
      if (named !== undefined && named !== kind) place(named);
    }
    placed.push(kind);
  };
  // new networks are made with the settings
  for (const kind of kinds.toSorted(
    (one, other) => Number(other.name === 'global') - Number(one.name === 'global'),
  )) {
    place(kind);
  }
  return placed;
}
