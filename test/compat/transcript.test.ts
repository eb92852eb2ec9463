/** Transcripts: read, compared and written; and that there is one for everything. */
import { describe, expect, test } from 'vitest';
import { commandTable, families } from '../../lib/cli/netctl/core/table.ts';
import { allKinds } from '../../lib/model/objects/kinds.ts';
import { transcriptFiles } from './files.ts';
import {
  difference,
  lineFits,
  outputLines,
  parseTranscript,
  updatedTranscript,
  type Step,
} from './transcript.ts';

const text = `# about
$ one two
  out
! error
= 3

> POST /a/
- if-match: {etag}
  {"b":1}
< 200 application/json
- etag: …
  {"c":[1]}
`;

test('a transcript is commands and requests with what they answer', () => {
  expect(parseTranscript(text)).toEqual([
    { line: 2, does: { kind: 'command', text: 'one two' }, expected: ['  out', '! error', '= 3'] },
    {
      line: 7,
      does: {
        kind: 'request',
        method: 'POST',
        path: '/a/',
        headers: [['if-match', '{etag}']],
        body: '{"b":1}',
      },
      expected: [
        '< 200 application/json',
        '- etag: …',
        ...['  {', '    "c": [', '      1', '    ]', '  }'],
      ],
    },
  ]);
  expect(() => parseTranscript('\nbut')).toThrow('line 2: but');
});

test('ends of lines that would not be seen are marked', () => {
  expect(outputLines('', '  ')).toEqual([]);
  expect(outputLines('a \n\nb', '! ')).toEqual(['! a ⏎', '! ', '! b⊘']);
});

test.each([
  ['abc', 'abc', true],
  ['abc', 'abcd', false],
  ['a…', 'abc', true],
  ['…c', 'abc', true],
  ['a…c', 'ac', true],
  ['a.c', 'abc', false],
  ['a…d', 'abc', false],
])('%s fits %s: %s', (expected, actual, fits) => {
  expect(lineFits(expected, actual)).toBe(fits);
});

test('a difference shows what is missing and what is too much', () => {
  expect(difference(['a', 'b…', 'c'], ['a', 'bx', 'c'])).toBeUndefined();
  expect(difference(['a', 'b', 'c'], ['a', 'x', 'c', 'd'])).toEqual([
    [' ', 'a'],
    ['-', 'b'],
    ['+', 'x'],
    [' ', 'c'],
    ['+', 'd'],
  ]);
  expect(difference([], ['a'])).toEqual([['+', 'a']]);
  expect(difference(['a'], [])).toEqual([['-', 'a']]);
});

test('an update changes what differs and nothing else', () => {
  const [command, request] = parseTranscript(text);
  if (command === undefined || request === undefined) expect.fail('there are two');
  const same = new Map<Step, readonly string[]>([
    [command, command.expected],
    [request, request.expected.map((line) => line.replace('…', '"5"'))],
  ]);
  expect(updatedTranscript(text, same)).toBe(text);
  const changed = new Map<Step, readonly string[]>([
    [command, ['  other']],
    [request, ['< 404 text/plain', '  none']],
  ]);
  expect(updatedTranscript(text, changed)).toBe(`# about
$ one two
  other

> POST /a/
- if-match: {etag}
  {"b":1}
< 404 text/plain
  none
`);
});

describe('there is a transcript', () => {
  const steps = transcriptFiles().flatMap(({ text: all }) => parseTranscript(all));
  const commands = steps.flatMap(({ does, expected }) =>
    does.kind === 'command' && does.text.startsWith('netctl ')
      ? [
          {
            words: does.text.split(' ').slice(1),
            fails: expected.some((line) => /^= \d/.test(line)),
          },
        ]
      : [],
  );
  const namesOf = (family: string | undefined) => {
    const row = families.find(({ name }) => name === family);
    return new Set<string | undefined>(row === undefined ? [] : [row.name, ...(row.aliases ?? [])]);
  };

  test.each(commandTable.map((row) => [[row.family, row.name].join(' ').trim(), row] as const))(
    'of %s, of its aliases and of its failure',
    (_, { family, name, aliases = [] }) => {
      const played = (wanted: string) =>
        commands.filter(({ words }) =>
          family === undefined
            ? words[0] === wanted
            : namesOf(family).has(words[0]) && words[1] === wanted,
        );
      const all = [name, ...aliases].flatMap(played);
      // a login that works needs a server with https, an endpoint needs Docker
      if (name !== 'login' && family !== 'endpoint')
        expect(all.some(({ fails }) => !fails)).toBe(true);
      expect(all.some(({ fails }) => fails)).toBe(true);
      for (const alias of aliases) expect(played(alias)).not.toEqual([]);
    },
  );

  /** Requests as `POST /api/v1/networks/KEY 200`. */
  const answered = new Set(
    steps.flatMap(({ does, expected }) => {
      if (does.kind !== 'request') return [];
      const status = /^< (\d{3}) /.exec(expected[0] ?? '')?.[1] ?? 'nothing';
      const path = does.path.replace(/\?.*$/, '').replace(/([^/])$/, '$1/');
      const isObject = /^\/api\/v1\/(?:inspect\/)?[A-Za-z]+\/[^/]+\/$/.test(path);
      const general = isObject ? path.replace(/[^/]+\/$/, 'KEY/') : path;
      return [`${does.method} ${general} ${status}`];
    }),
  );

  test.each(allKinds.filter(({ access }) => access === 'all').map(({ plural }) => plural))(
    'of each request to %s that is answered, and of those that are refused',
    (plural) => {
      const object = `/api/v1/${plural}/KEY/`;
      expect(answered).toContain(`GET /api/v1/${plural}/ 200`);
      expect(answered).toContain(`GET /api/v1/inspect/${plural}/KEY/ 200`);
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        expect(answered).toContain(`${method} ${object} 200`);
      }
      // what is invalid, and what is not there; the one that is always there is removed all the same
      expect(answered).toContain(`POST ${object} 422`);
      if (plural === 'globals') return;
      expect(answered).toContain(`GET ${object} 404`);
      expect(answered).toContain(`DELETE ${object} 404`);
      expect(answered).toContain(`GET /api/v1/inspect/${plural}/KEY/ 404`);
    },
  );

  test.each(allKinds.filter(({ access }) => access === 'none').map(({ plural }) => plural))(
    'of %s, which there are none of',
    (plural) => {
      expect(answered).toContain(`GET /api/v1/${plural}/ 200`);
      expect(answered).toContain(`POST /api/v1/${plural}/KEY/ 422`);
    },
  );

  test.each([
    'GET /version/ 200',
    'GET /info/ 200',
    // the whole of it is never the same twice
    ...['version', 'gates', 'networks', 'endpoints', 'pools', 'bandwidth', 'policyHits'].map(
      (part) => `GET /debug/state/${part}/ 200`,
    ),
    'GET /debug/state/nothing/ 404',
    // an endpoint to look at needs Docker
    'GET /api/v1/inspect/endpoints/KEY/ 404',
    'GET /api/v1/endpoints/ 404',
    'GET /api/v1/nothing/ 404',
    'DELETE /api/v1/tenants/ 405',
  ])('of %s', (asked) => {
    expect(answered).toContain(asked);
  });
});
