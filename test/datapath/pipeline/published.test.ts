/** Published ports on paper: who begins a conversation from outside, with whom, and as whom. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ports } from '../../../lib/datapath/pipeline/fields.ts';
import { hostAddressOf, hostMac } from '../../../lib/datapath/pipeline/outside.ts';
import { ownAliasOf, placeOfPort, placesMax } from '../../../lib/datapath/pipeline/own-alias.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { PortNumbers } from '../../../lib/datapath/port-numbers.ts';
import { parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import type { LocalEndpoint, OpenPort, Outside, Segment } from '../../../lib/network/world.ts';
import { unitsOf } from './fabric.ts';
import { ipPacket } from './frames.ts';
import { PaperSwitch, type Packet, type Sent } from './interpreter.ts';

const blocks = [parseCidr('169.254.64.0/18'), parseCidr('fd00:9::/64')] as const;
const outside: Outside = { blocks, vxlanPort: 4789 };
const blockOf = (family: 4 | 6) => blocks[family === 4 ? 0 : 1];
const open = (family: 4 | 6, protocol: OpenPort['protocol'], port: number): OpenPort => ({
  family,
  protocol,
  port,
});

/** The network of a tenant; all tenants have the same subnets. */
const segmentOf = (domain: number, isOut: boolean): Segment => ({
  id: `t${domain}`,
  number: domain,
  domain,
  encapsulation: { kind: 'vxlan', vni: domain },
  subnets: [
    { cidr: parseCidr('10.0.1.0/24'), gateway: parseAddress('10.0.1.254') },
    { cidr: parseCidr('fd01::/64'), gateway: parseAddress('fd01::fe') },
  ],
  routed: true,
  neighbours: 'answered',
  mtu: 1450,
  outside: isOut,
  reached: false,
});
const segments = [segmentOf(1, true), segmentOf(2, true), segmentOf(3, false)];
const published = [
  open(4, 'tcp', 80),
  open(6, 'tcp', 80),
  open(4, 'udp', 53),
  open(6, 'sctp', 7),
] as const;
const containers = segments.flatMap((segment) =>
  [1, 2].map((at): LocalEndpoint => ({
    id: `${segment.id}c${at}`,
    segmentId: segment.id,
    port: ports.endpointMin + segment.domain * 10 + at,
    mac: `02:00:00:00:0${segment.domain}:0${at}`,
    ipv4: parseAddress(`10.0.1.${at}`),
    ipv6: parseAddress(`fd01::${at}`),
    serves: { dhcp: false, routerAdvertisements: false },
    published: at === 1 ? published : undefined,
  })),
);
const segmentAt = ({ segmentId }: LocalEndpoint) => segments.find(({ id }) => id === segmentId);

function paper(): PaperSwitch {
  const pipeline = new Pipeline();
  pipeline.setOutside(outside);
  for (const segment of segments) pipeline.setSegment(segment);
  for (const container of containers) pipeline.setLocal(container);
  return new PaperSwitch(unitsOf(pipeline));
}

const places = { tcp: 6n, udp: 17n, sctp: 132n } as const;
const portsOf = (protocol: OpenPort['protocol'], from: bigint, to: bigint): Packet['fields'] => ({
  ipProto: places[protocol],
  [`${protocol}Src`]: from,
  [`${protocol}Dst`]: to,
});
const asked = (protocol: OpenPort['protocol'], port: number) =>
  portsOf(protocol, 4000n, BigInt(port));
const turned = (protocol: OpenPort['protocol'], port: number) =>
  portsOf(protocol, BigInt(port), 4000n);
/** As UDP it has the ports of that, too. */
function without({ fields, length }: Packet): Packet {
  const { udpSrc, udpDst, ...rest } = fields;
  if (fields.ipProto !== 17n || udpSrc === undefined || udpDst === undefined) {
    return { length, fields: rest };
  }
  return { length, fields };
}
const entering = (from: IpAddress, to: IpAddress, more: Packet['fields']) =>
  without(ipPacket({ fromMac: hostMac, toMac: gatewayMac, from, to }, more));
const ends = ({ packet: { fields } }: Sent) =>
  fields.ethType === 0x800n
    ? { from: fields.ipv4Src, to: fields.ipv4Dst }
    : { from: fields.ipv6Src, to: fields.ipv6Dst };
const aliasOf = ({ port }: LocalEndpoint, family: 4 | 6) =>
  ownAliasOf(blockOf(family), placeOfPort(port));
