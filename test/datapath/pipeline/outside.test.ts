/** The way out of a host and the host's way in, on paper: who reaches whom, under which address. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import { macNumber } from '../../../lib/datapath/pipeline/addresses.ts';
import { cookieKinds, ports, readCookie } from '../../../lib/datapath/pipeline/fields.ts';
import { aliasOf, hostAddressOf, hostMac } from '../../../lib/datapath/pipeline/outside.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import type { LocalEndpoint, Outside, Segment } from '../../../lib/network/world.ts';
import { unitsOf } from './fabric.ts';
import { ipPacket } from './frames.ts';
import { PaperSwitch, type Packet, type Sent } from './interpreter.ts';

const outside: Outside = {
  blocks: [parseCidr('169.254.64.0/18'), parseCidr('fd00:9::/64')],
  vxlanPort: 4789,
};
const [block4, block6] = outside.blocks;
const blockOf = (family: 4 | 6) => {
  const block = family === 4 ? block4 : block6;
  if (block === undefined) throw new Error('no block');
  return block;
};
const hostAddress = (family: 4 | 6) => hostAddressOf(blockOf(family));
const beyond = (family: 4 | 6) => parseAddress(family === 4 ? '192.0.2.9' : '2001:db8::9');

/** Network `number` of a tenant. All tenants have the same subnets. */
const segmentOf = (domain: number, number: number, more: Partial<Segment> = {}): Segment => ({
  id: `t${domain}n${number}`,
  number: domain * 10 + number,
  domain,
  encapsulation: { kind: 'vxlan', vni: domain * 10 + number },
  subnets: [
    { cidr: parseCidr(`10.0.${number}.0/24`), gateway: parseAddress(`10.0.${number}.254`) },
    { cidr: parseCidr(`fd01:0:0:${number}::/64`), gateway: parseAddress(`fd01:0:0:${number}::fe`) },
  ],
  routed: true,
  neighbours: 'answered',
  mtu: 1450,
  outside: true,
  reached: false,
  ...more,
});

const containerOf = (segment: Segment, at: number): LocalEndpoint => {
  const number = segment.number % 10;
  return {
    id: `${segment.id}c${at}`,
    segmentId: segment.id,
    port: ports.endpointMin + (segment.domain % 10) * 100 + number * 10 + at,
    mac: `02:00:00:00:0${segment.domain % 10}:${number}${at}`,
    ipv4: parseAddress(`10.0.${number}.${at}`),
    ipv6: parseAddress(`fd01:0:0:${number}::${at}`),
    serves: { dhcp: false, routerAdvertisements: false },
  };
};

/** Two tenants with two networks each, of which one has no way out; and a network of the host's own. */
const own = segmentOf(8193, 3, { encapsulation: { kind: 'none' }, outside: false, reached: true });
const segments = [
  segmentOf(1, 1),
  segmentOf(1, 2, { outside: false }),
  segmentOf(2, 1),
  segmentOf(2, 2, { outside: false }),
  own,
];
const containers = segments.flatMap((segment) => [1, 2].map((at) => containerOf(segment, at)));
const segmentAt = ({ segmentId }: LocalEndpoint): Segment => {
  const segment = segments.find(({ id }) => id === segmentId);
  if (segment === undefined) throw new Error(`no ${segmentId}`);
  return segment;
};

function paper(): PaperSwitch {
  const pipeline = new Pipeline();
  pipeline.setOutside(outside);
  for (const segment of segments) pipeline.setSegment(segment);
  for (const container of containers) pipeline.setLocal(container);
  return new PaperSwitch(unitsOf(pipeline));
}

const addressOf = (container: LocalEndpoint, family: 4 | 6): IpAddress => {
  const address = family === 4 ? container.ipv4 : container.ipv6;
  if (address === undefined) throw new Error('no address');
  return address;
};

/** From a container by its gateway. */
const leaving = (from: LocalEndpoint, to: IpAddress, more: Packet['fields'] = {}) =>
  ipPacket({ fromMac: from.mac, toMac: gatewayMac, from: addressOf(from, to.family), to }, more);
/** From the host's port. */
const entering = (from: IpAddress, to: IpAddress, more: Packet['fields'] = {}) =>
  ipPacket({ fromMac: hostMac, toMac: gatewayMac, from, to }, more);
