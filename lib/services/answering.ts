/**
 * From which addresses of an attachment the clients of a service hear an answer: nothing leads from a network that is
 * not routed to another, and from one without a gateway nothing leads back to clients of others. Pure.
 */
import { contains, parseAddress, parseCidr, type Cidr } from '../ip/ip.ts';
import type { SiteEndpoint, SiteNetwork } from '../model/site.ts';

/** The addresses of an attachment, as texts. */
export type Addresses = Pick<SiteEndpoint, 'ipv4' | 'ipv6'>;

/** A network of the tenant as services are concerned with it. */
export type ServedNetwork = Pick<SiteNetwork, 'name' | 'mode' | 'subnets'>;

/** Those of its addresses from which an attachment answers. */
export type Answering = (addresses: Addresses) => Addresses;

/**
 * For the attachments to one network.
 * @param own the service's own network: who is attached there answers at least those who are there, too
 */
export function answeringFrom(own: ServedNetwork | undefined, network: ServedNetwork): Answering {
  if (own?.name === network.name) return ({ ipv4, ipv6 }) => ({ ipv4, ipv6 });
  if (own?.mode !== 'routing' || network.mode !== 'routing') return () => ({});
  const gone = network.subnets.flatMap(({ cidr, gateway }) =>
    gateway === undefined ? [parseCidr(cidr)] : [],
  );
  const leadsBack = (text: string | undefined): string | undefined =>
    // most networks have all of their gateways, and addresses need not be read
    text === undefined || gone.length === 0 || !isIn(gone, text) ? text : undefined;
  return ({ ipv4, ipv6 }) => ({ ipv4: leadsBack(ipv4), ipv6: leadsBack(ipv6) });
}

/** Whether one of them is of a family that the service has an address of. */
export const isAnswering = (
  { ipv4, ipv6 }: Addresses,
  service: { readonly has4: boolean; readonly has6: boolean },
): boolean => (ipv4 !== undefined && service.has4) || (ipv6 !== undefined && service.has6);

function isIn(cidrs: readonly Cidr[], text: string): boolean {
  const address = parseAddress(text);
  return cidrs.some((cidr) => contains(cidr, address));
}
