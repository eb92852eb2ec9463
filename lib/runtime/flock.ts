/**
 * An exclusive lock of a folder that cannot go stale: flock(2) on a file that is never removed. The
 * kernel drops it with the last descriptor of the process, so kill -9 frees it at once; it holds
 * across network and process namespaces, between two openings of one process, and for paths of any
 * length (all of which unix sockets and files with a process id get wrong somewhere). The descriptor
 * is close-on-exec: a child started by the holder does not keep the lock alive.
 * Limits: advisory, and on a network filesystem only as good as its flock.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { statSync, writeSync } from 'node:fs';
import { koffi } from './native.ts';

/** flock(2): exclusive, do not wait. The same numbers on every Linux architecture. */
const exclusiveNoWait = 2 | 4;
/** O_CLOEXEC, which node:fs does not name; every runtime sets it, we do not rely on that. */
const closeOnExec = 0o2000000;
/** EWOULDBLOCK: somebody else holds the lock. */
const wouldBlock = 11;

/** A held lock. */
export interface FileLock {
  /** Lets go. The file stays. */
  close(): void;
}

/** Either the lock, or the process id its holder wrote down (if it did). */
export type LockAttempt =
  | { readonly held: true; readonly lock: FileLock }
  | { readonly held: false; readonly holderPid: number | undefined };

let flock: ((descriptor: number, operation: number) => number) | undefined;

/**
 * Tries to take the lock of `path` and writes our process id into it. Does not wait.
 * @throws {Error} of the system when the file cannot be opened, locked or written
 */
export function tryLockFile(path: string): LockAttempt {
  flock ??= koffi.load(null).func('int flock(int descriptor, int operation)') as (
    descriptor: number,
    operation: number,
  ) => number;
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | closeOnExec, 0o600);
  try {
    if (flock(descriptor, exclusiveNoWait) !== 0) {
      const errno = koffi.errno();
      if (errno !== wouldBlock) throw new Error(`flock of ${path} failed with errno ${errno}`);
      closeSync(descriptor);
      return { held: false, holderPid: readPid(path) };
    }
    // somebody may have removed the file between open and flock: then we hold a lock of nothing
    if (fstatSync(descriptor).ino !== statSync(path).ino) {
      throw new Error(`${path} was replaced while it was being locked`);
    }
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, `${process.pid}\n`, 0);
  } catch (error) {
    closeQuietly(descriptor);
    throw error;
  }
  return { held: true, lock: { close: () => closeQuietly(descriptor) } };
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // closed before; there is nothing left to let go of
  }
}

function readPid(path: string): number | undefined {
  const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}
