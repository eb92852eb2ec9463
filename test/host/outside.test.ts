/** What the networks of a host ask of the way out, and what flows and people are told of it. */
import { describe, expect, it } from 'vitest';
import { Conditions } from '../../lib/conditions.ts';
import type { Reachable } from '../../lib/datapath/outside/host-link.ts';
import type {
  WayOutDecision,
  WayOutOutcome,
  WayOutReach,
  WayOutWish,
} from '../../lib/datapath/outside/way-out.ts';
import { FairleadError } from '../../lib/errors.ts';
import { HostOutside } from '../../lib/host/outside.ts';
import { formatCidr, parseCidr, type IpFamily } from '../../lib/ip/ip.ts';
import { hostPortMissesMax, hostPortPendingMs } from '../../lib/limits.ts';
import type { Network } from '../../lib/model/network.ts';
import type { Outside, Segment } from '../../lib/network/world.ts';
import { HandClock } from '../plugin/stub.ts';

const blocks = [parseCidr('169.254.64.0/18'), parseCidr('fd00:9::/64')];
const network = (more: Partial<Network> = {}): Network => ({
  id: 'n',
  internal: false,
  tag: 1,
  mtu: 1500,
  subnets: [{ addressSpace: 'local', cidr: '10.64.0.0/24', auxiliary: {} }],
  options: {},
  ...more,
});
const segment = (domain: number, mtu: number, more: Partial<Segment> = {}): Segment => ({
  id: `${domain}/${mtu}`,
  number: domain,
  domain,
  encapsulation: { kind: 'none' },
  subnets: [{ cidr: parseCidr(`10.${domain % 256}.0.0/24`), gateway: undefined }],
  routed: true,
  neighbours: 'asked',
  mtu,
  outside: true,
  reached: false,
  ...more,
});

/** A way out that does as it is told, and remembers what it was asked. */
function setUp(segments: readonly Segment[] = []) {
  const told: (Outside | undefined)[] = [];
  const wishes: WayOutWish[] = [];
  const applied: (readonly Reachable[])[] = [];
  const way = {
    decision: { blocks: [], isOut: false, conflict: undefined } as WayOutDecision,
    next: { blocks, isOut: true, conflict: undefined } as WayOutDecision,
    outcome: { isPending: false, failures: new Map() } as WayOutOutcome | Error,
    async decide(wish: WayOutWish): Promise<WayOutDecision> {
      wishes.push(wish);
      way.decision = way.next;
      return way.next;
    },
    async apply({ reachable }: WayOutReach): Promise<WayOutOutcome> {
      applied.push(reachable);
      if (way.outcome instanceof Error) throw way.outcome;
      return way.outcome;
    },
  };
  const conditions = new Conditions(new HandClock());
  let decided = 0;
  const outside = new HostOutside({
    wayOut: way,
    dataPlane: { segments, setOutside: (one) => told.push(one) },
    vxlanPort: 4789,
    conditions,
    onDecided: () => (decided += 1),
  });
  const codes = () => conditions.list().map(({ code }) => code);
  return { outside, way, told, wishes, applied, codes, decidedTimes: () => decided };
}

const shared = { tenant: 'blue', network: 'web' };

describe('the way out of a host', () => {
  it.each([
    [network(), { isReached: true, isOut: false }],
    [network({ internal: true }), { isReached: true, isOut: false }],
    [network({ outside: true }), { isReached: true, isOut: true }],
    [network({ outside: false }), { isReached: true, isOut: false }],
    [network({ site: shared }), { isReached: false, isOut: true }],
    [network({ site: shared, internal: true }), { isReached: false, isOut: false }],
  ])('is wanted as networks say: %j', async (one, wish) => {
    const { outside, wishes, decidedTimes } = setUp();
    await outside.decide([one]);
    expect(wishes).toEqual([{ ...wish, subnets: ['10.64.0.0/24'] }]);
    expect(decidedTimes()).toBe(1);
  });

  it('is told to the flows when it changes, and without a family whose filter refused', async () => {
    const { outside, way, told, codes } = setUp();
    await outside.decide([network()]);
    await outside.decide([network()]);
    expect(told).toEqual([{ blocks, vxlanPort: 4789 }]);
    const refused = new FairleadError('OUTSIDE_FAILED', 'ip6tables refused our rules');
    way.outcome = { isPending: false, failures: new Map<IpFamily, FairleadError>([[6, refused]]) };
    await outside.apply([]);
    expect(told.at(-1)?.blocks.map(formatCidr)).toEqual(['169.254.64.0/18']);
    expect(codes()).toEqual(['OUTSIDE_FAILED']);
    way.outcome = new FairleadError('LINK_FAILED', 'no answer of the kernel');
    await outside.apply([]);
    expect(told.at(-1)).toBeUndefined();
    way.outcome = { isPending: false, failures: new Map() };
    await outside.apply([]);
    expect(told.at(-1)?.blocks).toEqual(blocks);
    expect(codes()).toEqual([]);
  });

  it('says what its addresses overlap', async () => {
    const { outside, way, codes } = setUp();
    way.next = { blocks: [], isOut: true, conflict: 'it overlaps' };
    await outside.decide([network()]);
    expect(codes()).toEqual(['HOST_BLOCK_CONFLICT']);
    expect(outside.hostPort()).toBeUndefined();
    way.next = { blocks, isOut: true, conflict: undefined };
    await outside.decide([network()]);
    expect(codes()).toEqual([]);
  });

  it('has a port as large as its largest network, and routes for smaller ones', async () => {
    const { outside, applied } = setUp([
      segment(1, 1450),
      segment(1, 1400),
      segment(2, 9000),
      segment(3, 1300, { outside: false }),
      segment(8193, 1500, { outside: false, reached: true }),
    ]);
    await outside.decide([network()]);
    expect(outside.hostPort()).toEqual({ mtu: 9000 });
    await outside.apply([]);
    expect(applied[0]?.map(({ destination, mtu }) => `${formatCidr(destination)} ${mtu}`)).toEqual([
      '10.1.0.0/24 1500',
      '169.254.64.1/32 1400',
      'fd00:9::1/128 1400',
    ]);
  });

  it('looks again soon while its link is not there, and has it made anew after a while', async () => {
    const { outside, way, codes } = setUp();
    await outside.decide([network()]);
    way.outcome = { isPending: true, failures: new Map() };
    for (let look = 0; look < hostPortMissesMax; look += 1) {
      expect(outside.hostPort()).toEqual({ mtu: 1500 });
      expect(await outside.apply([])).toBe(hostPortPendingMs);
    }
    expect(outside.hostPort()).toEqual({ mtu: 1500, isLost: true });
    expect(await outside.apply([])).toBeUndefined();
    expect(codes()).toEqual(['OUTSIDE_FAILED']);
    way.outcome = { isPending: false, failures: new Map() };
    await outside.apply([]);
    expect(outside.hostPort()).toEqual({ mtu: 1500 });
    expect(codes()).toEqual([]);
  });
});
