/**
 * The join token: one line of text that tells a new host where the cluster is, by what key to know it, and
 * the secret that lets it in. Text in base64url behind `fairlead1.`; the last four bytes are a checksum, so
 * that a line that was cut or mistyped is told from one that is refused. The cluster keeps only the hash of
 * the secret.
 */
import { createHash, randomBytes } from 'node:crypto';
import { assert } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import {
  joinAddressesMax,
  joinAddressCharactersMax,
  joinTokenCharactersMax,
} from '../../limits.ts';
import { formatAddress, parseAddress } from './address.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { PeerAddress } from './secure.ts';

/** What the new member is to become. */
export const joinRoles = ['voter', 'observer', 'witness'] as const;
/** One of `joinRoles`. */
export type JoinRole = (typeof joinRoles)[number];

/** What a token says. */
export interface JoinToken {
  /** 32 hex digits. */
  readonly clusterId: string;
  /** SHA-256 of the public key of the authority, 64 hex digits. */
  readonly pin: string;
  /** 32 hex digits. */
  readonly secret: string;
  /** Wall time, to the second. */
  readonly expiresMs: number;
  readonly role: JoinRole;
  /** Where members listen. */
  readonly addresses: readonly PeerAddress[];
}

const prefix = 'fairlead1.';
const checksumBytes = 4;
/** Cluster, pin, secret, expiry, role, number of addresses. */
const fixedBytes = 16 + 32 + 16 + 8 + 1 + 1;

/** A new secret: 128 bits. */
export function makeJoinSecret(): string {
  return randomBytes(16).toString('hex');
}

/** What the cluster keeps of a secret, 64 hex digits. */
export function joinSecretHash(secret: string): string {
  return createHash('sha256').update('fairlead join secret\0').update(secret).digest('hex');
}

/** The line. */
export function formatJoinToken(token: JoinToken): string {
  const { addresses } = token;
  assert(addresses.length > 0 && addresses.length <= joinAddressesMax, 'a few addresses');
  const texts = addresses.map((address) => Buffer.from(formatAddress(address), 'latin1'));
  const size = texts.reduce((sum, text) => sum + 1 + text.length, fixedBytes);
  const writer = new ByteWriter(size)
    .hex(token.clusterId)
    .hex(token.pin)
    .hex(token.secret)
    .u64(Math.floor(token.expiresMs / 1_000))
    .u8(joinRoles.indexOf(token.role))
    .u8(texts.length);
  for (const text of texts) writer.u8(text.length).bytes(text);
  const payload = writer.finish();
  return prefix + Buffer.concat([payload, checksum(payload)]).toString('base64url');
}

/**
 * Reads a line; spaces around it are passed over.
 * @throws TOKEN_INVALID with what is wrong with it
 */
export function parseJoinToken(line: string): JoinToken {
  const text = line.trim();
  if (text.length > joinTokenCharactersMax) throw invalid('it is too long');
  if (/\s/.test(text)) throw invalid('there is a space or a line break in it');
  if (!text.startsWith(prefix)) {
    throw invalid(
      /^fairlead\d+\./.test(text)
        ? 'it was made by another version of Fairlead'
        : `it does not begin with ${prefix}`,
    );
  }
  const encoded = text.slice(prefix.length);
  if (!/^[\w-]*$/.test(encoded)) throw invalid('there is a character in it that belongs elsewhere');
  const bytes = Buffer.from(encoded, 'base64url');
  const payload = bytes.subarray(0, -checksumBytes);
  const isWhole =
    bytes.toString('base64url') === encoded &&
    checksum(payload).equals(bytes.subarray(payload.length));
  if (!isWhole) throw invalid('it is not whole, or mistyped');
  return readPayload(payload);
}

function readPayload(payload: Buffer): JoinToken {
  try {
    const reader = new ByteReader(payload);
    const clusterId = reader.hex(16);
    const pin = reader.hex(32);
    const secret = reader.hex(16);
    const expiresMs = reader.u64() * 1_000;
    const role = joinRoles[reader.u8()];
    const count = reader.u8();
    const addresses: PeerAddress[] = [];
    while (addresses.length < count) {
      addresses.push(parseAddress(reader.slice(reader.u8()).toString('latin1')));
    }
    reader.end();
    if (role === undefined) throw invalid('it is for a role that this version does not know');
    if (count === 0 || count > joinAddressesMax) throw invalid(`it has ${count} addresses`);
    return { clusterId, pin, secret, expiresMs, role, addresses };
  } catch (thrown) {
    if (thrown instanceof FairleadError && thrown.code === 'TOKEN_INVALID') throw thrown;
    // the checksum is right: whoever made it wrote something else
    throw new FairleadError('TOKEN_INVALID', 'the join token makes no sense', { cause: thrown });
  }
}

/**
 * For the cluster to ask, whose clock decides: the new host's may be wrong by decades.
 * @throws TOKEN_EXPIRED
 */
export function requireUnexpired(
  { expiresMs }: Pick<JoinToken, 'expiresMs'>,
  wallMs: number,
): void {
  if (wallMs < expiresMs) return;
  const when = new Date(expiresMs).toISOString();
  throw new FairleadError('TOKEN_EXPIRED', `the join token could be used until ${when}`);
}

/** The version is part of it, so that a line with a changed one is found out. */
function checksum(payload: Buffer): Buffer {
  return createHash('sha256').update(prefix).update(payload).digest().subarray(0, checksumBytes);
}

function invalid(why: string): FairleadError {
  return new FairleadError('TOKEN_INVALID', `this is no join token: ${why}`);
}

assert(joinAddressCharactersMax < 0x100, 'the length of an address is one byte of a token');
