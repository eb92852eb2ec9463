/** Who gets what: the pipelines of whole sites, judged by a dumb model that knows no flows. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkLocalOf, type IpAddress } from '../../../lib/ip/ip.ts';
import { macNumber } from '../../../lib/datapath/pipeline/addresses.ts';
import { cookieKinds } from '../../../lib/datapath/pipeline/fields.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import type { Segment } from '../../../lib/network/world.ts';
import { drawnSite, pick } from './drawn-site.ts';
import { Fabric, type Container, type Receipt, type Site } from './fabric.ts';
import { arpQuestion, broadcast, ipPacket, ndQuestion } from './frames.ts';
import type { Packet } from './interpreter.ts';

const runs = { numRuns: 300 };
const drawn = fc.tuple(drawnSite, fc.nat(), fc.nat());
const anywhere: IpAddress = { family: 4, value: 0x0808_0808n };

/** The dumb model. */
const segmentOf = (site: Site, { segmentId }: Container): Segment => {
  const segment = site.segments.find(({ id }) => id === segmentId);
  if (segment === undefined) throw new Error(`no ${segmentId}`);
  return segment;
};
const addressesOf = ({ ipv4, ipv6 }: Container) =>
  [ipv4, ipv6].filter((each) => each !== undefined);
const has = (container: Container, { family, value }: IpAddress): boolean =>
  addressesOf(container).some((each) => each.family === family && each.value === value);
const gatewayOf = ({ subnets }: Segment, family: 4 | 6): IpAddress | undefined =>
  subnets.find(({ cidr }) => cidr.family === family)?.gateway;
const tagOf = ({ encapsulation }: Segment): number | undefined =>
  encapsulation.kind === 'vlan' && encapsulation.tag !== 'native' ? encapsulation.tag : undefined;
const neighboursOf = (site: Site, from: Container): Container[] =>
  site.containers.filter((each) => each.segmentId === from.segmentId && each !== from);

const names = (receipts: readonly Receipt[]): string[] => receipts.map(({ to }) => to).toSorted();
/** A tag is written on the wire with its bit that says there is one. */
const wireName = (tag: number): string => `wire:${0x1000 | tag}`;
const macOf = (mac: string): bigint => BigInt(macNumber(mac));

function send(site: Site, at: number): { fabric: Fabric; from: Container; segment: Segment } {
  const from = pick(site.containers, at);
  return { fabric: new Fabric(site), from, segment: segmentOf(site, from) };
}

describe('a packet to an address', () => {
  it('reaches its owner in the network, or routed in the tenant, once, and nobody else', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt, toAt]) => {
        const { fabric, from, segment } = send(site, fromAt);
        const to = pick(site.containers, toAt);
        if (to === from) return;
        for (const target of addressesOf(to)) {
          const source = addressesOf(from).find(({ family }) => family === target.family);
          if (source === undefined) continue;
          const owner = neighboursOf(site, from).find((each) => has(each, target));
          const isNear = owner !== undefined;
          const toMac = isNear ? owner.mac : gatewayMac;
          const receipts = fabric.send(
            from,
            ipPacket({ fromMac: from.mac, toMac, from: source, to: target }),
          );
          expect(names(receipts)).toEqual(expectedReceivers(site, { from, segment, target }));
          for (const { to: name, packet } of receipts) {
            if (name === 'agent') continue;
            expect(packet.fields.ipTtl).toBe(isNear ? 64n : 63n);
            expect(packet.fields.ethSrc).toBe(isNear ? macOf(from.mac) : macOf(gatewayMac));
          }
        }
      }),
      runs,
    );
  });
});

