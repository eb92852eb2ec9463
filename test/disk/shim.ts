/** Builds the disk with faults (`shim/fault.c`) and says how to put it in front of a process. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Builds the library in a folder and returns its path. */
export function buildShim(folder: string): string {
  const library = join(folder, 'fault.so');
  const source = join(import.meta.dirname, 'shim', 'fault.c');
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', library, source, '-ldl']);
  return library;
}
