/**
 * Signatures as minisign makes and checks them (its file formats, "Minisign file format"), Ed25519 over the
 * BLAKE2b-512 of the content. Secret keys without a password only (`minisign -G -W`): who builds releases
 * unattended has no use for one.
 */
import { createHash, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { Buffer } from 'node:buffer';
import { FairleadError } from '../errors.ts';

/** A key to sign with. */
export interface SigningKey {
  /** Eight bytes by which signatures name their key. */
  readonly id: Uint8Array;
  readonly key: KeyObject;
}

/** Bytes of a secret key file: algorithm, how it is locked, checksum's algorithm, salt, limits, and the rest. */
const secretBytes = 158;
const idAt = 54;
const seedAt = 62;
/** PKCS #8 around a seed of 32 bytes (RFC 8410 section 7). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * Reads the text of a secret key file.
 * @throws BUNDLE_KEY when it is none, or has a password
 */
export function readSigningKey(text: string): SigningKey {
  const lines = text.split('\n');
  const bytes = Buffer.from(lines[1] ?? '', 'base64');
  const isKey = lines[0]?.startsWith('untrusted comment:') === true && bytes.length === secretBytes;
  if (!isKey || bytes.toString('latin1', 0, 2) !== 'Ed') {
    throw new FairleadError('BUNDLE_KEY', 'the key is no secret key of minisign');
  }
  if (bytes.readUInt16BE(2) !== 0) {
    throw new FairleadError('BUNDLE_KEY', 'the secret key has a password');
  }
  const seed = bytes.subarray(seedAt, seedAt + 32);
  const key = createPrivateKey({
    key: Buffer.concat([pkcs8Head, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return { id: Uint8Array.from(bytes.subarray(idAt, idAt + 8)), key };
}

/** The text of the signature file of a content. `comment` is signed, too; one line. */
export function signatureText(
  content: Uint8Array,
  { key, id }: SigningKey,
  comment: string,
): string {
  const digest = createHash('blake2b512').update(content).digest();
  const signature = sign(null, digest, key);
  const whole = sign(null, Buffer.concat([signature, Buffer.from(comment)]), key);
  const line = Buffer.concat([Buffer.from('ED'), id, signature]).toString('base64');
  return `untrusted comment: signature of a Fairlead bundle
${line}
trusted comment: ${comment}
${whole.toString('base64')}
`;
}
