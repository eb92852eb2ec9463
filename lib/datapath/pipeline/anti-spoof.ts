/**
 * A container sends from its own MAC and addresses, says of nobody else where he is, and is neither router
 * nor DHCP server unless it is to be one: tables `antiSpoof` and `conduct`. RFC 826 for ARP, RFC 5227 for
 * its probes, RFC 4861 and 4862 for neighbour discovery.
 */
import { linkLocalOf, type IpAddress } from '../../ip/ip.ts';
import { fromAddress, ipv4Number, macNumber } from './addresses.ts';
import { tables } from './fields.ts';
import {
  arp,
  arpRequest,
  dhcpv4FromServer,
  dhcpv6FromServer,
  neighbourAdvertisement,
  neighbourSolicitation,
  redirect,
  routerAdvertisement,
  unreadable6,
} from './packets.ts';
import { drop, type FlowWriter } from './unit.ts';
import type { LocalEndpoint } from '../../network/world.ts';

const source = { table: tables.antiSpoof, priority: 100 };
const allowed = { table: tables.conduct, priority: 110 };
const onward = { goto: tables.neighbours };

/** What no container does. */
export function conductBase(flow: FlowWriter): void {
  const at = { table: tables.conduct, priority: 100 };
  for (const packets of [
    dhcpv4FromServer,
    dhcpv6FromServer,
    routerAdvertisement,
    redirect,
    neighbourSolicitation,
    neighbourAdvertisement,
    ...unreadable6,
  ]) {
    flow.add(at, packets, drop);
  }
  // no link-layer address in it: nothing can be said falsely
  flow.add(allowed, [neighbourSolicitation, { ndSll: 0 }], onward);
  flow.add({ table: tables.conduct, priority: 0 }, {}, onward);
}

/** What one container may say. */
export function endpointConduct(flow: FlowWriter, endpoint: LocalEndpoint): void {
  const { port, serves, ipv4, ipv6 } = endpoint;
  const mac = macNumber(endpoint.mac);
  const from = { inPort: port, ethSrc: mac };
  const conduct = { goto: tables.conduct };
  if (ipv4 !== undefined) {
    const own = ipv4Number(ipv4);
    flow.add(source, [from, arp, { arpSha: mac, arpSpa: own }], onward);
    // is my address taken? (RFC 5227 section 2.1.1)
    flow.add(source, [from, arpRequest, { arpSha: mac, arpSpa: 0, arpTpa: own }], onward);
    flow.add(source, [from, fromAddress(ipv4)], conduct);
  }
  if (ipv6 !== undefined) {
    for (const own of [ipv6, linkLocalOf(endpoint.mac)]) ipv6Conduct(flow, endpoint, own);
    flow.add(allowed, [{ inPort: port }, neighbourSolicitation, { ndSll: mac }], onward);
  }
  if (serves.dhcp) {
    flow.add(allowed, [{ inPort: port }, dhcpv4FromServer], onward);
    flow.add(allowed, [{ inPort: port }, dhcpv6FromServer], onward);
  }
  if (serves.routerAdvertisements) {
    flow.add(allowed, [{ inPort: port }, routerAdvertisement], onward);
  }
}

function ipv6Conduct(flow: FlowWriter, endpoint: LocalEndpoint, own: IpAddress): void {
  const { port } = endpoint;
  const mac = macNumber(endpoint.mac);
  const from = { inPort: port, ethSrc: mac };
  flow.add(source, [from, fromAddress(own)], { goto: tables.conduct });
  // is my address taken? (RFC 4862 section 5.4; without a link-layer address, RFC 4861 section 4.3)
  const probe = { ipv6Src: 0n, ndTarget: own.value, ndSll: 0 };
  flow.add(source, [from, neighbourSolicitation, probe], onward);
  // of its own address, with its own MAC or with none
  for (const ndTll of [mac, 0]) {
    flow.add(
      allowed,
      [{ inPort: port }, neighbourAdvertisement, { ndTarget: own.value, ndTll }],
      onward,
    );
  }
}
