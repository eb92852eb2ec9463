/**
 * Joining by two files, for hosts that only meet by USB stick. The request carries no secret: whoever takes
 * it to a voter and accepts it there is the one who lets the host in. The accept file is signed by the
 * authority; the new host knows that authority by its fingerprint, which the voter has printed.
 */
import { createPrivateKey, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { joinFileBytesMax } from '../../limits.ts';
import { keyFingerprint, type Authority, type KeyPair } from './authority.ts';
import { findPinned, readCertificate } from './certificate.ts';
import { checkGrant, joinGrantShape, type JoinGrant, type Joined } from './join-grant.ts';
import {
  certificateRequestShape,
  makeCertificateRequest,
  verifyCertificateRequest,
} from './join-request.ts';

const requestKind = 'fairlead join request';
const acceptKind = 'fairlead join accept';

const requestFileShape = z.strictObject({
  kind: z.literal(requestKind),
  version: z.literal(1),
  request: certificateRequestShape,
});
const acceptFileShape = z.strictObject({
  kind: z.literal(acceptKind),
  version: z.literal(1),
  /** SHA-256 of the key that signed, hex. */
  signer: z.string(),
  /** JSON text of a grant. */
  grant: z.string(),
  /** ECDSA over it, base64. */
  signature: z.string(),
});

/** The text of the file that a host takes to a voter. */
export function makeJoinRequestFile(keys: KeyPair, facts: unknown): string {
  const request = makeCertificateRequest(keys, facts);
  return fileText({ kind: requestKind, version: 1, request });
}

/**
 * What such a file asks for.
 * @throws REQUEST_INVALID when it is no such file, PEER_CERTIFICATE when it does not prove its key
 */
export function readJoinRequestFile(text: string): {
  readonly publicKey: string;
  readonly facts: unknown;
} {
  const { request } = parseFile(requestFileShape, text, 'join request');
  return { publicKey: request.publicKey, facts: verifyCertificateRequest(request) };
}

/** The text of the file that goes back. */
export function makeJoinAcceptFile(authority: Authority, content: JoinGrant): string {
  const grant = JSON.stringify(content);
  const key = createPrivateKey(authority.privateKey);
  const signature = sign('sha256', signedText(grant), key).toString('base64');
  const signer = keyFingerprint(authority.certificate);
  return fileText({ kind: acceptKind, version: 1, signer, grant, signature });
}

/**
 * What such a file grants. `pin` is the fingerprint of the authority that the person compares; without one
 * the file is believed, since the stick came from a person that is.
 * @throws REQUEST_INVALID when it is no such file, TOKEN_PIN, PEER_CERTIFICATE
 */
export function readJoinAcceptFile(
  text: string,
  expected: { readonly publicKey: string; readonly pin?: string | undefined },
): Joined {
  const { signer, grant: grantText, signature } = parseFile(acceptFileShape, text, 'join accept');
  const grant = parseFile(joinGrantShape, grantText, 'join accept');
  const signing = readCertificate(findPinned(grant.authorities, expected.pin ?? signer));
  const isSigned = verify(
    'sha256',
    signedText(grantText),
    signing.publicKey,
    Buffer.from(signature, 'base64'),
  );
  if (!isSigned) throw new FairleadError('PEER_CERTIFICATE', 'the join accept file was changed');
  const { publicKey } = expected;
  return checkGrant(grant, { publicKey, pin: expected.pin ?? signer, clusterId: grant.clusterId });
}

function signedText(grant: string): Buffer {
  return Buffer.from(JSON.stringify([acceptKind, grant]));
}

function fileText(content: object): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

function parseFile<T>(shape: z.ZodType<T>, text: string, what: string): T {
  let parsed: unknown;
  try {
    parsed = text.length > joinFileBytesMax ? undefined : JSON.parse(text);
  } catch {
    // told below
  }
  const result = shape.safeParse(parsed);
  if (result.success) return result.data;
  throw new FairleadError('REQUEST_INVALID', `this is no ${what} file of this version of Fairlead`);
}
