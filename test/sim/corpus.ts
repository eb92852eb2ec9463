/** Seeds that ever failed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The seeds of `corpus.txt`, without what is said about them. */
export function readCorpus(): readonly bigint[] {
  return readFileSync(join(import.meta.dirname, 'corpus.txt'), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map(BigInt);
}