describe('a gateway', () => {
  /** The container's address of a family that its network routes, with the gateway. */
  const routedPairs = (site: Site, from: Container) =>
    addressesOf(from).flatMap((source) => {
      const segment = segmentOf(site, from);
      const gateway = segment.routed ? gatewayOf(segment, source.family) : undefined;
      return gateway === undefined ? [] : [{ source, gateway }];
    });

  it('answers pings, even with the last hop', () => {
    fc.assert(
      fc.property(drawn, fc.constantFrom(1n, 64n), ([site, fromAt], ipTtl) => {
        const { fabric, from } = send(site, fromAt);
        for (const { source, gateway } of routedPairs(site, from)) {
          const ends = { fromMac: from.mac, toMac: gatewayMac, from: source, to: gateway };
          const echo =
            source.family === 4
              ? { ipProto: 1n, icmpType: 8n, udpSrc: 0n, udpDst: 0n }
              : { ipProto: 58n, icmpv6Type: 128n, udpSrc: 0n, udpDst: 0n };
          const [answer, ...more] = fabric.send(from, ipPacket(ends, { ...echo, ipTtl }));
          expect(more).toEqual([]);
          expect(answer).toMatchObject({
            to: 'self',
            packet: {
              fields: {
                ethDst: macOf(from.mac),
                ethSrc: macOf(gatewayMac),
                ipTtl: 64n,
                ...(source.family === 4
                  ? { ipv4Src: gateway.value, ipv4Dst: source.value, icmpType: 0n }
                  : { ipv6Src: gateway.value, ipv6Dst: source.value, icmpv6Type: 129n }),
              },
            },
          });
        }
      }),
      runs,
    );
  });

  it('says so when the hops are used up, when nobody has the address, when it is too big', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt, toAt]) => {
        const { fabric, from } = send(site, fromAt);
        const far = pick(site.containers, toAt);
        const into = segmentOf(site, far);
        for (const { source } of routedPairs(site, from)) {
          const to = addressesOf(far).find(({ family }) => family === source.family);
          const sendTo = (target: IpAddress, more: Packet['fields'], length = 100) => {
            const ends = { fromMac: from.mac, toMac: gatewayMac, from: source, to: target };
            return fabric.send(from, ipPacket(ends, more, length)).map(({ why }) => why);
          };
          const nobody = { family: source.family, value: source.value + 200n };
          expect(sendTo(nobody, {})).toEqual([cookieKinds.unreachable]);
          expect(sendTo(nobody, { ipTtl: 1n })).toEqual([cookieKinds.timeExceeded]);
          const { domain } = segmentOf(site, from);
          if (to === undefined || !into.routed || into.domain !== domain) continue;
          const largest = Math.max(
            ...site.segments.filter((each) => each.domain === domain).map(({ mtu }) => mtu),
          );
          const complaints = fabric
            .send(
              from,
              ipPacket(
                { fromMac: from.mac, toMac: gatewayMac, from: source, to },
                {},
                largest + 15,
              ),
            )
            .filter(({ to: name }) => name === 'agent');
          const why = complaints.map((each) => each.why);
          for (const { packet } of complaints) {
            expect(packet.fields.ethSrc).toBe(macOf(from.mac));
            expect(packet.fields.ethDst).toBe(macOf(gatewayMac));
          }
          // an address that two networks have may be nearer
          const isAmbiguous = site.containers.filter((each) => has(each, to)).length > 1;
          if (!isAmbiguous) expect(why).toEqual(largest > into.mtu ? [cookieKinds.tooBig] : []);
        }
      }),
      runs,
    );
  });
});

/** Whom a packet reaches whose sender does as a host does: near by MAC, else by the gateway. */
function expectedReceivers(
  site: Site,
  { from, segment, target }: { from: Container; segment: Segment; target: IpAddress },
): string[] {
  const near = neighboursOf(site, from).find((each) => has(each, target));
  if (near !== undefined) return passesWire(segment, from, near);
  const far = site.containers.find((each) => {
    const { domain, routed } = segmentOf(site, each);
    return domain === segment.domain && routed && has(each, target);
  });
  // the gateway's MAC is nobody's in a network that is not routed, but no flow minds: the tenant decides
  if (far === undefined) return ['agent'];
  return passesWire(segmentOf(site, far), from, far);
}

/** What goes to another host by the wire is seen there. */
function passesWire(segment: Segment, from: Container, to: Container): string[] {
  const tag = tagOf(segment);
  return tag === undefined || from.host === to.host ? [to.id] : [to.id, wireName(tag)].toSorted();
}

