/**
 * Letting hosts in, and giving members certificates. Any voter can: the authority's key lies sealed in the
 * state, and each voter has what opens it. A host's member id follows from its public key, so a host that
 * repeats its request is the same member.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { planAdmit, planReplace, type Permission } from '../membership/admit.ts';
import { membersOf } from '../membership/read.ts';
import {
  authorityKey,
  authoritySchema,
  clusterKey,
  clusterSchema,
  memberRange,
  memberSchema,
  type Authority,
  type Member,
} from '../membership/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { issueCertificate } from '../peer/authority.ts';
import { unseal } from '../peer/sealed.ts';
import type { JoinApplication } from '../peer/join-server.ts';
import type { JoinGrant } from '../peer/join-grant.ts';
import type { MemberId } from '../raft/entry.ts';
import { runPlan } from '../run-plan.ts';
import type { ReplicatedEngine } from './engine.ts';
import { provenMember } from './member-proof.ts';

const replacesSchema = z.strictObject({
  /** PEM; of the member that is lost. */
  certificate: z.string().max(4_096),
  /** Made with its key, base64. */
  proof: z.string().max(256),
});
/** What a host shows that has lost the data of a member. */
export type Replaces = z.infer<typeof replacesSchema>;

/** What a host says of itself when it joins. Later versions may say more. */
export const joinFactsSchema = z.object({
  name: memberSchema.shape.name,
  dataId: memberSchema.shape.dataId,
  addresses: memberSchema.shape.addresses,
  version: memberSchema.shape.version,
  featureLevel: memberSchema.shape.featureLevel,
  replaces: replacesSchema.exactOptional(),
});
/** What a host says of itself when it joins. */
export type JoinFacts = z.infer<typeof joinFactsSchema>;

/** What a host that was let in has to know besides its certificate. */
export const welcomeSchema = z.object({
  epoch: z.number().int().nonnegative(),
  /** The name that it is a member by. */
  name: memberSchema.shape.name.exactOptional(),
  role: memberSchema.shape.role,
  /** The first member of the cluster. */
  founder: memberSchema.shape.id.exactOptional(),
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
  /** A member is connected, and so alive. */
  readonly isConnected: (id: MemberId) => boolean;
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
  const { authority } = requireKeys(parts);
  const { publicKey } = application;
  const id = memberIdOf(publicKey);
  const { replaces, ...said } = facts.data;
  const wallMs = clock.wallMs();
  const member = { id, ...said, joinedAtMs: wallMs };
  const trust = { clusterId, authorities: authority.certificates };
  const lost = replaces && provenMember(replaces, { publicKey, dataId: facts.data.dataId }, trust);
  if (lost !== undefined && parts.isConnected(lost)) {
    throw new FairleadError(
      'MEMBER_EXISTS',
      'the member whose place this host asks for is at work',
      {
        fix: "peer.json of this host is a copy of another host's: put the right one back, or remove it and join with a token",
      },
    );
  }
  const admitted = await runPlan(engine.system, () =>
    lost === undefined ? planAdmit({ by, member, nowMs: wallMs }) : planReplace(lost, member),
  );
  const { rows } = await engine.system.range(memberRange);
  const [settings] = (await engine.system.range({ start: clusterKey })).rows;
  const founder = settings && decodeRecord(clusterSchema, settings).value.founder;
  const members = membersOf(rows).map(({ value }) => value);
  const welcome: Welcome = {
    epoch,
    name: admitted.name,
    role: admitted.role,
    ...(founder === undefined ? {} : { founder }),
    // only who may vote takes connections
    seeds: seedsOf(members.filter(({ role }) => role !== 'observer')),
  };
  const certificate = certify(id, publicKey, parts);
  const { certificates: authorities } = requireKeys(parts).authority;
  return { clusterId, certificate, authorities, welcome };
}

/** Where members are, as a host keeps it. */
export function seedsOf(members: readonly Member[]): Welcome['seeds'] {
  return members
    .filter(({ addresses, leaving }) => addresses.length > 0 && !leaving)
    .map(({ id, addresses }) => ({ id, addresses: [...addresses] }));
}

/**
 * Makes a certificate for a member's key. The member says itself that it has it, when it does.
 * @throws PEER_REFUSED on a member that is no voter, PEER_CERTIFICATE
 */
export function certify(memberId: MemberId, publicKey: string, parts: AdmissionParts): string {
  const { clock, clusterId } = parts;
  const { authority, privateKey } = requireKeys(parts);
  return issueCertificate(
    { certificate: authority.certificates[0] ?? '', privateKey },
    { clusterId, memberId, publicKey, wallMs: clock.wallMs() },
  );
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
