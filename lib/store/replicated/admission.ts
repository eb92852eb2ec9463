/**
 * Letting hosts in, and giving members certificates. Any voter can: the authority's key lies sealed in the
 * state, and each voter has what opens it. A host's member id follows from its public key, so a host that
 * repeats its request is the same member.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { planAdmit, planAnnounce, type Permission } from '../membership/members.ts';
import { membersOf } from '../membership/read.ts';
import {
  authorityKey,
  authoritySchema,
  memberRange,
  memberSchema,
  type Authority,
  type Member,
} from '../membership/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { issueCertificate, keyFingerprint } from '../peer/authority.ts';
import { unseal } from '../peer/sealed.ts';
import type { JoinApplication } from '../peer/join-server.ts';
import type { JoinGrant } from '../peer/join-grant.ts';
import type { MemberId } from '../raft/entry.ts';
import { runPlan } from '../run-plan.ts';
import type { ReplicatedEngine } from './engine.ts';

/** What a host says of itself when it joins. */
export const joinFactsSchema = z.strictObject({
  name: memberSchema.shape.name,
  dataId: memberSchema.shape.dataId,
  addresses: memberSchema.shape.addresses,
  version: memberSchema.shape.version,
});
/** What a host says of itself when it joins. */
export type JoinFacts = z.infer<typeof joinFactsSchema>;

/** What a host that was let in has to know besides its certificate. */
export const welcomeSchema = z.strictObject({
  epoch: z.number().int().nonnegative(),
  role: memberSchema.shape.role,
  seeds: z.array(z.strictObject({ id: memberSchema.shape.id, addresses: z.array(z.string()) })),
});
/** What a host that was let in has to know besides its certificate. */
export type Welcome = z.infer<typeof welcomeSchema>;

/** What admission takes. */
export interface AdmissionParts {
  readonly engine: ReplicatedEngine;
  readonly clock: Clock;
  readonly clusterId: string;
  readonly epoch: number;
  /** What opens the authority's key; undefined on members that are no voters. */
  readonly sealKey: () => string | undefined;
}

/** The member id that goes with a public key (PEM). */
export function memberIdOf(publicKey: string): MemberId {
  return createHash('sha256').update(publicKey.trim()).digest('hex').slice(0, 16);
}

/**
 * Lets a host in.
 * @throws TOKEN_*, MEMBER_EXISTS, CLUSTER_CHANGE, PEER_PROTOCOL, PEER_REFUSED, QUORUM_LOST, …
 */
export async function admit(
  application: Pick<JoinApplication, 'publicKey' | 'facts'>,
  by: Permission,
  parts: AdmissionParts,
): Promise<JoinGrant> {
  const { engine, clock, clusterId, epoch } = parts;
  const facts = joinFactsSchema.safeParse(application.facts);
  if (!facts.success) {
    throw new FairleadError('PEER_PROTOCOL', 'a host wants to join and says nothing of itself', {
      cause: facts.error,
    });
  }
  // before the token is used up
  requireKeys(parts);
  const { publicKey } = application;
  const id = memberIdOf(publicKey);
  const wallMs = clock.wallMs();
  const wish = {
    by,
    member: { id, ...facts.data, joinedAtMs: wallMs },
    nowMs: wallMs,
  };
  const member = await runPlan(engine.system, () => planAdmit(wish));
  const certificate = await certify(id, publicKey, parts);
  const { rows } = await engine.system.range(memberRange);
  const welcome: Welcome = {
    epoch,
    role: member.role,
    seeds: seedsOf(membersOf(rows).map(({ value }) => value)),
  };
  const { authority } = requireKeys(parts);
  return { clusterId, certificate, authorities: authority.certificates, welcome };
}

/** Where members are, as a host keeps it. */
export function seedsOf(members: readonly Member[]): Welcome['seeds'] {
  return members
    .filter(({ addresses, leaving }) => addresses.length > 0 && !leaving)
    .map(({ id, addresses }) => ({ id, addresses: [...addresses] }));
}

/**
 * Makes a certificate for a member's key, and notes in its row when it ends.
 * @throws PEER_REFUSED on a member that is no voter
 */
export async function certify(
  memberId: MemberId,
  publicKey: string,
  parts: AdmissionParts,
): Promise<string> {
  const { engine, clock, clusterId } = parts;
  const { authority, privateKey } = requireKeys(parts);
  const certificate = issueCertificate(
    { certificate: authority.certificates[0] ?? '', privateKey },
    { clusterId, memberId, publicKey, wallMs: clock.wallMs() },
  );
  const certificateEndsAtMs = Date.parse(new X509Certificate(certificate).validTo);
  const certificatePin = keyFingerprint(authority.certificates[0] ?? '');
  const facts = { certificateEndsAtMs, certificatePin };
  await runPlan(engine.system, () => planAnnounce(memberId, facts));
  return certificate;
}

/** The cluster's authority, as this member has it. */
export function localAuthority(engine: ReplicatedEngine): Authority | undefined {
  const [row] = engine.localSystemRange({ start: authorityKey }).rows;
  return row && decodeRecord(authoritySchema, row).value;
}

/**
 * The authority with its key opened.
 * @throws PEER_REFUSED on a member that is no voter
 */
export function requireKeys({ engine, sealKey }: AdmissionParts): {
  readonly authority: Authority;
  readonly privateKey: string;
} {
  const key = sealKey();
  const authority = localAuthority(engine);
  if (key === undefined || authority === undefined) {
    throw new FairleadError('PEER_REFUSED', 'only voters let hosts in', {
      fix: 'use the address of a voter: fairlead cluster members',
    });
  }
  return { authority, privateKey: unseal(key, authorityKey, authority.sealedKey) };
}
