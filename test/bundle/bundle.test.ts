/** Bundles: the same files are the same bytes, sums are right, and minisign's arithmetic accepts the signature. */
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createBundle } from '../../lib/bundle/bundle.ts';
import { readSigningKey, signatureText } from '../../lib/bundle/minisign.ts';
import { tarHeader } from '../../lib/bundle/tar.ts';

const work = mkdtempSync(join(tmpdir(), 'bundle-test-'));
afterAll(() => rmSync(work, { recursive: true }));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(work, 'release-'));
  put('VERSION', 'fairlead-0.1.0-linux-x64\nversion=0.1.0\n');
  put('install.sh', '#!/bin/sh\n');
  put('bin/fairlead', randomBytes(1_000));
  put(`man/${'long'.repeat(30)}/${'name'.repeat(20)}.1`, 'a page\n');
  chmodSync(join(folder, 'install.sh'), 0o700);
});

function put(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

/** A key pair as minisign writes it, and what checks its signatures. */
function newKey(): {
  text: string;
  id: Buffer;
  accepts(content: Buffer, signature: string): boolean;
} {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const open = publicKey.export({ format: 'der', type: 'spki' });
  const id = randomBytes(8);
  const head = Buffer.concat([Buffer.from('Ed\0\0B2'), Buffer.alloc(48), id, seed]);
  const bytes = Buffer.concat([head, open.subarray(-32), Buffer.alloc(32)]);
  const key = createPublicKey({ key: open, format: 'der', type: 'spki' });
  return {
    text: `untrusted comment: minisign encrypted secret key\n${bytes.toString('base64')}\n`,
    id,
    accepts(content, signature) {
      const [, line = '', comment = '', global = ''] = signature.split('\n');
      const packed = Buffer.from(line, 'base64');
      const own = packed.subarray(10);
      const said = Buffer.from(comment.replace('trusted comment: ', ''));
      const digest = createHash('blake2b512').update(content).digest();
      return (
        packed.toString('latin1', 0, 2) === 'ED' &&
        packed.subarray(2, 10).equals(id) &&
        verify(null, digest, key, own) &&
        verify(null, Buffer.concat([own, said]), key, Buffer.from(global, 'base64'))
      );
    },
  };
}

test('the same files give the same bytes, whenever they were written and whoever may read them', async () => {
  const first = await createBundle({ folder, output: join(work, 'one.tar.gz') });
  utimesSync(join(folder, 'VERSION'), 1, 1);
  chmodSync(join(folder, 'VERSION'), 0o600);
  const second = await createBundle({ folder, output: join(work, 'two.tar.gz') });
  expect(second).toEqual(first);
  expect(readFileSync(join(work, 'two.tar.gz'))).toEqual(readFileSync(join(work, 'one.tar.gz')));
  put('install.sh', '#!/bin/sh\n\n');
  const third = await createBundle({ folder, output: join(work, 'three.tar.gz') });
  expect(third.sha256).not.toBe(first.sha256);
});

test('tar unpacks it, sums are right, and it can be bundled again from there', async () => {
  const output = join(work, 'whole.tar.gz');
  const made = await createBundle({ folder, output });
  const sums = execFileSync('sha256sum', [output], { encoding: 'utf8' });
  expect(sums.startsWith(made.sha256)).toBe(true);
  execFileSync('tar', ['-xzf', output, '-C', work]);
  const unpacked = join(work, made.name);
  execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: unpacked });
  const again = await createBundle({ folder: unpacked, output: join(work, 'again.tar.gz') });
  expect(again).toEqual(made);
});

test('the sums are signed, and nothing else than the sums is accepted', async () => {
  const key = newKey();
  const output = join(work, 'signed.tar.gz');
  const made = await createBundle({ folder, output, key: readSigningKey(key.text) });
  expect(made.isSigned).toBe(true);
  execFileSync('tar', ['-xzf', output, '-C', work]);
  const sums = readFileSync(join(work, made.name, 'SHA256SUMS'));
  const signature = readFileSync(join(work, made.name, 'SHA256SUMS.minisig'), 'utf8');
  expect(key.accepts(sums, signature)).toBe(true);
  expect(key.accepts(Buffer.concat([sums, Buffer.from('x')]), signature)).toBe(false);
  expect(newKey().accepts(sums, signature)).toBe(false);
});

