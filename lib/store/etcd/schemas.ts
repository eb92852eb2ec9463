/**
 * Answers of etcd's JSON gateway (v3.4 and later) that we read. The gateway writes 64-bit numbers as
 * decimal text, bytes as base64, and leaves out what is zero, empty or false. Unknown fields pass, known
 * fields of another type do not.
 */
import { z } from 'zod';

/** Counters below 2^53: at 10 000 changes per second a revision gets there in 28 000 years. */
const counter = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,15})$/)
  .transform(Number)
  .refine(Number.isSafeInteger, 'larger than 2^53');
const absentCounter = counter.optional().transform((value) => value ?? 0);
const identity = z.string().regex(/^[0-9]{1,20}$/);
const flag = z
  .boolean()
  .optional()
  .transform((value) => value ?? false);

// fatal: a value that is not UTF-8 was not written by us; a mark at the beginning is part of the value
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const bytes = z
  .string()
  .optional()
  .transform((base64, context) => {
    try {
      return base64 === undefined ? '' : utf8.decode(Buffer.from(base64, 'base64'));
    } catch {
      context.addIssue('not UTF-8');
      return z.NEVER;
    }
  });

/** Which etcd answered, and the revision that the answer belongs to. */
export const headerSchema = z.object({ cluster_id: identity, revision: absentCounter });

/** One key as stored; of a deleted one only key and mod_revision are there. */
export const keyValueSchema = z.object({
  key: bytes,
  value: bytes,
  create_revision: absentCounter,
  mod_revision: absentCounter,
  version: absentCounter,
  lease: identity.optional(),
});

const rowsSchema = z.object({
  kvs: z
    .array(keyValueSchema)
    .optional()
    .transform((rows) => rows ?? []),
  more: flag,
});

/** Of `/v3/kv/range`. */
export const rangeSchema = rowsSchema.extend({ header: headerSchema });

/** Of `/v3/kv/txn`. Each response has one of the three. */
export const txnSchema = z.object({
  header: headerSchema,
  succeeded: flag,
  responses: z
    .array(
      z.object({
        response_put: z.object({}).optional(),
        response_range: rowsSchema.optional(),
        response_delete_range: z.object({ deleted: absentCounter }).optional(),
      }),
    )
    .optional()
    .transform((responses) => responses ?? []),
});

/** Of `/v3/lease/grant`. TTL in seconds. */
export const grantSchema = z.object({ header: headerSchema, ID: identity, TTL: absentCounter });

/** Of `/v3/lease/keepalive`, one line of a stream. A TTL of 0: there is no such lease. */
export const keepAliveSchema = z.object({
  result: z.object({ header: headerSchema, TTL: absentCounter }),
});

/** Of `/v3/lease/revoke`. */
export const revokeSchema = z.object({ header: headerSchema });

/** Of `/v3/auth/authenticate`. */
export const authenticateSchema = z.object({ header: headerSchema, token: z.string().min(1) });

const eventSchema = z.object({
  type: z.enum(['PUT', 'DELETE']).optional(),
  kv: keyValueSchema,
  prev_kv: keyValueSchema.optional(),
});

/** A message of a watch. */
export const watchSchema = z.object({
  header: headerSchema,
  created: flag,
  canceled: flag,
  cancel_reason: z.string().optional(),
  compact_revision: absentCounter,
  fragment: flag,
  events: z
    .array(eventSchema)
    .optional()
    .transform((events) => events ?? []),
});

/** A line of a stream: a message, or the error that ends it. */
export const watchLineSchema = z.union([
  z.object({ result: watchSchema }),
  z.object({ error: z.object({ message: z.string() }) }),
]);

/** An error as the gateway of 3.4 (`error`, `code`) and later (`message`, `code`) writes it. */
export const errorSchema = z.object({
  code: z.number().int(),
  message: z.string().optional(),
  error: z.string().optional(),
});

/** A key as etcd answered it. */
export type EtcdKeyValue = z.infer<typeof keyValueSchema>;
/** An event of a watch as etcd sent it. */
export type EtcdEvent = z.infer<typeof eventSchema>;
/** A message of a watch. */
export type EtcdWatchMessage = z.infer<typeof watchSchema>;
/** What every answer has. */
export interface EtcdAnswer {
  readonly header: z.infer<typeof headerSchema>;
}
