import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PackedRows } from '../../../lib/store/machine/packed-rows.ts';
import type { KeyValue } from '../../../lib/store/port.ts';

const revision = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const value = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 3_000 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '\uFEFFmarked', 'ä'.repeat(200), '\0', '😀'.repeat(70_000)),
  },
);
const keys = fc.oneof(
  fc.nat(60).map((number) => `k/${number}`),
  fc.string({ unit: fc.constantFrom('a', '!', '~'), minLength: 1, maxLength: 4 }),
  fc.nat(3).map((number) => 'long'.repeat(255) + String(number)),
);
const row = fc.record<KeyValue>(
  {
    key: keys,
    value,
    createRevision: revision,
    modRevision: revision,
    version: revision,
    lease: fc.constantFrom('1', '9223372036854775807'),
  },
  { requiredKeys: ['key', 'value', 'createRevision', 'modRevision', 'version'] },
);
const step = fc.oneof(
  { weight: 5, arbitrary: row },
  { weight: 2, arbitrary: keys },
  { weight: 1, arbitrary: fc.constant('freeze' as const) },
);

const byKey = (rows: Iterable<KeyValue>): readonly KeyValue[] =>
  [...rows].toSorted((one, other) => (one.key < other.key ? -1 : 1));
const all = (rows: PackedRows): readonly KeyValue[] => [...rows.scan('', '\x7f')];

describe('packed rows', () => {
  it('are what a plain map of them is, whatever is put and removed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), keys, keys, (steps, start, end) => {
        const rows = new PackedRows();
        const twin = new Map<string, KeyValue>();
        const frozen: { readonly is: Iterable<KeyValue>; readonly was: readonly KeyValue[] }[] = [];
        for (const each of steps) {
          if (each === 'freeze') frozen.push({ is: rows.frozen(), was: byKey(twin.values()) });
          else if (typeof each === 'string') {
            rows.delete(each);
            twin.delete(each);
          } else {
            expect(rows.put(each)).toBe(twin.has(each.key));
            twin.set(each.key, each);
          }
        }
        expect(all(rows)).toEqual(byKey(twin.values()));
        const inside = [...twin.values()].filter((each) => each.key >= start && each.key < end);
        expect([...rows.scan(start, end)]).toEqual(byKey(inside));
        expect(rows.get(start)).toEqual(twin.get(start));
        for (const { is, was } of frozen) expect([...is]).toEqual(was);
      }),
      { numRuns: 200 },
    );
  });

  it('stay what they are while most of them are written again and again, in little more room', () => {
    const rows = new PackedRows();
    const twin = new Map<string, KeyValue>();
    const random = fc.sample(fc.nat(2_999), { numRuns: 15_000, seed: 20_261 });
    let before: { readonly is: Iterable<KeyValue>; readonly was: readonly KeyValue[] } | undefined;
    for (const [at, number] of random.entries()) {
      const key = `row/${String(number).padStart(4, '0')}`;
      const counts = { createRevision: number + 1, modRevision: at + 1, version: 1 };
      const next: KeyValue = { key, value: `${at} `.repeat(number % 60), ...counts };
      if (at % 7 === 0) {
        rows.delete(key);
        twin.delete(key);
      } else {
        rows.put(next);
        twin.set(key, next);
      }
      if (at === 7_000) before = { is: rows.frozen(), was: byKey(twin.values()) };
    }
    expect(all(rows)).toEqual(byKey(twin.values()));
    expect([...(before?.is ?? [])], 'as it was').toEqual(before?.was);
    const { live, held } = rows.room;
    // a fourth and half a megabyte may lie dead, and two slabs are not full
    expect(held).toBeLessThan(live * 1.25 + 1024 * 1024);
    for (const each of twin.keys()) rows.delete(each);
    expect(all(rows)).toEqual([]);
    expect(rows.room.live).toBe(0);
  });

  it('that come in order, as from a disk, take a tenth more than their texts', () => {
    const rows = new PackedRows();
    const texts = 20_000 * (14 + 300);
    for (let number = 0; number < 20_000; number += 1) {
      const name = `bench/${String(number).padStart(8, '0')}`;
      rows.put({
        key: name,
        value: 'v'.repeat(300),
        createRevision: 1,
        modRevision: 90_000,
        version: 3,
      });
    }
    expect(rows.room.held).toBeLessThan(texts * 1.1);
  });
});
