/**
 * Keeping what a member shows to others in step with the cluster: the authorities that it trusts, a
 * certificate of the newest one, the key that voters share, and where others are. While connections last,
 * nothing is cut by a change.
 */
import { createPublicKey } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { runPlan } from '../run-plan.ts';
import type { Member } from '../membership/rows.ts';
import { planReplaceAuthority } from '../membership/tokens.ts';
import { keyFingerprint } from '../peer/authority.ts';
import { isSignedBy, readCertificate } from '../peer/certificate.ts';
import type { RaftStatus } from '../raft/step.ts';
import { certify, localAuthority, seedsOf, type AdmissionParts } from './admission.ts';
import type { ReplicatedEngine } from './engine.ts';
import type { PeerFile } from './peer-file.ts';

/** What keeping them takes. */
export interface CredentialParts {
  readonly engine: ReplicatedEngine;
  readonly clock: Clock;
  hasFile(): boolean;
  file(): PeerFile;
  present(file: PeerFile): Promise<void>;
  members(): readonly Member[];
  /** Takes over what another member says that the members are. */
  learn(members: readonly Member[]): void;
  admission(): AdmissionParts;
}

/** One look. */
export async function keepCredentials(parts: CredentialParts, status: RaftStatus): Promise<void> {
  if (!parts.hasFile() || status.leader === undefined) return;
  const before = parts.file();
  if (before.role === 'witness' && status.leader !== status.id) {
    parts.learn(await parts.engine.requests.members(status.leader));
  }
  let file = withSeeds(before, parts.members(), status.id);
  file = await withSealKey(file, parts, status);
  file = await withCertificate(file, parts, status);
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
  if (file.role === 'observer' || file.sealKey !== undefined) return file;
  if (leader === undefined || leader === id) return file;
  return { ...file, sealKey: await engine.requests.authorityKey(leader) };
}

async function withCertificate(
  file: PeerFile,
  parts: CredentialParts,
  { leader, id }: RaftStatus,
): Promise<PeerFile> {
  const authority = localAuthority(parts.engine);
  const [newest] = authority?.certificates ?? [];
  if (authority === undefined || newest === undefined) return file;
  const trusting = { ...file, authorities: authority.certificates };
  if (isSignedBy(readCertificate(file.certificate), newest)) return trusting;
  const publicKey = createPublicKey(file.privateKey).export({ type: 'spki', format: 'pem' });
  const text = publicKey.toString();
  const certificate =
    file.sealKey === undefined && leader !== undefined && leader !== id
      ? await parts.engine.requests.certificate(leader, text)
      : await certify(id, text, parts.admission());
  return { ...trusting, certificate };
}

/** When every member shows a certificate of the newest authority, the older ones are trusted no more. */
async function dropOldAuthority(parts: CredentialParts): Promise<void> {
  const { engine } = parts;
  const authority = localAuthority(engine);
  const [newest, ...older] = authority?.certificates ?? [];
  if (authority === undefined || newest === undefined || older.length === 0) return;
  const pin = keyFingerprint(newest);
  if (!parts.members().every(({ certificatePin }) => certificatePin === pin)) return;
  const only = { ...authority, certificates: [newest] };
  await runPlan(engine.system, () => planReplaceAuthority(authority, only));
}
