/** `fairlead bundle create`: what this host was installed from, as one file for the next host. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBundle } from '../bundle/bundle.ts';
import { readElf } from '../bundle/elf.ts';
import { readSigningKey, type SigningKey } from '../bundle/minisign.ts';
import { FairleadError } from '../errors.ts';
import { bytesText } from './cluster-text.ts';
import type { CommandRow } from './command.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';
import { makeFoldersOf } from './plugin-commands.ts';
import { readPath } from './reading.ts';

/** What `bundle create` was told. */
interface BundleOptions {
  readonly from: string;
  readonly key?: string;
  readonly openVswitch?: string;
}

const table: OptionTable<BundleOptions> = {
  from: {
    flag: 'from',
    placeholder: 'DIR',
    summary: 'folder of a release: bin/fairlead, install.sh, units and the rest',
    defaultShown: '/usr/local/lib/fairlead/current',
    defaultText: '/usr/local/lib/fairlead/current',
    hasVariable: false,
    read: readPath,
  },
  key: {
    flag: 'key',
    placeholder: 'FILE',
    summary: 'secret key of minisign, without a password, to sign with',
    defaultShown: 'none: not signed',
    defaultText: undefined,
    hasVariable: false,
    read: readPath,
  },
  openVswitch: {
    flag: 'open-vswitch',
    placeholder: 'DIR',
    summary: 'folder of .deb files of Open vSwitch to put in',
    defaultShown: 'none',
    defaultText: undefined,
    hasVariable: false,
    read: readPath,
  },
};

/** The commands of the group. */
export const bundleCommands: readonly CommandRow[] = [
  {
    name: 'bundle create',
    summary: 'write one file that installs this release on a host without a network',
    notes: `The same files give the same bytes. Folders of managed plugins are in it (plugin/shim, plugin/agent), made with the
libraries of this host if the release has none. On the other host, as root:
  tar -xzf FILE && fairlead-…/install.sh

Examples:
  fairlead bundle create /mnt/usb/fairlead.tar.gz
  fairlead bundle create fairlead.tar.gz --key /mnt/key/release.key --open-vswitch /var/cache/apt/archives`,
    operands: [{ name: 'FILE', summary: 'path of the bundle, .tar.gz' }],
    options: rowsOf(table),
    async run({ sources, writeOut }) {
      const { from, key, openVswitch } = readOptions(table, sources);
      const output = sources.operands['FILE'] ?? '';
      const order = {
        folder: from,
        output,
        ...(key === undefined ? {} : { key: signingKey(key) }),
        ...(openVswitch === undefined ? {} : { openVswitch }),
      };
      const made = await withPlugins(from, (plugins) => createBundle({ ...order, ...plugins }));
      const signed = made.isSigned ? 'signed' : 'not signed';
      writeOut(
        `${output}: ${made.name}, ${made.files} files, ${bytesText(made.bytes)}, ${signed}\nsha256 ${made.sha256}\n`,
      );
    },
  },
];

/**
 * A release that was built on another kind of machine has no folders of plugins, since the libraries of its own were not
 * there: this host has them.
 */
async function withPlugins<T>(
  from: string,
  work: (plugins: { readonly plugins?: string }) => Promise<T>,
): Promise<T> {
  const version = join(from, 'VERSION');
  const [name = ''] = existsSync(version) ? readFileSync(version, 'utf8').split('\n') : [];
  const isMusl = readElf(process.execPath)?.interpreter?.includes('ld-musl') === true;
  const isOfThisMachine = name.endsWith(`-linux-${process.arch}${isMusl ? '-musl' : ''}`);
  if (!isOfThisMachine || existsSync(join(from, 'plugin'))) return work({});
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-bundle-'));
  try {
    const plugins = join(folder, 'plugin');
    await makeFoldersOf({ release: name, program: join(from, 'bin/fairlead'), folder: plugins });
    return await work({ plugins });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function signingKey(path: string): SigningKey {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('BUNDLE_KEY', `the key cannot be read: ${why}`, { cause });
  }
  return readSigningKey(text);
}
