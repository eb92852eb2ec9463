/**
 * Whether ovs-vswitchd is alive, known at once. ovsdb-server takes and stores changes while vswitchd is
 * dead, so its answers say nothing; a connection to vswitchd's control socket closes when it dies.
 * Where there is no pid file to find the socket by, the answer is `unknown` and only the lag of
 * configurations tells (ovs-appctl(8) has the names of pid file and socket).
 */
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { vswitchdProbeMs } from '../limits.ts';

/** What is known of the daemon. */
export type VswitchdState = 'alive' | 'dead' | 'unknown';

/** A watch; `close` ends it. */
export interface VswitchdWatch {
  state(): VswitchdState;
  close(): Promise<void>;
}

/** Watches the vswitchd whose pid file is in `runDirectory`; calls `onChange` with each new state. */
export function watchVswitchd(options: {
  readonly runDirectory: string;
  readonly clock: Clock;
  readonly onChange: (state: VswitchdState) => void;
}): VswitchdWatch {
  const { runDirectory, clock, onChange } = options;
  const ending = new AbortController();
  let state: VswitchdState = 'unknown';
  const become = (next: VswitchdState): void => {
    if (next === state || ending.signal.aborted) return;
    state = next;
    onChange(next);
  };
  const cycle = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const path = await controlSocket(runDirectory);
      if (path === undefined) become(state === 'unknown' ? 'unknown' : 'dead');
      else await hold(path, ending.signal, () => become('alive'));
      if (path !== undefined) become('dead');
      await clock.sleep(vswitchdProbeMs, ending.signal).catch(() => undefined);
    }
  };
  const ended = cycle();
  return {
    state: () => state,
    async close() {
      ending.abort();
      await ended;
    },
  };
}

/** Path of the control socket by the pid file; undefined without a pid file. */
async function controlSocket(runDirectory: string): Promise<string | undefined> {
  try {
    const pid = (await readFile(join(runDirectory, 'ovs-vswitchd.pid'), 'utf8')).trim();
    return /^[1-9][0-9]*$/.test(pid) ? join(runDirectory, `ovs-vswitchd.${pid}.ctl`) : undefined;
  } catch {
    return undefined;
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
