/** Limits and marks: which meters a packet goes through, and with what mark it arrives. */
import { describe, expect, it } from 'vitest';
import type { Meter } from '../../../lib/datapath/openflow/codec/flow.ts';
import { meters, ports } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { deriveMac, parseAddress, parseCidr } from '../../../lib/ip/ip.ts';
import type { LocalEndpoint, Segment, TrafficProfile, Way } from '../../../lib/network/world.ts';
import { arpQuestion, broadcast, ipPacket } from './frames.ts';
import { unitsOf } from './fabric.ts';
import { PaperSwitch } from './interpreter.ts';

const segment: Segment = {
  id: 's',
  number: 1,
  domain: 1,
  encapsulation: { kind: 'vxlan', vni: 1 },
  subnets: [{ cidr: parseCidr('10.0.0.0/24'), gateway: undefined }],
  routed: true,
  neighbours: 'asked',
  mtu: 1450,
  outside: false,
  reached: false,
};

function endpoint(index: number, profile?: TrafficProfile): LocalEndpoint {
  return {
    id: `c${index}`,
    segmentId: 's',
    port: ports.endpointMin + index,
    mac: deriveMac(undefined, `c${index}`),
    ipv4: parseAddress(`10.0.0.${index}`),
    ipv6: parseAddress(`fd00::${index}`),
    serves: { dhcp: false, routerAdvertisements: false },
    ...(profile === undefined ? {} : { profile }),
  };
}

const limited = (rate: number, dscp?: number): Way => ({ limit: { rate, burst: rate }, dscp });
const profile = (given: Partial<TrafficProfile>): TrafficProfile => ({
  key: 't:p',
  out: undefined,
  in: undefined,
  sharedBy: undefined,
  ...given,
});

/** A host with these endpoints. */
function hostWith(endpoints: readonly LocalEndpoint[]) {
  const pipeline = new Pipeline();
  pipeline.setSegment(segment);
  for (const each of endpoints) pipeline.setLocal(each);
  const units = unitsOf(pipeline);
  const flowCount = units.reduce((sum, { flows }) => sum + flows.length, 0);
  const limits = units.flatMap((unit) => unit.meters).filter(({ unit }) => unit === 'kilobits');
  return { paper: new PaperSwitch(units), limits, flowCount };
}

/** What one endpoint sends another, as it arrives: meters in order, and the mark. */
function sent(endpoints: readonly LocalEndpoint[], family: 4 | 6) {
  const [from, to] = endpoints;
  const source = family === 4 ? from?.ipv4 : from?.ipv6;
  const target = family === 4 ? to?.ipv4 : to?.ipv6;
  if (from === undefined || to === undefined || source === undefined || target === undefined) {
    throw new Error('two endpoints are needed');
  }
  const packet = ipPacket({ fromMac: from.mac, toMac: to.mac, from: source, to: target });
  const arrived = hostWith(endpoints).paper.run(from.port, packet);
  return arrived.map(({ port, meters: passed, packet: { fields } }) => ({
    port,
    passed,
    dscp: Number(fields.ipDscp ?? 0n),
  }));
}

const port = (index: number): number => ports.endpointMin + index;

describe.each([4, 6] as const)('a packet of IPv%d', (family) => {
  it('goes through no meter and keeps its mark where nobody has a profile', () => {
    expect(sent([endpoint(1), endpoint(2)], family)).toEqual([
      { port: port(2), passed: [], dscp: 0 },
    ]);
  });

  it('goes through the meter of who sends it, then through that of who gets it', () => {
    const from = endpoint(1, profile({ out: limited(1000), in: limited(3) }));
    const to = endpoint(2, profile({ in: limited(2000), out: limited(4) }));
    const passed = [meters.endpoint(port(1), 'out'), meters.endpoint(port(2), 'in')];
    expect(sent([from, to], family)).toEqual([{ port: port(2), passed, dscp: 0 }]);
  });

  it('goes through the meters of groups where endpoints share them', () => {
    const from = endpoint(1, profile({ out: limited(1000), sharedBy: 8 }));
    const to = endpoint(2, profile({ in: limited(2000), sharedBy: 9 }));
    const passed = [meters.group(8, 'out'), meters.group(9, 'in')];
    expect(sent([from, to], family)).toEqual([{ port: port(2), passed, dscp: 0 }]);
  });

  it('is marked by who sends it, and again by who gets it', () => {
    const marks = { limit: undefined, dscp: 46 };
    const from = endpoint(1, profile({ out: marks }));
    expect(sent([from, endpoint(2)], family)).toEqual([{ port: port(2), passed: [], dscp: 46 }]);
    const to = endpoint(2, profile({ in: limited(5, 10) }));
    const passed = [meters.endpoint(port(2), 'in')];
    expect(sent([from, to], family)).toEqual([{ port: port(2), passed, dscp: 10 }]);
  });
});

describe('what is for all', () => {
  it('counts for who sends it and reaches all: one full meter must not end the copies of others', () => {
    const from = endpoint(1, profile({ out: limited(1000) }));
    const others = [2, 3].map((index) => endpoint(index, profile({ in: limited(1) })));
    const { paper } = hostWith([from, ...others, endpoint(4)]);
    const question = arpQuestion(from, 0x0a00_0063n);
    for (const packet of [question, broadcast(from)]) {
      const arrived = paper.run(from.port, packet);
      expect(arrived.map((each) => each.port)).toEqual([port(2), port(3), port(4)]);
      for (const { meters: passed } of arrived) {
        expect(passed).toEqual([meters.endpoint(port(1), 'out')]);
      }
    }
  });
});

describe('meters', () => {
  it('are one for each limit, with rate and burst as asked for', () => {
    const { limits } = hostWith([
      endpoint(1, profile({ out: { limit: { rate: 20_971, burst: 2_560 }, dscp: 1 } })),
      endpoint(2, profile({ in: limited(5_242), out: { limit: undefined, dscp: 1 } })),
      endpoint(3),
    ]);
    const meter = (id: number, rate: number, burst: number): Meter => ({
      id,
      unit: 'kilobits',
      burst: true,
      statistics: true,
      bands: [{ kind: 'drop', rate, burst }],
    });
    expect(limits).toEqual([
      meter(meters.endpoint(port(1), 'out'), 20_971, 2_560),
      meter(meters.endpoint(port(2), 'in'), 5_242, 5_242),
    ]);
  });

  it('have numbers of their own, whatever the port, the group and the way', () => {
    const numbers = [ports.endpointMin, ports.endpointMax, 1, 65_535].flatMap((number) =>
      (['out', 'in'] as const).flatMap((way) => [
        meters.endpoint(number, way),
        meters.group(number, way),
      ]),
    );
    expect(new Set([...numbers, meters.icmpErrors, meters.probes]).size).toBe(numbers.length + 2);
    for (const number of numbers) expect(number).toBeLessThan(0xffff_0000);
  });
});

describe('an endpoint without a profile', () => {
  it('costs nothing more than before there were any', () => {
    const alone = hostWith([endpoint(1), endpoint(2)]).flowCount;
    const limit = hostWith([endpoint(1), endpoint(2, profile({ out: limited(1) }))]).flowCount;
    const both = hostWith([
      endpoint(1),
      endpoint(2, profile({ out: limited(1), in: limited(1, 5) })),
    ]);
    // a limit of what is sent is in the flow that is there anyway
    expect(limit).toBe(alone);
    expect(both.flowCount).toBe(alone + 3);
  });
});