test('Open vSwitch packages are put in, and a folder without any is refused', async () => {
  const packages = mkdtempSync(join(work, 'debs-'));
  const order = { folder, openVswitch: packages, output: join(work, 'ovs.tar.gz') };
  await expect(createBundle(order)).rejects.toMatchObject({ code: 'BUNDLE_INVALID' });
  writeFileSync(join(packages, 'openvswitch-switch_3.1.0_amd64.deb'), 'deb');
  await createBundle(order);
  const list = execFileSync('tar', ['-tzf', order.output], { encoding: 'utf8' });
  expect(list).toContain('/ovs/openvswitch-switch_3.1.0_amd64.deb\n');
});

test('managed plugins have the program as a second name of the one file, and places to mount something at', async () => {
  const program = readFileSync(join(folder, 'bin/fairlead'));
  const plugins = mkdtempSync(join(work, 'plugins-'));
  for (const place of ['shim/rootfs/tmp', 'shim/rootfs/run/docker/plugins']) {
    mkdirSync(join(plugins, place), { recursive: true });
  }
  writeFileSync(join(plugins, 'shim/config.json'), '{}');
  writeFileSync(join(plugins, 'shim/rootfs/fairlead'), program, { mode: 0o755 });
  put('plugin/old/config.json', '{}');
  const output = join(work, 'plugins.tar.gz');
  const into = mkdtempSync(join(work, 'unpacked-'));
  const made = await createBundle({ folder, plugins, output });
  execFileSync('tar', ['-xzf', output, '-C', into]);
  const inside = (path: string) => join(into, made.name, path);
  execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: inside('.') });
  const [first, second] = ['bin/fairlead', 'plugin/shim/rootfs/fairlead'].map((path) =>
    statSync(inside(path)),
  );
  expect(second).toMatchObject({ ino: first?.ino, size: program.length });
  expect(readdirSync(inside('plugin/shim/rootfs/run/docker/plugins'))).toEqual([]);
  expect(readdirSync(inside('plugin/shim/rootfs')).toSorted()).toEqual(['fairlead', 'run', 'tmp']);
  expect(existsSync(inside('plugin/old'))).toBe(false);
  // once more from there is the same
  const again = await createBundle({ folder: inside('.'), output: join(work, 'plugins2.tar.gz') });
  expect(again).toEqual(made);
  writeFileSync(join(plugins, 'shim/rootfs/fairlead'), 'another');
  const other = createBundle({ folder, plugins, output });
  await expect(other).rejects.toMatchObject({ code: 'BUNDLE_INVALID' });
  await expect(other).rejects.toThrow('is not the program of this release');
});

test('a folder that is no release is refused, and nothing is left of the output', async () => {
  rmSync(join(folder, 'bin'), { recursive: true });
  const refused = createBundle({ folder, output: join(work, 'none.tar.gz') });
  await expect(refused).rejects.toMatchObject({ code: 'BUNDLE_INVALID' });
  await expect(refused).rejects.toThrow('bin/fairlead');
  put('bin/fairlead', 'x');
  put('VERSION', '../evil\n');
  const named = createBundle({ folder, output: join(work, 'none.tar.gz') });
  await expect(named).rejects.toMatchObject({ code: 'BUNDLE_INVALID' });
  const nowhere = createBundle({ folder, output: join(work, 'missing/none.tar.gz') });
  await expect(nowhere).rejects.toMatchObject({ code: 'BUNDLE_INVALID' });
  expect(existsSync(join(work, 'none.tar.gz'))).toBe(false);
  expect(readdirSync(work).filter((name) => name.endsWith('.partial'))).toEqual([]);
});

test('keys that are none, or have a password, are refused', () => {
  const { text } = newKey();
  const locked = Buffer.from(text.split('\n')[1] ?? '', 'base64');
  locked.write('Sc', 2);
  for (const wrong of [
    '',
    'x',
    text.slice(0, -20),
    `untrusted comment: x\n${locked.toString('base64')}\n`,
  ]) {
    expect(() => readSigningKey(wrong)).toThrow(expect.objectContaining({ code: 'BUNDLE_KEY' }));
  }
  expect(signatureText(new Uint8Array(), readSigningKey(text), 'x').split('\n')).toHaveLength(5);
});

test('a path that tar has no room for is refused, also one that is linked to', () => {
  const head = { bytes: 0, mode: 0o644, kind: 'file' } as const;
  expect(() => tarHeader({ ...head, path: 'x'.repeat(101) })).toThrow(
    expect.objectContaining({ code: 'BUNDLE_INVALID' }),
  );
  const link = { ...head, path: 'x', kind: 'link', linkTo: 'x'.repeat(101) } as const;
  expect(() => tarHeader(link)).toThrow(expect.objectContaining({ code: 'BUNDLE_INVALID' }));
});
