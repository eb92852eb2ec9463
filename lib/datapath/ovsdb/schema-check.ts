/**
 * Compares the schema that the server has (RFC 7047 section 3.2) with the table in `schema.ts`. A
 * column of another type would be misread (the differences of a set and of an optional value are
 * applied in different ways), so the check comes before anything is monitored or written.
 */
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { parse } from './message.ts';
import { columnsOf, databaseName, tableNames } from './schema.ts';
import type { ColumnType } from './values.ts';

const baseTypeSchema = z.union([z.string(), z.object({ type: z.string() })]);

const typeSchema = z.union([
  z.string(),
  z.object({
    key: baseTypeSchema,
    value: baseTypeSchema.optional(),
    min: z.int().optional(),
    max: z.union([z.int(), z.literal('unlimited')]).optional(),
  }),
]);

const databaseSchema = z.object({
  name: z.string(),
  version: z.string().optional(),
  tables: z.record(
    z.string(),
    z.object({ columns: z.record(z.string(), z.object({ type: typeSchema })) }),
  ),
});

/**
 * Checks the answer of `get_schema`.
 * @returns the schema's version, for the log
 * @throws OVS_PROTOCOL when it is no schema, OVS_REFUSED when it lacks something we need
 */
export function checkSchema(json: unknown): string {
  const schema = parse(databaseSchema, json, 'a schema');
  const version = schema.version ?? 'unknown';
  for (const table of tableNames) {
    const columns = schema.tables[table]?.columns;
    for (const [name, wanted] of Object.entries(columnsOf(table))) {
      const found = columns?.[name];
      if (found !== undefined && sameType(wanted, columnTypeOf(found.type))) continue;
      const problem = found === undefined ? 'has no column' : 'has another type for column';
      throw new FairleadError(
        'OVS_REFUSED',
        `the ${databaseName} database (schema ${version}) ${problem} ${table}.${name}`,
        { fix: 'install Open vSwitch 2.12 or later', detail: found },
      );
    }
  }
  return version;
}

interface FoundType {
  readonly kind: ColumnType['kind'];
  readonly key: string;
  readonly value?: string;
}

function columnTypeOf(type: z.infer<typeof typeSchema>): FoundType {
  if (typeof type === 'string') return { kind: 'atom', key: type };
  const key = baseName(type.key);
  if (type.value !== undefined) return { kind: 'map', key, value: baseName(type.value) };
  if (type.max !== undefined && type.max !== 1) return { kind: 'set', key };
  return { kind: type.min === 0 ? 'optional' : 'atom', key };
}

function baseName(base: z.infer<typeof baseTypeSchema>): string {
  return typeof base === 'string' ? base : base.type;
}

function sameType(wanted: ColumnType, found: FoundType): boolean {
  if (wanted.kind !== found.kind || wanted.key !== found.key) return false;
  return wanted.kind !== 'map' || wanted.value === found.value;
}
