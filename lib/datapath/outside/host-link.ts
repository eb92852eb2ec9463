/**
 * The kernel's side of the host's port: its addresses, who is behind it, and the routes that lead there. What
 * is there and should not be goes, as far as it is ours; a route of somebody else stays.
 */
import {
  addressBits,
  blockOf,
  formatAddress,
  formatCidr,
  formatInterface,
  isLinkLocal6,
  parseAddress,
  parseCidr,
  type Cidr,
  type IpInterface,
} from '../../ip/ip.ts';
import type { Link, LinkAddress, LinkRoute, Links, Route } from '../link/links.ts';
import { gatewayMac } from '../pipeline/routing.ts';
import { addressesOf } from './block.ts';

/** What is to be reached through the port besides the block. */
export interface Reachable {
  readonly destination: Cidr;
  /** Largest packet that it takes, bytes. */
  readonly mtu: number;
}

/** The links, as this needs them. */
export type HostLinks = Pick<Links, 'mark' | 'changeAddress' | 'changeRoute' | 'setNeighbour'>;

/** What of the kernel's lists is looked at. */
export interface LinkState {
  readonly link: Link;
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly Route[];
}

/** What the port is to have. */
export interface LinkWish {
  readonly blocks: readonly Cidr[];
  readonly reachable: readonly Reachable[];
}

/** What came of it. */
export interface LinkOutcome {
  readonly changed: number;
  /** Destinations that somebody else has a route to. */
  readonly taken: readonly string[];
}

/** The mark of the port's link. */
export const hostLinkAlias = 'fairlead:host';
const unicast = 1;

/**
 * Makes the link what it should be.
 * @throws LINK_FAILED
 */
export async function setHostLink(
  links: HostLinks,
  { link, addresses, routes }: LinkState,
  wish: LinkWish,
): Promise<LinkOutcome> {
  const { index } = link;
  let changed = 0;
  if (!link.up || link.alias !== hostLinkAlias) {
    await links.mark(index, hostLinkAlias);
    changed += 1;
  }
  const wanted = wish.blocks.map((block): IpInterface => {
    const { host: address } = addressesOf(block);
    return { address, prefixLength: addressBits(address.family) };
  });
  changed += await setAddresses(links, index, { addresses, wanted });
  for (const block of wish.blocks) {
    await links.setNeighbour(index, addressesOf(block).nextHop, gatewayMac);
  }
  const outcome = await setRoutes(links, index, { routes, wanted: routesOf(wish, link.mtu) });
  return { changed: changed + outcome.changed, taken: outcome.taken };
}

/** The routes, next hops first: the others need them. */
export function routesOf({ blocks, reachable }: LinkWish, linkMtu: number): readonly LinkRoute[] {
  const ways = new Map(blocks.map((block) => [block.family, addressesOf(block)]));
  const through = blocks.flatMap((block): LinkRoute[] => {
    const { nextHop: via, host: source } = addressesOf(block);
    const self = blockOf(via, addressBits(via.family));
    return [{ destination: self }, { destination: block, via, source }];
  });
  const further = reachable.flatMap(({ destination, mtu }): LinkRoute[] => {
    const way = ways.get(destination.family);
    if (way === undefined) return [];
    const route = { destination, via: way.nextHop, source: way.host };
    return [mtu < linkMtu ? { ...route, mtu } : route];
  });
  return [...through, ...further];
}

/**
 * Makes the addresses of a link of ours what they should be. Answers the number of changes.
 * @throws LINK_FAILED
 */
export async function setAddresses(
  links: Pick<Links, 'changeAddress'>,
  index: number,
  {
    addresses,
    wanted,
  }: { readonly addresses: readonly LinkAddress[]; readonly wanted: readonly IpInterface[] },
): Promise<number> {
  const textOf = ({ address, prefixLength }: LinkAddress) => `${address}/${prefixLength}`;
  const has = addresses.filter((each) => each.index === index);
  const byText = new Map(wanted.map((each) => [formatInterface(each), each]));
  const isRight = (each: LinkAddress) => byText.has(textOf(each)) && each.unchosen === true;
  let changed = 0;
  for (const each of has) {
    const { prefixLength } = each;
    const address = parseAddress(each.address);
    // what the kernel gives to every link with IPv6 stays
    if (isRight(each) || isLinkLocal6(address)) continue;
    await links.changeAddress('remove', index, { address, prefixLength });
    changed += 1;
  }
  const hasTexts = new Set(has.filter(isRight).map(textOf));
  for (const [text, address] of byText) {
    if (hasTexts.has(text)) continue;
    await links.changeAddress('add', index, address);
    changed += 1;
  }
  return changed;
}

/**
 * Makes the routes by a link of ours what they should be.
 * @throws LINK_FAILED
 */
export async function setRoutes(
  links: Pick<Links, 'changeRoute'>,
  index: number,
  { routes, wanted }: { readonly routes: readonly Route[]; readonly wanted: readonly LinkRoute[] },
): Promise<LinkOutcome> {
  const has = routes.filter(
    (each) => each.outIndex === index && each.ours && each.type === unicast,
  );
  const wantedTexts = new Set(wanted.map(textOf));
  const hasTexts = new Set(has.map(textOfFound));
  const taken: string[] = [];
  let changed = 0;
  // those that need a next hop go before it
  for (const route of has.toReversed()) {
    if (wantedTexts.has(textOfFound(route))) continue;
    await links.changeRoute('remove', index, foundRoute(route));
    changed += 1;
  }
  for (const route of wanted) {
    if (hasTexts.has(textOf(route))) continue;
    if (await links.changeRoute('add', index, route)) changed += 1;
    else taken.push(formatCidr(route.destination));
  }
  return { changed, taken };
}

function foundRoute({ destination, gateway, ours }: Route): LinkRoute {
  return {
    destination: parseCidr(destination),
    ...(gateway === undefined ? {} : { via: parseAddress(gateway) }),
    ...(ours?.source === undefined ? {} : { source: parseAddress(ours.source) }),
    ...(ours?.mtu === undefined ? {} : { mtu: ours.mtu }),
  };
}

const textOfFound = (route: Route): string => textOf(foundRoute(route));

const textOf = ({ destination, via, source, mtu }: LinkRoute): string =>
  [
    formatCidr(destination),
    via === undefined ? '' : formatAddress(via),
    source === undefined ? '' : formatAddress(source),
    mtu ?? '',
  ].join(' ');
