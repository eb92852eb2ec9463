import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodedRowCharactersMax, decodedRowsMax } from '../../lib/limits.ts';
import { decodeRecord } from '../../lib/model/record.ts';

const row = (value: string, modRevision = 1) => ({
  key: '/a',
  value,
  createRevision: 1,
  modRevision,
  version: 1,
});
const schema = z.strictObject({ a: z.string() });

describe('a row', () => {
  it('is decoded once for who reads the same one, and anew when it was put again', () => {
    const first = row('{"a":"x"}');
    const { value, modRevision } = decodeRecord(schema, first);
    expect({ value, modRevision }).toEqual({ value: { a: 'x' }, modRevision: 1 });
    expect(decodeRecord(schema, first).value).toBe(value);
    expect(decodeRecord(schema, row('{"a":"y"}', 2))).toEqual({
      value: { a: 'y' },
      modRevision: 2,
    });
  });

  it('is judged by each schema by itself', () => {
    const one = row('{"a":"x"}');
    decodeRecord(schema, one);
    const other = z.strictObject({ b: z.string() });
    expect(() => decodeRecord(other, one)).toThrow(/unknown object at \/a/);
    expect(decodeRecord(schema, one).value).toEqual({ a: 'x' });
  });

  it('is forgotten after many others, and not kept when it is large', () => {
    const first = row('{"a":"x"}');
    const { value } = decodeRecord(schema, first);
    for (let count = 0; count <= decodedRowsMax; count += 1) decodeRecord(schema, row('{"a":""}'));
    expect(decodeRecord(schema, first).value).not.toBe(value);
    const large = row(JSON.stringify({ a: 'x'.repeat(decodedRowCharactersMax) }));
    expect(decodeRecord(schema, large).value).not.toBe(decodeRecord(schema, large).value);
  });

  it('that is no JSON is damage', () => {
    expect(() => decodeRecord(schema, row('{'))).toThrow(/no JSON at \/a/);
  });
});
