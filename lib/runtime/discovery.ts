/**
 * The file by which Docker finds a plugin whose socket is not in the plugin folder: `.spec` holds the
 * address, `.json` an object with it. Written whole or not at all; a file of somebody else is left.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname } from 'node:path';
import { FairleadError } from '../errors.ts';

/** A discovery file that was written; `remove` takes it away if it is still as written. */
export interface DiscoveryFile {
  remove(): void;
}

/**
 * Writes the file that leads Docker to `socketPath`.
 * @throws SOCKET_FAILED when the file leads elsewhere already, or cannot be written
 */
export function writeDiscoveryFile(path: string, socketPath: string): DiscoveryFile {
  const text = contentFor(path, socketPath);
  const before = read(path);
  if (before !== undefined && before !== text) {
    throw new FairleadError('SOCKET_FAILED', `${path} exists and leads somewhere else`, {
      fix: 'remove it, or give another --discovery-file',
    });
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    const staged = `${path}.new`;
    writeFileSync(staged, text, { mode: 0o644 });
    renameSync(staged, path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('SOCKET_FAILED', `cannot write ${path}: ${why}`, { cause });
  }
  return {
    remove: () => {
      if (read(path) === text) rmSync(path, { force: true });
    },
  };
}

function contentFor(path: string, socketPath: string): string {
  const address = `unix://${socketPath}`;
  if (extname(path) === '.spec') return `${address}\n`;
  const name = basename(path, extname(path));
  return `${JSON.stringify({ Name: name, Addr: address })}\n`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
