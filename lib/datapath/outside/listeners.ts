/**
 * Sockets of this host that take what comes to a port, from the kernel's own lists (proc(5), "/proc/net/tcp"): a
 * published port would hide them.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import { formatAddress, parseAddress } from '../../ip/ip.ts';
import { socketListBytesMax } from '../../limits.ts';
import type { PublishedProtocol } from '../../model/published.ts';
import type { Listener } from '../../network/host-ports.ts';

/** The lists, and the state of sockets in them that anybody may speak to. */
const lists = [
  { file: 'tcp', protocol: 'tcp', state: '0A' },
  { file: 'tcp6', protocol: 'tcp', state: '0A' },
  { file: 'udp', protocol: 'udp', state: '07' },
  { file: 'udp6', protocol: 'udp', state: '07' },
] as const;
/** SCTP's list has a form of its own; the state of sockets that listen (TCP_LISTEN in the kernel). */
const sctpList = 'sctp/eps';
const sctpListens = '10';

/**
 * The sockets that listen now.
 * @param root where the lists are
 * @throws LINK_FAILED
 */
export async function readListeners(root = '/proc/self/net'): Promise<readonly Listener[]> {
  const all: Listener[] = [];
  for (const { file, protocol, state } of lists) {
    const text = await read(join(root, file));
    all.push(...listenersIn(text, { protocol, state }));
  }
  return [...all, ...sctpListenersIn(await read(join(root, sctpList)))];
}

/** A whole list; nothing where the kernel does not have the protocol. */
async function read(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > socketListBytesMax) {
        throw new FairleadError('LINK_FAILED', `${path} has more than ${socketListBytesMax} bytes`);
      }
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    await file.close();
  }
}

/**
 * Listeners of a list of TCP or UDP sockets.
 * @throws LINK_FAILED for a line that is none of such a list
 */
export function listenersIn(
  text: string,
  of: { readonly protocol: PublishedProtocol; readonly state: string },
): readonly Listener[] {
  return linesOf(text).flatMap((line) => {
    const [, local = '', port = '', state] =
      /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /.exec(
        line,
      ) ?? unknown(line);
    if (state !== of.state) return [];
    const address = addressOf(local);
    return [{ protocol: of.protocol, address, port: Number.parseInt(port, 16) }];
  });
}

/**
 * The same of SCTP: a number for the state, the port, and all addresses at the end.
 * @throws LINK_FAILED for a line that is none of such a list
 */
export function sctpListenersIn(text: string): readonly Listener[] {
  return linesOf(text).flatMap((line) => {
    const [, state, port = '', addresses = ''] =
      /^ *\S+ +\S+ +\d+ +(\d+) +\d+ +(\d+) +\d+ +\d+ +(\S.*)$/.exec(line) ?? unknown(line);
    if (state !== sctpListens) return [];
    return addresses
      .trim()
      .split(/ +/)
      .map((address): Listener => {
        const text4or6 = formatAddress(parseAddress(address.replace(/^\*/, '')));
        return { protocol: 'sctp', address: text4or6, port: Number(port) };
      });
  });
}

/** The first line says what is below it. */
const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '');

function unknown(line: string): never {
  throw new FairleadError(
    'LINK_FAILED',
    `the kernel's list of sockets has a line of another form: ${line.slice(0, 80)}`,
  );
}

/** Words of four bytes, each with its last byte first on machines that do so; ours all do. */
function addressOf(hex: string): string {
  const bytes = hex.match(/.{8}/g)?.map((word) => word.match(/../g)?.toReversed().join('') ?? '');
  const value = BigInt(`0x${bytes?.join('') ?? '0'}`);
  const isMapped = hex.length === 32 && value >> 32n === 0xffffn;
  if (isMapped) return formatAddress({ family: 4, value: value & 0xffff_ffffn });
  return formatAddress({ family: hex.length === 8 ? 4 : 6, value });
}
