/** Bandwidth asked and had: real TCP, both ways, each endpoint's own and shared, changed live; marks on the wire. */
import { beforeAll, describe, expect, it } from 'vitest';
import { kilobitsOf } from '../../../lib/model/objects/bandwidth.ts';
import { BandwidthSite, type Name } from '../../support/bandwidth-site.ts';
import { labOfSite } from '../../support/lab-site.ts';

const lab = labOfSite(2);
let site: BandwidthSite;

beforeAll(async () => {
  site = await BandwidthSite.open(lab);
}, 240_000);

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
