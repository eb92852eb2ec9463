/** What is inside the binary besides our own code: packages by the lock file, and the runtime. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One thing that is shipped. */
export interface Shipped {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** Its folder below the root of the project. */
  readonly folder: string;
  /** The registry's checksum of the package, as the lock file has it: `sha512-BASE64`. */
  readonly integrity: string | undefined;
}

interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** What of a lock file matters here. */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** A machine that binaries are built for, and the packages that only it needs. */
export interface Machine {
  readonly runtime: string;
  readonly koffi: string;
}

/** The lock file of the project. */
export function readLock(root: string): LockFile {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
}

/**
 * What a binary has inside, sorted by name: every package that is not for development only, the machine's
 * native code, and the runtime.
 * @throws {Error} when one has no version or no licence
 */
export function shippedIn({ packages }: LockFile, machine: Machine): readonly Shipped[] {
  const own = new Set([machine.runtime, machine.koffi].map((name) => `node_modules/${name}`));
  const chosen = Object.entries(packages).filter(
    ([folder, entry]) =>
      own.has(folder) || (folder !== '' && entry.dev !== true && entry.optional !== true),
  );
  return chosen
    .map(([folder, { version, license, integrity }]) => {
      const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
      if (version === undefined || license === undefined) {
        throw new Error(`the lock file does not say version and licence of ${name}`);
      }
      return { name, version, license, folder, integrity };
    })
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}
