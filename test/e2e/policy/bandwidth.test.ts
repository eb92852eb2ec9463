/** Bandwidth asked and had: real TCP, both ways, each endpoint's own and shared, changed live; marks on the wire. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { EndpointBandwidth } from '../../../lib/host/bandwidth.ts';
import { kilobitsOf } from '../../../lib/model/objects/bandwidth.ts';
import { BandwidthSite, type Meter, type Name } from '../../support/bandwidth-site.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(2);
let site: BandwidthSite;

beforeAll(async () => {
  site = await BandwidthSite.open(lab);
}, 240_000);

const sameMeters = (has: readonly Meter[], wanted: Meter): boolean =>
  has.length === 1 && has[0]?.rate === wanted.rate && has[0].burst === wanted.burst;

const kilobits = (text: string): number => kilobitsOf(text) ?? Number.NaN;
/** Within 10 % of what was asked for. */
function expectAbout(had: number, asked: number): void {
  process.stderr.write(`bandwidth: asked ${asked} Mbit/s, had ${had.toFixed(2)}\n`);
  expect(had / asked).toBeGreaterThan(0.9);
  expect(had / asked).toBeLessThan(1.1);
}

describe.each([5, 20, 100])('%d Mbit/s', (asked) => {
  const text = `${asked}mbps`;
  const rate = kilobits(text);
  const all = { 1: [rate, rate], 2: [rate] } as const;

  it.each<[Name, Name]>([
    ['slow1', 'free2'],
    ['slow1', 'free1'],
  ])('are what %s sends %s', async (from, to) => {
    await site.limit({ bandwidth: text }, all);
    const [had = 0] = await site.had([[from, to]]);
    expectAbout(had, asked);
  });

  it.each<[Name, Name]>([
    ['free2', 'slow1'],
    ['free1', 'slow1'],
  ])('are what %s gets into %s', async (from, to) => {
    await site.limit({ bandwidthIn: text }, all);
    const [had = 0] = await site.had([[from, to]]);
    expectAbout(had, asked);
  });
});

describe('shared by a group', () => {
  it.each([5, 20, 100])('%d Mbit/s are what two on one host send together', async (asked) => {
    const rate = kilobits(`${asked}m`);
    await site.limit({ bandwidth: `${asked}m`, sharing: 'group' }, { 1: [rate], 2: [rate] });
    const [one = 0, mate = 0] = await site.had([
      ['slow1', 'free2'],
      ['mate1', 'free2'],
    ]);
    expectAbout(one + mate, asked);
  });

  it.each([5, 20, 100])('%d Mbit/s are what two on one host get together', async (asked) => {
    const rate = kilobits(`${asked}m`);
    await site.limit({ bandwidthIn: `${asked}m`, sharing: 'group' }, { 1: [rate], 2: [rate] });
    const [one = 0, mate = 0] = await site.had([
      ['free2', 'slow1'],
      ['free2', 'mate1'],
    ]);
    expectAbout(one + mate, asked);
  });

  it('those of another host have it, too', async () => {
    const rate = kilobits('20m');
    await site.limit({ bandwidth: '20m', sharing: 'group' }, { 1: [rate], 2: [rate] });
    const talks: [Name, Name][] = [
      ['slow1', 'free2'],
      ['slow2', 'free1'],
    ];
    for (const had of await site.had(talks)) expectAbout(had, 20);
  });

  it('each has it for itself without that', async () => {
    const rate = kilobits('20m');
    await site.limit({ bandwidth: '20m' }, { 1: [rate, rate], 2: [rate] });
    const [one = 0, mate = 0] = await site.had([
      ['slow1', 'free2'],
      ['mate1', 'free2'],
    ]);
    expectAbout(one, 20);
    expectAbout(mate, 20);
  });
});

describe('IPv6', () => {
  it.each([
    ['bandwidth', 'slow1', 'free2'],
    ['bandwidthIn', 'free2', 'slow1'],
  ] as const)('%s is what TCP from %s to %s has', async (limit, from, to) => {
    const rate = kilobits('20m');
    await site.limit({ [limit]: '20m' }, { 1: [rate, rate], 2: [rate] });
    const [had = 0] = await site.had([[from, to]], 6);
    expectAbout(had, 20);
  });
});

describe('changed under a connection', () => {
  it('is in force at once, up, down and away, by IPv6, and the connection lives', async () => {
    const set = async (text: string) => {
      const rates = text === '' ? [] : [kilobits(text), kilobits(text)];
      await site.limit({ bandwidth: text }, { 1: rates, 2: rates.slice(1) });
    };
    await set('5m');
    const stream = await site.stream('slow1', 'free2', 6);
    expectAbout(await stream.rate(), 5);
    await set('20m');
    expectAbout(await stream.rate(), 20);
    await set('5m');
    expectAbout(await stream.rate(), 5);
    await set('');
    // how much more is the machine's affair
    expect(await stream.rate()).toBeGreaterThan(25);
    expect(await stream.end()).toBe(true);
  });
});

