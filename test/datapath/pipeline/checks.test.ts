/** Answers to checks as flows on paper: they go to the agent past everything, and nothing else does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkSources } from '../../../lib/datapath/pipeline/check-frames.ts';
import { checkWay, type CheckWay } from '../../../lib/datapath/pipeline/checks.ts';
import { cookieOf, meters } from '../../../lib/datapath/pipeline/fields.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { reservedPort } from '../../../lib/datapath/openflow/codec/flow.ts';
import { formatAddress, parseAddress } from '../../../lib/ip/ip.ts';
import type { Segment, Service } from '../../../lib/network/world.ts';
import type { Container } from './fabric.ts';
import { ipPacket } from './frames.ts';
import { PaperSwitch, type Sent } from './interpreter.ts';
import {
  backend,
  containers,
  inNetwork,
  ServedFabric,
  servedSite,
  serviceIn,
} from './served-site.ts';

const check = { intervalMs: 5_000, timeoutMs: 1_000, failures: 3 };
const segmentOf = (id: string): Segment => {
  const found = servedSite.segments.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
};
const wayTo = (container: Container, service: Service): CheckWay => {
  const way = checkWay(backend(container), service, segmentOf(container.segmentId));
  if (way === undefined) throw new Error('not asked');
  return way;
};
const all = [...inNetwork(1), ...inNetwork(2), ...inNetwork(3)];

/** A service in a network, with those behind it who are checked and those who are not. */
const drawn = fc.constantFrom(1, 2, 3).chain((index) =>
  fc.record({
    index: fc.constant(index),
    behind: fc.subarray(index === 3 ? [...inNetwork(3)] : [...inNetwork(1), ...inNetwork(2)]),
    checked: fc.subarray(all),
    isAsked: fc.constantFrom(true, true, true, false),
  }),
);

describe('an answer to a check', () => {
  const site = new ServedFabric();
  const cookie = (port: number): bigint => cookieOf('check', port);
  const says = (who: Container, { from, to }: CheckWay, toPort: number): readonly Sent[] => {
    const bridge = new PaperSwitch(site.unitsOf(who.host === 'host-1' ? 0 : 1).values());
    const ends = { fromMac: who.mac, toMac: gatewayMac, from: to, to: from };
    const { fields, length } = ipPacket(ends);
    const { udpSrc: _source, udpDst: _target, ...rest } = fields;
    const tcp = { ipProto: 6n, tcpSrc: 8080n, tcpDst: BigInt(toPort) };
    return bridge.run(who.port, { length, fields: { ...rest, ...tcp } });
  };

  it('goes to the agent from who is checked, by a meter of his own, and from nobody else', () => {
    let [heard, unheard] = [0, 0];
    fc.assert(
      fc.property(
        drawn,
        fc.nat(checkSources.count - 1),
        ({ index, behind, checked, isAsked }, at) => {
          const asked = (who: Container): boolean => isAsked && checked.includes(who);
          const service = serviceIn(index, {
            id: 'web',
            ...(isAsked ? { check } : {}),
            backends: behind.map((each) => ({
              ...backend(each),
              check: asked(each) ? ('passed' as const) : undefined,
            })),
          });
          site.forget();
          site.change([service]);
          for (const who of index === 3 ? inNetwork(3) : [...inNetwork(1), ...inNetwork(2)]) {
            const way = wayTo(who, service);
            const sent = says(who, way, checkSources.first + at);
            const mine = sent.filter((each) => each.cookie === cookie(who.port));
            if (asked(who) && behind.includes(who)) {
              expect(sent).toHaveLength(1);
              expect(mine[0]).toMatchObject({
                ...{ port: reservedPort.controller, table: 0, meters: [meters.check(who.port)] },
              });
              heard += 1;
            } else {
              expect(mine).toEqual([]);
              unheard += 1;
            }
            // to another port, and by another container in his name
            for (const port of [checkSources.first - 1, checkSources.first + checkSources.count]) {
              expect(says(who, way, port).some((each) => each.cookie === cookie(who.port))).toBe(
                false,
              );
            }
            const liar = containers.find(({ host, id }) => host === who.host && id !== who.id);
            if (liar === undefined) throw new Error('alone');
            const lied = says({ ...who, port: liar.port }, way, checkSources.first);
            expect(lied.filter(({ port }) => port === reservedPort.controller)).toEqual([]);
          }
          const made = [0, 1].flatMap((host) => [...site.unitsOf(host).values()]);
          const own = made.flatMap(({ flows, meters: metered }) => [
            ...flows.filter((flow) => flow.cookie === cookie(Number(flow.match.inPort ?? 0))),
            ...metered.filter(({ id }) => id >= meters.check(0)),
          ]);
          expect(own).toHaveLength(2 * behind.filter(asked).length);
        },
      ),
      { numRuns: 150 },
    );
    expect(Math.min(heard, unheard)).toBeGreaterThan(10);
  });

  it('is the way that a container finds: to its gateway, or to the service where none is ours', () => {
    const own = serviceIn(1, { id: 'web' });
    const text = ({ from, to }: CheckWay): string => `${formatAddress(from)} ${formatAddress(to)}`;
    const [near, far] = [inNetwork(1)[0], inNetwork(2)[0]];
    const bridged = inNetwork(3)[0];
    if (near === undefined || far === undefined || bridged === undefined) throw new Error('none');
    expect(text(wayTo(near, own))).toBe('10.0.1.254 10.0.1.1');
    expect(text(wayTo(far, own))).toBe('10.0.2.254 10.0.2.1');
    const six = { ...far, ipv4: undefined };
    expect(text(wayTo(six, own))).toBe('fd01:0:0:2::fe fd01:0:0:2::1');
    const there = serviceIn(3, { id: 'web' });
    expect(text(wayTo(bridged, there))).toBe(`10.0.3.119 10.0.3.1`);
    const segment = segmentOf('t1n2');
    const bare = {
      ...segment,
      subnets: segment.subnets.map(({ cidr }) => ({ cidr, gateway: undefined })),
    };
    expect(checkWay(backend(far), own, bare)).toBeUndefined();
    const within = serviceIn(2, { id: 'web' });
    expect(checkWay(backend(far), within, bare)?.from).toEqual(parseAddress('10.0.2.119'));
    const only4 = { ...within, addresses: [parseAddress('10.0.2.119')] };
    expect(checkWay(backend(six), only4, segment)).toBeUndefined();
  });
});
