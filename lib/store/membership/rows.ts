/**
 * What the cluster knows of itself: rows of the system space. They change by transactions like any
 * other row, so that a join consumes its token and adds its member at one moment or not at all.
 *
 *     cluster                  name and settings all members share
 *     ca                       certificates of the authority, and its key, sealed
 *     member/<member id>       a host
 *     name/<host name>         whose name that is
 *     removed/<member id>      a host that was removed, so that it can be told
 *     token/<secret's hash>    a join token
 *     alarm/nospace/<member>   a member whose disk is nearly full (`machine` refuses puts meanwhile)
 */
import { z } from 'zod';
import { encodeRecord } from '../../model/record.ts';
import { prefixRange, type KeyRange, type Operation } from '../port.ts';

/** What a member is meant to be. The leader moves the configuration there step by step. */
export const memberRoles = ['voter', 'observer', 'witness'] as const;
/** One of them. */
export type MemberRole = (typeof memberRoles)[number];

const memberIdSchema = z.string().regex(/^[0-9a-f]{16}$/);
const hashSchema = z.string().regex(/^[0-9a-f]{64}$/);
/** host:port, the host in brackets if it is IPv6. */
const addressSchema = z.string().min(3).max(300);
const textSchema = z.string().max(200);

/** A member. */
export const memberSchema = z.strictObject({
  id: memberIdSchema,
  /** Name of its host; one member at a time has it. */
  name: z.string().min(1).max(64),
  role: z.enum(memberRoles),
  /** Where others reach it; empty for a host alone, and for observers that only dial. */
  addresses: z.array(addressSchema).max(8),
  /** Random id of its data directory. */
  dataId: z.string().regex(/^[0-9a-f]{32}$/),
  /** Version of its program, as it last said. */
  version: textSchema,
  /** Wall clock of the member that let it in, ms. For people. */
  joinedAtMs: z.number().int(),
  /** Leaving: the leader takes it out of the configuration, then removes this row. */
  leaving: z.boolean(),
  /** Newest certificate made for it: the day it ends, ms. */
  certificateEndsAtMs: z.number().int().optional(),
  /** SHA-256 of the key of the authority that signed it, hex. */
  certificatePin: hashSchema.optional(),
  /** What entries and rows its program knows, as it last said; absent for the first level. */
  featureLevel: z.number().int().positive().optional(),
});
/** A member. */
export type Member = z.infer<typeof memberSchema>;

/** The cluster's settings. */
export const clusterSchema = z.strictObject({
  /** Dates of certificates are enforced, not only warned about. */
  enforceDates: z.boolean(),
  createdAtMs: z.number().int(),
  /** The first member: the configuration that the log begins with. */
  founder: memberIdSchema.optional(),
  /** What entries and rows may be in use: rises when every member knows them, never falls. Absent for the
   *  first level. */
  featureLevel: z.number().int().positive().optional(),
});
/** The cluster's settings. */
export type ClusterSettings = z.infer<typeof clusterSchema>;

/** The certificate authority. */
export const authoritySchema = z.strictObject({
  /** PEM, newest first; more than one while the authority is being replaced. */
  certificates: z.array(z.string().max(8_192)).min(1).max(4),
  /** Private key of the newest, sealed under the key that only voters have. */
  sealedKey: z.string().max(8_192),
});
/** The certificate authority. */
export type Authority = z.infer<typeof authoritySchema>;

/** Whose name it is. */
export const nameSchema = z.strictObject({ id: memberIdSchema });

/** A host that was removed. */
export const removedSchema = z.strictObject({
  name: z.string(),
  removedAtMs: z.number().int(),
});

/** A join token; the secret itself is nowhere. */
export const tokenSchema = z.strictObject({
  hash: hashSchema,
  role: z.enum(memberRoles),
  /** Wall clock, ms. */
  expiresAtMs: z.number().int(),
  usesLeft: z.number().int().min(0),
});
/** A join token. */
export type Token = z.infer<typeof tokenSchema>;

/** Key of the settings. */
export const clusterKey = 'cluster';
/** Key of the authority. */
export const authorityKey = 'ca';
/** Key of a member. */
export const memberKey = (id: string): string => `member/${id}`;
/** All members. */
export const memberRange: Required<KeyRange> = prefixRange('member/');
/** Key of a name's owner. */
export const nameKey = (name: string): string => `name/${name}`;
/** All names. */
export const nameRange: Required<KeyRange> = prefixRange('name/');
/** Key of a removed member. */
export const removedKey = (id: string): string => `removed/${id}`;
/** All removed members. */
export const removedRange: Required<KeyRange> = prefixRange('removed/');
/** Key of a token. */
export const tokenKey = (hash: string): string => `token/${hash}`;
/** All tokens. */
export const tokenRange: Required<KeyRange> = prefixRange('token/');
/** Key of a member's alarm. */
export const alarmKey = (id: string): string => `alarm/nospace/${id}`;
/** All alarms. */
export const alarmRange: Required<KeyRange> = prefixRange('alarm/');

/** Writes a row. */
export const putRow = (key: string, value: object): Operation => ({
  op: 'put',
  key,
  value: encodeRecord(value),
});