describe('a sender’s limit', () => {
  it('never limits who it speaks with, and small bursts are as asked for', async () => {
    const [rate, burst] = [kilobits('10mbps'), 180 * 8];
    await site.limit({ bandwidth: '10mbps', burst: 180 }, { 1: [rate, rate], 2: [rate] });
    expect(await site.meters(lab.host(2))).toEqual([{ rate, burst }]);
    const [back = 0] = await site.had([['free2', 'slow1']]);
    expect(back).toBeGreaterThan(12);
  });
});

describe('meters', () => {
  const rate = kilobits('20m');
  const wanted = { rate, burst: rate };

  it('that somebody changed or removed are put right, and those of nobody go', async () => {
    const host = lab.host(2);
    await site.limit({ bandwidth: '20m' }, { 1: [rate, rate], 2: [rate] });
    const before = await site.repaired(host);
    await site.meddle(host, (id) => [
      ['mod-meter', `meter=${id},kbps,burst,stats,bands=type=drop,rate=7,burst_size=7`],
      ['add-meter', 'meter=4242,kbps,burst,bands=type=drop,rate=9,burst_size=9'],
      // of changed meters nobody is told; of this the agent is, and compares all
      ['add-flow', 'table=250,actions=drop'],
    ]);
    await until('meters as they should be', async () =>
      sameMeters(await site.meters(host), wanted),
    );
    await site.meddle(host, (id) => [['del-meter', `meter=${id}`]]);
    await until('the meter again', async () => sameMeters(await site.meters(host), wanted));
    expect(await site.repaired(host)).toBeGreaterThan(before + 2);
    const [had = 0] = await site.had([['slow2', 'free1']]);
    expectAbout(had, 20);
  });

  it('are there again after Open vSwitch was restarted, and after the agent was', async () => {
    const host = lab.host(2);
    await host.killOvs('vswitchd');
    await host.startOvs('vswitchd');
    await until('meters after a restart', async () => sameMeters(await site.meters(host), wanted));
    await site.agents.restart(host);
    const [had = 0] = await site.had([['slow2', 'free1']]);
    expectAbout(had, 20);
    expect(await site.meters(host)).toEqual([wanted]);
  });
});

describe('what is read back', () => {
  it('is what the switch has, at the profile and at the endpoint', async () => {
    const rate = kilobits('20m');
    const given = { bandwidth: '20m', DSCP: 46, bandwidthIn: '5mbps', burstIn: 100 };
    const into = kilobits('5mbps');
    await site.limit(given, { 1: [into, into, rate, rate], 2: [into, rate] });
    await site.had([['slow2', 'free1']]);
    const host = lab.host(2);
    const { endpoints } = (await site.apiOf(host).ask({
      method: 'GET',
      path: '/v1/host/bandwidth',
    })) as { readonly endpoints: readonly EndpointBandwidth[] };
    expect(endpoints).toHaveLength(1);
    expect(endpoints[0]).toMatchObject({
      netprofile: 'default:p',
      isShared: false,
      sends: { has: { rate, burst: rate, dscp: 46 }, isEnforced: true },
      gets: { has: { rate: into, burst: 800 }, isEnforced: true },
    });
    expect(endpoints[0]?.sends.has.bytes).toBeGreaterThan(1_000_000);
    const sends = `sends at most ${rate} kbit/s, bursts ${rate} kbit, DSCP 46; `;
    expect(await netctlOk(host, 'netprofile inspect p')).toContain(sends);
    expect(await netctlOk(lab.host(1), 'netprofile inspect p')).toContain(sends);
    const found = await site.agents.run(host, ['endpoint', 'get', 'slow2', '-o', 'json']);
    expect(found.stdout).toContain(sends);
  });
});

describe('marks', () => {
  it.each([4, 6] as const)('are on what is sent and on its tunnel, IPv%d', async (family) => {
    await site.profile({ DSCP: 46 });
    const seen = await site.marksOnTheWire('slow1', 'free2', { family, dscp: 46 });
    expect(seen).toEqual({ outer: 46, inner: 46 });
    const back = await site.marksOnTheWire('free2', 'slow1', { family, dscp: 0 });
    expect(back).toEqual({ outer: 0, inner: 0 });
  });

  it('are changed and taken away', async () => {
    for (const dscp of [10, 20, 0, 30]) {
      await site.profile({ DSCP: dscp });
      const seen = await site.marksOnTheWire('slow1', 'free2', { family: 4, dscp });
      expect(seen).toEqual({ outer: dscp, inner: dscp });
    }
  });

  it('of what is got are set where it arrives', async () => {
    await site.profile({ DSCPIn: 12 });
    expect(await site.markAt('free2', 'slow1', { family: 4, dscp: 12 })).toBe(12);
    expect(await site.markAt('free2', 'slow1', { family: 6, dscp: 12 })).toBe(12);
  });
});
