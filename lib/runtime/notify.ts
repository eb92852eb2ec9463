/**
 * What systemd hears from the agent (sd_notify(3)): that it is ready, and from then on that it is alive
 * (WatchdogSec=). One datagram a message to the socket of NOTIFY_SOCKET. Without systemd there is nobody to tell, and
 * native code is not loaded.
 */
import { Buffer } from 'node:buffer';
import type { Clock } from '../clock.ts';
import { readyWaitMs } from '../limits.ts';
import { openUnixDatagram } from './unix-datagram.ts';

/** Where messages go. Never fails: who does not hear us decides for itself. */
export interface ServiceManager {
  tell(message: string): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The manager that NOTIFY_SOCKET names; undefined when there is none, or it cannot be spoken to. */
export async function serviceManager({
  NOTIFY_SOCKET: path,
}: Environment): Promise<ServiceManager | undefined> {
  if (path === undefined || !/^[/@]./.test(path)) return undefined;
  try {
    const socket = await openUnixDatagram(path);
    return { tell: (message) => void socket.send(Buffer.from(message)) };
  } catch {
    // the store loads the same native code, and says what is wrong with it
    return undefined;
  }
}

/**
 * Says READY=1 when `ready` has settled, or when it takes too long for who starts after us, and WATCHDOG=1 from then
 * on in half the time that systemd allows. A loop that does not turn any more says nothing, and is killed.
 */
export async function announce(
  ready: Promise<unknown>,
  environment: Environment,
  clock: Clock,
): Promise<void> {
  const manager = await serviceManager(environment);
  if (manager === undefined) return;
  manager.tell('STATUS=opening the store');
  const settled = ready.then(() => 'serving');
  const late = clock.sleep(readyWaitMs).then(() => 'listening; the store is not open yet');
  const status = await Promise.race([settled, late]).catch(() => undefined);
  // it could not start, and ends
  if (status === undefined) return;
  manager.tell(`READY=1\nSTATUS=${status}`);
  void settled.then(() => manager.tell('STATUS=serving')).catch(() => undefined);
  const everyMs = watchdogMs(environment);
  if (everyMs === undefined) return;
  for (;;) {
    await clock.sleep(everyMs);
    manager.tell('WATCHDOG=1');
  }
}

/** Half of WATCHDOG_USEC, where it is meant for this process. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: Environment): number | undefined {
  const microseconds = Number(WATCHDOG_USEC);
  const isOurs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
  return isOurs && microseconds > 0 ? microseconds / 2_000 : undefined;
}
