/** Every row of docs/hazards.md has a test, or a story, whose title names it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listFiles, parseSource, type SyntaxNode } from './support/source.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const rows = [...read('docs/hazards.md').matchAll(/^\| (\d+) +\| /gm)].map(([, n]) => Number(n));

/** Numbers after `hazard` or `hazards`: "hazard 8", "hazards 10, 11 and 12". */
function named(text: string): readonly number[] {
  return [...text.matchAll(/[Hh]azards? ((?:\d+(?:, | and )?)+)/g)].flatMap(([, numbers = '']) =>
    [...numbers.matchAll(/\d+/g)].map(Number),
  );
}

/** Titles of tests and groups of a file. */
function titles(path: string): readonly string[] {
  return parseSource(path, read(path))
    .nodes.filter(({ type }) => type === 'CallExpression')
    .filter((node) => /^(?:it|test|describe)\b/.test(calleeName(node)))
    .flatMap((node) => (node['arguments'] as readonly SyntaxNode[]).slice(0, 1))
    .map((title) => read(path).slice(title.start, title.end));
}

function calleeName(node: SyntaxNode): string {
  let callee = node['callee'] as SyntaxNode;
  while (callee.type !== 'Identifier') {
    const next = (callee['callee'] ?? callee['object']) as SyntaxNode | undefined;
    if (next === undefined) return '';
    callee = next;
  }
  return String(callee['name']);
}

test('the table counts from 1 without a gap', () => {
  expect(rows).toEqual(Array.from({ length: 37 }, (_, at) => at + 1));
});

test('every hazard is named by a test or a story', () => {
  const tests = listFiles(root, 'test').filter((path) => path.endsWith('.test.ts'));
  const stories = listFiles(root, 'test/scenario').filter((path) => path.endsWith('.txt'));
  const inTitles = tests.flatMap((path) => titles(path).flatMap(named));
  const inStories = stories.flatMap((path) => named(read(path).split('\n')[0] ?? ''));
  const covered = new Set([...inTitles, ...inStories]);
  expect(rows.filter((row) => !covered.has(row))).toEqual([]);
});
