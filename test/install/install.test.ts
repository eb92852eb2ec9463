/**
 * install.sh below a folder of the test's own (`--root`), under every shell there is here. The bundle has a script in
 * place of the binary; that real ones start real services is the business of npm run e2e:install.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, randomInt } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createBundle } from '../../lib/bundle/bundle.ts';
import { readSigningKey } from '../../lib/bundle/minisign.ts';

const source = resolve(import.meta.dirname, '../..');
const script = join(source, 'install.sh');
const work = mkdtempSync(join(tmpdir(), 'install-test-'));
const target = `linux-${process.arch}`;
const shells = [['dash'], ['busybox', 'sh'], ['bash', '--posix']].filter(
  ([program = '']) => spawnSync(program, ['-c', ':']).error === undefined,
);

/** Programs that the script uses, as busybox has them. */
const busyboxTools = join(work, 'busybox');
mkdirSync(busyboxTools);
for (const tool of ['tar', 'awk', 'sed', 'cp', 'mv', 'find', 'chmod', 'ln', 'sha256sum']) {
  symlinkSync('/bin/busybox', join(busyboxTools, tool));
}

/** A key pair: text of the secret key, and the public key as minisign prints it. */
function newKey(): { readonly secret: string; readonly open: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const id = randomBytes(8);
  const head = Buffer.concat([Buffer.from('Ed\0\0B2'), Buffer.alloc(48), id, seed, raw]);
  const secret = Buffer.concat([head, Buffer.alloc(32)]).toString('base64');
  return {
    secret: `untrusted comment: secret\n${secret}\n`,
    open: Buffer.concat([Buffer.from('Ed'), id, raw]).toString('base64'),
  };
}

const key = newKey();
const bundles = { one: '', two: '', signed: '', foreign: '' };

async function bundle(name: string, machine: string, isSigned = false): Promise<string> {
  const folder = join(work, `release-${name}-${machine}`);
  for (const each of ['bin', 'systemd', 'openrc', 'man', 'plugin/shim/rootfs/tmp'])
    mkdirSync(join(folder, each), { recursive: true });
  writeFileSync(join(folder, 'VERSION'), `fairlead-${name}-${machine}\n`);
  writeFileSync(join(folder, 'bin/fairlead'), `#!/bin/sh\necho ${name}\n`, { mode: 0o755 });
  linkSync(join(folder, 'bin/fairlead'), join(folder, 'plugin/shim/rootfs/fairlead'));
  writeFileSync(join(folder, 'man', `fairlead-of-${name}.1`), '.TH\n');
  writeFileSync(join(folder, 'install.sh'), readFileSync(script), { mode: 0o755 });
  for (const unit of ['fairlead.service', 'fairlead.socket']) {
    writeFileSync(join(folder, 'systemd', unit), `# ${unit} of ${name}\n`);
  }
  writeFileSync(join(folder, 'openrc/fairlead'), '#!/sbin/openrc-run\n');
  const output = join(work, `${name}-${machine}.tar.gz`);
  await createBundle({
    folder,
    output,
    ...(isSigned ? { key: readSigningKey(key.secret) } : {}),
  });
  return output;
}

beforeAll(async () => {
  bundles.one = await bundle('0.1.0', target);
  bundles.two = await bundle('0.2.0', target);
  bundles.signed = await bundle('0.3.0', target, true);
  bundles.foreign = await bundle('0.1.0', 'linux-riscv64');
});
afterAll(() => rmSync(work, { recursive: true }));

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(work, 'root-'));
  mkdirSync(join(root, 'lib/systemd'), { recursive: true });
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/os-release'), 'ID=debian\n');
});

/** Every file, folder and link below the root, with content. */
function listing(): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => {
      const stat = lstatSync(join(root, path));
      if (stat.isSymbolicLink()) return `${path} -> ${readlinkSync(join(root, path))}`;
      return stat.isFile() ? `${path}: ${readFileSync(join(root, path), 'utf8')}` : path;
    })
    .toSorted();
}

interface Ended {
  readonly exitCode: number | null;
  readonly out: string;
  readonly error: string;
}

/** busybox has a tar of its own, which lists links in another way. */
function environmentOf([program = '']: readonly string[]): NodeJS.ProcessEnv {
  const path = process.env['PATH'] ?? '';
  return { PATH: program === 'busybox' ? `${busyboxTools}:${path}` : path, TMPDIR: work };
}

