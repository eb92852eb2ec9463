/**
 * Tells every story of this folder. After an intended change of behaviour, rewrite them and read what
 * changed: REWRITE_STORIES=1 vitest run --project unit test/scenario/raft
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectStory, retell } from './story.ts';

const folder = import.meta.dirname;
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.txt'))
  .toSorted();
const read = (file: string) => readFileSync(join(folder, file), 'utf8');

/** The first line of a story is its title. */
const titles = files.map((file) => [read(file).split('\n')[0]?.replace(/^# /, '') ?? '', file]);

test.each(titles)('%s (%s)', (_, file) => {
  const text = read(file);
  if (process.env['REWRITE_STORIES'] === '1') writeFileSync(join(folder, file), retell(text));
  expectStory(read(file));
  expect(text).not.toContain('FAILED');
});

test('a story that comes out differently fails', () => {
  const text = '> members voters=a\n> campaign a\n  a: leader, term 1, commit 0, last 0@0\n';
  expect(() => expectStory(text)).toThrow('to be');
});
