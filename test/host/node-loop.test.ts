/** A host tells the others where it is, and follows its addresses while it runs. */
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { startNodeLoop } from '../../lib/host/node-loop.ts';
import { silentLogger } from '../../lib/log.ts';
import { nodeSchema } from '../../lib/model/site.ts';
import { MapStore } from '../support/map-store.ts';
import { asStateStore, SiteHost } from '../support/site-hosts.ts';
import { until } from '../support/until.ts';

let whole: MapStore;
let conditions: Conditions;
let addresses: { index: number; family: 4 | 6; address: string; prefixLength: number }[];
beforeEach(() => {
  whole = new MapStore();
  conditions = new Conditions(systemClock);
  addresses = [at('192.0.2.1')];
});

const at = (address: string) => ({
  index: 2,
  family: address.includes(':') ? (6 as const) : (4 as const),
  address,
  prefixLength: 24,
});
const route = (family: 4 | 6) => ({
  family,
  destination: family === 4 ? '0.0.0.0/0' : '::/0',
  table: 254,
  type: 1,
  outIndex: 2,
});
const link = {
  ...{ index: 2, name: 'eth0', mac: '', mtu: 1500, group: 0 },
  ...{ up: true, running: true, promiscuous: false },
};

const uplinks = [
  { ...link, index: 3, name: 'eth1', mtu: 9000 },
  { ...link, index: 4, name: 'eth2', mtu: 4000 },
];

/** Runs the loop of a host while something is looked at. */
async function whileRunning(name: string, look: () => Promise<void>): Promise<void> {
  const loop = startNodeLoop({
    store: new SiteHost(whole, name).store,
    hostName: name,
    version: '1',
    bootId: 'b',
    vtepAddress: undefined,
    uplinks: ['eth1', 'eth2', 'eth9'],
    advertised: async () => [],
    links: {
      list: async () => [link, ...uplinks],
      addresses: async () => addresses,
      routes: async () => [route(4), route(6)],
    },
    clock: systemClock,
    log: silentLogger(),
    conditions,
  });
  try {
    await look();
  } finally {
    await loop.close();
  }
}

async function nodeOf(name: string) {
  const store = asStateStore(whole, async () => {});
  const [row] = (await store.range({ start: `/node/${name}` })).rows;
  return row && nodeSchema.parse(JSON.parse(row.value));
}
const vtepOf = async (name: string) => (await nodeOf(name))?.vtep;
const isAt = (name: string, address: string) =>
  until(`${name} is at ${address}`, async () => (await vtepOf(name)) === address);
const codes = () => conditions.list().map(({ code }) => code);
const shows = (...wanted: string[]) =>
  until(`${wanted.join()} is shown`, async () => codes().join() === wanted.join());

describe('a host', () => {
  it('is listed, and again when its address is another', async () => {
    await whileRunning('a', async () => {
      await isAt('a', '192.0.2.1');
      addresses = [at('192.0.2.9')];
      await isAt('a', '192.0.2.9');
      expect(codes()).toEqual([]);
    });
  });

  it('says how large a packet all of its uplinks carry that are there', async () => {
    await whileRunning('a', async () => void (await isAt('a', '192.0.2.1')));
    expect(await nodeOf('a')).toMatchObject({ pathMtu: 1500, uplinkMtu: 4000 });
  });

  it('says so when it has lost its address, and does not fall back on the other family', async () => {
    await whileRunning('a', async () => {
      await isAt('a', '192.0.2.1');
      addresses = [at('2001:db8::1')];
      await shows('VTEP_UNUSABLE');
      expect(conditions.list()[0]?.message).toContain('192.0.2.1');
      expect(await vtepOf('a')).toBe('192.0.2.1');
      addresses = [at('192.0.2.2'), at('2001:db8::1')];
      await isAt('a', '192.0.2.2');
      await shows();
    });
  });

  it('names the host that has its address, until that has another', async () => {
    await whileRunning('a', async () => void (await isAt('a', '192.0.2.1')));
    await whileRunning('b', async () => {
      await shows('VTEP_IN_USE');
      expect(conditions.list()[0]?.message).toContain('the tunnel of host a ends at 192.0.2.1');
      expect(await vtepOf('b')).toBeUndefined();
      addresses = [at('192.0.2.7')];
      await isAt('b', '192.0.2.7');
      await shows();
    });
  });
});
