/** The house rules as tests: structure, size, and facts that must be written once. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { generatedDocuments } from '../.ci/docs.ts';
import { missingEntries, type Lock } from '../.ci/lock.ts';
import { errorTable } from '../lib/errors.ts';
import * as limits from '../lib/limits.ts';
import { importCircles, isIn, purePaths, wrongImports } from './support/rooms.ts';
import {
  listFiles,
  parseFiles,
  parseSource,
  type Source,
  type SyntaxNode,
} from './support/source.ts';
import * as rules from './support/tidy-rules.ts';

const root = resolve(import.meta.dirname, '..');
const paths = listFiles(root);
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const sources = parseFiles(root, paths);
const product = sources.filter(({ path }) => path.startsWith('lib/') || path === 'agent.ts');
const library = product.filter(({ path }) => path !== 'agent.ts');
const tests = sources.filter(({ path }) => path.startsWith('test/'));

/** Words in pieces, so that this file does not break the rule it is about. */
const words = (...pieces: readonly string[]) => pieces.join('');

/** Rules, the files they are for, and a file that breaks them. */
const checks: readonly (readonly [string, rules.Rule, typeof sources, string])[] = [
  [
    'files and functions are short',
    rules.shortEnough,
    product,
    `const f = () => {${'\n'.repeat(60)}};`,
  ],
  ['nothing writes to the console', rules.noConsole, product, `console.log(1);`],
  ['there is no default export', rules.noDefaultExport, product, `export default 1;`],
  ['the type checker is never silenced: any', rules.noTypeHoles, sources, `let a: any;`],
  ['… nor by assertions', rules.noTypeHoles, product, `f(a!.b);`],
  ['… nor by comments', rules.noTypeHoles, sources, words('// @', 'ts-ignore')],
  ['nothing is left for later', rules.nothingLeftOpen, sources, words('// TO', 'DO')],
  ['files begin with what they are', rules.startsWithItsPurpose, product, `const a = 1;`],
  [
    'exports are documented',
    rules.exportsDocumented,
    library,
    `/** a */\nconst a = 1;\n\nexport const b = a;`,
  ],
  ['no test is left out', rules.nothingSkipped, tests, words('test.sk', `ip('x', () => {});`)],
];

test.each(checks)('%s', (_, rule, files, breach) => {
  expect(rule(parseSource('lib/breach.ts', breach))).toHaveLength(1);
  expect(files.flatMap(rule)).toEqual([]);
});

describe('rooms', () => {
  test('imports run one way', () => {
    const upward = parseSource('lib/model/x.ts', `import { a } from '../api/app.ts';`);
    const sideways = parseSource('lib/api/x.ts', `const a = await import('../cli/main.ts');`);
    const homeless = parseSource('lib/utils/x.ts', '');
    expect([upward, sideways, homeless].map((source) => wrongImports(source).length)).toEqual([
      1, 1, 1,
    ]);
    expect(product.flatMap(wrongImports)).toEqual([]);
  });

  test('files do not import each other in circles', () => {
    const circle = [
      parseSource('lib/a.ts', `import './b.ts';`),
      parseSource('lib/b.ts', `export * from './a.ts';`),
    ];
    expect(importCircles(circle)).toEqual(['lib/a.ts -> lib/b.ts -> lib/a.ts']);
    expect(importCircles(product)).toEqual([]);
  });

  test.each([
    [`import { open } from 'node:fs';`, 1],
    [`const a = Date.now() + Math.random() + performance.now();`, 3],
    [`setTimeout(() => process.exit(), 1);`, 2],
    [`const a = { process: b.process, Date: 1 };`, 0],
  ])('%s is %i breaches of purity', (text, breaches) => {
    expect(rules.pure(parseSource('lib/model/x.ts', text))).toHaveLength(breaches);
  });

  test('pure rooms have no machine, clock or chance', () => {
    const files = library.filter(({ path }) => isIn(path, purePaths));
    expect(files.length).toBeGreaterThan(8);
    expect(files.flatMap(rules.pure)).toEqual([]);
  });

  test('names say what a file is about', () => {
    const vague = /^(?:utils?|helpers?|common|misc|manager|index|types)(?:\.test)?\.ts$/;
    expect(paths.filter((path) => vague.test(basename(path)))).toEqual([]);
  });

  test('agent.ts is wiring', () => {
    expect(read('agent.ts').split('\n').length).toBeLessThanOrEqual(150);
  });
});

