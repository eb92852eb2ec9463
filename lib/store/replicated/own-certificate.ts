/**
 * What a member's own certificate says. It is looked at every round and hardly ever changes, and verifying a
 * signature costs more than all the rest of a round: so the last answers are remembered by their texts.
 */
import { keyFingerprint } from '../peer/authority.ts';
import { isSignedBy, readCertificate } from '../peer/certificate.ts';

/** What a certificate comes to among these authorities. */
export interface CertificateFacts {
  /** Wall clock, ms. */
  readonly endsAtMs: number;
  /** Fingerprint of the key of the authority that signed it, if it is one of these. */
  readonly pin: string | undefined;
}

/** Answers remembered: more than one only in tests, where several members share a process. */
const rememberedMax = 16;
const remembered = new Map<string, CertificateFacts>();

/** Reads a certificate and finds who signed it; all are PEM. */
export function certificateFacts(
  certificate: string,
  authorities: readonly string[],
): CertificateFacts {
  const key = [certificate, ...authorities].join('\n');
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const read = readCertificate(certificate);
  const signer = authorities.find((authority) => isSignedBy(read, authority));
  const facts = {
    endsAtMs: Date.parse(read.validTo),
    pin: signer === undefined ? undefined : keyFingerprint(signer),
  };
  const [oldest] = remembered.keys();
  if (remembered.size >= rememberedMax && oldest !== undefined) remembered.delete(oldest);
  remembered.set(key, facts);
  return facts;
}
