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
      expect(all.some(({ fails }) => fails) || name === 'set').toBe(true);
      for (const alias of aliases) expect(played(alias)).not.toEqual([]);
    },
  );

  const requests = steps.flatMap(({ does }) => (does.kind === 'request' ? [does] : []));
  test.each(allKinds.filter(({ access }) => access === 'all').map(({ plural }) => plural))(
    'of each request to %s',
    (plural) => {
      const asked = new Set(
        requests.map(({ method, path }) => `${method} ${path.replace(/[^/]+\/?$/, 'KEY')}`),
      );
      const lists = requests.map(({ method, path }) => `${method} ${path}`);
      expect(lists).toContain(`GET /api/v1/${plural}/`);
      for (const method of ['GET', 'POST', 'DELETE']) {
        expect([...asked]).toContain(`${method} /api/v1/${plural}/KEY`);
      }
      expect([...asked]).toContain(`GET /api/v1/inspect/${plural}/KEY`);
    },
  );
});
