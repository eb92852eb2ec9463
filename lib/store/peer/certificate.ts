/**
 * Who a certificate says that its owner is. Verified here and nowhere else: signature of an authority that
 * we trust, and a name of our cluster in it. TLS itself is told not to judge (it still proves that the
 * other side has the key). Dates are judged only when asked for: an expired certificate must not take an
 * island down, and clocks of edge hosts lie. Whether a member may take part is not decided here but by
 * membership.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { FairleadError } from '../../errors.ts';
import { keyFingerprint } from './authority.ts';

/** What certificates are measured by. */
export interface Trust {
  readonly clusterId: string;
  /** PEM; two while one takes the place of the other. */
  readonly authorities: readonly string[];
  /** Refuse a certificate before and after its dates. */
  readonly enforceDates: boolean;
}

/** What a certificate says, verified. */
export interface MemberCertificate {
  readonly memberId: string;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  /** It is not between its dates by our clock. */
  readonly outOfDate: boolean;
}

/** A certificate as it came: PEM, or the bytes that TLS gave. */
export type CertificateText = string | Uint8Array;

const uriPattern = /^URI:fairlead:\/\/([0-9a-f]{32})\/([0-9a-f]{16})$/;

/**
 * Verifies a member's certificate.
 * @throws CLUSTER_OTHER when it is of another cluster, PEER_CERTIFICATE when it is not to be trusted
 */
export function verifyMember(
  text: CertificateText,
  trust: Trust,
  wallMs: number,
): MemberCertificate {
  const certificate = readCertificate(text);
  const [, clusterId, memberId] = uriPattern.exec(certificate.subjectAltName ?? '') ?? [];
  if (clusterId === undefined || memberId === undefined) {
    throw untrusted('it names no member of a cluster');
  }
  if (clusterId !== trust.clusterId) {
    throw new FairleadError(
      'CLUSTER_OTHER',
      `the other host is a member of cluster ${clusterId}, not of ${trust.clusterId}`,
    );
  }
  if (!trust.authorities.some((authority) => isSignedBy(certificate, authority))) {
    throw untrusted('no authority of this cluster has signed it');
  }
  const validFromMs = Date.parse(certificate.validFrom);
  const validToMs = Date.parse(certificate.validTo);
  const outOfDate = wallMs < validFromMs || wallMs > validToMs;
  if (outOfDate && trust.enforceDates) {
    throw untrusted(`it is valid from ${certificate.validFrom} to ${certificate.validTo}`);
  }
  return {
    memberId,
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
    validFromMs,
    validToMs,
    outOfDate,
  };
}

/** Whether an authority (PEM) has signed a certificate. */
export function isSignedBy(certificate: X509Certificate, authority: string): boolean {
  try {
    return certificate.verify(new X509Certificate(authority).publicKey);
  } catch {
    // a key of another kind than the signature
    return false;
  }
}

/**
 * The certificate of an authority with this key among some that a host offered.
 * @throws TOKEN_PIN when none has it
 */
export function findPinned(offered: readonly string[], fingerprint: string): string {
  const found = offered.map((text) => [text, fingerprintOf(text)] as const);
  const pinned = found.find(([, each]) => each === fingerprint);
  if (pinned !== undefined) return pinned[0];
  const others = found.map(([, each]) => each).join(', ');
  throw new FairleadError(
    'TOKEN_PIN',
    `the token is for an authority with key ${fingerprint}, this host shows ${others || 'none'}`,
  );
}

function fingerprintOf(text: string): string {
  readCertificate(text);
  return keyFingerprint(text);
}

/**
 * Reads a certificate.
 * @throws PEER_CERTIFICATE when it is none
 */
export function readCertificate(text: CertificateText): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new FairleadError('PEER_CERTIFICATE', 'this is no certificate', { cause });
  }
}

function untrusted(why: string): FairleadError {
  return new FairleadError(
    'PEER_CERTIFICATE',
    `the certificate of the other host is refused: ${why}`,
  );
}
