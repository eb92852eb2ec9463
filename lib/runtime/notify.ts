/**
 * Tells systemd that the service is ready (sd_notify(3)). Not every runtime can send a datagram to a
 * unix socket, so systemd's own program does it; without systemd there is nothing to tell.
 */
import { spawn } from 'node:child_process';

/** Says READY=1 when a service manager listens; never fails. */
export function notifyReady(environment: Readonly<Record<string, string | undefined>>): void {
  if (environment['NOTIFY_SOCKET'] === undefined) return;
  const child = spawn('systemd-notify', ['--ready'], { stdio: 'ignore' });
  child.on('error', () => undefined);
  child.unref();
}
