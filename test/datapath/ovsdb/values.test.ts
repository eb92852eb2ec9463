import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeDatum,
  defaultDatum,
  encodeDatum,
  type Atomic,
  type ColumnType,
} from '../../../lib/datapath/ovsdb/values.ts';
import { hasCode } from '../../../lib/errors.ts';

const uuid = '0f1e2d3c-0000-4000-8000-00000000000a';
const atom = (key: Atomic): ColumnType => ({ kind: 'atom', key });
const optional = (key: Atomic): ColumnType => ({ kind: 'optional', key });
const set = (key: Atomic): ColumnType => ({ kind: 'set', key });
const map: ColumnType = { kind: 'map', key: 'string', value: 'string' };

function refusal(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (thrown) {
    if (hasCode(thrown, 'OVS_PROTOCOL') || hasCode(thrown, 'OVS_REFUSED')) return thrown.code;
    throw thrown;
  }
}

describe('values', () => {
  test.each<[string, ColumnType, unknown, unknown]>([
    ['a text', atom('string'), 'x', 'x'],
    ['a number', atom('integer'), -1, -1],
    ['a truth value', atom('boolean'), true, true],
    ['a reference', atom('uuid'), ['uuid', uuid], uuid],
    ['an optional value that is there', optional('integer'), 7, 7],
    ['the same as a set of one', optional('integer'), ['set', [7]], 7],
    ['an optional value that is not there', optional('integer'), ['set', []], undefined],
    ['an empty set', set('uuid'), ['set', []], new Set()],
    ['a set of one as a bare atom', set('uuid'), ['uuid', uuid], new Set([uuid])],
    ['a set', set('integer'), ['set', [1, 2]], new Set([1, 2])],
    [
      'a set that holds the word set',
      set('string'),
      ['set', ['set', 'map']],
      new Set(['set', 'map']),
    ],
    ['a map', map, ['map', [['a', 'b']]], new Map([['a', 'b']])],
    [
      'a map with a treacherous key',
      map,
      ['map', [['__proto__', 'b']]],
      new Map([['__proto__', 'b']]),
    ],
  ])('%s is read', (_what, type, json, value) => {
    expect(decodeDatum(type, json)).toEqual(value);
  });

  test.each<[string, ColumnType, unknown]>([
    ['a number for a text', atom('string'), 5],
    ['a fraction', atom('integer'), 1.5],
    ['an integer that a double cannot hold', atom('integer'), 2 ** 53],
    ['a uuid in capitals', atom('uuid'), ['uuid', uuid.toUpperCase()]],
    ['a uuid without its tag', atom('uuid'), uuid],
    ['a named uuid', atom('uuid'), ['named-uuid', 'x']],
    ['two values for an optional one', optional('integer'), ['set', [1, 2]]],
    ['null', optional('string'), null],
    ['a value twice in a set', set('integer'), ['set', [1, 1]]],
    ['a set of the wrong type', set('integer'), ['set', ['1']]],
    ['a set in a set', set('integer'), ['set', [['set', [1]]]]],
    ['a set for a map', map, ['set', []]],
    ['an object for a map', map, { a: 'b' }],
    [
      'a key twice in a map',
      map,
      [
        'map',
        [
          ['a', 'b'],
          ['a', 'c'],
        ],
      ],
    ],
    ['a triple in a map', map, ['map', [['a', 'b', 'c']]]],
  ])('%s is refused', (_what, type, json) => {
    expect(refusal(() => decodeDatum(type, json))).toBe('OVS_PROTOCOL');
  });

  test.each<[string, ColumnType, unknown]>([
    ['NUL in a text, at which the server would hang up', atom('string'), 'a\0b'],
    ['half a surrogate pair, too', atom('string'), '\uD800'],
    ['NUL in a key of a map', map, new Map([['\0', 'x']])],
    ['a number that is not whole', atom('integer'), 0.5],
    ['a number that is none', atom('integer'), Number.NaN],
    ['a text for a set', set('string'), 'abc'],
    ['an object for a map', map, { a: 'b' }],
    ['a reference that is no uuid', atom('uuid'), 'br0'],
    ['a name of a row that is none', atom('uuid'), { named: 'a-b' }],
    ['nothing where a value must be', atom('string'), undefined],
  ])('%s is not sent', (_what, type, value) => {
    expect(refusal(() => encodeDatum(type, value))).toBe('OVS_REFUSED');
  });

  test('what is written reads back the same', () => {
    const strings = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    const integers = fc.maxSafeInteger();
    const cases: readonly fc.Arbitrary<readonly [ColumnType, unknown]>[] = [
      fc.tuple(fc.constant(atom('string')), strings),
      fc.tuple(fc.constant(atom('integer')), integers),
      fc.tuple(fc.constant(atom('uuid')), fc.uuid()),
      fc.tuple(fc.constant(optional('integer')), fc.option(integers, { nil: undefined })),
      fc.tuple(
        fc.constant(set('string')),
        fc.array(strings).map((list) => new Set(list)),
      ),
      fc.tuple(
        fc.constant(set('uuid')),
        fc.array(fc.uuid()).map((list) => new Set(list)),
      ),
      fc.tuple(
        fc.constant(map),
        fc.array(fc.tuple(strings, strings)).map((list) => new Map(list)),
      ),
    ];
    fc.assert(
      fc.property(fc.oneof(...cases), ([type, value]) => {
        const wire = JSON.parse(JSON.stringify(encodeDatum(type, value))) as unknown;
        expect(decodeDatum(type, wire)).toEqual(value);
      }),
    );
  });

  test('any JSON is either read or refused, and what is read can be written', () => {
    const types = fc.constantFrom(
      ...(['string', 'integer', 'boolean', 'uuid'] as const).flatMap((key) => [
        atom(key),
        optional(key),
        set(key),
      ]),
      map,
    );
    const leaf = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constant(['uuid', uuid]));
    const json = fc.oneof(
      leaf,
      fc.tuple(fc.constantFrom('set', 'map', 'uuid'), fc.array(leaf)),
      fc.tuple(fc.constant('map'), fc.array(fc.tuple(leaf, leaf))),
    );
    fc.assert(
      fc.property(types, json, (type, value) => {
        if (refusal(() => decodeDatum(type, value)) !== undefined) return;
        const read = decodeDatum(type, value);
        expect(decodeDatum(type, encodeDatum(type, read))).toEqual(read);
      }),
      { numRuns: 1_000 },
    );
  });

  test('the defaults are those of the protocol', () => {
    expect(defaultDatum(atom('uuid'))).toBe('00000000-0000-0000-0000-000000000000');
    expect(defaultDatum(atom('integer'))).toBe(0);
    expect(defaultDatum(optional('string'))).toBe(undefined);
    expect(defaultDatum(map)).toEqual(new Map());
  });
});
