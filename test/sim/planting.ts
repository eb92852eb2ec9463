/** Copies of the source with a bug in them. The source itself is never touched. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Mutant } from './mutants.ts';

const root = resolve(import.meta.dirname, '../..');

/** A copy of what the simulator needs; to be removed by who asked for it. */
export function copySource(from = root): string {
  const copy = mkdtempSync(join(tmpdir(), 'fairlead-mutants-'));
  for (const path of ['lib', 'test/sim', 'package.json']) {
    cpSync(join(from, path), join(copy, path), { recursive: true });
  }
  return copy;
}

/**
 * Plants a bug in a copy; the answer takes it out again.
 * @throws when it does not fit the source any more
 */
export function plant(copy: string, mutant: Mutant): () => void {
  const edits = [mutant, ...(mutant.also === undefined ? [] : [mutant.also])];
  const restore: (() => void)[] = [];
  for (const { file, find, replace } of edits) {
    const path = join(copy, 'lib/store', file);
    const source = readFileSync(path, 'utf8');
    const places = source.split(find).length - 1;
    if (places !== 1) throw new Error(`${mutant.name} fits in ${places} places of ${file}`);
    writeFileSync(
      path,
      source.replace(find, () => replace),
    );
    restore.unshift(() => writeFileSync(path, source));
  }
  return () => restore.forEach((each) => each());
}
