/**
 * Containers that say something without ports to what is outside, as ping does. Conntrack tells those of a
 * tenant apart by their ports, and gives one of two with the same port another; for ICMP it does not: of two
 * containers that ping one machine with the same identifier (which is 1 where ping is the first process of a
 * container) the second would leave with its own address, and get no answer. So each has an address of its own
 * in the block for that, where there is one left. By the same address its published ports are reached (`published.ts`).
 */
import { assert } from '../../assert.ts';
import type { Cidr, IpAddress } from '../../ip/ip.ts';
import { domainNumberMax, vlanTagMax } from '../../limits.ts';
import type { LocalEndpoint, Outside } from '../../network/world.ts';
import { toAddress } from './addresses.ts';
import { loadRegister, ofDomain, ports, tables } from './fields.ts';
import { icmpOf } from './packets.ts';
import { committed, isNew, nextHopOf, tracked } from './outside.ts';
import type { FlowWriter } from './unit.ts';

/** Behind the addresses of tenants, and of networks of this host. */
const firstPlace = 0x3000;
/** How many there are: in front of the host's own two, in a block of 14 bits. */
export const placesMax = 0x4000 - 3 - firstPlace;
assert(domainNumberMax + 1 + vlanTagMax < firstPlace, 'nobody else has these addresses');

/** The address at a place. */
export function ownAliasOf(block: Cidr, place: number): IpAddress {
  const value = block.base + BigInt(firstPlace + place);
  assert(place < placesMax && value < nextHopOf(block).value, 'the place is in the block');
  return { family: block.family, value };
}

/** Who has which place. A container's is by its port, so that it is the same after a restart. */
export class Places {
  readonly #taken = new Map<number, string>();

  /** An endpoint takes its place, if nobody has it. */
  take(endpoint: LocalEndpoint): void {
    const place = placeOfPort(endpoint.port);
    if (!this.#taken.has(place)) this.#taken.set(place, endpoint.id);
  }

  /** The place of an endpoint; undefined where another has it: it leaves under its tenant's address. */
  of(endpoint: LocalEndpoint): number | undefined {
    const place = placeOfPort(endpoint.port);
    return this.#taken.get(place) === endpoint.id ? place : undefined;
  }

  /** The endpoint is no more. */
  release(endpoint: LocalEndpoint): void {
    if (this.of(endpoint) !== undefined) this.#taken.delete(placeOfPort(endpoint.port));
  }
}

/** The place of the container at an OpenFlow port. */
export const placeOfPort = (port: number): number => (port - ports.endpointMin) % placesMax;

/** A container of a network with a way out. */
export function endpointLeaves(
  flow: FlowWriter,
  endpoint: LocalEndpoint,
  way: { readonly domain: number; readonly outside: Outside; readonly place: number },
): void {
  const { domain, outside, place } = way;
  for (const block of outside.blocks) {
    const alias = ownAliasOf(block, place);
    const from = [ofDomain(domain), { ...icmpOf(block.family), inPort: endpoint.port }, isNew];
    flow.add({ table: tables.leaving, priority: 105 }, from, {
      apply: [committed(domain, alias, tables.left)],
    });
    flow.add({ table: tables.returning, priority: 200 }, toAddress(alias), {
      apply: [loadRegister('domain', domain), tracked(domain, tables.returned)],
    });
  }
}
