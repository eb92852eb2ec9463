/** The settings file: what it says holds where no flag and no variable does, and nothing in it is overlooked. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { agentOptionTable, readAgentOptions } from '../../lib/cli/agent-options.ts';
import { withConfigFile } from '../../lib/cli/config-file.ts';
import { rowsOf, type OptionSources } from '../../lib/cli/option.ts';
import { FairleadError } from '../../lib/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-file-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'config.yaml');

function read(text: string | Uint8Array, given: Partial<OptionSources> = {}) {
  writeFileSync(path, text);
  const sources = {
    flags: { config: path },
    environment: {},
    operands: {},
    hostName: 'here',
    stdoutIsTty: false,
  };
  const merged = { ...sources, ...given, flags: { ...sources.flags, ...given.flags } };
  return readAgentOptions(withConfigFile(merged, rowsOf(agentOptionTable)));
}

test('what it says holds: texts, numbers and lists', () => {
  const options = read('log-level: debug\nmtu: 1400\nuplinks: [eth1, eth2]\n');
  expect(options).toMatchObject({ logLevel: 'debug', linkMtu: 1400, uplinks: ['eth1', 'eth2'] });
  expect(read('')).toMatchObject({ logLevel: 'info' });
});

test('a flag wins over a variable, a variable over the file', () => {
  const text = 'log-level: debug\n';
  const environment = { FAIRLEAD_LOG_LEVEL: 'warn' };
  expect(read(text, { environment })).toMatchObject({ logLevel: 'warn' });
  const flags = { 'log-level': 'error' };
  expect(read(text, { environment, flags })).toMatchObject({ logLevel: 'error' });
  expect(read(text, { environment: { FAIRLEAD_LOG_LEVEL: '' } })).toMatchObject({
    logLevel: 'debug',
  });
});

test.each([
  ['log-levle: debug', /"log-levle"/],
  ['config: /elsewhere', /"config"/],
  ['mtu: 12', /config\.yaml: mtu "12"/],
  ['mtu: true', /no text, number or list/],
  ['uplinks: []', /no text, number or list/],
  ['uplinks:', /no text, number or list/],
  ['- log-level', /no list of settings/],
  ['a: 1\n---\nb: 2', /more than one document/],
  ['mtu: 1400\nmtu: 1500', /unique/],
  ['x: [', /config\.yaml/],
  ['#'.repeat(70_000), /too large/],
])('%s is refused', (text, reason) => {
  expect(() => read(text.slice())).toThrow(reason);
  expect(() => read(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('a file that was named must be there; the usual one need not', () => {
  const sources = { environment: {}, operands: {}, hostName: 'here', stdoutIsTty: false };
  const rows = rowsOf(agentOptionTable);
  const missing = { ...sources, flags: { config: join(folder, 'missing.yaml') } };
  expect(() => withConfigFile(missing, rows)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('any bytes are settings or USAGE', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.uint8Array({ maxLength: 60 })), (content) => {
      try {
        read(content);
      } catch (error) {
        expect(error).toBeInstanceOf(FairleadError);
      }
    }),
    { numRuns: 300 },
  );
});
