import { expect, test } from 'vitest';
import { errorTable, FairleadError, type ErrorCode } from '../../lib/errors.ts';
import { version } from '../../lib/version.ts';
import { run } from './terminal.ts';

test.each([
  [[], 'help'],
  [['--help'], 'help'],
  [['-h'], 'help'],
  [['help'], 'help'],
  [['agent', '--help'], 'help-agent'],
  [['agent', '--mtu', 'x', '-h'], 'help-agent'],
  [['help', 'agent'], 'help-agent'],
  [['version', '--help'], 'help-version'],
  [['cluster'], 'help-cluster'],
  [['cluster', '--help'], 'help-cluster'],
  [['cluster', 'token', '--help'], 'help-cluster-token'],
  [['help', 'cluster'], 'help-cluster'],
  [['cluster', 'snapshot', '-h'], 'help-cluster-snapshot'],
])('%j prints the help page and starts nothing', async (args, page) => {
  const { exitCode, out, error, agent } = await run(args);
  expect({ exitCode, error, agent }).toEqual({ exitCode: 0, error: '', agent: undefined });
  await expect(out).toMatchFileSnapshot(`pages/${page}.txt`);
});

test.each([
  [['agnt'], "unknown command 'agnt'", 'did you mean agent? see fairlead --help'],
  [['zzz'], "unknown command 'zzz'", 'see fairlead --help'],
  [['help', 'zzz'], "unknown command 'zzz'", 'see fairlead --help'],
  [['--bogus'], "unknown option '--bogus'", 'see fairlead --help'],
  [['--bogus', 'agent'], "unknown option '--bogus'", 'see fairlead --help'],
  [
    ['agent', '--data-dirr', '/x'],
    "unknown option '--data-dirr'",
    'did you mean --data-dir? see fairlead agent --help',
  ],
  [['agent', '-x'], "unknown option '-x'", 'see fairlead agent --help'],
  [['agent', '--mtu'], "option '--mtu <BYTES>' argument missing", 'see fairlead agent --help'],
  [
    ['agent', 'now'],
    "too many arguments for 'agent'. Expected 0 arguments but got 1: now.",
    'see fairlead agent --help',
  ],
  [['agent\u001b[2J\n'], "unknown command 'agent?[2J?'", 'see fairlead --help'],
  [['version', '-o', 'yaml'], '--output "yaml"', 'must be one of text, json'],
])('%j is refused with one line and exit code 2', async (args, what, advice) => {
  expect(await run(args)).toEqual({
    exitCode: 2,
    out: '',
    error: `error: ${what} (USAGE): ${advice}\n`,
    agent: undefined,
  });
});

test('the version is the one of package.json, as text and as JSON', async () => {
  const text = `fairlead ${version} (node ${process.versions.node})\n`;
  expect((await run(['version'])).out).toBe(text);
  expect((await run(['--version'])).out).toBe(text);
  const { out } = await run(['version', '-o', 'json']);
  expect(JSON.parse(out)).toEqual({
    schemaVersion: 1,
    version,
    runtime: { name: 'node', version: process.versions.node },
    platform: process.platform,
    arch: process.arch,
  });
  expect((await run(['version'], { environment: { FAIRLEAD_OUTPUT: 'json' } })).out).toBe(out);
});

test.each(Object.keys(errorTable) as ErrorCode[])(
  'an agent that ends with %s ends with its exit code and one line',
  async (code) => {
    const startFails = new FairleadError(code, 'it did not start');
    const { exitCode, error } = await run(['agent'], { startFails });
    expect(exitCode).toBe(errorTable[code].exitCode);
    expect(error).toMatch(new RegExp(`^error: it did not start \\(${code}\\)(?:: .+)?\\n$`));
  },
);

test('a bug ends with exit code 70 and says where it is', async () => {
  const { exitCode, error } = await run(['agent'], { startFails: new TypeError('no such thing') });
  expect(exitCode).toBe(70);
  expect(error).toMatch(
    /^error: internal error: no such thing \(INTERNAL\): .+\nTypeError: .+\n {4}at /,
  );
});