describe('a question for an address', () => {
  it('is answered with the MAC of its owner, or of the gateway, and heard by nobody else', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt, toAt]) => {
        const { fabric, from, segment } = send(site, fromAt);
        const to = pick(site.containers, toAt);
        for (const target of [...addressesOf(to), linkLocalOf(to.mac), anywhere]) {
          if (!addressesOf(from).some(({ family }) => family === target.family)) continue;
          if (to === from) continue;
          const receipts = fabric.send(from, question(from, target));
          judgeAnswer(site, { from, segment, target, receipts });
        }
      }),
      runs,
    );
  });

  it('is answered for a gateway of ours, and for no other', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt]) => {
        const { fabric, from, segment } = send(site, fromAt);
        for (const { family } of addressesOf(from)) {
          const gateway = gatewayOf(segment, family);
          if (gateway === undefined) continue;
          const receipts = fabric.send(from, question(from, gateway));
          const answers = receipts.filter(({ to }) => to === 'self');
          expect(answers).toHaveLength(segment.routed ? 1 : 0);
          if (segment.routed) expect(answeredMac(answers)).toBe(macOf(gatewayMac));
        }
      }),
      runs,
    );
  });

  it('is not answered when it is for the own address', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt]) => {
        const { fabric, from, segment } = send(site, fromAt);
        if (segment.neighbours === 'asked') return;
        for (const own of addressesOf(from)) {
          const unsure = { ...from, ipv4: undefined };
          expect(fabric.send(from, question(from, own))).toEqual([]);
          if (own.family === 4) expect(fabric.send(from, question(unsure, own))).toEqual([]);
        }
      }),
      runs,
    );
  });
});

const question = (from: { mac: string; ipv4?: IpAddress | undefined }, target: IpAddress): Packet =>
  target.family === 4 ? arpQuestion(from, target.value) : ndQuestion(from, target.value);

const answeredMac = ([answer]: readonly Receipt[]): bigint | undefined =>
  answer?.packet.fields.ethType === 0x806n
    ? answer.packet.fields.arpSha
    : answer?.packet.fields.ndSll;

function judgeAnswer(
  site: Site,
  seen: { from: Container; segment: Segment; target: IpAddress; receipts: readonly Receipt[] },
): void {
  const { from, segment, target, receipts } = seen;
  const owner = neighboursOf(site, from).find(
    (each) =>
      has(each, target) ||
      (each.ipv6 !== undefined && linkLocalOf(each.mac).value === target.value),
  );
  if (segment.neighbours === 'answered' && owner !== undefined) {
    expect(names(receipts)).toEqual(['self']);
    expect(answeredMac(receipts)).toBe(macOf(owner.mac));
    if (target.family === 6) {
      // asked back for the own address, by the one that was asked for
      const { ndTarget, ipv6Dst, ipv6Src } = receipts[0]?.packet.fields ?? {};
      expect([ndTarget, ipv6Dst]).toEqual([from.ipv6?.value, from.ipv6?.value]);
      expect(ipv6Src).toBe(target.value);
    }
    return;
  }
  const tag = tagOf(segment);
  const isAsked = segment.neighbours === 'asked' || tag !== undefined;
  const all = neighboursOf(site, from).map(({ id }) => id);
  const wire = tag === undefined ? [] : [wireName(tag)];
  expect(names(receipts)).toEqual(isAsked ? [...all, ...wire].toSorted() : []);
}

