/**
 * The single-file binary on its own: in an empty folder, with the whole source tree (node_modules included)
 * hidden under an empty file system, and with no environment.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../lib/version.ts';
import { slowness } from '../support/slowness.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'binary-test-'));
const binary = join(folder, 'bin', 'fairlead');
const probe = join(folder, 'bin', 'probe');
const empty = join(folder, 'empty');

interface Ended {
  readonly exitCode: number;
  readonly out: string;
  readonly error: string;
}

function execute(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((done, reject) => {
    execFile(
      program,
      args,
      { cwd: empty, env, timeout: 120_000 * slowness, killSignal: 'SIGKILL' as const },
      (failure, out, error) => {
        const exitCode = failure === null ? 0 : failure.code;
        if (typeof exitCode === 'number') done({ exitCode, out, error });
        else reject(new Error(`${program} did not end by itself: ${error}`, { cause: failure }));
      },
    );
  });
}

/** Runs a program where the source tree does not exist; `mounts` are made in its own namespace. */
function runAlone(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  mounts = '',
): Promise<Ended> {
  const hide = `mount -t tmpfs none "$0" && ${mounts === '' ? ':' : mounts} && exec "$@"`;
  const path = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  return execute('unshare', ['-m', 'sh', '-c', hide, root, program, ...args], { ...path, ...env });
}

beforeAll(async () => {
  mkdirSync(empty);
  const bun = join(root, 'node_modules/.bin/bun');
  const build = join(root, '.ci/build.ts');
  const entry = join(root, 'test/system/addon-probe.ts');
  for (const args of [
    ['--outfile', binary],
    ['--outfile', probe, '--entry', entry],
  ]) {
    const { exitCode, error } = await execute(bun, [build, ...args], process.env);
    if (exitCode !== 0) throw new Error(`the build failed: ${error}`);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('version names the commit, and help is printed', async () => {
  const { exitCode, out, error } = await runAlone(binary, ['version', '-o', 'json']);
  expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' });
  expect(JSON.parse(out)).toMatchObject({ version, runtime: { name: 'bun' } });
  // native code is not needed to say it
  const text = await runAlone(binary, ['version'], { TMPDIR: join(folder, 'missing') });
  expect(text).toMatchObject({ exitCode: 0, error: '' });
  const help = await runAlone(binary, ['agent', '--help']);
  expect(help).toMatchObject({ exitCode: 0, error: '' });
  expect(help.out).toMatch(/^Usage: fairlead agent/);
});

test('it tries itself, and says which machine lacks what', async () => {
  const tried = await runAlone(binary, ['self-test'], { TMPDIR: folder });
  expect(tried).toMatchObject({ exitCode: 0, error: '' });
  expect(tried.out).toMatch(/^fairlead [0-9.]+, .+\nstore: .+\nsystem calls: work\n$/);
  const failed = await runAlone(binary, ['self-test'], { TMPDIR: join(folder, 'missing') });
  expect(failed).toMatchObject({ exitCode: 3, out: '' });
  expect(failed.error).toMatch(/^error: [^\n]+ \(TEMP_UNUSABLE\): [^\n]+\n$/);
});

test('the same sources give the same bytes, whatever the file is called', async () => {
  const again = join(folder, 'another-name');
  const args = [join(root, '.ci/build.ts'), '--outfile', again];
  const built = await execute(join(root, 'node_modules/.bin/bun'), args, process.env);
  expect(built).toMatchObject({ exitCode: 0, error: '' });
  // not toEqual: it would try to show what differs in a hundred megabytes
  expect(readFileSync(again).equals(readFileSync(binary))).toBe(true);
});

test('an agent that cannot load its native code ends, although it listened already', async () => {
  const options = ['--data-dir', `${folder}/data`, '--run-dir', `${folder}/run`];
  const sockets = ['--plugin-socket', `${folder}/plugin.sock`];
  const env = { TMPDIR: join(folder, 'missing') };
  const { exitCode, error } = await runAlone(binary, ['agent', ...options, ...sockets], env);
  expect(exitCode).toBe(3);
  expect(error).toMatch(/^error: .+ \(TEMP_UNUSABLE\): set TMPDIR to [^\n]+\n$/);
});

test('a wrong flag is one line and exit code 2', async () => {
  expect(await runAlone(binary, ['agent', '--data-dirr', '/x'])).toEqual({
    exitCode: 2,
    out: '',
    error:
      "error: unknown option '--data-dirr' (USAGE): did you mean --data-dir? see fairlead agent --help\n",
  });
});

test('.env, bunfig.toml, package.json and tsconfig.json of the folder it starts in do nothing', async () => {
  const files = {
    '.env': 'FAIRLEAD_OUTPUT=json\n',
    '.env.production': 'FAIRLEAD_OUTPUT=json\n',
    'bunfig.toml': 'preload = ["./preload.ts"]\n[run]\npreload = ["./preload.ts"]\n',
    'preload.ts': 'console.log("preloaded"); process.exit(9);\n',
    'package.json': '{"type":"commonjs","imports":{"#x":"./preload.ts"}}\n',
    'tsconfig.json': '{"compilerOptions":{"paths":{"*":["./preload.ts"]}}}\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(empty, name), text);
  try {
    const { exitCode, out } = await runAlone(binary, ['version'], { NODE_ENV: 'production' });
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^fairlead [0-9.]+ \(bun /);
  } finally {
    for (const name of Object.keys(files)) rmSync(join(empty, name));
  }
});

describe('native addons', () => {
  test('work, and leave nothing in TMPDIR', async () => {
    const temporary = mkdtempSync(join(folder, 'tmp-'));
    const ended = await runAlone(probe, ['agent'], { PROBE_DIR: folder, TMPDIR: temporary });
    expect(ended).toEqual({ exitCode: 0, out: 'level b, koffi works\n', error: '' });
    expect(readdirSync(temporary)).toEqual([]);
  });

  test.each([
    ['missing', ':', /cannot unpack .+: ENOENT/],
    ['noexec', 'mount -t tmpfs -o noexec none "$TMPDIR"', /does not allow programs/],
    ['full', 'mount -t tmpfs -o size=64k none "$TMPDIR"', /cannot unpack .+: ENOSPC/],
    ['read-only', 'mount -t tmpfs -o ro none "$TMPDIR"', /cannot unpack .+: EROFS/],
  ])('a TMPDIR that is %s is named in one line', async (name, mounts, reason) => {
    const temporary = join(folder, name);
    if (name !== 'missing') mkdirSync(temporary);
    const env = { PROBE_DIR: folder, TMPDIR: temporary };
    const { exitCode, out, error } = await runAlone(probe, ['agent'], env, mounts);
    expect({ exitCode, out }).toEqual({ exitCode: 3, out: '' });
    expect(error).toMatch(reason);
    expect(error).toMatch(/^error: .+ \(TEMP_UNUSABLE\): set TMPDIR to [^\n]+\n$/);
  });
});
