/**
 * A bundle: everything a site needs, as one .tar.gz with a folder in it. SHA256SUMS in the folder has every
 * other file, SHA256SUMS.minisig signs that. The same files give the same bytes.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { FairleadError } from '../errors.ts';
import { bundleFilesMax } from '../limits.ts';
import { signatureText, type SigningKey } from './minisign.ts';
import { tarEnd, tarHeader, tarPadding } from './tar.ts';

/** What goes into a bundle, and where it goes. */
export interface BundleOrder {
  /** The folder whose files go in, install.sh and bin/fairlead among them. */
  readonly folder: string;
  /** More files: a folder of .deb files that become ovs/ in the bundle. */
  readonly openVswitch?: string;
  /** A folder of folders of managed plugins that become plugin/ in the bundle, in the place of those of `folder`. */
  readonly plugins?: string;
  readonly key?: SigningKey;
  readonly output: string;
}

/** What was made. */
export interface BundleMade {
  /** The name of the folder inside. */
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly isSigned: boolean;
}

interface BundledFile {
  readonly path: string;
  readonly mode: number;
  /** A file, its content, or nothing for an empty folder. */
  readonly from: string | Uint8Array | undefined;
  /** The file that it is a second name of. */
  readonly linkTo?: string;
}

const sums = 'SHA256SUMS';
const program = 'bin/fairlead';
const expected = ['VERSION', program, 'install.sh'];
/** The program again, as managed plugins have it: large, and in the bundle once. */
const programOfPlugin = /^plugin\/[a-z]+\/rootfs\/fairlead$/;

/**
 * Makes a bundle; the output is whole or not there.
 * @throws BUNDLE_INVALID when the folder is none, or a file cannot be read or written
 */
