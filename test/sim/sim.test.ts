/** The simulator as a test: what ever failed, some hundred seeds, and that a seed is a run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCorpus } from './corpus.ts';
import { mutants } from './mutants.ts';
import { describeOptions, drawOptions } from './options.ts';
import { runSeed } from './run.ts';

/** Runs a seed; what it broke, with how to repeat it. */
function failureOf(seed: bigint): string | undefined {
  const options = drawOptions(seed);
  const { violation } = runSeed(seed, options);
  if (violation === undefined) return undefined;
  return `npm run sim -- --seed ${seed} --trace\n${violation.message}\n${describeOptions(options)}`;
}

describe('hazards 1 to 12, 14, 15, 17 to 20, 22 to 26, 28, 34 and 35: clusters under drawn faults', () => {
  test('break no promise under seeds that once failed', () => {
    expect(readCorpus().flatMap((seed) => failureOf(seed) ?? [])).toEqual([]);
  });

  // in steps, so that no single test takes long on a busy machine
  test.each([0, 1, 2, 3, 4, 5])('break no promise under the seeds of part %i', (part) => {
    const first = BigInt(part * 25 + 1);
    for (let seed = first; seed < first + 25n; seed += 1n) {
      expect(failureOf(seed)).toBeUndefined();
    }
  });

  test('run the same under the same seed, and differently under another', () => {
    const hashes = [7n, 8n, 7n].map((seed) => runSeed(seed, drawOptions(seed)).hash);
    expect(hashes[0]).toBe(hashes[2]);
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  test('do a good deal of what they are meant to survive', () => {
    const totals = new Map<string, number>();
    for (let seed = 301n; seed <= 340n; seed += 1n) {
      const { counts } = runSeed(seed, drawOptions(seed));
      for (const [name, count] of Object.entries(counts)) {
        totals.set(name, (totals.get(name) ?? 0) + count);
      }
    }
    for (const [name, count] of totals) expect(count, name).toBeGreaterThan(0);
  });
});

test('planted bugs fit the source they are planted in', () => {
  const library = join(import.meta.dirname, '../../lib/store');
  const misfits = mutants.flatMap((mutant) =>
    [mutant, ...(mutant.also === undefined ? [] : [mutant.also])]
      .filter(
        ({ file, find }) => readFileSync(join(library, file), 'utf8').split(find).length !== 2,
      )
      .map(({ file }) => `${mutant.name} in ${file}`),
  );
  expect(misfits).toEqual([]);
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});
