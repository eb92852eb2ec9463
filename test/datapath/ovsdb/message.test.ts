import { describe, expect, test } from 'vitest';
import { decodeMessage } from '../../../lib/datapath/ovsdb/message.ts';
import {
  decodeResults,
  insert,
  mutate,
  remove,
  select,
  update,
  wait,
} from '../../../lib/datapath/ovsdb/operations.ts';
import { checkSchema } from '../../../lib/datapath/ovsdb/schema-check.ts';
import { schema } from './fake-server.ts';

const uuid = '0f1e2d3c-0000-4000-8000-00000000000a';
const protocolError = expect.objectContaining({ code: 'OVS_PROTOCOL' }) as Error;
const refused = (detail: unknown) =>
  expect.objectContaining({ code: 'OVS_REFUSED', detail }) as Error;

describe('a message', () => {
  test.each([
    [
      { id: 3, result: [], error: null },
      { kind: 'result', id: 3, result: [] },
    ],
    [
      { id: 3, result: null, error: null },
      { kind: 'result', id: 3, result: null },
    ],
    [
      { id: 3, result: null, error: 'unknown method' },
      { kind: 'refused', id: 3, refusal: { error: 'unknown method' } },
    ],
    [
      { id: 3, result: null, error: { error: 'unknown database', details: 'd', syntax: '"x"' } },
      {
        kind: 'refused',
        id: 3,
        refusal: { error: 'unknown database', details: 'd', syntax: '"x"' },
      },
    ],
    [
      { id: 3, error: { error: 'syntax error' } },
      { kind: 'refused', id: 3, refusal: { error: 'syntax error' } },
    ],
    [
      { method: 'locked', params: ['l'], id: null },
      { kind: 'notification', method: 'locked', params: ['l'] },
    ],
    [
      { method: 'echo', params: [], id: 'echo' },
      { kind: 'request', method: 'echo', params: [], id: 'echo' },
    ],
  ])('%j is understood', (json, message) => {
    expect(decodeMessage(json)).toEqual(message);
  });

  test.each([
    {},
    { id: 1 },
    { id: 1, result: [] },
    { id: 1, error: null },
    { id: 'x', result: [], error: null },
    { result: [], error: null },
    { id: 1, result: null, error: 5 },
    { id: 1, result: null, error: { details: 'x' } },
    { method: 5, params: [], id: null },
    { method: 'update', params: {}, id: null },
    { method: 'update', id: null },
  ])('%j is refused', (json) => {
    expect(() => decodeMessage(json)).toThrow(protocolError);
  });
});

describe('the results of a transaction', () => {
  const operations = [insert('Bridge', { name: 'b' }), remove('Port', [])];

  test('are those of the operations, with their types', () => {
    const results = decodeResults(
      [...operations, select('Port', [], ['tag', 'name']), wait('Port', [], '==', [])],
      [{ uuid: ['uuid', uuid] }, { count: 2 }, { rows: [{ tag: ['set', []], name: 'p' }] }, {}],
    );
    expect(results).toEqual([{ uuid }, { count: 2 }, [{ tag: undefined, name: 'p' }], undefined]);
  });

  test('name the operation that failed', () => {
    const error = { error: 'constraint violation', details: 'why' };
    expect(() => decodeResults(operations, [{ uuid: ['uuid', uuid] }, error])).toThrow(
      refused({ ...error, operation: 1 }),
    );
    expect(() => decodeResults(operations, [error, null])).toThrow(
      refused({ ...error, operation: 0 }),
    );
  });

  test('know a failure of the whole, which comes as one element more', () => {
    const error = { error: 'referential integrity violation' };
    expect(() =>
      decodeResults(operations, [{ uuid: ['uuid', uuid] }, { count: 1 }, error]),
    ).toThrow(refused({ ...error, operation: 'commit' }));
  });

  test.each([
    [null],
    [[]],
    [[{ uuid: ['uuid', uuid] }]],
    [[{ uuid: ['uuid', uuid] }, { count: 1 }, {}]],
    [[{ uuid: ['uuid', uuid] }, { count: 1 }, null, { error: 'late' }]],
    [[{ uuid: ['uuid', uuid] }, null]],
    [[{ uuid }, { count: 1 }]],
    [[{ uuid: ['uuid', uuid] }, { count: -1 }]],
    [[{ error: 5 }, null]],
  ])('%j is refused', (json) => {
    expect(() => decodeResults(operations, json)).toThrow(protocolError);
  });

  test('a row of a select has exactly the columns asked for', () => {
    const read = [select('Port', [], ['tag'])];
    expect(() => decodeResults(read, [{ rows: [{ tag: 1, name: 'p' }] }])).toThrow(protocolError);
    expect(() => decodeResults(read, [{ rows: [{}] }])).toThrow(protocolError);
  });
});

