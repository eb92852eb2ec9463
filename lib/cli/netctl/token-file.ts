/** `~/.netctl/config.json`: the token that `netctl login` got, for later commands over https. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exitCodes, NetctlError } from './core/ending.ts';

/** Where the token is, given a home directory. */
export function tokenPath(homeDirectory: string): string {
  return join(homeDirectory, '.netctl', 'config.json');
}

/**
 * The token for a server; undefined when there is no file. A file forbids plain http: its token must not be
 * sent, and Contiv refuses to go on without it.
 * @throws NetctlError
 */
export async function readToken(path: string, server: string): Promise<string | undefined> {
  if (!(await isThere(path))) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw refused(`failed to read config file: ${String(cause)}`);
  }
  const token = tokenIn(text);
  if (!server.startsWith('https://')) {
    throw refused('failed to set auth token: setting auth token requires a https auth_proxy URL');
  }
  return token;
}

function tokenIn(text: string): string {
  try {
    const { token = '' } = Object(JSON.parse(text)) as { token?: unknown };
    if (typeof token === 'string') return token;
  } catch {
    // said below
  }
  throw refused('failed to unmarshal JSON: no token in it');
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new NetctlError(exitCodes.local, `stat ${path}: ${String(cause)}`, { cause });
  }
}

/**
 * Writes what a login answered, readable by its owner only.
 * @throws NetctlError
 */
export async function writeToken(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { mode: 0o700, recursive: true });
    await writeFile(path, text, { mode: 0o600 });
  } catch (cause) {
    throw new NetctlError(exitCodes.local, `open ${path}: ${String(cause)}`, { cause });
  }
}

function refused(why: string): NetctlError {
  return new NetctlError(exitCodes.refused, `error processing netctl config: ${why}`);
}
