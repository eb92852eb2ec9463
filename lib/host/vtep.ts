/**
 * The address by which other hosts reach this one for VXLAN, and how large a packet its link carries. What the
 * operator says is taken if the host has it; else an address by which the cluster is reached; else the first
 * one of the link that the default route goes out by. Once others know a host by one family it stays with it:
 * tunnels do not go from one to the other. Pure.
 */
import type { Link, LinkAddress, Route } from '../datapath/link/links.ts';
import { FairleadError } from '../errors.ts';
import { formatAddress, kindOf, parseAddress } from '../ip/ip.ts';

/** What the kernel has. */
export interface HostAddresses {
  readonly links: readonly Pick<Link, 'index' | 'mtu'>[];
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly Route[];
}

/** The tunnel's end on this host. */
export interface Vtep {
  /** Canonical. */
  readonly address: string;
  /** Largest packet that its link carries, bytes. */
  readonly pathMtu: number;
}

/** What was said about it. */
export interface VtepWishes {
  /** `--vtep-ip`. */
  readonly address: string | undefined;
  /** Addresses (of any form) by which the cluster reaches this host, in order of preference. */
  readonly advertised: readonly string[];
  /** Family of the address that others know; either without it. */
  readonly family: 4 | 6 | undefined;
}

const mainTable = 254;

/**
 * Chooses; undefined when the host has no address to be reached by.
 * @throws VTEP_UNUSABLE when the address that the operator wants is not one of this host
 */
export function chooseVtep(host: HostAddresses, wishes: VtepWishes): Vtep | undefined {
  const own = host.addresses
    .map((each) => ({ ...each, parsed: parseAddress(each.address) }))
    .filter(({ parsed }) => kindOf(parsed) === 'unicast');
  const at = (text: string): Vtep | undefined => {
    const found = own.find(({ parsed }) => formatAddress(parsed) === text);
    const link = found && host.links.find(({ index }) => index === found.index);
    return found && link && { address: formatAddress(found.parsed), pathMtu: link.mtu };
  };
  if (wishes.address !== undefined) {
    const wanted = at(wishes.address);
    if (wanted !== undefined) return wanted;
    throw new FairleadError(
      'VTEP_UNUSABLE',
      `this host does not have the address ${wishes.address} that --vtep-ip names`,
      { fix: 'give one of its addresses, or leave --vtep-ip out' },
    );
  }
  const families = wishes.family === undefined ? [4, 6] : [wishes.family];
  for (const text of wishes.advertised) {
    const found = at(text);
    if (found !== undefined && families.includes(parseAddress(text).family)) return found;
  }
  for (const family of families) {
    const route = host.routes.find(
      ({ destination, table, outIndex, family: of }) =>
        of === family &&
        table === mainTable &&
        outIndex !== undefined &&
        destination.endsWith('/0'),
    );
    const first = own.find(({ index, family: of }) => of === family && index === route?.outIndex);
    if (first !== undefined) return at(formatAddress(first.parsed));
  }
  return undefined;
}
