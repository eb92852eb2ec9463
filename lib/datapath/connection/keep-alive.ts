/** Finding out that the other side has fallen silent: it is asked for a sign of life, and given up. */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';

/** Whom to watch, and how. */
export interface Watched {
  /** Name of the daemon, for messages. */
  readonly daemon: string;
  readonly clock: Clock;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Silence after which it is asked. */
  readonly idleMs: number;
  /** Silence after which it counts as mute, though an answer may be on its way. */
  readonly muteMs: number;
  /** When the last byte came, by the clock. */
  readonly lastReceivedMs: () => number;
  /** Asks for an answer; throws when none comes in time. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  /** Told once when it is mute. */
  readonly onMute: (reason: FairleadError) => void;
}

/** Asks for an echo whenever nothing came for a while, and gives up on a daemon that is mute. */
export async function keepAlive(watched: Watched): Promise<void> {
  const { clock, signal, idleMs, muteMs, lastReceivedMs } = watched;
  while (!signal.aborted) {
    const silentMs = clock.monotonicMs() - lastReceivedMs();
    try {
      if (silentMs < idleMs) await clock.sleep(idleMs - silentMs, signal);
      else await watched.ask(signal);
    } catch (cause) {
      if (signal.aborted) return;
      // bytes of a large message in the meantime are a sign of life, too
      if (clock.monotonicMs() - lastReceivedMs() < muteMs) continue;
      watched.onMute(new FairleadError('OVS_DOWN', `${watched.daemon} does not answer`, { cause }));
      return;
    }
  }
}
