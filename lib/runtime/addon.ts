/**
 * Loads a native addon out of the single-file binary. The system can open shared libraries from files only, so
 * the embedded bytes are written to a private folder below TMPDIR, opened, and removed at once: nothing
 * is left behind, and no file that somebody else could have put there, or that a power cut left half
 * written, is ever opened. Bun's own way keeps such a file and takes it back by its name and size.
 *
 * Only the build (`.ci/build.ts`) refers to this file: from sources, addons are loaded by their packages.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FairleadError } from '../errors.ts';

/**
 * The exports of the addon whose bytes are in the file `embedded`.
 * @throws TEMP_UNUSABLE when the folder for temporary files does not let us write or execute
 * @throws ADDON_FAILED when the system cannot open the addon
 */
export function loadAddon(name: string, embedded: string): unknown {
  const folder = tmpdir();
  let unpackedIn: string | undefined;
  try {
    unpackedIn = mkdtempSync(join(folder, 'fairlead-'));
    const path = join(unpackedIn, `${name}.node`);
    writeFileSync(path, readFileSync(embedded), { mode: 0o700 });
    return open(name, path, folder);
  } catch (error) {
    if (error instanceof FairleadError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new FairleadError('TEMP_UNUSABLE', `cannot unpack ${name} in ${folder}: ${why}`, {
      cause: error,
    });
  } finally {
    if (unpackedIn !== undefined) rmSync(unpackedIn, { recursive: true, force: true });
  }
}

function open(name: string, path: string, folder: string): unknown {
  const addon = { exports: {} as unknown };
  try {
    process.dlopen(addon, path);
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).replaceAll(path, name);
    // what the dynamic linker says when a file system is mounted noexec
    if (/failed to map segment|Operation not permitted|Permission denied/.test(why)) {
      throw new FairleadError('TEMP_UNUSABLE', `${folder} does not allow programs: ${why}`, {
        cause: error,
      });
    }
    throw new FairleadError('ADDON_FAILED', `cannot load ${name}: ${why}`, { cause: error });
  }
  return addon.exports;
}
