/** Limits on a host whose switch has meters or none, and what is read back of them. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { BridgeFlows } from '../../lib/datapath/bridge-flows.ts';
import { meters, ports } from '../../lib/datapath/pipeline/fields.ts';
import { asFairleadError } from '../../lib/errors.ts';
import { HostBandwidth, type HostBandwidthParts } from '../../lib/host/bandwidth.ts';
import { DataPlane } from '../../lib/host/data-plane.ts';
import { parseAddress } from '../../lib/ip/ip.ts';
import { silentLogger } from '../../lib/log.ts';
import type { TrafficProfile } from '../../lib/network/world.ts';
import { PaperBridge, textIdentity } from '../datapath/paper-bridge.ts';

const port = ports.endpointMin;
const profile: TrafficProfile = {
  key: 'default:p',
  out: { limit: { rate: 20_971, burst: 2_560 }, dscp: 46 },
  in: { limit: { rate: 5_242, burst: 5_242 }, dscp: undefined },
  sharedBy: undefined,
};
const segment = {
  id: 's',
  number: 1,
  domain: 1,
  encapsulation: { kind: 'none' },
  subnets: [],
  routed: false,
  neighbours: 'asked',
  mtu: 1450,
  outside: false,
  reached: false,
} as const;

/** A host with an endpoint, on a bridge of paper whose meters are as the switch says. */
async function hostWith(maxMeters: number, capabilities = 0xf) {
  const bridge = new PaperBridge();
  const flows = new BridgeFlows({
    flowSwitch: bridge,
    identity: textIdentity,
    clock: systemClock,
    log: silentLogger(),
  });
  const dataPlane = new DataPlane(flows, () => undefined);
  const conditions = new Conditions(systemClock);
  const connection = {
    onState(listener: (state: 'ready') => void) {
      listener('ready');
      return () => undefined;
    },
    flows: async ({ table }: { readonly table?: number } = {}) =>
      [...bridge.flows.values()].filter((flow) => flow.table === table).map((flow) => ({ flow })),
    meters: async () => [...bridge.meters.values()],
    ask: async ({ part }: { readonly part: string }) =>
      part === 'meterFeatures'
        ? [{ part, maxMeters, bandTypes: 2, capabilities, maxBands: 1 }]
        : [
            {
              part,
              entries: [...bridge.meters.keys()].map((meter) => ({
                ...{ meter, flows: 1, packets: 10n, bytes: 1_000n, ageS: 1 },
                bands: [{ packets: 2n, bytes: 200n }],
              })),
            },
          ],
  } as unknown as HostBandwidthParts['connection'];
  const bandwidth = new HostBandwidth({ connection, dataPlane, conditions });
  const settle = () => flows.settled(AbortSignal.timeout(5_000));
  dataPlane.take([
    { kind: 'segment', id: 's', value: segment },
    {
      kind: 'local',
      id: 'e',
      value: {
        ...{ id: 'e', segmentId: 's', mac: '02:00:00:00:00:01', linkMtu: 1450, profile },
        ...{ ipv4: parseAddress('10.0.0.1'), ipv6: undefined },
        serves: { dhcp: false, routerAdvertisements: false },
      },
    },
  ]);
  dataPlane.setPort('e', port);
  await settle();
  bandwidth.show();
  const said = () => conditions.list().map(({ code, message }) => `${code}: ${message}`);
  return { bridge, bandwidth, flows, settle, said };
}

const limits = (bridge: PaperBridge): readonly number[] =>
  [...bridge.meters.values()].filter(({ unit }) => unit === 'kilobits').map(({ id }) => id);

describe('a switch with meters', () => {
  it('does what is asked, and that is read from it', async () => {
    const { bandwidth, said, flows } = await hostWith(1000);
    expect(said()).toEqual([]);
    bandwidth.require('e');
    const counted = { packets: 10, bytes: 1_000, droppedPackets: 2, droppedBytes: 200 };
    expect(await bandwidth.read()).toEqual([
      {
        endpointId: 'e',
        netprofile: 'default:p',
        isShared: false,
        sends: {
          asked: { rate: 20_971, burst: 2_560, dscp: 46 },
          has: { rate: 20_971, burst: 2_560, dscp: 46, ...counted },
          isEnforced: true,
        },
        gets: {
          asked: { rate: 5_242, burst: 5_242 },
          has: { rate: 5_242, burst: 5_242, ...counted },
          isEnforced: true,
        },
      },
    ]);
    await flows.close();
  });

  it('is not believed: what somebody changed shows as it is, until it is put right', async () => {
    const { bridge, bandwidth, flows } = await hostWith(1000);
    const [sends, gets] = [meters.endpoint(port, 'out'), meters.endpoint(port, 'in')];
    const meter = bridge.meters.get(sends);
    if (meter === undefined) throw new Error('no meter');
    bridge.meters.set(sends, { ...meter, bands: [{ kind: 'drop', rate: 1, burst: 1 }] });
    bridge.meters.delete(gets);
    const [shown] = await bandwidth.read();
    expect(shown?.sends).toMatchObject({ has: { rate: 1, burst: 1 }, isEnforced: false });
    expect(shown?.gets).toEqual({
      asked: { rate: 5_242, burst: 5_242 },
      has: {},
      isEnforced: false,
    });
    await flows.compare();
    const [later] = await bandwidth.read();
    expect([later?.sends.isEnforced, later?.gets.isEnforced]).toEqual([true, true]);
    expect(flows.counts.repaired).toBe(2);
    await flows.close();
  });
});

describe.each([
  ['no meters', 0, 0xf],
  ['meters that count packets only', 1000, 0xe],
  ['meters without bursts', 1000, 0xb],
])('a switch with %s', (_name, maxMeters, capabilities) => {
  it('is asked for marks only, and says so before and after a container starts', async () => {
    const { bridge, bandwidth, said, flows } = await hostWith(maxMeters, capabilities);
    expect(limits(bridge)).toEqual([]);
    expect(
      [...bridge.flows.values()].filter(({ meter }) => meter === meters.endpoint(port, 'out')),
    ).toEqual([]);
    const [shown] = await bandwidth.read();
    expect(shown?.sends).toEqual({
      asked: { rate: 20_971, burst: 2_560, dscp: 46 },
      has: { dscp: 46 },
      isEnforced: false,
    });
    expect(said()).toEqual([
      'BANDWIDTH_UNSUPPORTED: 1 endpoints have a bandwidth that is not limited here (first: e, netprofile default:p): the switch has no meters that can',
    ]);
    let refused: unknown;
    try {
      bandwidth.require('e');
    } catch (thrown) {
      refused = thrown;
    }
    expect(asFairleadError(refused).code).toBe('BANDWIDTH_UNSUPPORTED');
    bandwidth.require('another');
    await flows.close();
  });
});
