import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createJsonStream } from '../../../lib/datapath/ovsdb/json-stream.ts';
import { decodeMessage } from '../../../lib/datapath/ovsdb/message.ts';
import { hasCode } from '../../../lib/errors.ts';

const encoder = new TextEncoder();

function collect(bounds: { bytesMax?: number; depthMax?: number } = {}) {
  const values: object[] = [];
  const stream = createJsonStream({
    bytesMax: 64 * 1024 * 1024,
    depthMax: 64,
    ...bounds,
    onValue: (value) => values.push(value),
  });
  return { values, stream };
}

/** Pushes and gives the error, which must be ours. */
function pushed(stream: { push(chunk: Uint8Array): void }, text: string | Uint8Array): boolean {
  try {
    stream.push(typeof text === 'string' ? encoder.encode(text) : text);
    return true;
  } catch (thrown) {
    if (!hasCode(thrown, 'OVS_PROTOCOL')) throw thrown;
    return false;
  }
}

describe('a JSON stream', () => {
  test('gives the same values however the bytes are cut', () => {
    const objects = fc.array(
      fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 })),
    );
    fc.assert(
      fc.property(objects, fc.array(fc.nat(40)), (sent, cuts) => {
        const bytes = encoder.encode(sent.map((value) => JSON.stringify(value)).join('\n '));
        const { values, stream } = collect();
        let at = 0;
        for (const cut of cuts) {
          stream.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        stream.push(bytes.subarray(at));
        expect(values).toEqual(sent.map((value) => JSON.parse(JSON.stringify(value)) as object));
      }),
    );
  });

  test('takes 3.4 MB byte by byte, and a hundred thousand small messages in one chunk', () => {
    const row = { name: 'p', text: 'ü"\\{[' };
    const large = { rows: Array.from({ length: 100_000 }, () => row) };
    const bytes = encoder.encode(JSON.stringify(large));
    expect(bytes.length).toBeGreaterThan(3_000_000);
    const { values, stream } = collect();
    const startMs = performance.now();
    for (let at = 0; at < bytes.length; at += 1) stream.push(bytes.subarray(at, at + 1));
    stream.push(encoder.encode('{"a":1}'.repeat(100_000)));
    expect(values).toHaveLength(100_001);
    expect(values[0]).toEqual(large);
    // quadratic work would take minutes; the bound is for a loaded machine
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test('braces, quotes and backslashes inside of strings are text', () => {
    const { values, stream } = collect();
    const value = { '}{': '\\"}]', deep: ['"{', '\\\\', { a: '\\' }] };
    expect(pushed(stream, JSON.stringify(value) + JSON.stringify(value))).toBe(true);
    expect(values).toEqual([value, value]);
  });

  test.each([
    ['a bare number', '17'],
    ['an array', '[{"id":1}]'],
    ['a closing brace', '}'],
    ['a text between messages', '{} x {}'],
    ['brackets that do not match', '{"a":[1}]'],
    ['half an escape', '{"a":"\\u12"}'],
    ['a raw newline in a string', '{"a":"\n"}'],
    ['a byte order mark', '\uFEFF{}'],
  ])('refuses %s, and everything after it', (_what, text) => {
    const { stream } = collect();
    expect(pushed(stream, text)).toBe(false);
    expect(pushed(stream, '{}')).toBe(false);
  });

  test('refuses bytes that are not UTF-8', () => {
    const { stream } = collect();
    expect(pushed(stream, Uint8Array.from([...encoder.encode('{"a":"'), 0xff, 0x22, 0x7d]))).toBe(
      false,
    );
  });

  test('takes a message of exactly the bound and none a byte larger, in one piece or in two', () => {
    const text = '{"a":"123"}';
    for (const cut of [0, 4]) {
      for (const [bytesMax, taken] of [
        [text.length, true],
        [text.length - 1, false],
      ] as const) {
        const { stream } = collect({ bytesMax });
        expect(pushed(stream, ' '.repeat(50) + text.slice(0, cut))).toBe(true);
        expect(pushed(stream, text.slice(cut))).toBe(taken);
      }
    }
  });

  test('gives up on a message that never ends before it has filled the memory', () => {
    const { stream } = collect({ bytesMax: 1_000 });
    expect(pushed(stream, `{"a":"${'x'.repeat(900)}`)).toBe(true);
    expect(pushed(stream, 'x'.repeat(900))).toBe(false);
  });

  test('takes nesting up to the bound', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(pushed(collect({ depthMax: 8 }).stream, nested(8))).toBe(true);
    expect(pushed(collect({ depthMax: 8 }).stream, nested(9))).toBe(false);
    expect(pushed(collect().stream, `{"a":${'['.repeat(1e6)}`)).toBe(false);
  });

  test('hands on what came before the bad byte', () => {
    const { values, stream } = collect();
    expect(pushed(stream, '{"id":1}{"id":2}!')).toBe(false);
    expect(values).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('throws nothing but protocol errors, whatever comes', () => {
    const messages = [
      '{"id":1,"result":[{"count":1}],"error":null}',
      '{"method":"update3","params":["fairlead","x",{"Port":{"u":{"modify":{"tag":5}}}}],"id":null}',
      '{"id":2,"result":null,"error":{"error":"x","details":"y","syntax":"z"}}',
      '{"method":"echo","params":[],"id":"echo"}',
    ];
    const mutated = fc
      .tuple(fc.constantFrom(...messages), fc.array(fc.tuple(fc.nat(120), fc.nat(255))))
      .map(([text, changes]) => {
        const bytes = encoder.encode(text);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      });
    const chunks = fc.array(fc.oneof(fc.uint8Array(), mutated), { maxLength: 8 });
    fc.assert(
      fc.property(chunks, (sent) => {
        const stream = createJsonStream({
          bytesMax: 500,
          depthMax: 10,
          onValue: (value) => void decodeMessage(value),
        });
        for (const chunk of sent) expect([true, false]).toContain(pushed(stream, chunk));
      }),
      { numRuns: 2_000 },
    );
  });
});
