/** The file that leads Docker to the socket. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeDiscoveryFile } from '../../lib/runtime/discovery.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-discovery-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('.spec is the address, .json an object with it, both readable by all', () => {
  const spec = join(folder, 'plugins', 'fairlead.spec');
  const json = join(folder, 'plugins', 'fairlead.json');
  writeDiscoveryFile(spec, '/run/f/plugin.sock');
  writeDiscoveryFile(json, '/run/f/plugin.sock');
  expect(readFileSync(spec, 'utf8')).toBe('unix:///run/f/plugin.sock\n');
  expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual({
    Name: 'fairlead',
    Addr: 'unix:///run/f/plugin.sock',
  });
  expect(statSync(spec).mode & 0o777).toBe(0o644);
  expect(readdirSync(join(folder, 'plugins')).toSorted()).toEqual([
    'fairlead.json',
    'fairlead.spec',
  ]);
});

test('writing it again is nothing new, a file that leads elsewhere is left alone', () => {
  const path = join(folder, 'fairlead.spec');
  writeDiscoveryFile(path, '/run/a.sock');
  writeDiscoveryFile(path, '/run/a.sock');
  expect(() => writeDiscoveryFile(path, '/run/b.sock')).toThrow(
    expect.objectContaining({ code: 'SOCKET_FAILED' }),
  );
  expect(readFileSync(path, 'utf8')).toBe('unix:///run/a.sock\n');
});

test('it is removed as it was written, not as somebody changed it', () => {
  const path = join(folder, 'fairlead.spec');
  writeDiscoveryFile(path, '/run/a.sock').remove();
  expect(readdirSync(folder)).toEqual([]);
  const file = writeDiscoveryFile(path, '/run/a.sock');
  writeFileSync(path, 'tcp://127.0.0.1:1\n');
  file.remove();
  expect(readdirSync(folder)).toEqual(['fairlead.spec']);
});

test('what cannot be written is SOCKET_FAILED', () => {
  expect(() => writeDiscoveryFile('/dev/null/fairlead.spec', '/run/a.sock')).toThrow(
    expect.objectContaining({ code: 'SOCKET_FAILED' }),
  );
});
