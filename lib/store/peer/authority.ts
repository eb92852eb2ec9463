/**
 * The cluster's own certificate authority: makes its certificate and those of members. Keys are on P-256,
 * signatures ECDSA with SHA-256, since every runtime takes them and they are small. Dates hold from 1970
 * on, because the clocks of edge hosts lie; a clock that is certainly wrong is not believed here either.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { FairleadError } from '../../errors.ts';
import { authorityValidMs, certificateClockFloorMs, certificateValidMs } from '../../limits.ts';
import * as der from './der.ts';

/** A private key and what belongs to it, as PEM text (PKCS #8 and SubjectPublicKeyInfo). */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** A certificate authority of a cluster. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** PEM. Whoever has it can make members. */
  readonly privateKey: string;
}

/** Who a certificate is for. */
export interface MemberName {
  /** 32 hex digits. */
  readonly clusterId: string;
  /** 16 hex digits. */
  readonly memberId: string;
}

/** A new key. */
export function makeKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** A new authority; `wallMs` is the present. */
export function makeAuthority(clusterId: string, wallMs: number): Authority {
  const keys = makeKeyPair();
  const publicKey = spkiOf(readPublicKey(keys.publicKey));
  const name = authorityName(clusterId, publicKey);
  const keyId = keyIdentifier(publicKey);
  const certificate = signCertificate({
    issuer: name,
    subject: name,
    publicKey,
    signer: keys.privateKey,
    validToMs: Math.max(wallMs, certificateClockFloorMs) + authorityValidMs,
    extensions: [
      extension(oids.basicConstraints, der.sequence(der.derTrue(), der.integer(Uint8Array.of(0))), {
        critical: true,
      }),
      // keyCertSign and cRLSign, bits 5 and 6
      extension(oids.keyUsage, der.bitString(Uint8Array.of(0x06), 1), { critical: true }),
      extension(oids.subjectKeyIdentifier, der.octetString(keyId)),
    ],
  });
  return { certificate, privateKey: keys.privateKey };
}

/**
 * A certificate for a member's public key (PEM).
 * @throws PEER_CERTIFICATE when the key is none on P-256
 */
export function issueCertificate(
  authority: Authority,
  member: MemberName & { readonly publicKey: string; readonly wallMs: number },
): string {
  const publicKey = spkiOf(readPublicKey(member.publicKey));
  const issuerKey = spkiOf(new X509Certificate(authority.certificate).publicKey);
  return signCertificate({
    issuer: authorityName(member.clusterId, issuerKey),
    subject: commonName(`Fairlead member ${member.memberId}`),
    publicKey,
    signer: authority.privateKey,
    validToMs: Math.max(member.wallMs, certificateClockFloorMs) + certificateValidMs,
    extensions: [
      extension(oids.basicConstraints, der.sequence(), { critical: true }),
      // digitalSignature, bit 0
      extension(oids.keyUsage, der.bitString(Uint8Array.of(0x80), 7), { critical: true }),
      extension(
        oids.extendedKeyUsage,
        der.sequence(der.objectIdentifier(oids.serverAuth), der.objectIdentifier(oids.clientAuth)),
      ),
      extension(
        oids.subjectAlternativeName,
        // uniformResourceIdentifier is [6]
        der.sequence(der.implicit(6, Buffer.from(memberUri(member), 'latin1'))),
      ),
      extension(oids.subjectKeyIdentifier, der.octetString(keyIdentifier(publicKey))),
      extension(
        oids.authorityKeyIdentifier,
        der.sequence(der.implicit(0, keyIdentifier(issuerKey))),
      ),
    ],
  });
}

/** The name of a member as its certificate carries it. */
export function memberUri({ clusterId, memberId }: MemberName): string {
  return `fairlead://${clusterId}/${memberId}`;
}

/** SHA-256 of the public key of a certificate (PEM), 64 hex digits: what a join token pins. */
export function keyFingerprint(certificate: string): string {
  return createHash('sha256')
    .update(spkiOf(new X509Certificate(certificate).publicKey))
    .digest('hex');
}

const oids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

interface CertificateContent {
  readonly issuer: der.Der;
  readonly subject: der.Der;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** PEM. */
  readonly signer: string;
  readonly validToMs: number;
  readonly extensions: readonly der.Der[];
}

/** RFC 5280, 4.1. */
function signCertificate(content: CertificateContent): string {
  const algorithm = der.sequence(der.objectIdentifier(oids.ecdsaWithSha256));
  const signedPart = der.sequence(
    // version 3
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serialNumber()),
    algorithm,
    content.issuer,
    der.sequence(der.time(0), der.time(content.validToMs)),
    content.subject,
    content.publicKey,
    der.explicit(3, der.sequence(...content.extensions)),
  );
  const signature = sign('sha256', signedPart, createPrivateKey(content.signer));
  return toPem('CERTIFICATE', der.sequence(signedPart, algorithm, der.bitString(signature)));
}

/** Random; the first bit is set so that all are of one length. */
function serialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}

function extension(
  oid: string,
  content: der.Der,
  { critical }: { readonly critical: boolean } = { critical: false },
): der.Der {
  return der.sequence(
    der.objectIdentifier(oid),
    ...(critical ? [der.derTrue()] : []),
    der.octetString(content),
  );
}

/** Distinct for each key, so that two authorities of one cluster can be told apart. */
function authorityName(clusterId: string, publicKey: Uint8Array): der.Der {
  const key = Buffer.from(keyIdentifier(publicKey)).toString('hex').slice(0, 8);
  return commonName(`Fairlead ${clusterId} ${key}`);
}

function commonName(text: string): der.Der {
  const attribute = der.sequence(der.objectIdentifier(oids.commonName), der.utf8String(text));
  return der.sequence(der.setOf(attribute));
}

/** RFC 7093, method 1: 160 bits of SHA-256, here over the whole SubjectPublicKeyInfo. */
function keyIdentifier(spki: Uint8Array): Uint8Array {
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

/** The prefix of a SubjectPublicKeyInfo with a P-256 key; 64 bytes of point follow. */
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');

/**
 * A public key on P-256 (PEM). The text of a private key or of a certificate is not taken for one, although
 * a public key could be had from it.
 * @throws PEER_CERTIFICATE
 */
export function readPublicKey(pem: string): KeyObject {
  if (pem.startsWith('-----BEGIN PUBLIC KEY-----\n')) {
    try {
      const key = createPublicKey({ key: pem, format: 'pem', type: 'spki' });
      const spki = spkiOf(key);
      if (spki.length === p256Prefix.length + 64 && spki.indexOf(p256Prefix) === 0) return key;
    } catch {
      // told below
    }
  }
  throw new FairleadError('PEER_CERTIFICATE', 'this is no public key on P-256');
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function toPem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
