/** Where a syslog server is: `udp://HOST[:PORT]`, `tcp://HOST[:PORT]`, `unix:PATH`. */
import { socketPathBytesMax } from '../limits.ts';

/** A syslog server. */
export type SyslogTarget =
  | { readonly transport: 'udp' | 'tcp'; readonly host: string; readonly port: number }
  | { readonly transport: 'unix'; readonly path: string };

/** The port of syslog (RFC 5426 section 3.3), also customary for TCP. */
const portDefault = 514;

/** Reads one; undefined for what is none. */
export function parseSyslogTarget(text: string): SyslogTarget | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    const fits = /^\/[^\0]+$/.test(path) && Buffer.byteLength(path) <= socketPathBytesMax;
    return fits ? { transport: 'unix', path } : undefined;
  }
  const found =
    /^(udp|tcp):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?\/?$/.exec(text);
  if (found === null) return undefined;
  const [, transport, bracketed, name, portText] = found;
  const port = portText === undefined ? portDefault : Number(portText);
  const host = bracketed ?? name ?? '';
  if (port < 1 || port > 65_535 || host.length > 253) return undefined;
  return { transport: transport === 'udp' ? 'udp' : 'tcp', host, port };
}

/** The text of one. */
export function syslogTargetText(target: SyslogTarget): string {
  if (target.transport === 'unix') return `unix:${target.path}`;
  const { transport, host, port } = target;
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
