/** Sites drawn at random: tenants with the same subnets, networks of each kind, containers everywhere. */
import fc from 'fast-check';
import { deriveMac, parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import { ports } from '../../../lib/datapath/pipeline/fields.ts';
import type { Peer, Segment, TrafficProfile } from '../../../lib/network/world.ts';
import type { Container, Site } from './fabric.ts';

const hostsOf = (count: number, isV6: boolean): Peer[] =>
  Array.from({ length: count }, (_none, index) => ({
    name: `host-${index + 1}`,
    number: index + 1,
    vtep: parseAddress(isV6 ? `fd00::${index + 1}` : `172.31.0.${index + 1}`),
  }));

interface DrawnSegment {
  readonly domain: number;
  readonly kind: 'vxlan' | 'vlan';
  readonly isRouted: boolean;
  readonly isAsked: boolean;
  readonly isLarge: boolean;
  readonly families: 'v4' | 'v6' | 'both';
}

function segmentOf(drawn: DrawnSegment, index: number): Segment {
  const number = index + 1;
  const v4 = parseAddress(`10.0.${number}.254`);
  const v6 = parseAddress(`fd01:0:0:${number}::fe`);
  return {
    id: `segment-${number}`,
    number,
    domain: drawn.domain,
    encapsulation:
      drawn.kind === 'vxlan'
        ? { kind: 'vxlan', vni: 1000 + number }
        : { kind: 'vlan', tag: number },
    subnets: [
      ...(drawn.families === 'v6' ? [] : [{ cidr: parseCidr(`10.0.${number}.0/24`), gateway: v4 }]),
      ...(drawn.families === 'v4'
        ? []
        : [{ cidr: parseCidr(`fd01:0:0:${number}::/64`), gateway: v6 }]),
    ],
    routed: drawn.isRouted,
    neighbours: drawn.isAsked ? 'asked' : 'answered',
    mtu: drawn.isLarge ? 1500 : 1450,
    outside: false,
    reached: false,
  };
}

/** Some containers have a limit one way, some both ways, some together; who gets what is the same. */
function profileOf(index: number): TrafficProfile | undefined {
  const way = { limit: { rate: 1000, burst: 2000 }, dscp: undefined };
  const sharedBy = index % 2 === 0 ? undefined : 7;
  if (index % 3 === 0) return undefined;
  return { key: 't:p', out: index % 3 === 1 ? way : undefined, in: way, sharedBy };
}

function containerOf(index: number, host: Peer, segment: Segment): Container {
  const of = (family: 4 | 6): IpAddress | undefined => {
    const subnet = segment.subnets.find(({ cidr }) => cidr.family === family);
    return subnet && { family, value: subnet.cidr.base + BigInt(index + 1) };
  };
  return {
    id: `c${index}`,
    host: host.name,
    segmentId: segment.id,
    port: ports.endpointMin + index,
    mac: deriveMac(undefined, `c${index}`),
    ipv4: of(4),
    ipv6: of(6),
    serves: { dhcp: false, routerAdvertisements: false },
    profile: profileOf(index),
  };
}

/** Sites. Segments of different tenants have different subnets here unless `overlap` says so. */
export const drawnSite: fc.Arbitrary<Site> = fc
  .record({
    hosts: fc.integer({ min: 1, max: 3 }),
    isV6: fc.boolean(),
    overlap: fc.boolean(),
    segments: fc.array(
      fc.record({
        domain: fc.integer({ min: 1, max: 2 }),
        kind: fc.constantFrom('vxlan', 'vxlan', 'vlan'),
        isRouted: fc.boolean(),
        isAsked: fc.boolean(),
        isLarge: fc.boolean(),
        families: fc.constantFrom('v4', 'v6', 'both'),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    places: fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 9 }),
  })
  .map(({ hosts: count, isV6, overlap, segments: drawn, places }) => {
    const hosts = hostsOf(count, isV6);
    const segments = drawn.map(segmentOf);
    if (overlap) overlapTenants(segments);
    const containers = places.map(([hostAt, segmentAt], index) =>
      containerOf(index, pick(hosts, hostAt), pick(segments, segmentAt)),
    );
    return { hosts, segments, containers };
  });

/** The first network of the second tenant gets the subnets of the first one of the first. */
function overlapTenants(segments: Segment[]): void {
  const one = segments.find(({ domain }) => domain === 1);
  const at = segments.findIndex(({ domain }) => domain === 2);
  const other = segments[at];
  if (one !== undefined && other !== undefined) segments[at] = { ...other, subnets: one.subnets };
}

/** One of a list. */
export function pick<T>(list: readonly T[], at: number): T {
  const one = list[at % list.length];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}
