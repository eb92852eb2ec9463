/**
 * What a host notes of the addresses of shared pools that it holds, beside the records that all hosts see: by
 * its notes it finds what is its own. Pure.
 */
import { formatAddress, hexAddress, type IpAddress } from '../../ip/ip.ts';
import { heldKey } from '../../model/keys.ts';
import type { HeldAddress, Pool } from '../../model/pool.ts';
import { encodeRecord } from '../../model/record.ts';
import type { Operation } from '../../store/port.ts';

/** The host's own note of an address that it holds. */
export function putHeld(
  { space, cidr, serial }: Pool,
  address: IpAddress,
  endpointId: string | undefined,
): Operation {
  const held: HeldAddress = {
    space,
    cidr,
    serial,
    address: formatAddress(address),
    ...(endpointId === undefined ? {} : { endpointId }),
  };
  const key = heldKey(space, cidr, hexAddress(address));
  return { op: 'put', key, value: encodeRecord(held) };
}
