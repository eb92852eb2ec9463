/** What a host gets when it is let in, and the checks before it believes that. */
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { readPublicKey } from './authority.ts';
import { findPinned, readCertificate, verifyMember } from './certificate.ts';
import { longIdText } from './shapes.ts';

/** A host is let in. */
export interface JoinGrant {
  readonly clusterId: string;
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly authorities: readonly string[];
  /** What membership wants the new member to know: members, epoch, addresses. JSON. */
  readonly welcome: unknown;
}

/** A grant that was checked. */
export interface Joined extends JoinGrant {
  readonly memberId: string;
}

/** A grant as it comes in. */
export const joinGrantShape: z.ZodType<JoinGrant> = z.strictObject({
  clusterId: longIdText,
  certificate: z.string().max(8_192),
  authorities: z.array(z.string().max(8_192)).min(1).max(8),
  welcome: z.unknown(),
});

/**
 * Checks a grant: our key, the pinned authority, its cluster.
 * @throws TOKEN_PIN, CLUSTER_OTHER, PEER_CERTIFICATE
 */
export function checkGrant(
  grant: JoinGrant,
  expected: {
    /** PEM. */
    readonly publicKey: string;
    readonly pin: string;
    readonly clusterId: string;
  },
): Joined {
  const { clusterId } = expected;
  findPinned(grant.authorities, expected.pin);
  const trust = { clusterId, authorities: grant.authorities, enforceDates: false };
  const { memberId } = verifyMember(grant.certificate, trust, 0);
  const ours = readPublicKey(expected.publicKey);
  if (!readCertificate(grant.certificate).publicKey.equals(ours)) {
    throw new FairleadError('PEER_CERTIFICATE', 'the certificate is for the key of another host');
  }
  if (grant.clusterId !== clusterId) {
    throw new FairleadError(
      'CLUSTER_OTHER',
      `this is for cluster ${grant.clusterId}, not for ${clusterId}`,
    );
  }
  return { ...grant, memberId };
}
