/** Certificates that the cluster makes: what openssl says of them, and whom they convince. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { authorityValidMs, certificateValidMs } from '../../../lib/limits.ts';
import {
  issueCertificate,
  keyFingerprint,
  makeAuthority,
  makeKeyPair,
  memberUri,
} from '../../../lib/store/peer/authority.ts';
import { findPinned, verifyMember } from '../../../lib/store/peer/certificate.ts';
import * as der from '../../../lib/store/peer/der.ts';
import { authority, clusterId, memberId } from './cluster.ts';

const nowMs = Date.UTC(2027, 4, 6, 7, 8, 9);
const name = { clusterId, memberId: memberId('1') };
const keys = makeKeyPair();
const certificate = issueCertificate(authority, {
  ...name,
  publicKey: keys.publicKey,
  wallMs: nowMs,
});
const trust = { clusterId, authorities: [authority.certificate], enforceDates: false };
const other = makeAuthority(clusterId, nowMs);

describe('beside openssl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-certificate-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (label: string, text: string) => {
    writeFileSync(join(folder, label), text);
    return join(folder, label);
  };
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });

  it('passes the strictest verification', () => {
    const [ca, leaf] = [file('ca', authority.certificate), file('leaf', certificate)];
    const verify = ['verify', '-x509_strict', '-check_ss_sig', '-CAfile', ca];
    expect(openssl(...verify, '-purpose', 'sslserver', leaf)).toContain('OK');
    expect(openssl(...verify, '-purpose', 'sslclient', leaf)).toContain('OK');
    const wrong = file('wrong', other.certificate);
    expect(() => openssl('verify', '-CAfile', wrong, leaf)).toThrow(/Command failed/);
  });

  it('says what it should', () => {
    const text = openssl('x509', '-noout', '-text', '-in', file('leaf', certificate));
    for (const part of [
      'Version: 3',
      'ecdsa-with-SHA256',
      'Not Before: Jan  1 00:00:00 1970 GMT',
      'Not After : May  5 07:08:09 2037 GMT',
      `Subject: CN = Fairlead member ${name.memberId}`,
      'NIST CURVE: P-256',
      'CA:FALSE',
      'Digital Signature',
      'TLS Web Server Authentication, TLS Web Client Authentication',
      `URI:fairlead://${clusterId}/${name.memberId}`,
    ]) {
      expect(text).toContain(part);
    }
    const caText = openssl('x509', '-noout', '-text', '-in', file('ca', authority.certificate));
    expect(caText).toContain('CA:TRUE, pathlen:0');
    expect(caText).toContain('Certificate Sign, CRL Sign');
  });

  it('reads every piece of DER as it was meant', () => {
    const item = fc.oneof(
      fc
        .uint8Array({ maxLength: 300 })
        .map((bytes) => [der.octetString(bytes), 'OCTET STRING'] as const),
      fc
        .uint8Array({ minLength: 1, maxLength: 20 })
        .map((bytes) => [der.integer(bytes), integerText(bytes)] as const),
      fc
        .tuple(
          fc.integer({ min: 0, max: 1 }),
          fc.nat({ max: 39 }),
          fc.array(fc.integer({ min: 1_000, max: 2 ** 31 - 1 }), { minLength: 1 }),
        )
        .map((parts) => {
          const dotted = parts.flat().join('.');
          return [der.objectIdentifier(dotted), `OBJECT:${dotted}`] as const;
        }),
      fc
        .integer({ min: 0, max: Date.UTC(2200, 0, 1) / 1_000 })
        .map((seconds) => [der.time(seconds * 1_000), timeText(seconds * 1_000)] as const),
    );
    fc.assert(
      fc.property(fc.array(item, { minLength: 20, maxLength: 60 }), (items) => {
        const path = join(folder, 'der');
        writeFileSync(path, der.sequence(...items.map(([bytes]) => bytes)));
        const lines = openssl('asn1parse', '-inform', 'DER', '-in', path)
          .split('\n')
          // what is text in a string is shown as text, line breaks too
          .filter((line) => /^ *\d+:d=1 /.test(line));
        expect(lines.length).toBe(items.length);
        for (const [at, [, expected]] of items.entries()) {
          expect((lines[at] ?? '').replaceAll(/\s+/g, '')).toContain(expected.replaceAll(' ', ''));
        }
      }),
      { numRuns: 15 },
    );
  });
});

function integerText(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes)
    .toString('hex')
    .toUpperCase()
    .replace(/^(?:00)+(?=..)/, '');
  return `INTEGER:${digits}`;
}

function timeText(ms: number): string {
  const digits = new Date(ms).toISOString().slice(0, 19).replaceAll(/\D/g, '');
  return Number(digits.slice(0, 4)) < 2050
    ? `UTCTIME:${digits.slice(2)}Z`
    : `GENERALIZEDTIME:${digits}Z`;
}

describe('a certificate', () => {
  it('names its member to whoever trusts the authority', () => {
    for (const form of [certificate, new X509Certificate(certificate).raw]) {
      expect(verifyMember(form, trust, nowMs)).toMatchObject({
        memberId: name.memberId,
        validFromMs: 0,
        validToMs: nowMs + certificateValidMs,
        outOfDate: false,
      });
    }
    const both = { ...trust, authorities: [other.certificate, authority.certificate] };
    expect(verifyMember(certificate, both, nowMs).memberId).toBe(name.memberId);
  });

  it('convinces nobody else', () => {
    const self = { ...trust, authorities: [certificate] };
    const none = { ...trust, authorities: [] };
    const wrong = { ...trust, authorities: [other.certificate, 'no certificate'] };
    for (const each of [self, none, wrong]) {
      expect(() => verifyMember(certificate, each, nowMs)).toThrow(
        expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
      );
    }
  });

  it('of another cluster is told from one that is not to be trusted', () => {
    const elsewhere = { ...trust, clusterId: 'c2'.repeat(16) };
    expect(() => verifyMember(certificate, elsewhere, nowMs)).toThrow(
      expect.objectContaining({ code: 'CLUSTER_OTHER' }),
    );
  });

  it('of an authority, or of anything else, is no member', () => {
    for (const text of [authority.certificate, '', 'x', new Uint8Array(), new Uint8Array(500)]) {
      expect(() => verifyMember(text, trust, nowMs)).toThrow(
        expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
      );
    }
  });

  it('with any bit changed is refused, or is not a certificate', () => {
    const { raw } = new X509Certificate(certificate);
    fc.assert(
      fc.property(fc.nat({ max: raw.length * 8 - 1 }), (bit) => {
        const changed = Buffer.from(raw);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => verifyMember(changed, trust, nowMs)).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^(?:PEER_CERT|CLUSTER_OTH)/) }),
        );
      }),
    );
  });

  it('out of date is a warning, and refused when dates are enforced (hazard 21)', () => {
    const late = nowMs + certificateValidMs + 1_000;
    expect(verifyMember(certificate, trust, late)).toMatchObject({ outOfDate: true });
    expect(() => verifyMember(certificate, { ...trust, enforceDates: true }, late)).toThrow(
      expect.objectContaining({
        code: 'PEER_CERTIFICATE',
        message: expect.stringContaining('2037'),
      }),
    );
  });

  it('made by a clock of 1970 is as long valid as one made today, and valid in 1970 (hazard 21)', () => {
    const made = issueCertificate(authority, { ...name, publicKey: keys.publicKey, wallMs: 0 });
    const strict = { ...trust, enforceDates: true };
    expect(verifyMember(made, strict, 0).outOfDate).toBe(false);
    expect(verifyMember(made, strict, Date.UTC(2035, 0, 1)).outOfDate).toBe(false);
    const old = new X509Certificate(makeAuthority(clusterId, 0).certificate);
    expect(Date.parse(old.validTo)).toBe(Date.UTC(2026, 0, 1) + authorityValidMs);
  });

  it('is not made for what is no key on P-256', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey;
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey;
    const texts = [rsa, p384].map((key) => key.export({ type: 'spki', format: 'pem' }).toString());
    for (const publicKey of [...texts, '', keys.privateKey, certificate]) {
      expect(() => issueCertificate(authority, { ...name, publicKey, wallMs: nowMs })).toThrow(
        expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
      );
    }
  });

  it('carries the key that it was made for', () => {
    const { publicKey } = new X509Certificate(certificate);
    expect(publicKey.export({ type: 'spki', format: 'pem' })).toBe(keys.publicKey);
    expect(
      new X509Certificate(certificate).checkPrivateKey(createPrivateKey(keys.privateKey)),
    ).toBe(true);
    expect(memberUri(name)).toBe(`fairlead://${clusterId}/${name.memberId}`);
  });
});

describe('a pin', () => {
  it('finds its authority among several', () => {
    const offered = [other.certificate, authority.certificate];
    expect(findPinned(offered, keyFingerprint(authority.certificate))).toBe(authority.certificate);
  });

  it('that fits none is told with both fingerprints', () => {
    const [wanted, shown] = [authority, other].map((each) => keyFingerprint(each.certificate));
    expect(() => findPinned([other.certificate], wanted ?? '')).toThrow(
      expect.objectContaining({
        code: 'TOKEN_PIN',
        message: expect.stringMatching(new RegExp(`${wanted}.*${shown}`)),
      }),
    );
    expect(() => findPinned([], wanted ?? '')).toThrow(
      expect.objectContaining({ code: 'TOKEN_PIN' }),
    );
  });
});
