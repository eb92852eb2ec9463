import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8Bytes } from '../../../lib/store/machine/text.ts';

it('counts the bytes of any well-formed text as an encoder does', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '\x7f\x80\u07ff\u0800\uffff', '😀', 'x'.repeat(1_000)),
    // more than is looked at in one go, and a pair where it is cut
    fc.nat(8_200).map((length) => `${'x'.repeat(length)}😀é${'€'.repeat(length)}`),
  );
  fc.assert(
    fc.property(text, (each) => {
      fc.pre(each.isWellFormed());
      expect(utf8Bytes(each)).toBe(new TextEncoder().encode(each).length);
    }),
    { numRuns: 500 },
  );
});
