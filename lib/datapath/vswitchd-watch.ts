/**
 * Whether ovs-vswitchd is alive, known at once. ovsdb-server takes and stores changes while vswitchd is
 * dead, so its answers say nothing; a connection to vswitchd's control socket closes when it dies.
 * Where there is no such socket beside ovsdb-server's, the answer is `unknown` and only the lag of
 * configurations tells (ovs-appctl(8): the socket is `ovs-vswitchd.PID.ctl` unless it was named).
 */
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { vswitchdProbeMs } from '../limits.ts';

/** What is known of the daemon. */
export type VswitchdState = 'alive' | 'dead' | 'unknown';

/** A watch; `close` ends it. */
export interface VswitchdWatch {
  state(): VswitchdState;
  /** The control socket of the daemon that is alive. */
  controlPath(): string | undefined;
  close(): Promise<void>;
}

/** Watches the vswitchd whose control socket is in `runDirectory`; calls `onChange` with each new state. */
export function watchVswitchd(options: {
  readonly runDirectory: string;
  readonly clock: Clock;
  readonly onChange: (state: VswitchdState) => void;
}): VswitchdWatch {
  const { runDirectory, clock, onChange } = options;
  const ending = new AbortController();
  let state: VswitchdState = 'unknown';
  let connectedTo: string | undefined;
  const become = (next: VswitchdState): void => {
    if (next === state || ending.signal.aborted) return;
    state = next;
    onChange(next);
  };
  const cycle = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      // a daemon that was killed leaves its socket file beside that of the next one
      const paths = await controlSockets(runDirectory);
      for (const path of paths) {
        await hold(path, ending.signal, () => {
          connectedTo = path;
          become('alive');
        });
        connectedTo = undefined;
      }
      if (paths.length > 0 || state !== 'unknown') become('dead');
      await clock.sleep(vswitchdProbeMs, ending.signal).catch(() => undefined);
    }
  };
  const ended = cycle();
  return {
    state: () => state,
    controlPath: () => connectedTo,
    async close() {
      ending.abort();
      await ended;
    },
  };
}

/** The control sockets in a run directory, of a daemon that lives and of those that were killed. */
export async function controlSockets(runDirectory: string): Promise<readonly string[]> {
  try {
    return (await readdir(runDirectory))
      .filter((name) => /^ovs-vswitchd(\.[0-9]+)?\.ctl$/.test(name))
      .map((name) => join(runDirectory, name));
  } catch {
    return [];
  }
}

/** Connects and resolves when the connection has ended, or could not be made. */
function hold(path: string, signal: AbortSignal, connected: () => void): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(path);
    const end = (): void => void socket.destroy();
    signal.addEventListener('abort', end, { once: true });
    socket.on('connect', connected);
    // nothing is asked, so nothing is answered; reading lets us see the end
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      signal.removeEventListener('abort', end);
      resolve();
    });
  });
}
