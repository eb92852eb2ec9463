/** Which packets the agent sees because they ask for names: only while it says so, and each once. */
import { describe, expect, it } from 'vitest';
import { nameLampSeconds } from '../../../lib/limits.ts';
import { reservedPort } from '../../../lib/datapath/openflow/codec/flow.ts';
import { cookieKinds, meters, readCookie } from '../../../lib/datapath/pipeline/fields.ts';
import { nameLamp } from '../../../lib/datapath/pipeline/names.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { flowsOnly } from '../../../lib/datapath/pipeline/unit.ts';
import { parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import type { LocalEndpoint, Segment } from '../../../lib/network/world.ts';
import { unitsOf } from './fabric.ts';
import { ipPacket } from './frames.ts';
import { PaperSwitch, type Packet } from './interpreter.ts';

const segment = (domain: number): Segment => ({
  ...{ id: `s${domain}`, number: domain, domain, mtu: 1_450 },
  encapsulation: { kind: 'vxlan', vni: domain },
  subnets: [{ cidr: parseCidr('10.0.0.0/24'), gateway: undefined }],
  ...{ routed: false, neighbours: 'answered', outside: false, reached: false },
});
const container = (port: number, segmentId: string): LocalEndpoint => ({
  ...{ id: `c${port}`, segmentId, port, mac: `02:00:00:00:00:${port - 100}` },
  ipv4: parseAddress(`10.0.0.${port - 100}`),
  ipv6: parseAddress(`fd00::${port - 100}`),
  serves: { dhcp: false, routerAdvertisements: false },
});
/** Of the site, and (by its number) of this host alone. */
const [shared, own] = [segment(5), segment(8_192)];
const containers = [
  container(110, shared.id),
  container(111, shared.id),
  container(120, own.id),
  container(121, own.id),
];

function bridge(...lit: readonly (typeof nameLamp)[]): PaperSwitch {
  const pipeline = new Pipeline();
  for (const each of [shared, own]) pipeline.setSegment(each);
  for (const each of containers) pipeline.setLocal(each);
  return new PaperSwitch([...unitsOf(pipeline), flowsOnly(lit)]);
}

function question(from: number, family: 4 | 6, more: Packet['fields'] = {}): Packet {
  const [source, target] = [from, from + 1].map((port) =>
    containers.find((one) => one.port === port),
  );
  const addressOf = (one: LocalEndpoint | undefined): IpAddress =>
    (family === 4 ? one?.ipv4 : one?.ipv6) ?? parseAddress('::');
  return ipPacket(
    {
      ...{ fromMac: source?.mac ?? '', toMac: target?.mac ?? '' },
      ...{ from: addressOf(source), to: addressOf(target) },
    },
    more,
  );
}
const goesTo = (on: PaperSwitch, from: number, packet: Packet) =>
  on.run(from, packet).map(({ port }) => port);
const stream = (tcpFlags: bigint) => ({ ipProto: 6n, tcpDst: 53n, tcpFlags, udpDst: 0n });
const lit = bridge(nameLamp);
const dark = bridge();

describe.each([4, 6] as const)('questions by IPv%d', (family) => {
  it('go to the agent while it says so, and where they were meant to go otherwise', () => {
    for (const more of [{}, stream(0x18n)]) {
      expect(goesTo(lit, 110, question(110, family, more))).toEqual([reservedPort.controller]);
      expect(goesTo(dark, 110, question(110, family, more))).toEqual([111]);
    }
    const [sent] = lit.run(110, question(110, family));
    expect(sent?.meters).toContain(meters.names);
    expect(readCookie(sent?.cookie ?? 0n)?.kind).toBe(cookieKinds.nameQuery);
  });

  it('that the agent has let go are not brought to it again', () => {
    expect(goesTo(lit, 110, question(110, family, { reg0: 0x80n }))).toEqual([111]);
  });

  it('are no other packets, and none of a network of this host alone', () => {
    for (const more of [
      { udpDst: 54n },
      { udpDst: 0n, udpSrc: 53n },
      stream(0x02n),
      stream(0x10n),
    ]) {
      expect(goesTo(lit, 110, question(110, family, more))).toEqual([111]);
    }
    expect(goesTo(lit, 120, question(120, family))).toEqual([121]);
  });
});

it('what the agent says ends by itself', () => {
  expect(nameLamp.hardTimeoutS).toBe(nameLampSeconds);
});