export async function createBundle(order: BundleOrder): Promise<BundleMade> {
  const partial = `${order.output}.partial`;
  try {
    const collected = await collect(order);
    const name = await nameOf(order.folder);
    const files = await withSums(collected, order.key, name);
    const hash = createHash('sha256');
    const gzip = createGzip({ level: 9 });
    const source = Readable.from(tarOf(name, files));
    await pipeline(source, gzip, hashing(hash), createWriteStream(partial, { flush: true }));
    const { size: bytes } = await stat(partial);
    await rename(partial, order.output);
    const isSigned = order.key !== undefined;
    return { name, files: files.length, bytes, sha256: hash.digest('hex'), isSigned };
  } catch (thrown) {
    await rm(partial, { force: true });
    if (thrown instanceof FairleadError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new FairleadError('BUNDLE_INVALID', why, { cause: thrown });
  }
}

/** Every file of the order, by path; sums and signatures of an older bundle are made anew. */
async function collect(order: BundleOrder): Promise<readonly BundledFile[]> {
  const { folder, openVswitch, plugins } = order;
  const files = (await filesBelow(folder, '')).filter(({ path }) => !path.startsWith(sums));
  const ofPlugins = plugins === undefined ? [] : await filesBelow(plugins, 'plugin/');
  const packages =
    openVswitch === undefined
      ? []
      : (await filesBelow(openVswitch, 'ovs/')).filter(({ path }) => path.endsWith('.deb'));
  if (openVswitch !== undefined && packages.length === 0) {
    throw new FairleadError('BUNDLE_INVALID', `${openVswitch} has no .deb files`);
  }
  const replaced = [
    ...(packages.length === 0 ? [] : ['ovs/']),
    ...(ofPlugins.length === 0 ? [] : ['plugin/']),
  ];
  const kept = files.filter(({ path }) => !replaced.some((prefix) => path.startsWith(prefix)));
  const all = [...kept, ...packages, ...ofPlugins];
  const lacking = expected.filter((path) => !all.some((file) => file.path === path));
  if (lacking.length > 0) {
    throw new FairleadError('BUNDLE_INVALID', `${folder} has no ${lacking.join(', ')}`);
  }
  return all.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

async function filesBelow(folder: string, prefix: string): Promise<readonly BundledFile[]> {
  const files: BundledFile[] = [];
  const pending = [''];
  for (const within of pending) {
    const entries = await readdir(join(folder, within), { withFileTypes: true });
    // places of a plugin's root that the engine mounts something at
    if (entries.length === 0 && `${prefix}${within}`.startsWith('plugin/')) {
      files.push({ path: `${prefix}${within}`, mode: 0o755, from: undefined });
    }
    for (const entry of entries) {
      const path = within === '' ? entry.name : `${within}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile()) {
        const from = join(folder, path);
        const isProgram = ((await stat(from)).mode & 0o100) !== 0;
        files.push({ path: `${prefix}${path}`, mode: isProgram ? 0o755 : 0o644, from });
      }
      if (files.length + pending.length > bundleFilesMax) {
        throw new FairleadError('BUNDLE_INVALID', `${folder} has more files than a bundle`);
      }
    }
  }
  return files;
}

/** The first line of VERSION names the release: `fairlead-0.1.0-0123456789ab-linux-x64`. */
async function nameOf(folder: string): Promise<string> {
  const [name = ''] = (await readFile(join(folder, 'VERSION'), 'utf8')).split('\n');
  if (/^fairlead-[0-9A-Za-z.+-]{1,80}$/.test(name)) return name;
  throw new FairleadError('BUNDLE_INVALID', `VERSION in ${folder} does not name a release`);
}

async function withSums(
  files: readonly BundledFile[],
  key: SigningKey | undefined,
  name: string,
): Promise<readonly BundledFile[]> {
  let text = '';
  let sumOfProgram = '';
  const linked: BundledFile[] = [];
  for (const file of files) {
    const { path, from } = file;
    const sum = from === undefined ? undefined : await sha256Of(from);
    if (sum !== undefined) text += `${sum}  ${path}\n`;
    if (sum !== undefined && path === program) sumOfProgram = sum;
    const isLink = programOfPlugin.test(path);
    if (isLink && sum !== sumOfProgram) {
      throw new FairleadError('BUNDLE_INVALID', `${path} is not the program of this release`);
    }
    linked.push(isLink ? { ...file, mode: 0o755, linkTo: `${name}/${program}` } : file);
  }
  const content = Buffer.from(text);
  const made: BundledFile[] = [{ path: sums, mode: 0o644, from: content }];
  if (key !== undefined) {
    const signature = Buffer.from(signatureText(content, key, name));
    made.push({ path: `${sums}.minisig`, mode: 0o644, from: signature });
  }
  return [...linked, ...made].toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

async function sha256Of(from: string | Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  if (typeof from !== 'string') return hash.update(from).digest('hex');
  for await (const chunk of createReadStream(from)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function* tarOf(
  name: string,
  files: readonly BundledFile[],
): AsyncGenerator<Uint8Array, void> {
  yield tarHeader({ path: name, bytes: 0, mode: 0o755, kind: 'folder' });
  for (const { path, mode, from, linkTo } of files) {
    if (from === undefined || linkTo !== undefined) {
      const kind = from === undefined ? 'folder' : 'link';
      yield tarHeader({
        ...{ path: `${name}/${path}`, bytes: 0, mode, kind },
        ...(linkTo === undefined ? {} : { linkTo }),
      });
      continue;
    }
    const bytes = typeof from === 'string' ? (await stat(from)).size : from.length;
    yield tarHeader({ path: `${name}/${path}`, bytes, mode, kind: 'file' });
    let sent = 0;
    if (typeof from !== 'string') {
      sent = from.length;
      yield from;
    } else {
      for await (const chunk of createReadStream(from)) {
        sent += (chunk as Uint8Array).length;
        yield chunk as Uint8Array;
      }
    }
    if (sent !== bytes) {
      throw new FairleadError('BUNDLE_INVALID', `${basename(path)} changed while it was read`);
    }
    yield tarPadding(bytes);
  }
  yield tarEnd();
}

function hashing(hash: Hash): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* (source) {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  };
}
