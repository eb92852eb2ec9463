/** What `Oper` is made of, for one network or all of a tenant. Pure. */
import { isZero } from '../../model/objects/shape.ts';
import type { SiteNetwork } from '../../model/site.ts';
import type { AddressTexts } from './address-texts.ts';
import type { EndpointOper } from './endpoint-oper.ts';

/** Figures and texts, without those that are empty. */
export type Oper = Readonly<Record<string, unknown>>;

/** What is found out about a network. */
export function networkFigures(
  network: SiteNetwork,
  addresses: AddressTexts | undefined,
  endpoints: readonly EndpointOper[],
): Oper {
  return {
    allocatedAddressesCount: addresses?.count ?? 0,
    allocatedIPAddresses: addresses?.allocated ?? '',
    availableIPAddresses: addresses?.available ?? '',
    endpoints,
    ...tagsOf(network),
    numEndpoints: endpoints.length,
  };
}

/** A VXLAN network had a VLAN of its own inside a host; what stands for it here is its number. */
export function tagsOf({ encapsulation, number }: SiteNetwork): Oper {
  if (encapsulation.kind === 'vxlan') return { externalPktTag: encapsulation.vni, pktTag: number };
  return { pktTag: encapsulation.tag === 'native' ? 0 : encapsulation.tag };
}

/** Without what is empty, in Contiv's order. */
export function filled(oper: Oper): Oper {
  const isEmpty = (value: unknown): boolean =>
    value === undefined ||
    ((typeof value === 'string' || typeof value === 'number' || Array.isArray(value)) &&
      isZero(value));
  return Object.fromEntries(
    Object.entries(oper)
      .filter(([, value]) => !isEmpty(value))
      .toSorted(([one], [other]) => (one.toLowerCase() < other.toLowerCase() ? -1 : 1)),
  );
}