const client = (family: 4 | 6) => parseAddress(family === 4 ? '192.0.2.9' : '2001:db8::9');

const drawn = fc.record({
  to: fc.constantFrom(...containers),
  family: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
  port: fc.constantFrom(7, 53, 80, 81),
});
const isOpen = (to: LocalEndpoint, ...of: Parameters<typeof open>): boolean => {
  const [family, protocol, port] = of;
  const found = to.published?.some(
    (one) => one.family === family && one.protocol === protocol && one.port === port,
  );
  return segmentAt(to)?.outside === true && found === true;
};

describe('a published port', () => {
  it('lets who is outside in under his own address, and the answer back, and no other port does', () => {
    fc.assert(
      fc.property(drawn, ({ to, family, protocol, port }) => {
        const bridge = paper();
        const alias = aliasOf(to, family);
        const own = family === 4 ? to.ipv4 : to.ipv6;
        const sent = bridge.run(ports.host, entering(client(family), alias, asked(protocol, port)));
        if (!isOpen(to, family, protocol, port)) {
          expect(sent).toEqual([]);
          return;
        }
        expect(sent.map((each) => each.port)).toEqual([to.port]);
        expect(sent.map(ends)).toEqual([{ from: client(family).value, to: own?.value }]);
        const answer = ipPacket(
          {
            fromMac: to.mac,
            toMac: gatewayMac,
            from: own ?? alias,
            to: client(family),
          },
          turned(protocol, port),
        );
        const back = bridge.run(to.port, without(answer));
        expect(back.map((each) => each.port)).toEqual([ports.host]);
        expect(back.map(ends)).toEqual([{ from: alias.value, to: client(family).value }]);
      }),
      { numRuns: 300 },
    );
  });

  it('takes pieces of packets that show no ports, of its protocols only', () => {
    const [to, closed] = containers;
    if (to === undefined || closed === undefined) throw new Error('nobody');
    const piece = (family: 4 | 6, at: LocalEndpoint, ipProto: bigint) => {
      const more = { ipProto, ipFrag: 3n };
      const ends4or6 = { fromMac: hostMac, toMac: gatewayMac, from: client(family) };
      const packet = ipPacket({ ...ends4or6, to: aliasOf(at, family) }, more);
      const { udpSrc: _from, udpDst: _to, ...fields } = packet.fields;
      return paper()
        .run(ports.host, { ...packet, fields })
        .map(({ port }) => port);
    };
    // of IPv6 pieces do not say what they are
    expect([piece(4, to, 17n), piece(6, to, 44n)]).toEqual([[to.port], [to.port]]);
    expect([piece(4, to, 132n), piece(4, closed, 17n), piece(6, closed, 44n)]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it('lets nobody in who has an address of the tenant, but for the host', () => {
    for (const family of [4, 6] as const) {
      const [to, neighbour] = containers;
      if (to === undefined || neighbour === undefined) throw new Error('nobody');
      const imitated = family === 4 ? neighbour.ipv4 : neighbour.ipv6;
      if (imitated === undefined) throw new Error('no address');
      const call = (from: IpAddress) =>
        paper().run(ports.host, entering(from, aliasOf(to, family), asked('tcp', 80)));
      expect(call(imitated)).toEqual([]);
      expect(call(hostAddressOf(blockOf(family))).map(({ port }) => port)).toEqual([to.port]);
    }
  });
});

describe("the host's loopback", () => {
  it('is not reached by containers', () => {
    for (const from of containers) {
      const packet = ipPacket({
        ...{ fromMac: from.mac, toMac: gatewayMac, from: from.ipv4 ?? client(4) },
        to: parseAddress('127.0.0.1'),
      });
      const sent = paper().run(from.port, packet);
      expect(sent.filter(({ port }) => port === ports.host)).toEqual([]);
    }
  });
});

describe('numbers of ports', () => {
  it('share no place in the block while there are places', () => {
    const taken = new Set([ports.endpointMin + 1 + placesMax]);
    const numbers = new PortNumbers();
    const index = { hasNumber: (number: number) => taken.has(number) };
    const given = Array.from({ length: placesMax }, (_, at) => numbers.of(`p${at}`, index));
    const own = given.slice(0, placesMax - 1).map(placeOfPort);
    expect(new Set([...own, 1]).size).toBe(placesMax);
    expect(new Set(given).size).toBe(placesMax);
  });
});
