/**
 * A unix socket at a path of our own. It is made in a private folder beside the path and given its name
 * only when it listens with its final mode: nobody can open it before, the path is never replaced but
 * by its absence, and the runtimes, which remove the path they listened at when they close, remove a
 * name that is gone already instead of what may be somebody else's socket by then.
 */
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { rmSync, unlinkSync, type Stats } from 'node:fs';
import { connect, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { FairleadError } from '../errors.ts';
import { socketPathBytesMax, socketProbeMs, socketTriesMax } from '../limits.ts';

/** A socket file that was made. */
export interface SocketFile {
  /** Takes the file away if it is still the one that was made. Call it while the server listens. */
  remove(): void;
}

/** Name of the socket in its private folder. */
const stagedName = 's';
/** What mkdtemp puts behind a prefix. */
const randomCharacters = 6;

/**
 * Lets the server listen at `path`, mode 0600, missing parent folders made with 0755. A socket file
 * that nobody answers on is replaced, anything else is left alone.
 * @throws SOCKET_IN_USE when somebody answers there, SOCKET_FAILED when it cannot be made
 */
export async function listenAtPath(server: Server, path: string): Promise<SocketFile> {
  const prefix = folderPrefix(path);
  let folder: string | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    folder = mkdtempSync(prefix);
    const staged = join(folder, stagedName);
    await beginListening(server, { path: staged }, path);
    try {
      chmodSync(staged, 0o600);
      const made = lstatSync(staged);
      await publish(staged, path, folder);
      return { remove: () => removeIfSame(path, made) };
    } catch (cause) {
      server.close();
      throw cause;
    }
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('SOCKET_FAILED', `cannot listen at ${path}: ${why}`, { cause });
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Starts a server and waits until it listens; `shownAs` is the place in messages.
 * @throws SOCKET_FAILED
 */
export function beginListening(
  server: Server,
  where:
    | { readonly path: string }
    | { readonly fd: number }
    | { readonly host: string; readonly port: number },
  shownAs: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error): void => {
      const message = `cannot listen at ${shownAs}: ${cause.message}`;
      reject(new FairleadError('SOCKET_FAILED', message, { cause }));
    };
    server.once('error', refuse);
    server.listen(where, () => {
      server.off('error', refuse);
      // one connection that cannot be taken is no reason to end
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** Where mkdtemp makes the folder: named after the socket, since `ss` shows that, if there is room. */
function folderPrefix(path: string): string {
  const folder = dirname(path);
  const prefixes = [join(folder, `.${basename(path)}-`), join(folder, '.')];
  const fits = (text: string): boolean => Buffer.byteLength(text) <= socketPathBytesMax;
  const prefix = prefixes.find((start) =>
    fits(`${start}${'x'.repeat(randomCharacters)}/${stagedName}`),
  );
  if (prefix === undefined || !fits(path)) {
    throw new FairleadError(
      'SOCKET_FAILED',
      `socket path ${path} is too long, a unix socket's has at most ${socketPathBytesMax} bytes`,
      { fix: 'choose a shorter path' },
    );
  }
  return prefix;
}

/** Gives the staged socket its name. A link, unlike a rename, never replaces what is there. */
async function publish(staged: string, path: string, folder: string): Promise<void> {
  for (let tries = 0; tries < socketTriesMax; tries++) {
    try {
      linkSync(staged, path);
      return;
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
    }
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (!found.isSocket()) {
      throw new FairleadError('SOCKET_FAILED', `${path} exists and is not a socket`, {
        fix: 'remove it, or choose another path',
      });
    }
    if (await answers(path)) {
      throw new FairleadError('SOCKET_IN_USE', `somebody serves ${path} already`);
    }
    takeAway(path, found, join(folder, 'stale'));
  }
  throw new FairleadError('SOCKET_IN_USE', `others keep making ${path}`);
}

/** Removes what was found stale, and puts back what somebody made there in the meantime. */
function takeAway(path: string, found: Stats, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    throw cause;
  }
  if (!sameFile(lstatSync(aside), found)) {
    try {
      linkSync(aside, path);
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
    }
  }
  unlinkSync(aside);
}

/** Only a refused connection proves that nobody is there; a full backlog is somebody. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(socketProbeMs, () => end(true));
    socket.on('connect', () => end(true));
    socket.on('error', (error) => {
      const code = codeOf(error);
      end(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function removeIfSame(path: string, made: Stats): void {
  try {
    // a number is not given to another file while a socket is bound to it
    if (sameFile(lstatSync(path), made)) unlinkSync(path);
  } catch {
    // gone already
  }
}

function sameFile(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? (thrown as Error & { code?: string }).code : undefined;
}
