/** Connecting to a daemon of Open vSwitch on its unix socket, with an end to the wait. */
import { existsSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';

/** Whom to connect to, and for how long to try. */
export interface ConnectOptions {
  /** Name of the daemon, for messages. */
  readonly daemon: string;
  /** Path of its socket. */
  readonly path: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/**
 * Connects.
 * @throws OVS_DOWN when nobody listens or answers, or the socket may not be opened; the signal's reason
 */
export async function connectTo(options: ConnectOptions): Promise<Socket> {
  const { path, clock, signal, timeoutMs } = options;
  signal.throwIfAborted();
  // it is tried many times a second while there is none
  if (!existsSync(path)) throw unreachable(options);
  const over = new AbortController();
  let socket: Socket | undefined;
  try {
    return await new Promise<Socket>((resolve, reject) => {
      const opening = createConnection({ path });
      socket = opening;
      opening.on('error', (cause) => reject(unreachable(options, cause)));
      opening.once('connect', () => resolve(opening));
      signal.addEventListener('abort', () => reject(signal.reason), { signal: over.signal });
      clock.sleep(timeoutMs, over.signal).then(
        () => reject(unreachable(options)),
        () => undefined,
      );
    });
  } catch (thrown) {
    socket?.destroy();
    if (thrown instanceof FairleadError || signal.aborted) throw thrown;
    throw unreachable(options, thrown);
  } finally {
    over.abort(new FairleadError('DEADLINE', 'a timer that nobody waits for any more'));
  }
}

function unreachable({ daemon, path }: ConnectOptions, cause?: unknown): FairleadError {
  const message = `${daemon}: not to be reached at ${path}`;
  return new FairleadError('OVS_DOWN', message, cause === undefined ? {} : { cause });
}
