/** Whom the texts of a question mean that `policy explain` is asked: containers, services, addresses. Pure. */
import { FairleadError, hasCode } from '../../errors.ts';
import {
  formatAddress,
  isLinkLocal6,
  linkLocalOf,
  parseAddress,
  type IpAddress,
  type IpFamily,
} from '../../ip/ip.ts';
import type { SiteEndpoint } from '../../model/site.ts';
import type { ToldService } from './explain-service.ts';
import { unknownObject } from './object-rows.ts';

/** A container on a network of the tenant. */
export interface Attached {
  readonly network: string;
  readonly endpoint: SiteEndpoint;
  /** The name of the group that it is in. */
  readonly group: string | undefined;
}

/** One end as asked for: a container, or an address of nobody in the tenant. */
export type Party =
  | (Attached & { readonly isLinkLocal: boolean })
  | { readonly outside: IpAddress; readonly text: string };

/** A service as asked for, at one of its addresses or at all. */
export interface MeantService {
  readonly service: ToldService;
  readonly addresses: readonly IpAddress[];
}

/** Whom a text may mean. */
export interface Meanable {
  readonly endpoints: readonly Attached[];
  readonly services: readonly ToldService[];
}

/**
 * Whom a text means: an address, a service by its name, or a container by its id, its name or the beginning of one.
 * @throws OBJECT_UNKNOWN, REQUEST_INVALID for several
 */
export function meantBy({ endpoints, services }: Meanable, text: string): Party | MeantService {
  const address = addressOf(text);
  if (address !== undefined) return ofAddress({ endpoints, services }, address, text);
  const named = services.filter(({ name }) => name === text);
  const ways = [
    [
      ...named.map((service) => ({ service, addresses: service.addresses })),
      ...attached(endpoints.filter(({ endpoint }) => namesOf(endpoint).includes(text))),
    ],
    attached(
      endpoints.filter(({ endpoint }) => namesOf(endpoint).some((name) => name.startsWith(text))),
    ),
  ];
  return onlyOne(ways.find((found) => found.length > 0) ?? [], text);
}

function ofAddress(
  { endpoints, services }: Meanable,
  address: IpAddress,
  text: string,
): Party | MeantService {
  const isLinkLocal = isLinkLocal6(address);
  const own = endpoints
    .filter(({ endpoint }) => {
      const its = addressAt(endpoint, address.family, isLinkLocal);
      return its !== undefined && isSame(its, address);
    })
    .map((each) => ({ ...each, isLinkLocal }));
  const served = services
    .filter(({ addresses }) => addresses.some((each) => isSame(each, address)))
    .map((service) => ({ service, addresses: [address] }));
  const found = [...own, ...served];
  return found.length === 0 ? { outside: address, text } : onlyOne(found, text);
}

const attached = (found: readonly Attached[]): readonly Party[] =>
  found.map((each) => ({ ...each, isLinkLocal: false }));

function onlyOne(found: readonly (Party | MeantService)[], text: string): Party | MeantService {
  const [one, other] = found;
  if (one === undefined) throw unknownObject({ kind: 'endpoint', parts: [text] });
  if (other === undefined) return one;
  const what = [one, other].map((each) => describe(each));
  throw new FairleadError('REQUEST_INVALID', `${text} is ${what.join(' and ')}`, {
    fix: 'say which by its address',
  });
}

function describe(meant: Party | MeantService): string {
  if ('service' in meant) {
    const addresses = meant.addresses.map((each) => formatAddress(each)).join(', ');
    return `service ${meant.service.name} (${addresses})`;
  }
  return 'endpoint' in meant ? `${nameOf(meant.endpoint)} on ${meant.network}` : meant.text;
}

/** The name of a container, or what stands for it until it is known. */
export const nameOf = ({ id, container }: SiteEndpoint): string =>
  container?.name.replace(/^\//, '') ?? id;

/**
 * The address of a family by which somebody takes part. Who speaks with a link-local address does so from his own.
 */
export function addressIn(
  party: Party,
  other: Party | undefined,
  family: IpFamily,
): IpAddress | undefined {
  if (!('endpoint' in party)) return party.outside.family === family ? party.outside : undefined;
  return addressAt(party.endpoint, family, party.isLinkLocal || isAtLinkLocal(other));
}

const isAtLinkLocal = (party: Party | undefined): boolean =>
  party !== undefined && ('endpoint' in party ? party.isLinkLocal : isLinkLocal6(party.outside));

/** Of who has an address of IPv6 flows know the link-local one, too. */
function addressAt(
  { ipv4, ipv6, mac }: SiteEndpoint,
  family: IpFamily,
  isLinkLocal: boolean,
): IpAddress | undefined {
  if (isLinkLocal) return family === 6 && ipv6 !== undefined ? linkLocalOf(mac) : undefined;
  const text = family === 4 ? ipv4 : ipv6;
  return text === undefined ? undefined : parseAddress(text);
}

const isSame = (one: IpAddress, { family, value }: IpAddress): boolean =>
  one.family === family && one.value === value;

function addressOf(text: string): IpAddress | undefined {
  try {
    return parseAddress(text);
  } catch (thrown) {
    if (hasCode(thrown, 'ADDRESS_INVALID')) return undefined;
    throw thrown;
  }
}

const namesOf = ({ id, container }: SiteEndpoint): readonly string[] =>
  [id, container?.id, container?.name.replace(/^\//, '')].filter((name) => name !== undefined);
