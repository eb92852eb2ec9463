/**
 * Keeping what a member shows to others in step with the cluster: the authorities that it trusts, a
 * certificate of the newest one, the key that voters share, and where others are. While connections last,
 * nothing is cut by a change.
 */
import { createPublicKey } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { runPlan } from '../run-plan.ts';
import { authorityKey, type Member } from '../membership/rows.ts';
import { planReplaceAuthority } from '../membership/tokens.ts';
import { issueCertificate, keyFingerprint, makeAuthority } from '../peer/authority.ts';
import { makeSealKey, seal } from '../peer/sealed.ts';
import type { RaftStatus } from '../raft/step.ts';
import { certify, localAuthority, seedsOf, type AdmissionParts } from './admission.ts';
import type { ReplicatedEngine } from './engine.ts';
import { certificateFacts } from './own-certificate.ts';
import type { PeerFile } from './peer-file.ts';
import type { ToldOfCluster } from './requests.ts';

/** What keeping them takes. */
export interface CredentialParts {
  readonly engine: ReplicatedEngine;
  readonly clock: Clock;
  hasFile(): boolean;
  file(): PeerFile;
  present(file: PeerFile): Promise<void>;
  members(): readonly Member[];
  /** Takes over what another member says of the cluster. */
  learn(told: ToldOfCluster): void;
  admission(): AdmissionParts;
}

/** One look. */
export async function keepCredentials(parts: CredentialParts, status: RaftStatus): Promise<void> {
  if (!parts.hasFile() || status.leader === undefined) return;
  const before = parts.file();
  let authorities = localAuthority(parts.engine)?.certificates;
  if (before.role === 'witness' && status.leader !== status.id) {
    const told = await parts.engine.requests.members(status.leader);
    parts.learn(told);
    ({ authorities } = told);
  }
  let file = withSeeds(before, parts.members(), status.id);
  file = await withSealKey(file, parts, status);
  file = await withOwnAuthority(file, parts, status);
  authorities = localAuthority(parts.engine)?.certificates ?? authorities ?? [];
  file = await withCertificate(file, parts, { ...status, authorities });
  if (JSON.stringify(file) !== JSON.stringify(before)) await parts.present(file);
  if (status.role === 'leader') await dropOldAuthority(parts);
}

function withSeeds(file: PeerFile, members: readonly Member[], self: string): PeerFile {
  const own = members.find(({ id }) => id === self);
  if (own === undefined) return file;
  const seeds = seedsOf(members.filter(({ id, role }) => id !== self && role !== 'observer'));
  return { ...file, role: own.role, seeds };
}

async function withSealKey(
  file: PeerFile,
  { engine }: CredentialParts,
  { leader, id }: RaftStatus,
): Promise<PeerFile> {
  if (file.role !== 'voter') {
    const { sealKey: _, ...rest } = file;
    return rest;
  }
  if (file.sealKey !== undefined || leader === undefined || leader === id) return file;
  return { ...file, sealKey: await engine.requests.authorityKey(leader) };
}

/**
 * A recovered observer never had the key of the authority, and nobody is left who has: it makes another.
 * The row is replaced before the file: a key that a crash loses opens nothing.
 */
async function withOwnAuthority(
  file: PeerFile,
  { engine, clock }: CredentialParts,
  { id, role, config }: RaftStatus,
): Promise<PeerFile> {
  const isSole = role === 'leader' && config.voters.length === 1 && config.voters[0] === id;
  const seen = localAuthority(engine);
  const hasKey = file.role !== 'voter' || file.sealKey !== undefined;
  if (!isSole || hasKey || seen === undefined) return file;
  const { clusterId, memberId } = file;
  const wallMs = clock.wallMs();
  const made = makeAuthority(clusterId, wallMs);
  const sealKey = makeSealKey();
  const fresh = {
    certificates: [made.certificate],
    sealedKey: seal(sealKey, authorityKey, made.privateKey),
  };
  await runPlan(engine.system, () => planReplaceAuthority(seen, fresh));
  const publicKey = publicKeyOf(file);
  const certificate = issueCertificate(made, { clusterId, memberId, publicKey, wallMs });
  return { ...file, sealKey, certificate, authorities: [made.certificate] };
}

async function withCertificate(
  file: PeerFile,
  parts: CredentialParts,
  {
    leader,
    id,
    authorities,
  }: Pick<RaftStatus, 'leader' | 'id'> & { readonly authorities: readonly string[] },
): Promise<PeerFile> {
  const [newest] = authorities;
  if (newest === undefined) return file;
  const trusting = { ...file, authorities: [...authorities] };
  if (certificateFacts(file.certificate, [newest]).pin !== undefined) return trusting;
  const text = publicKeyOf(file);
  const certificate =
    file.sealKey === undefined && leader !== undefined && leader !== id
      ? await parts.engine.requests.certificate(leader, text)
      : certify(id, text, parts.admission());
  return { ...trusting, certificate };
}

function publicKeyOf({ privateKey }: PeerFile): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
}

/** When every member shows a certificate of the newest authority, the older ones are trusted no more. */
async function dropOldAuthority(parts: CredentialParts): Promise<void> {
  const { engine } = parts;
  const authority = localAuthority(engine);
  const [newest, ...older] = authority?.certificates ?? [];
  if (authority === undefined || newest === undefined || older.length === 0) return;
  const pin = keyFingerprint(newest);
  const isDone = parts
    .members()
    .every(({ certificatePin, leaving }) => leaving || certificatePin === pin);
  if (!isDone) return;
  const only = { ...authority, certificates: [newest] };
  await runPlan(engine.system, () => planReplaceAuthority(authority, only));
}