const ends = ({ packet: { fields } }: Sent) => ({
  from: fields.ethType === 0x800n ? fields.ipv4Src : fields.ipv6Src,
  to: fields.ethType === 0x800n ? fields.ipv4Dst : fields.ipv6Dst,
});
const answerPorts = { udpSrc: 53n, udpDst: 4000n };

const drawn = fc.record({
  from: fc.constantFrom(...containers),
  other: fc.constantFrom(...containers),
  family: fc.constantFrom(4 as const, 6 as const),
});

describe('the way out', () => {
  it("leads to the host's port under the tenant's address, and answers to who asked", () => {
    fc.assert(
      fc.property(drawn, ({ from, family }) => {
        const bridge = paper();
        const segment = segmentAt(from);
        const sent = bridge.run(from.port, leaving(from, beyond(family)));
        if (!segment.outside) {
          expect(sent.map(({ port, cookie }) => [port, readCookie(cookie)?.kind])).toEqual([
            [0xffff_fffd, cookieKinds.unreachable],
          ]);
          return;
        }
        const alias = aliasOf(blockOf(family), segment.domain);
        const [out, ...more] = sent;
        expect(more).toEqual([]);
        expect(out).toMatchObject({ port: ports.host });
        expect(out && ends(out)).toEqual({ from: alias.value, to: beyond(family).value });
        expect(out?.packet.fields).toMatchObject({
          ethDst: BigInt(macNumber(hostMac)),
          ethSrc: BigInt(macNumber(gatewayMac)),
          ipTtl: 63n,
        });
        const back = bridge.run(ports.host, entering(beyond(family), alias, answerPorts));
        expect(back.map(({ port }) => port)).toEqual([from.port]);
        expect(back.map(ends)).toEqual([
          { from: beyond(family).value, to: addressOf(from, family).value },
        ]);
      }),
    );
  });

  it('lets nobody in who was not asked, whatever the address', () => {
    const target = fc.oneof(
      fc.integer({ min: 0, max: 0x3fff }).map((at) => (family: 4 | 6) => ({
        family,
        value: blockOf(family).base + BigInt(at),
      })),
      fc.constantFrom(...containers).map((each) => (family: 4 | 6) => addressOf(each, family)),
    );
    fc.assert(
      fc.property(drawn, target, fc.boolean(), ({ from, family }, to, isAsked) => {
        const bridge = paper();
        if (isAsked) bridge.run(from.port, leaving(from, beyond(family)));
        const stranger = { family, value: beyond(family).value + 1n };
        expect(bridge.run(ports.host, entering(stranger, to(family), answerPorts))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('gives each container that pings an address of its own, since identifiers may be the same', () => {
    fc.assert(
      fc.property(drawn, ({ from, other, family }) => {
        const bridge = paper();
        const [echo, answer] =
          family === 4
            ? [
                { ipProto: 1n, icmpType: 8n, icmpCode: 0n },
                { ipProto: 1n, icmpType: 0n, icmpCode: 0n },
              ]
            : [
                { ipProto: 58n, icmpv6Type: 128n, icmpv6Code: 0n },
                { ipProto: 58n, icmpv6Type: 129n, icmpv6Code: 0n },
              ];
        const pinging = [...new Set([from, other])].filter((each) => segmentAt(each).outside);
        const seen = pinging.map((each) => {
          const [out] = bridge.run(each.port, leaving(each, beyond(family), echo));
          if (out === undefined) throw new Error('no way out');
          return { each, source: ends(out).from ?? 0n };
        });
        const tenants = [1, 2].map((domain) => aliasOf(blockOf(family), domain).value);
        for (const { source } of seen) expect(tenants).not.toContain(source);
        expect(new Set(seen.map(({ source }) => source)).size).toBe(pinging.length);
        for (const { each, source } of seen) {
          const back = bridge.run(
            ports.host,
            entering(beyond(family), { family, value: source }, { ...answer, ...answerPorts }),
          );
          expect(back.map(({ port }) => port)).toEqual([each.port]);
          expect(back.map(ends).map(({ to }) => to)).toEqual([addressOf(each, family).value]);
        }
      }),
    );
  });

  it("pings under the tenant's address when another container has its place", () => {
    const pipeline = new Pipeline();
    pipeline.setOutside(outside);
    const segment = segmentOf(1, 1);
    pipeline.setSegment(segment);
    const first = containerOf(segment, 1);
    const second = { ...containerOf(segment, 2), port: first.port + 4_093 };
    for (const each of [first, second]) pipeline.setLocal(each);
    const echo = { ipProto: 1n, icmpType: 8n, icmpCode: 0n };
    const sourceOf = (bridge: PaperSwitch, each: LocalEndpoint) =>
      bridge
        .run(each.port, leaving(each, beyond(4), echo))
        .map(ends)
        .map(({ from }) => from);
    const bridge = new PaperSwitch(unitsOf(pipeline));
    const tenant = aliasOf(blockOf(4), 1).value;
    expect(sourceOf(bridge, second)).toEqual([tenant]);
    expect(sourceOf(bridge, first)).not.toEqual([tenant]);
  });

  it("leads to the host's address of the block, and to no other of it", () => {
    fc.assert(
      fc.property(drawn, fc.integer({ min: 0, max: 0x3fff }), ({ from, family }, at) => {
        const bridge = paper();
        const segment = segmentAt(from);
        const host = hostAddress(family);
        const target = { family, value: blockOf(family).base + BigInt(at) };
        const isHost = target.value === host.value;
        for (const [to, isReached] of [
          [host, segment.outside],
          [target, segment.outside && isHost],
        ] as const) {
          const sent = bridge.run(from.port, leaving(from, to));
          expect(sent.some(({ port }) => port === ports.host)).toBe(isReached);
        }
      }),
    );
  });

  it('does not lead to the UDP port of VXLAN', () => {
    for (const family of [4, 6] as const) {
      const from = containers[0];
      if (from === undefined) throw new Error('no container');
      const tunnelled = leaving(from, beyond(family), { udpDst: 4789n });
      expect(paper().run(from.port, tunnelled)).toEqual([]);
    }
  });
});

describe('the host', () => {
  it('reaches containers of its own networks as their gateway, and only the host does', () => {
    fc.assert(
      fc.property(drawn, ({ other: to, family }) => {
        const bridge = paper();
        const segment = segmentAt(to);
        const gateway = segment.subnets.find(({ cidr }) => cidr.family === family)?.gateway;
        if (gateway === undefined) throw new Error('no gateway');
        const call = entering(hostAddress(family), addressOf(to, family));
        const sent = bridge.run(ports.host, call);
        expect(sent.map(({ port }) => port)).toEqual(segment.reached ? [to.port] : []);
        if (!segment.reached) return;
        expect(sent.map(ends)).toEqual([{ from: gateway.value, to: addressOf(to, family).value }]);
        const answer = bridge.run(to.port, leaving(to, gateway, answerPorts));
        expect(answer.map(({ port }) => port)).toEqual([ports.host]);
        expect(answer.map(ends)).toEqual([
          { from: addressOf(to, family).value, to: hostAddress(family).value },
        ]);
      }),
    );
  });

  it('takes only answers at the address of a gateway', () => {
    for (const family of [4, 6] as const) {
      const from = containerOf(own, 1);
      const gateway = own.subnets.find(({ cidr }) => cidr.family === family)?.gateway;
      if (gateway === undefined) throw new Error('no gateway');
      const sent = paper().run(from.port, leaving(from, gateway));
      expect(sent.map(({ cookie }) => readCookie(cookie)?.kind)).toEqual([cookieKinds.unreachable]);
    }
  });
});

describe('changes', () => {
  it('take the way out along when it is gone, and bring it back', () => {
    const pipeline = new Pipeline();
    for (const segment of segments) pipeline.setSegment(segment);
    for (const container of containers) pipeline.setLocal(container);
    const kept = new Map(pipeline.take());
    const present = () => new Map([...kept].filter(([, unit]) => unit !== undefined));
    const before = present();
    const follow = () => {
      for (const [key, unit] of pipeline.take()) {
        if (unit === undefined) kept.delete(key);
        else kept.set(key, unit);
      }
    };
    pipeline.setOutside(outside);
    follow();
    expect(present()).not.toEqual(before);
    pipeline.setOutside(undefined);
    follow();
    expect(present()).toEqual(before);
  });
});