function runScript(shell: readonly string[], path: string, ...args: readonly string[]): Ended {
  const [program = '', ...first] = shell;
  const { status, stdout, stderr } = spawnSync(program, [...first, path, ...args, '--root', root], {
    encoding: 'utf8',
    env: environmentOf(shell),
  });
  return { exitCode: status, out: stdout, error: stderr };
}

const run = (shell: readonly string[], ...args: readonly string[]): Ended =>
  runScript(shell, script, ...args);

const installed = () =>
  execFileSync(join(root, 'usr/local/bin/fairlead'), { encoding: 'utf8' }).trim();

describe.each(shells.map((shell) => ({ shell, name: shell.join(' ') })))(
  'under $name',
  ({ shell }) => {
    test('install, the same again, upgrade, rollback, uninstall: the root is as it was', () => {
      const before = listing();
      expect(run(shell, '--bundle', bundles.one, '--uplinks', 'eth1')).toMatchObject({
        exitCode: 0,
      });
      expect(installed()).toBe('0.1.0');
      const settings = join(root, 'etc/default/fairlead');
      appendFileSync(settings, 'FAIRLEAD_LOG_LEVEL=debug\n');
      const once = listing();
      expect(run(shell, '--bundle', bundles.one).out).toContain('is installed already');
      expect(listing()).toEqual(once);

      expect(run(shell, 'upgrade', '--bundle', bundles.two)).toMatchObject({ exitCode: 0 });
      expect(installed()).toBe('0.2.0');
      expect(readdirSync(join(root, 'usr/local/share/man/man1'))).toEqual(['fairlead-of-0.2.0.1']);
      const unit = join(root, 'usr/local/lib/systemd/system/fairlead.service');
      expect(readFileSync(unit, 'utf8')).toContain('0.2.0');
      expect(readFileSync(settings, 'utf8')).toMatch(
        /^FAIRLEAD_UPLINKS=eth1\nFAIRLEAD_LOG_LEVEL=debug\n/m,
      );

      expect(run(shell, 'rollback')).toMatchObject({ exitCode: 0 });
      expect(installed()).toBe('0.1.0');
      expect(readFileSync(unit, 'utf8')).toContain('0.1.0');

      expect(run(shell, 'uninstall')).toMatchObject({ exitCode: 0 });
      expect(existsSync(settings)).toBe(true);
      expect(existsSync(unit)).toBe(false);
      expect(run(shell, '--bundle', bundles.two)).toMatchObject({ exitCode: 0 });
      expect(run(shell, 'uninstall', '--purge')).toMatchObject({ exitCode: 0, error: '' });
      expect(listing()).toEqual(before);
      expect(run(shell, 'uninstall', '--purge').out).toContain('nothing to do');
    });

    test('a dry run says all of it and does nothing', () => {
      const before = listing();
      const { exitCode, out } = run(
        shell,
        '--bundle',
        bundles.one,
        '--uplinks',
        'eth1',
        '--dry-run',
      );
      expect(exitCode).toBe(0);
      for (const word of ['fairlead.socket', 'FAIRLEAD_UPLINKS=eth1', 'nothing was changed']) {
        expect(out).toContain(word);
      }
      expect(listing()).toEqual(before);
    });

    test('what is not right is one line, and nothing is changed', () => {
      const before = listing();
      const damaged = join(work, 'damaged.tar.gz');
      const bytes = readFileSync(bundles.one);
      writeFileSync(damaged, bytes.subarray(0, bytes.length - 50));
      const other = newKey().open;
      const refusals: readonly (readonly [readonly string[], RegExp])[] = [
        [['--bundle', damaged], /damaged/],
        [['--bundle', bundles.foreign], /is for another machine/],
        [['--bundle', join(work, 'missing.tar.gz')], /cannot be read/],
        [['--bundle', bundles.one, '--public-key', key.open], /is not signed/],
        [['--bundle', bundles.signed, '--public-key', other], /signature is not of this key/],
        [['--bundle', bundles.one, '--role', 'king'], /must be voter, observer or witness/],
        [['--bundle', bundles.one, '--uplinks', 'a b'], /names of NICs/],
        [['--bundel', bundles.one], /unknown word/],
        [['rollback'], /no version before/],
      ];
      for (const [args, reason] of refusals) {
        const { exitCode, error } = run(shell, ...args);
        expect(exitCode, args.join(' ')).toBe(1);
        const lines = error.split('\n').filter((line) => line.startsWith('error: '));
        expect(lines, error).toHaveLength(1);
        expect(lines[0]).toMatch(reason);
        expect(listing(), args.join(' ')).toEqual(before);
      }
    });

    test('the program of a managed plugin is the installed one, from a bundle and from a folder', () => {
      const unpacked = mkdtempSync(join(work, 'unpacked-'));
      execFileSync('tar', ['-xzf', bundles.one, '-C', unpacked]);
      const [name = ''] = readdirSync(unpacked);
      // a folder may be somebody's own, as he unpacked it
      chmodSync(join(unpacked, name, 'VERSION'), 0o666);
      for (const args of [['--bundle', bundles.one], []]) {
        const own = args.length === 0 ? join(unpacked, name, 'install.sh') : script;
        expect(runScript(shell, own, ...args)).toMatchObject({ exitCode: 0 });
        const current = join(root, 'usr/local/lib/fairlead/current');
        const inode = (path: string) => statSync(join(current, path)).ino;
        expect(inode('plugin/shim/rootfs/fairlead')).toBe(inode('bin/fairlead'));
        expect(readdirSync(join(current, 'plugin/shim/rootfs/tmp'))).toEqual([]);
        expect(statSync(join(current, 'VERSION')).mode & 0o777).toBe(0o644);
        expect(run(shell, 'uninstall', '--purge')).toMatchObject({ exitCode: 0 });
      }
    });

    test('a bundle with any other link in it is refused', () => {
      const before = listing();
      for (const make of ['ln bin/fairlead twin', 'ln -s bin/fairlead twin', 'ln install.sh x']) {
        const unpacked = mkdtempSync(join(work, 'linked-'));
        execFileSync('tar', ['-xzf', bundles.one, '-C', unpacked]);
        const [name = ''] = readdirSync(unpacked);
        execFileSync('sh', ['-c', make], { cwd: join(unpacked, name) });
        const file = join(unpacked, 'linked.tar.gz');
        execFileSync('tar', ['-czf', file, '-C', unpacked, name]);
        expect(run(shell, '--bundle', file).error).toContain('files that no bundle has');
        expect(listing(), make).toEqual(before);
      }
    });

    test('a signed bundle is taken, and its key is asked at the next upgrade', () => {
      const first = run(shell, '--bundle', bundles.signed, '--public-key', key.open);
      expect(first).toMatchObject({ exitCode: 0, error: '' });
      expect(run(shell, 'upgrade', '--bundle', bundles.two).error).toContain('is not signed');
      expect(installed()).toBe('0.3.0');
    });

    test('a script that ends too early does nothing', () => {
      const before = listing();
      const text = readFileSync(script);
      for (let round = 0; round < 20; round++) {
        // the last byte is the line end, which may be missing
        const length = randomInt(1, text.length - 1);
        const [program = '', ...first] = shell;
        const input = text.subarray(0, length);
        const args = [...first, '-s', '--', '--bundle', bundles.one, '--root', root];
        spawnSync(program, args, { input, env: { PATH: process.env['PATH'], TMPDIR: work } });
        expect(listing(), `cut at byte ${length}`).toEqual(before);
      }
    });
  },
);

test('a host with musl gets the bundle that was made for musl', async () => {
  mkdirSync(join(root, 'lib'), { recursive: true });
  writeFileSync(join(root, 'lib/ld-musl-x86_64.so.1'), '');
  if (process.arch !== 'x64') return;
  const musl = await bundle('0.4.0', `${target}-musl`);
  expect(run(['sh'], '--bundle', bundles.one).error).toContain('is for another machine');
  expect(run(['sh'], '--bundle', musl)).toMatchObject({ exitCode: 0 });
  expect(installed()).toBe('0.4.0');
});

test('it is read from a pipe as it is from a file', () => {
  const input = readFileSync(script);
  const { status } = spawnSync('sh', ['-s', '--', '--bundle', bundles.one, '--root', root], {
    input,
    env: { PATH: process.env['PATH'], TMPDIR: work },
  });
  expect(status).toBe(0);
  expect(installed()).toBe('0.1.0');
});

test('shellcheck finds nothing', () => {
  const { error, stdout } = spawnSync('shellcheck', [script], { encoding: 'utf8' });
  // a machine without it has nothing to say
  if (error === undefined) expect(stdout).toBe('');
});