describe('dependencies', () => {
  /** Packages that more than one file may import, and why. */
  const manyImporters = new Map([
    ['zod', 'schemas are the vocabulary of every room that reads what it did not write'],
    ['hono', 'each face is a Hono application'],
  ]);
  const importers = Map.groupBy(
    library.flatMap(({ path, imports }) =>
      imports
        .filter(({ from }) => !/^(?:\.|node:)/.test(from))
        .map(({ from }) => ({ path, name: /^(?:@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? from })),
    ),
    ({ name }) => name,
  );

  test('each is imported by one file, and all that are listed are used', () => {
    const spread = [...importers]
      .filter(
        ([name, uses]) =>
          !manyImporters.has(name) && new Set(uses.map(({ path }) => path)).size > 1,
      )
      .map(([name, uses]) => `${name}: ${uses.map(({ path }) => path).join(', ')}`);
    expect(spread).toEqual([]);
    expect([...importers.keys()].toSorted()).toEqual(Object.keys(manifest.dependencies).toSorted());
  });

  test('versions are exact, and the lock file names no registry', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, text]) => !/^\d+\.\d+\.\d+$/.test(text))).toEqual([]);
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });

  test('the lock file is complete, so that npm ci takes it', () => {
    const lock = JSON.parse(read('package-lock.json')) as Lock;
    expect(missingEntries(lock)).toEqual({});
    const parent = {
      version: '1.0.0',
      optionalDependencies: { '@a/tool-linux-x64-musl': '1.0.0' },
    };
    expect(missingEntries({ packages: { 'node_modules/a': parent } })).toEqual({
      'node_modules/@a/tool-linux-x64-musl': {
        version: '1.0.0',
        cpu: ['x64'],
        libc: ['musl'],
        optional: true,
        os: ['linux'],
      },
    });
  });
});

/** Names that a file imports from the limits, one by one or as `limits.name`. */
function limitsUsed({ imports, nodes }: Source): readonly string[] {
  const uses = imports.filter(({ from }) => from.endsWith('/limits.ts'));
  if (uses.length === 0) return [];
  const members = nodes.flatMap(({ type, object, property }) =>
    type === 'MemberExpression' && (object as SyntaxNode)['name'] === 'limits'
      ? [String((property as SyntaxNode)['name'])]
      : [],
  );
  return [...uses.flatMap(({ names }) => names), ...members];
}

describe('facts are written once', () => {
  const elsewhere = (path: string) => product.filter((source) => source.path !== path);

  test('every error code is used', () => {
    const literals = new Set(
      elsewhere('lib/errors.ts').flatMap(({ nodes }) =>
        nodes.flatMap(({ type, value }) =>
          type === 'Literal' && typeof value === 'string' ? [value] : [],
        ),
      ),
    );
    expect(Object.keys(errorTable).filter((code) => !literals.has(code))).toEqual([]);
  });

  test('every limit is used', () => {
    const names = new Set(elsewhere('lib/limits.ts').flatMap(limitsUsed));
    expect(Object.keys(limits).filter((name) => !names.has(name))).toEqual([]);
  });

  test.each(generatedDocuments())('$path is what npm run docs writes', ({ path, text }) => {
    expect(read(path)).toBe(text);
  });
});

test('no file knows the machine it was written on', () => {
  const machine = new RegExp(
    [
      words('(?:^|[^\\w.$/-])/wo', 'rk/'),
      words('(?:^|[^\\w.$/-])/ro', 'ot/'),
      words('//[^\\s/\'"]*(?:npm', 'js|registry)'),
    ].join('|'),
    'm',
  );
  expect(machine.test(words(' "/ro', 'ot/x"'))).toBe(true);
  expect(paths.filter((path) => machine.test(read(path)))).toEqual([]);
});
