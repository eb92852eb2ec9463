/** Objects as REST shows them: Contiv's JSON, in which what was not given is left out and links always are. */
import type { Config, FieldValue, LinkSource, ObjectKind } from './kind.ts';
import { keyOf, keyText, type ObjectName } from './object-keys.ts';
import { fieldNames } from './read-config.ts';

/** Objects that name an object, each once. */
export type Naming = readonly ObjectName[];

type Json = { readonly [name: string]: unknown };

/** An object with its key, its fields and its links; `naming` is who names it. */
export function shapeOf(kind: ObjectKind, config: Config, naming: Naming = []): Json {
  const fields = fieldNames(kind).map((name) => [name, config[name]] as const);
  const sources = (of: Readonly<Record<string, LinkSource>>) =>
    Object.entries(of).map(([name, source]) => [name, membersOf(source, config, naming)] as const);
  const sets = sources(kind.linkSets).filter(([, members]) => members.length > 0);
  return {
    key: keyOf(kind, config),
    ...Object.fromEntries(fields.filter(([, value]) => value !== undefined && !isZero(value))),
    ...(Object.keys(kind.linkSets).length === 0
      ? {}
      : {
          'link-sets': Object.fromEntries(
            sets.map(([name, members]) => [
              name,
              Object.fromEntries(members.map((member) => [keyText(member), linkTo(member)])),
            ]),
          ),
        }),
    ...(Object.keys(kind.links).length === 0
      ? {}
      : {
          links: Object.fromEntries(
            sources(kind.links).map(([name, [member]]) => [
              name,
              member === undefined ? {} : linkTo(member),
            ]),
          ),
        }),
  };
}

/** The name of the object of a kind that a field's value names, from an object of the same tenant. */
export function namedBy(
  kind: ObjectKind['name'],
  value: string,
  naming: { readonly config: Config; readonly field: string },
): ObjectName {
  const { config, field } = naming;
  const tenant = String(config['tenantName']);
  if (kind === 'tenant') return { kind, parts: [field === 'tenantName' ? tenant : value] };
  return { kind, parts: [tenant, value] };
}

/** Whether a field was not given. */
export function isZero(value: FieldValue): boolean {
  return value === '' || value === 0 || (typeof value === 'object' && value.length === 0);
}

function membersOf(source: LinkSource, config: Config, naming: Naming): readonly ObjectName[] {
  if ('naming' in source) return naming.filter(({ kind }) => kind === source.kind);
  return source.named.flatMap((field) => {
    const value = config[field];
    const names = typeof value === 'object' ? value : [String(value ?? '')];
    return names
      .filter((name) => name !== '')
      .map((name) => namedBy(source.kind, name, { config, field }));
  });
}

const linkTo = (name: ObjectName): Json => ({ type: name.kind, key: keyText(name) });
