/** The join token: whole or refused with a reason, whatever is pasted. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { formatAddress, parseAddress } from '../../../lib/store/peer/address.ts';
import {
  formatJoinToken,
  joinRoles,
  joinSecretHash,
  makeJoinSecret,
  parseJoinToken,
  requireUnexpired,
  type JoinToken,
} from '../../../lib/store/peer/token.ts';

const hex = (digits: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`));
const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => !/[.%]/.test(text)),
  fc.domain().filter((text) => text.length < 100),
);
const address = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
const token: fc.Arbitrary<JoinToken> = fc.record({
  clusterId: hex(32),
  pin: hex(64),
  secret: hex(32),
  expiresMs: fc.nat({ max: 2 ** 32 }).map((seconds) => seconds * 1_000),
  role: fc.constantFrom(...joinRoles),
  addresses: fc.array(address, { minLength: 1, maxLength: 16 }),
});
const example: JoinToken = {
  clusterId: 'c1'.repeat(16),
  pin: 'ab'.repeat(32),
  secret: '5e'.repeat(16),
  expiresMs: Date.UTC(2027, 0, 1),
  role: 'voter',
  addresses: [{ host: '10.0.0.1', port: 7946 }],
};
const line = formatJoinToken(example);

/** What parsing comes to: a token, or the message of the one error that it may throw. */
function parsed(text: string): JoinToken | string {
  try {
    return parseJoinToken(text);
  } catch (thrown) {
    if (thrown instanceof FairleadError && thrown.code === 'TOKEN_INVALID') return thrown.message;
    throw thrown;
  }
}

describe('a token', () => {
  it('says the same after it was a line', () => {
    fc.assert(
      fc.property(token, (each) => {
        const text = formatJoinToken(each);
        expect(text).toMatch(/^fairlead1\.[\w-]+$/);
        expect(parseJoinToken(text)).toEqual(each);
        expect(parseJoinToken(`  ${text}\n`)).toEqual(each);
      }),
    );
  });

  it('fits a line of a terminal or two', () => {
    expect(line.length).toBeLessThan(150);
  });

  it('is not understood when any of its characters is another, absent or doubled', () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. =+/';
    fc.assert(
      fc.property(
        fc.nat({ max: line.length - 1 }),
        fc.constantFrom(...letters.split(''), ''),
        (at, letter) => {
          fc.pre(line[at] !== letter);
          expect(parsed(line.slice(0, at) + letter + line.slice(at + 1))).toBeTypeOf('string');
          fc.pre(letter !== '' && !(letter === ' ' && at === 0));
          expect(parsed(line.slice(0, at) + letter + line.slice(at))).toBeTypeOf('string');
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['', 'it does not begin with fairlead1.'],
    ['fairlead2.AAAA', 'it was made by another version of Fairlead'],
    [line.slice(0, -1), 'it is not whole, or mistyped'],
    [line.slice(0, 40), 'it is not whole, or mistyped'],
    ['fairlead1.', 'it is not whole, or mistyped'],
    [`${line.slice(0, 30)}\n${line.slice(30)}`, 'there is a space or a line break in it'],
    [line.replace('A', '+'), 'there is a character in it that belongs elsewhere'],
    [`fairlead1.${'A'.repeat(4_000)}`, 'it is too long'],
  ])('%j: %s', (text, why) => {
    expect(parsed(text)).toBe(`this is no join token: ${why}`);
  });

  it('is read without any other error, whatever was pasted', () => {
    const encoded = fc.base64String().map((text) => `fairlead1.${text.replaceAll(/[=+/]/g, '')}`);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), encoded), (text) => {
        expect(parsed(text)).toBeTypeOf('string');
      }),
    );
  });

  it('ends by the clock of whoever asks', () => {
    expect(() => requireUnexpired(example, example.expiresMs - 1)).not.toThrow();
    expect(() => requireUnexpired(example, example.expiresMs)).toThrow(
      expect.objectContaining({ code: 'TOKEN_EXPIRED', message: expect.stringContaining('2027') }),
    );
  });

  it('has a secret of which the cluster keeps only the hash', () => {
    const secrets = new Set(Array.from({ length: 100 }, makeJoinSecret));
    expect(secrets.size).toBe(100);
    for (const secret of secrets) {
      expect(secret).toMatch(/^[0-9a-f]{32}$/);
      expect(joinSecretHash(secret)).toMatch(/^[0-9a-f]{64}$/);
      expect(joinSecretHash(secret)).not.toContain(secret);
    }
  });
});

describe('an address', () => {
  it('is the same after it was text', () => {
    fc.assert(
      fc.property(address, (each) => {
        expect(parseAddress(formatAddress(each))).toEqual(each);
      }),
    );
  });

  it.each([
    '',
    'host',
    'host:',
    'host:0',
    'host:65536',
    'host:080',
    ':80',
    '10.0.0:80',
    '10.0.0.256:80',
    '010.0.0.1:80',
    '::1:80',
    '[::1]',
    '[::g]:80',
    '[10.0.0.1]:80',
    '-x:80',
    'a b:80',
    'http://host:80',
    'host:80 ',
  ])('is not %j', (text) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }));
  });
});
