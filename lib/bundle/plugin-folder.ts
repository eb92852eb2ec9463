/**
 * The folder that `docker plugin create NAME FOLDER` takes: config.json, and a root file system with the program and
 * exactly the libraries that it needs, taken from this host. A plugin finds nothing of the host's own.
 */
import { copyFileSync, linkSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { existsSync, chmodSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { FairleadError } from '../errors.ts';
import { readElf } from './elf.ts';
import { pluginConfig, pluginProgram, type PluginConfigParts } from './plugin-config.ts';

/** What a folder is made of. */
export interface PluginFolderOrder extends PluginConfigParts {
  /** To be made; must not be there. */
  readonly folder: string;
  /** The program for this machine. */
  readonly program: string;
  /** Shared libraries that are in use while the program works, as paths on this host. */
  readonly libraries: readonly string[];
}

/** File that no two folders have the same: engines refuse a root file system that they have already. */
export const folderMark = 'etc/fairlead-plugin';

/** Folders that programs expect to be there; `tmp` is where native code is unpacked. */
const emptyFolders = ['tmp', 'run/docker/plugins', 'run/fairlead', 'var/lib/fairlead', 'var/run'];

/**
 * The shared libraries that this process has open, by their paths: what its addons need is among them once they are
 * loaded. Not those that were unpacked for a moment.
 */
export function loadedLibraries(): readonly string[] {
  const paths = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => /\s(\/\S+)$/.exec(line)?.[1] ?? '')
    .filter((path) => /\.so(?:\.[0-9.]+)?$/.test(path) && existsSync(path));
  return [...new Set(paths)].toSorted();
}

/**
 * Makes the folder.
 * @throws PLUGIN_FOLDER when it is there already, the program is none of this machine, or a library that it needs is
 *   none of those given
 */
export function makePluginFolder(order: PluginFolderOrder): void {
  const { folder, program, libraries } = order;
  if (existsSync(folder)) {
    throw new FairleadError('PLUGIN_FOLDER', `${folder} is there already`, {
      fix: 'name a folder that is to be made',
    });
  }
  const facts = readElf(program);
  if (facts?.interpreter === undefined) {
    throw new FairleadError('PLUGIN_FOLDER', `${program} is no program`, {
      fix: 'run the fairlead that was installed',
    });
  }
  const root = join(folder, 'rootfs');
  try {
    for (const path of [...emptyFolders, 'etc', 'proc', 'sys', 'dev']) {
      mkdirSync(join(root, path), { recursive: true });
    }
    chmodSync(join(root, 'tmp'), 0o1777);
    putProgram(program, join(root, pluginProgram));
    copy(realpathSync(facts.interpreter), join(root, facts.interpreter));
    for (const path of libraries) putLibrary(root, path);
    writeFileSync(join(root, folderMark), `${order.folderId}\n`);
    const config = JSON.stringify(pluginConfig(order), undefined, 2);
    writeFileSync(join(folder, 'config.json'), `${config}\n`);
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('PLUGIN_FOLDER', `${folder} cannot be made: ${why}`, { cause });
  }
}

/** A library where the dynamic linker of this host looks for it, by the name that others need it by. */
function putLibrary(root: string, path: string): void {
  const real = realpathSync(path);
  const name = readElf(real)?.soname ?? posix.basename(path);
  const place = join(root, posix.dirname(real), name);
  if (!existsSync(place)) copy(real, place);
}

/** A second name where that is possible: programs are large. */
function putProgram(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copy(from, to);
  }
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}
