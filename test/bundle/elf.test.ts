/** Programs and libraries of this machine, and damaged ones. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readElf } from '../../lib/bundle/elf.ts';
import { loadedLibraries } from '../../lib/bundle/plugin-folder.ts';
import { FairleadError } from '../../lib/errors.ts';

const work = mkdtempSync(join(tmpdir(), 'elf-test-'));
afterAll(() => rmSync(work, { recursive: true }));

const libc = loadedLibraries().find((path) => path.includes('/libc.so')) ?? '';

test('a program says its machine, its linker and what it needs', () => {
  const facts = readElf(process.execPath);
  expect(facts?.machine).toBe(process.arch);
  expect(facts?.interpreter).toMatch(/^\/lib.*\/ld-linux-/);
  expect(facts?.needed).toContain('libc.so.6');
  expect(facts?.soname).toBeUndefined();
});

test('a library says the name that others need it by', () => {
  expect(readElf(libc)).toMatchObject({ machine: process.arch, soname: 'libc.so.6' });
});

test('other files are no programs', () => {
  const script = join(work, 'script');
  writeFileSync(script, `#!/bin/sh\n${'#'.repeat(100)}`);
  expect(readElf(script)).toBeUndefined();
  writeFileSync(script, '');
  expect(readElf(script)).toBeUndefined();
  expect(() => readElf(join(work, 'missing'))).toThrow(FairleadError);
});

test('a damaged one is read or refused, and nothing else', () => {
  const path = join(work, 'damaged');
  const bytes = readFileSync(libc);
  const flip = fc.record({ at: fc.nat(2_000), by: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(
      fc.array(flip, { maxLength: 6 }),
      fc.option(fc.nat(bytes.length)),
      (flips, length) => {
        const damaged = Buffer.from(length === null ? bytes : bytes.subarray(0, length));
        for (const { at, by } of flips) {
          if (at < damaged.length) damaged[at] = (damaged[at] ?? 0) ^ by;
        }
        writeFileSync(path, damaged);
        try {
          readElf(path);
        } catch (thrown) {
          if (!(thrown instanceof FairleadError) || thrown.code !== 'BUNDLE_INVALID') throw thrown;
        }
      },
    ),
    { numRuns: 200 },
  );
});
