/**
 * `fairlead self-test`: whether this binary can do its work on this machine, before it takes the place of
 * another. Loads both native addons and uses them on a folder of its own below TMPDIR, which is gone after.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FairleadError } from '../errors.ts';
import { commit, version } from '../version.ts';

/**
 * Tries what needs this machine; answers what was tried, a line each.
 * @throws TEMP_UNUSABLE, ADDON_FAILED, STORE_FAILED with what to do
 */
export async function selfTest(): Promise<string> {
  const folder = workFolder();
  try {
    // imported here, so that a failure to load is an error line of this command and of no other
    const { openDatabase } = await import('../store/level/database.ts');
    const { tryLockFile } = await import('../runtime/flock.ts');
    const path = join(folder, 'store');
    const database = await openDatabase(path, { create: true });
    await database.write([{ type: 'put', key: 'self', value: 'test' }]);
    await database.close();
    const again = await openDatabase(path, { create: false });
    const value = await again.get('self');
    await again.close();
    if (value !== 'test') {
      throw new FairleadError('STORE_FAILED', `the store in ${folder} lost what was written to it`);
    }
    const attempt = tryLockFile(join(folder, 'lock'));
    if (!attempt.held) {
      throw new FairleadError('STORE_FAILED', `a file in ${folder} cannot be locked`);
    }
    attempt.lock.close();
    const built = commit === undefined ? 'from sources' : `commit ${commit}`;
    return `fairlead ${version}, ${built}, linux-${process.arch}
store: writes, closes, opens and reads
system calls: work
`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function workFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'fairlead-self-test-'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('TEMP_UNUSABLE', `cannot work in ${tmpdir()}: ${why}`, { cause });
  }
}
