/** Commands that texts tell people to type: each of them is there, with its flags. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it, test } from 'vitest';
import { commandSet } from '../../lib/cli/commands.ts';
import { commandTable, families, globalFlags } from '../../lib/cli/netctl/core/table.ts';
import { listFiles, parseFiles, type Source, type SyntaxNode } from '../support/source.ts';

const root = resolve(import.meta.dirname, '..', '..');

/** A command with the flags it takes. */
interface Known {
  readonly words: readonly string[];
  readonly flags: ReadonlySet<string>;
}

const everywhere = ['--help', '--version'];
const known: Readonly<Record<string, readonly Known[]>> = {
  fairlead: commandSet.commands.map(({ name, options }) => ({
    words: name.split(' '),
    flags: new Set([...everywhere, ...options.map(({ flag }) => `--${flag}`)]),
  })),
  netctl: commandTable.flatMap(({ family, name, aliases = [], flags }) => {
    const row = families.find((each) => each.name === family);
    const firsts =
      row === undefined ? [[]] : [row.name, ...(row.aliases ?? [])].map((one) => [one]);
    const taken = [...globalFlags, ...flags].flatMap(({ names }) => names.map((one) => `--${one}`));
    return firsts.flatMap((first) =>
      [name, ...aliases].map((last) => ({
        words: [...first, last],
        flags: new Set([...everywhere, ...taken]),
      })),
    );
  }),
};

/** What is no command, though our name is followed by a word: what is signed, what a shell reads, how one speaks. */
const prose = [
  ...['fairlead rejoin', 'fairlead join secret', 'fairlead join request', 'fairlead join accept'],
  ...['fairlead certificate request', 'fairlead join'],
  ...[
    'netctl for bash',
    'netctl for zsh',
    'netctl for fish',
    'fairlead or',
    'fairlead and',
    'fairlead that was',
  ],
  ...['netctl that leads', 'netctl reads', 'netctl is the first', 'netctl and of', 'netctl config'],
];

/** What a text names that is not there. */
function unknownIn(text: string): readonly string[] {
  const named = /(?<![\w./@:-])(fairlead|netctl)((?:[ \n]+[a-z][a-z-]*)+)([^;,:`()\n]*)/g;
  return [...text.matchAll(named)].flatMap(([whole, program = '', words = '', rest = '']) => {
    const said = words.trim().split(/\s+/);
    if (program === 'fairlead' && said[0] === 'netctl') return unknownIn(whole.slice(9));
    if (prose.some((one) => `${program} ${said.join(' ')} `.startsWith(`${one} `))) return [];
    const command = known[program]?.find((row) => row.words.every((word, at) => said[at] === word));
    if (command === undefined) return [`${program} ${said.join(' ')}`];
    const own = rest.split(/(?:fairlead|netctl|&&|\|) /)[0] ?? '';
    const flags = own.match(/(?<!\S)--[a-z][a-z-]*/g) ?? [];
    return flags
      .filter((flag) => !command.flags.has(flag))
      .map((flag) => `${program} ${command.words.join(' ')} ${flag}`);
  });
}

/** Documents speak of commands that share a word, too. */
function isFamily(text: string): boolean {
  const [program = '', word, ...more] = text.split(' ');
  if (more.length > 0) return false;
  return known[program]?.some(({ words }) => words.length > 1 && words[0] === word) ?? false;
}

/** The texts of a file; what is put into them stands as a value. */
function textsOf({ nodes }: Source): readonly string[] {
  return nodes.flatMap((node) => {
    if (node.type === 'Literal' && typeof node['value'] === 'string') return [node['value']];
    if (node.type !== 'TemplateLiteral') return [];
    const quasis = node['quasis'] as readonly (SyntaxNode & { value: { cooked: string } })[];
    return [quasis.map(({ value }) => value.cooked).join('VALUE')];
  });
}

const paths = listFiles(root);
const sources = parseFiles(
  root,
  paths.filter((path) => path.startsWith('lib/')),
);

test.each([
  ['fairlead nodes', ['fairlead nodes']],
  ['try fairlead node ls, or not', ['fairlead node ls']],
  ['fairlead network', ['fairlead network']],
  ['fairlead node remove VALUE --force', ['fairlead node remove --force']],
  ['fairlead netctl global st', ['netctl global st']],
  ['netctl net ls --all; netctl group create --nothing', ['netctl group create --nothing']],
  ['fairlead cluster\nstatus, /usr/bin/fairlead x, systemctl start fairlead', []],
])('%j: %j', (text, expected) => {
  expect(unknownIn(text)).toEqual(expected);
});

it('in messages of the program', () => {
  const wrong = sources.flatMap((source) =>
    textsOf(source).flatMap((text) => unknownIn(text).map((what) => `${source.path}: ${what}`)),
  );
  expect(wrong).toEqual([]);
});

it('in documents, where they stand as code', () => {
  const wrong = paths
    .filter((path) => path.startsWith('docs/') && path.endsWith('.md'))
    .flatMap((path) => {
      const code = readFileSync(join(root, path), 'utf8').match(/```[^]*?```|`[^`\n]+`/g) ?? [];
      return code
        .flatMap((text) => text.split('\n'))
        .flatMap(unknownIn)
        .filter((what) => !isFamily(what))
        .map((what) => `${path}: ${what}`);
    });
  expect(wrong).toEqual([]);
});

it('and nothing is excused that nobody says', () => {
  const all = sources.flatMap(textsOf).join('\n');
  expect(prose.filter((one) => !all.includes(one))).toEqual([]);
});
