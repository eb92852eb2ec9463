/** What the kernel of a place has counted: packets with wrong checksums, and all else of `/proc/net`. */
import { run } from '../run.ts';
import type { Vantage } from './instrument.ts';

/** Counters by name, as `Tcp.InCsumErrors`, `Udp.NoPorts`, `Ip6InDiscards`, `TcpExt.TCPTimeouts`. */
export type Counters = Readonly<Record<string, number>>;

/** Reads them all. */
export async function countersOf(at: Vantage): Promise<Counters> {
  const files = ['snmp', 'netstat', 'snmp6'].map((name) => `/proc/thread-self/net/${name}`);
  const { stdout } = await run(['nsenter', `--net=${at.net}`, 'cat', ...files]);
  const counters: Record<string, number> = {};
  const lines = stdout.split('\n');
  for (const [at_, line] of lines.entries()) {
    const [head = '', ...words] = line.trim().split(/\s+/);
    // names on one line, and their values on the next, after the same word
    const values = (lines[at_ + 1] ?? '').trim().split(/\s+/);
    if (head.endsWith(':') && values[0] === head && !/^-?\d/.test(words[0] ?? '')) {
      for (const [index, name] of words.entries()) {
        counters[`${head.slice(0, -1)}.${name}`] = Number(values[index + 1]);
      }
    } else if (!head.endsWith(':') && words.length === 1) counters[head] = Number(words[0]);
  }
  return counters;
}

/** What has grown between two readings. */
export function grownBetween(before: Counters, after: Counters): Counters {
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
      .filter(([, grown]) => grown !== 0),
  );
}