describe('operations', () => {
  test('are written as RFC 7047 section 5.2 says', () => {
    const made = [
      insert('Port', { name: 'p', interfaces: [{ named: 'i' }], tag: undefined }, 'row'),
      update('Bridge', [['name', '==', 'b']], { fail_mode: 'secure' }),
      mutate(
        'Bridge',
        [['_uuid', '==', uuid]],
        [
          ['ports', 'insert', [{ named: 'row' }]],
          ['external_ids', 'delete', ['k']],
          ['external_ids', 'delete', new Map([['k', 'v']])],
        ],
      ),
      mutate('Open_vSwitch', [], [['next_cfg', '+=', 1]]),
      remove('Port', [['external_ids', 'includes', new Map([['owner', 'x']])]]),
      wait('Bridge', [['name', '==', 'b']], '!=', [{ ports: [] }]),
    ];
    expect(made.map(({ wire }) => wire)).toEqual([
      {
        op: 'insert',
        table: 'Port',
        row: { name: 'p', interfaces: ['set', [['named-uuid', 'i']]], tag: ['set', []] },
        'uuid-name': 'row',
      },
      {
        op: 'update',
        table: 'Bridge',
        where: [['name', '==', 'b']],
        row: { fail_mode: 'secure' },
      },
      {
        op: 'mutate',
        table: 'Bridge',
        where: [['_uuid', '==', ['uuid', uuid]]],
        mutations: [
          ['ports', 'insert', ['set', [['named-uuid', 'row']]]],
          ['external_ids', 'delete', ['set', ['k']]],
          ['external_ids', 'delete', ['map', [['k', 'v']]]],
        ],
      },
      { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] },
      {
        op: 'delete',
        table: 'Port',
        where: [['external_ids', 'includes', ['map', [['owner', 'x']]]]],
      },
      {
        op: 'wait',
        timeout: 0,
        table: 'Bridge',
        where: [['name', '==', 'b']],
        columns: ['ports'],
        until: '!=',
        rows: [{ ports: ['set', []] }],
      },
    ]);
  });
});

describe('the check of the schema', () => {
  test('takes one that has our columns, and tells its version', () => {
    expect(checkSchema(schema())).toBe('8.3.1');
  });

  test('refuses one that lacks a table, a column, or has another type for one', () => {
    const { tables } = schema();
    const { Port: _port, ...withoutPort } = tables;
    const { tag: _tag, ...withoutTag } = tables['Port']?.columns ?? {};
    const changed = { ...withoutTag, tag: { type: 'integer' } };
    for (const broken of [
      withoutPort,
      { ...tables, Port: { columns: withoutTag } },
      { ...tables, Port: { columns: changed } },
    ]) {
      expect(() => checkSchema({ name: 'Open_vSwitch', tables: broken })).toThrow(
        expect.objectContaining({ code: 'OVS_REFUSED' }),
      );
    }
  });

  test('refuses what is no schema', () => {
    for (const json of [null, {}, { name: 'x', tables: [] }]) {
      expect(() => checkSchema(json)).toThrow(protocolError);
    }
  });
});
