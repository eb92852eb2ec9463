/**
 * A NIC that belongs to the host: what of it is changed while a switch has it, read and written. The kernel of
 * a host takes and answers what arrives at a NIC even where a userspace switch reads it too, and without any
 * address there: it answers ARP for addresses of other links, and routes. The settings below keep it silent
 * (ip-sysctl in the kernel's documentation). Files below /proc/sys/net are those of this process's network
 * namespace.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import { formatAddress, fromHex } from '../../ip/ip.ts';
import { kernelError } from './link-errors.ts';
import { errorNumber, type Libc } from './libc.ts';
import { setFlagsRequest, type Link } from './link-messages.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import type { Merging, Offload } from './offload.ts';
import { findLink } from './veth.ts';

/** Settings of a link below /proc/sys/net, `%` standing for its name. */
export const kernelSettings = {
  /** Whether packets that arrive here are routed. */
  ipv4Forwarding: 'ipv4/conf/%/forwarding',
  /** 1: packets whose sender is not reached through this link are dropped. */
  ipv4ReversePath: 'ipv4/conf/%/rp_filter',
  /** 8: no question for an address of this host is answered. */
  ipv4ArpIgnore: 'ipv4/conf/%/arp_ignore',
  /** 1: no IPv6, and no address of its own. */
  ipv6Disabled: 'ipv6/conf/%/disable_ipv6',
} as const;

/** One of them. */
export type KernelSetting = keyof typeof kernelSettings;

/** How a NIC is set; what the kernel or the driver does not have is absent. */
export interface NicSettings {
  readonly up: boolean;
  readonly promiscuous: boolean;
  readonly kernel: Readonly<Partial<Record<KernelSetting, string>>>;
  readonly merging: Merging;
}

/** What the work is done with. */
export interface NicTools {
  readonly libc: Libc;
  readonly changes: Pick<NetlinkSocket, 'exchange'>;
  readonly offload: Pick<Offload, 'merging' | 'setMerging'>;
}

const settingNames = Object.keys(kernelSettings) as readonly KernelSetting[];

/**
 * How a NIC is set.
 * @throws LINK_FAILED, also when there is none of this name
 */
export async function readNic(tools: NicTools, name: string): Promise<NicSettings> {
  const { up, promiscuous } = await requireLink(tools, name);
  const kernel: Partial<Record<KernelSetting, string>> = {};
  for (const setting of settingNames) {
    const text = await readFile(pathOf(setting, name), 'utf8').catch(() => undefined);
    if (text !== undefined) kernel[setting] = text.trim();
  }
  return { up, promiscuous, kernel, merging: await tools.offload.merging(name) };
}

/**
 * Sets what is given; the rest stays. What the kernel does not have is passed over. A NIC is made silent
 * before it is switched on.
 * @throws LINK_FAILED, also when there is none of this name
 */
export async function writeNic(
  tools: NicTools,
  name: string,
  wanted: Partial<NicSettings>,
): Promise<void> {
  const { index } = await requireLink(tools, name);
  for (const setting of settingNames) {
    const value = wanted.kernel?.[setting];
    if (value !== undefined) await writeSetting(pathOf(setting, name), value);
  }
  if (wanted.merging !== undefined) await tools.offload.setMerging(name, wanted.merging);
  const { up, promiscuous } = wanted;
  if (up === undefined && promiscuous === undefined) return;
  const flags = {
    ...(up === undefined ? {} : { up }),
    ...(promiscuous === undefined ? {} : { promiscuous }),
  };
  const [reply] = await tools.changes.exchange([setFlagsRequest({ index }, flags)]);
  if (reply === undefined || reply.errno !== 0) {
    throw kernelError(tools.libc, `cannot set up link ${name}`, reply?.errno ?? 0, reply?.text);
  }
}

/** The addresses of this host that TCP connections over IPv6 are established from. */
export async function connectedAddresses(): Promise<ReadonlySet<string>> {
  const table = await readFile('/proc/self/net/tcp6', 'utf8').catch(() => '');
  return parseConnections(table);
}

/** Reads /proc/net/tcp6: the local address as four words of the machine's byte order, and the state. */
export function parseConnections(table: string): ReadonlySet<string> {
  const addresses = new Set<string>();
  const established = '01';
  for (const line of table.split('\n')) {
    const [, words, state] =
      /^\s*\d+: ([0-9A-F]{32}):[0-9A-F]{4} [0-9A-F]{32}:[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line) ??
      [];
    if (words === undefined || state !== established) continue;
    const bytes = words.replaceAll(/(..)(..)(..)(..)/g, '$4$3$2$1').toLowerCase();
    addresses.add(formatAddress(fromHex(bytes)));
  }
  return addresses;
}

async function requireLink(tools: NicTools, name: string): Promise<Link> {
  const link = await findLink(tools.libc, tools.changes, name);
  if (link !== undefined) return link;
  throw kernelError(tools.libc, `cannot read link ${name}`, errorNumber.ENODEV);
}

/** A link's name has no slash (`links.ts` checks), so the path stays where it should. */
function pathOf(setting: KernelSetting, name: string): string {
  return join(
    '/proc/sys/net',
    kernelSettings[setting].replace('%', () => name),
  );
}

async function writeSetting(path: string, value: string): Promise<void> {
  try {
    await writeFile(path, value, { flag: 'r+' });
  } catch (cause) {
    if ((cause as { readonly code?: unknown }).code === 'ENOENT') return;
    throw new FairleadError('LINK_FAILED', `cannot write ${value} to ${path}`, { cause });
  }
}
