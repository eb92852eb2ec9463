/**
 * Bounded waits of the lab: look again and again until a thing is there, and say what to read when it
 * does not come.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { slowness } from '../support/slowness.ts';

const logTailBytes = 2_000;

/** What a wait is for. `logFile` is quoted at its end when the wait fails. */
export interface Awaited {
  readonly what: string;
  readonly timeoutMs: number;
  readonly logFile?: string;
  readonly everyMs?: number;
  /** Ends the wait early with this reason, when waiting on has no sense (a process that died). */
  readonly hopeless?: () => string | undefined;
}

/**
 * Calls `probe` until it answers something other than `undefined` or `false`, and returns that.
 * @throws {Error} after `timeoutMs`, or when the wait is hopeless, with the tail of the log
 */
export async function waitFor<T>(
  awaited: Awaited,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const timeoutMs = awaited.timeoutMs * slowness;
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    const lost = awaited.hopeless?.();
    if (lost !== undefined) throw failure(`${awaited.what}: ${lost}`, awaited.logFile);
    if (systemClock.monotonicMs() >= deadlineMs) {
      throw failure(`${awaited.what}: not there after ${timeoutMs} ms`, awaited.logFile);
    }
    await systemClock.sleep(awaited.everyMs ?? 20);
  }
}

function failure(message: string, logFile: string | undefined): Error {
  if (logFile === undefined) return new Error(message);
  return new Error(`${message}\n--- end of ${logFile}\n${tailOf(logFile)}`);
}

/** The last lines of a file, or why it cannot be read. */
export function tailOf(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const start = Math.max(0, size - logTailBytes);
      const bytes = Buffer.alloc(size - start);
      readSync(file, bytes, 0, bytes.length, start);
      return bytes.toString('utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return String(error);
  }
}
