/**
 * What a host asks for when it joins: a certificate for its public key, with proof that it has the private
 * one, and facts about itself that only membership understands. Over the network the secret of the token
 * goes with it, bound to the certificate that the other side has shown.
 */
import { createHmac, sign, timingSafeEqual, verify } from 'node:crypto';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { joinFactsBytesMax } from '../../limits.ts';
import { readPublicKey, type KeyPair } from './authority.ts';

/** A public key, proof of the private one, and facts. */
export interface CertificateRequest {
  /** PEM. */
  readonly publicKey: string;
  /** JSON; text, since it is signed. */
  readonly facts: string;
  /** ECDSA over both, base64. */
  readonly proof: string;
}

/** A certificate request with the secret that lets it in. */
export interface JoinRequest extends CertificateRequest {
  readonly secret: string;
  /** HMAC-SHA256 with the secret over the request and the certificate of the other side, hex. */
  readonly seal: string;
}

const requestFields = {
  publicKey: z.string().max(1_024),
  facts: z.string().max(joinFactsBytesMax),
  proof: z.string().max(256),
};
/** A certificate request as it comes in. */
export const certificateRequestShape: z.ZodType<CertificateRequest> = z.strictObject(requestFields);
/** A join request as it comes in. */
export const joinRequestShape: z.ZodType<JoinRequest> = z.strictObject({
  ...requestFields,
  secret: z.string().regex(/^[0-9a-f]{32}$/),
  seal: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Asks for a certificate for this key. */
export function makeCertificateRequest(keys: KeyPair, facts: unknown): CertificateRequest {
  const { publicKey } = keys;
  const unsigned = { publicKey, facts: JSON.stringify(facts ?? null) };
  const proof = sign('sha256', signedText(unsigned), keys.privateKey).toString('base64');
  return { ...unsigned, proof };
}

/**
 * The facts of a request whose proof is right.
 * @throws PEER_CERTIFICATE when whoever asks does not have the key
 */
export function verifyCertificateRequest(request: CertificateRequest): unknown {
  let isProved = false;
  try {
    const key = readPublicKey(request.publicKey);
    isProved = verify('sha256', signedText(request), key, Buffer.from(request.proof, 'base64'));
    if (isProved) return JSON.parse(request.facts);
  } catch {
    // no key, or no JSON
  }
  throw new FairleadError(
    'PEER_CERTIFICATE',
    isProved ? 'the facts of the request are no JSON' : 'the request does not prove its key',
  );
}

/** Adds the secret, for the side that has shown this certificate. */
export function sealJoinRequest(
  request: CertificateRequest,
  secret: string,
  shown: Uint8Array,
): JoinRequest {
  return { ...request, secret, seal: seal(request, secret, shown).toString('hex') };
}

/** Whether a request was sealed for the certificate that this side has shown. */
export function isSealedFor(request: JoinRequest, shown: Uint8Array): boolean {
  const expected = seal(request, request.secret, shown);
  return timingSafeEqual(expected, Buffer.from(request.seal, 'hex'));
}

function signedText({ publicKey, facts }: Omit<CertificateRequest, 'proof'>): Buffer {
  return Buffer.from(JSON.stringify(['fairlead certificate request', publicKey, facts]));
}

function seal(request: CertificateRequest, secret: string, shown: Uint8Array): Buffer {
  const { publicKey, facts, proof } = request;
  const text = JSON.stringify(['fairlead join', publicKey, facts, proof]);
  return createHmac('sha256', Buffer.from(secret, 'hex')).update(text).update(shown).digest();
}
