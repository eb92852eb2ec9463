/**
 * Completes package-lock.json: `node .ci/lock.ts`, after every change of a dependency. Some registries do
 * not carry the builds of a tool for machines other than theirs. npm then leaves them out of the lock file,
 * and `npm ci` refuses a lock file without them, though it would not install them. Here they get the entry
 * npm would have written, except for the checksum, which only somebody who has the package can know.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What we read of an entry; npm's other fields stay as they are. */
interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The lock file as far as it concerns us. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry | Placeholder>>;
}

/** An entry for a package that this registry does not have. */
export interface Placeholder {
  readonly version: string;
  readonly cpu: readonly string[];
  readonly dev?: boolean;
  readonly libc?: readonly string[];
  readonly optional: true;
  readonly os: readonly string[];
}

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];
const libraries = new Map([
  ['glibc', 'glibc'],
  ['gnu', 'glibc'],
  ['gnueabihf', 'glibc'],
  ['musl', 'musl'],
  ['musleabihf', 'musl'],
]);

/**
 * The entries that the lock file lacks, by their place.
 * @throws {Error} for a package whose name does not say which machine it is for
 */
export function missingEntries({ packages }: Lock): Readonly<Record<string, Placeholder>> {
  const missing: Record<string, Placeholder> = {};
  for (const [parent, entry] of Object.entries(packages)) {
    if (!('optionalDependencies' in entry)) continue;
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const place = `node_modules/${name}`;
      if (place in packages || `${parent}/${place}` in packages) continue;
      missing[place] = placeholder(name, version, entry.dev === true);
    }
  }
  return missing;
}

function placeholder(name: string, version: string, dev: boolean): Placeholder {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  const libc = libraries.get(words.at(-1) ?? '');
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
    throw new Error(`cannot tell what ${name} ${version} is for: add it to the lock file by hand`);
  }
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  };
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '../package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock;
  const packages = Object.entries({ ...lock.packages, ...missingEntries(lock) });
  // in npm's order, so that npm does not move them
  packages.sort(([one], [other]) => one.localeCompare(other, 'en'));
  const text = JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, undefined, 2);
  writeFileSync(path, `${text}\n`);
}
