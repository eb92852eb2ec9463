/**
 * Text that only voters may read, above all the key of the authority: it is kept in the replicated state,
 * which observers have too, sealed under a key that is handed to voters alone.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { FairleadError } from '../../errors.ts';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** A new key, 64 hex digits. */
export function makeSealKey(): string {
  return randomBytes(32).toString('hex');
}

/** Seals text; `place` says what it is (a key of the state), and must be the same when it is opened. */
export function seal(key: string, place: string, text: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, Buffer.from(key, 'hex'), nonce);
  cipher.setAAD(Buffer.from(place));
  const sealed = [cipher.update(text, 'utf8'), cipher.final()];
  return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString('base64');
}

/**
 * Opens sealed text.
 * @throws PEER_CERTIFICATE when it was sealed under another key, for another place, or was changed
 */
export function unseal(key: string, place: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  try {
    const nonce = bytes.subarray(0, nonceBytes);
    const tag = bytes.subarray(nonceBytes, nonceBytes + tagBytes);
    const decipher = createDecipheriv(algorithm, Buffer.from(key, 'hex'), nonce, {
      authTagLength: tagBytes,
    });
    decipher.setAAD(Buffer.from(place));
    decipher.setAuthTag(tag);
    const opened = decipher.update(bytes.subarray(nonceBytes + tagBytes));
    return Buffer.concat([opened, decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new FairleadError('PEER_CERTIFICATE', 'what is sealed cannot be opened with this key', {
      cause,
    });
  }
}
