/** `fairlead bundle create`: what this host was installed from, as one file for the next host. */
import { readFileSync } from 'node:fs';
import { createBundle } from '../bundle/bundle.ts';
import { readSigningKey, type SigningKey } from '../bundle/minisign.ts';
import { FairleadError } from '../errors.ts';
import { bytesText } from './cluster-text.ts';
import type { CommandRow } from './command.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';
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
    notes: `The same files give the same bytes. On the other host, as root:
  tar -xzf FILE && fairlead-…/install.sh

Examples:
  fairlead bundle create /mnt/usb/fairlead.tar.gz
  fairlead bundle create fairlead.tar.gz --key /mnt/key/release.key --open-vswitch /var/cache/apt/archives`,
    operands: [{ name: 'FILE', summary: 'path of the bundle, .tar.gz' }],
    options: rowsOf(table),
    async run({ sources, writeOut }) {
      const { from, key, openVswitch } = readOptions(table, sources);
      const output = sources.operands['FILE'] ?? '';
      const made = await createBundle({
        folder: from,
        output,
        ...(key === undefined ? {} : { key: signingKey(key) }),
        ...(openVswitch === undefined ? {} : { openVswitch }),
      });
      const signed = made.isSigned ? 'signed' : 'not signed';
      writeOut(
        `${output}: ${made.name}, ${made.files} files, ${bytesText(made.bytes)}, ${signed}\nsha256 ${made.sha256}\n`,
      );
    },
  },
];

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
