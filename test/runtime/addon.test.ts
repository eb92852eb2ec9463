import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadAddon } from '../../lib/runtime/addon.ts';

const prebuilds = join(import.meta.dirname, '../../node_modules/classic-level/prebuilds');
const addon =
  process.arch === 'arm64'
    ? join(prebuilds, 'linux-arm64/classic-level.armv8.node')
    : join(prebuilds, 'linux-x64/classic-level.node');

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'addon-test-'));
  vi.stubEnv('TMPDIR', folder);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

test('an addon is opened and leaves nothing behind', () => {
  expect(loadAddon('classic-level', addon)).toHaveProperty('db_open');
  expect(readdirSync(folder)).toEqual([]);
});

test('a missing folder for temporary files is said by its name', () => {
  const missing = join(folder, 'missing');
  vi.stubEnv('TMPDIR', missing);
  expect(() => loadAddon('classic-level', addon)).toThrow(
    expect.objectContaining({
      code: 'TEMP_UNUSABLE',
      message: expect.stringContaining(`cannot unpack classic-level in ${missing}: ENOENT`),
      fix: expect.stringContaining('TMPDIR'),
    }),
  );
});

test('what is no addon is refused and leaves nothing behind', () => {
  const path = join(mkdtempSync(join(folder, 'in-')), 'addon');
  writeFileSync(path, 'not a shared library');
  expect(() => loadAddon('broken', path)).toThrow(
    expect.objectContaining({
      code: 'ADDON_FAILED',
      message: expect.stringMatching(/^cannot load broken: /),
    }),
  );
  expect(readdirSync(folder)).toHaveLength(1);
});