describe('a broadcast', () => {
  it('reaches every container of the network once, and the wire of a VLAN', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt]) => {
        const { fabric, from, segment } = send(site, fromAt);
        const tag = tagOf(segment);
        const all = neighboursOf(site, from).map(({ id }) => id);
        const wire = tag === undefined ? [] : [wireName(tag)];
        expect(names(fabric.send(from, broadcast(from)))).toEqual([...all, ...wire].toSorted());
      }),
      runs,
    );
  });

  it('of a machine on the wire reaches the containers of its VLAN once, and nothing goes back', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt]) => {
        const { fabric, from, segment } = send(site, fromAt);
        const tag = tagOf(segment) ?? 4000;
        const machine = {
          mac: '02:aa:00:00:00:01',
          ipv4: { family: 4, value: 0x0a00_00f0n } as const,
        };
        const frame = broadcast(machine);
        const fields = { ...frame.fields, vlanVid: BigInt(0x1000 | tag) };
        const all = site.containers.filter((each) => each.segmentId === from.segmentId);
        expect(names(fabric.sendFromWire({ ...frame, fields }))).toEqual(
          tagOf(segment) === undefined ? [] : all.map(({ id }) => id).toSorted(),
        );
      }),
      runs,
    );
  });
});

describe('a hostile container', () => {
  const lies: readonly [string, (packet: Packet, site: Site, from: Container) => Packet][] = [
    ['a MAC that is not its own', (packet) => changed(packet, { ethSrc: 0x02aa_0000_0002n })],
    [
      'an address that is not its own',
      (packet) => changed(packet, { ipv4Src: 0x0a00_0163n, ipv6Src: 99n }),
    ],
    ['a tag', (packet) => changed(packet, { vlanVid: 0x1001n })],
    [
      'what a DHCP server sends',
      (packet) => changed(packet, { udpSrc: packet.fields.ethType === 0x800n ? 67n : 547n }),
    ],
    ['a router advertisement', (packet) => icmp6(packet, 134n)],
    ['a redirect', (packet) => icmp6(packet, 137n)],
    [
      'an advertisement of an address of somebody else',
      (packet) => icmp6(packet, 136n, { ndTarget: 77n }),
    ],
    [
      'an advertisement with the MAC of somebody else',
      (packet, _site, from) =>
        icmp6(packet, 136n, { ndTarget: from.ipv6?.value ?? 0n, ndTll: 0x02aa_0000_0003n }),
    ],
    [
      'a solicitation with the MAC of somebody else',
      (packet, _site, from) =>
        icmp6(packet, 135n, { ndTarget: from.ipv6?.value ?? 0n, ndSll: 0x02aa_0000_0003n }),
    ],
  ];

  it.each(lies)('reaches nobody with %s', (_what, lie) => {
    fc.assert(
      fc.property(drawn, ([site, fromAt, toAt]) => {
        const { fabric, from } = send(site, fromAt);
        const to = pick([...neighboursOf(site, from), from], toAt);
        for (const source of addressesOf(from)) {
          const target = addressesOf(to).find(({ family }) => family === source.family) ?? source;
          for (const toMac of [to.mac, 'ff:ff:ff:ff:ff:ff', gatewayMac]) {
            const honest = ipPacket({ fromMac: from.mac, toMac, from: source, to: target });
            expect(fabric.send(from, lie(honest, site, from))).toEqual([]);
          }
        }
      }),
      runs,
    );
  });

  it('reaches nobody with an ARP answer for somebody else', () => {
    fc.assert(
      fc.property(drawn, ([site, fromAt, toAt]) => {
        const { fabric, from } = send(site, fromAt);
        const to = pick(site.containers, toAt);
        if (from.ipv4 === undefined || to.ipv4 === undefined || to === from) return;
        const honest = arpQuestion(from, to.ipv4.value);
        for (const arpOp of [1n, 2n]) {
          const lie = changed(honest, { arpOp, arpSpa: to.ipv4.value + 100n });
          expect(fabric.send(from, lie)).toEqual([]);
          expect(fabric.send(from, changed(honest, { arpOp, arpSha: 0x02aan }))).toEqual([]);
        }
      }),
      runs,
    );
  });
});

const changed = (packet: Packet, fields: Packet['fields']): Packet => ({
  ...packet,
  fields: { ...packet.fields, ...fields },
});

const icmp6 = (packet: Packet, icmpv6Type: bigint, more: Packet['fields'] = {}): Packet =>
  changed(packet, {
    ethType: 0x86ddn,
    ipProto: 58n,
    udpSrc: 0n,
    udpDst: 0n,
    icmpv6Type,
    ...more,
  });
