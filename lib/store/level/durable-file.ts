/**
 * Small files and folders that survive a power cut: what these functions did is on the disk when they
 * resolve. They throw the system's own errors.
 */
import { lstat, mkdir, open, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** What is at `path`; a symbolic link is `other`. */
export async function kindOf(path: string): Promise<'absent' | 'file' | 'folder' | 'other'> {
  try {
    const found = await lstat(path);
    if (found.isDirectory()) return 'folder';
    return found.isFile() ? 'file' : 'other';
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 'absent';
    throw error;
  }
}

/** Makes names and content of a folder or file durable. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder and those above it, as far as they are missing, for the owner only. */
export async function makeFolderDurably(path: string): Promise<void> {
  const wanted = resolve(path);
  const topmost = await mkdir(wanted, { recursive: true, mode: 0o700 });
  if (topmost === undefined) return;
  // a new folder is safe when the one that holds its name is synced
  for (let made = wanted; made.length >= topmost.length; made = dirname(made)) {
    await syncPath(dirname(made));
  }
}

/** Renames within one folder, durably. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncPath(dirname(to));
}

/** Replaces a file whole: a reader finds the old content or the new, never a part. */
export async function writeFileDurably(
  path: string,
  content: string | AsyncIterable<string>,
): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    if (typeof content === 'string') await handle.writeFile(content);
    else for await (const piece of content) await handle.write(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurably(temporary, path);
}

/** True for an error of the system with this code. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
