/** Objects as stored, except tenants and networks, whose rows are `../site.ts`'s. */
import { z } from 'zod';
import { endpointGroupNumberMax } from '../../limits.ts';
import { siteNameSchema } from '../site.ts';
import type { EarlierService } from './service-lb.ts';
import type { Config, Field, KindName, ObjectKind } from './kind.ts';
import { fieldNames, zeroOf } from './read-config.ts';
import { isZero } from './shape.ts';

/** The row of an object. */
export interface ObjectRow {
  /** Its fields, without those that were not given. */
  readonly config: Config;
  /** Of an endpoint group: what stands for it in flows; never another's. */
  readonly number?: number | undefined;
  /** Of a service: its address, canonical. */
  readonly address?: string | undefined;
  /** And that of IPv6; rows of before it have none. */
  readonly address6?: string | undefined;
  /** Of a service: what it asked for before, the latest first. */
  readonly earlier?: readonly EarlierService[] | undefined;
}

const schemas = new Map<KindName, z.ZodType<ObjectRow>>();

/** The schema of a kind's rows. */
export function objectRowSchema(kind: ObjectKind): z.ZodType<ObjectRow> {
  const known = schemas.get(kind.name);
  if (known !== undefined) return known;
  const schema = z.strictObject({
    config: z.strictObject(
      Object.fromEntries(
        fieldNames(kind).map((name) => [name, valueSchema(kind.fields[name]).exactOptional()]),
      ),
    ),
    number: z.int().min(1).max(endpointGroupNumberMax).optional(),
    address: z.string().optional(),
    address6: z.string().optional(),
    earlier: z
      .array(z.strictObject({ selectors: z.array(z.string()), ports: z.array(z.string()) }))
      .optional(),
  });
  schemas.set(kind.name, schema);
  return schema;
}

/** A configuration without the fields that were not given. */
export function withoutZeros(config: Config): Config {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => !isZero(value)));
}

/** A configuration with all fields of its kind. */
export function withZeros(kind: ObjectKind, config: Config): Config {
  return Object.fromEntries(
    Object.entries(kind.fields).map(([name, field]) => [name, config[name] ?? zeroOf(field)]),
  );
}

function valueSchema(field: Field | undefined): z.ZodType<string | number | readonly string[]> {
  if (field?.type === 'whole') return z.int();
  return field?.type === 'list' ? z.array(z.string()) : z.string();
}

/** The pool of a group, as stored; addresses in hex. */
export const groupPoolSchema = z.strictObject({
  group: siteNameSchema,
  first: z.string(),
  last: z.string(),
});

/** The pool of a group. */
export type GroupPool = z.infer<typeof groupPoolSchema>;

/** The guard of an object, as stored. */
export const guardSchema = z.strictObject({
  /** Somebody found that nobody names the object, and is about to look again. */
  closed: z.literal(true).optional(),
});

/** Who has a tag, as stored. */
export const tagOwnerSchema = z.strictObject({
  kind: z.enum(['network', 'endpointGroup']),
  tenant: siteNameSchema,
  name: siteNameSchema,
});
