/** Proof of having been a member: made with its key, bound to the new key and data that it is made for. */
import { createPrivateKey, sign, verify } from 'node:crypto';
import { FairleadError } from '../../errors.ts';
import { readCertificate, verifyMember } from '../peer/certificate.ts';
import type { MemberId } from '../raft/entry.ts';

/** What the proof is about. */
export interface Replacement {
  readonly clusterId: string;
  /** The member that is lost. */
  readonly lost: MemberId;
  /** PEM; of the member that is to take its place. */
  readonly publicKey: string;
  readonly dataId: string;
}

/** The proof, base64, by the key (PEM) of the member that is lost. */
export function proveMember(privateKey: string, replacement: Replacement): string {
  return sign('sha256', textOf(replacement), createPrivateKey(privateKey)).toString('base64');
}

/**
 * The member that a host proves to have been. Whoever overhears a proof has not the new key.
 * @throws PEER_CERTIFICATE, CLUSTER_OTHER
 */
export function provenMember(
  shown: { readonly certificate: string; readonly proof: string },
  about: Pick<Replacement, 'publicKey' | 'dataId'>,
  trust: { readonly clusterId: string; readonly authorities: readonly string[] },
): MemberId {
  const { clusterId, authorities } = trust;
  const ours = { clusterId, authorities, enforceDates: false };
  const { memberId: lost } = verifyMember(shown.certificate, ours, 0);
  const key = readCertificate(shown.certificate).publicKey;
  const text = textOf({ clusterId, lost, ...about });
  if (verify('sha256', text, key, Buffer.from(shown.proof, 'base64'))) return lost;
  throw new FairleadError('PEER_CERTIFICATE', 'the host does not prove which member it was');
}

function textOf({ clusterId, lost, publicKey, dataId }: Replacement): Buffer {
  const what = ['fairlead rejoin', clusterId, lost, publicKey.trim(), dataId];
  return Buffer.from(JSON.stringify(what));
}
