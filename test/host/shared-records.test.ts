/** What the sweep of one host reads of shared networks, and gives back: its own, and nothing of others. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  readEndpoints,
  readHeldAddresses,
  readNetworks,
  readSharedPools,
} from '../../lib/host/records.ts';
import { poolId } from '../../lib/model/pool.ts';
import { planNetworkRemoval } from '../../lib/network/calls.ts';
import { planAddressRelease, planPoolRelease } from '../../lib/network/ipam/calls.ts';
import { planSweep, type DockerView, type Suspects, type Sweep } from '../../lib/network/sweep.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const nothing: DockerView = { networks: new Map(), pools: new Map() };
const patience = { absentMs: 1, unclaimedMs: 1 };
const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'] };

let whole: MapStore;
let one: SiteHost;
let two: SiteHost;
let here: MadeNetwork;
let there: MadeNetwork;
beforeEach(async () => {
  whole = new MapStore();
  one = new SiteHost(whole, 'one');
  two = new SiteHost(whole, 'two');
  here = await one.createNetwork({ id: id(1), ...blue });
  there = await two.createNetwork({ id: id(2), ...blue });
});

/** What two comparisons in a row, some time apart, find missing in Docker's list. */
async function sweepTwice(host: SiteHost, docker: DockerView): Promise<Sweep> {
  const networks = await readNetworks(host.store);
  const records = {
    networks,
    endpoints: await readEndpoints(host.store),
    pools: await readSharedPools(host.store, networks),
    addresses: await readHeldAddresses(host.store),
  };
  const before: Suspects = new Map();
  const first = planSweep(records, docker, before, 0, patience);
  return planSweep(records, docker, first.suspects, 10, patience);
}

const poolOf = ({ pools }: MadeNetwork): string => pools[0]?.poolId ?? '';

describe('the sweep of one host', () => {
  it('finds what it holds and Docker no longer has, and gives it back', async () => {
    const kept = await one.attach(here, id('a'));
    const lost = await one.requestAddress(poolOf(here));
    await two.attach(there, id('b'));
    const docker: DockerView = {
      networks: new Map([[id(1), new Set([id('a')])]]),
      pools: new Map([['10.1.0.0/24', new Set([kept.ipv4?.split('/')[0] ?? ''])]]),
    };
    const sweep = await sweepTwice(one, docker);
    expect(sweep).toMatchObject({ networks: [], endpoints: [], pools: [] });
    expect(sweep.addresses.map(({ address }) => `${address}/24`)).toEqual([lost]);
    for (const { poolId: pool, address, modRevision } of sweep.addresses) {
      const release = () => planAddressRelease({ poolId: pool, address }, 'one', { modRevision });
      expect(await runPlan(one.store, release)).toBe(true);
    }
    expect(wrongOfSite(whole)).toEqual([]);
    expect((await sweepTwice(one, docker)).addresses).toEqual([]);
  });

  it('leaves a record that changed since it was seen', async () => {
    const address = await one.requestAddress(poolOf(here));
    const [seen] = (await sweepTwice(one, nothing)).addresses;
    await one.createEndpoint(id(1), id('a'), address);
    const release = () =>
      planAddressRelease({ poolId: seen?.poolId ?? '', address: seen?.address ?? '' }, 'one', {
        modRevision: seen?.modRevision ?? 0,
      });
    expect(await runPlan(one.store, release)).toBe(false);
  });

  it('takes back what was asked for and never used', async () => {
    const { poolId: asked } = await one.requestPool('10.9.0.0/24', sharedAs('red'));
    const docker: DockerView = {
      networks: new Map([[id(1), new Set()]]),
      pools: new Map([['10.1.0.0/24', new Set()]]),
    };
    const { pools } = await sweepTwice(one, docker);
    expect(pools.map(({ value }) => poolId(value))).toEqual([asked]);
    for (const { modRevision } of pools) {
      const release = () => planPoolRelease(asked, 'one', { modRevision });
      expect(await runPlan(one.store, release)).toEqual({ done: false });
    }
    await one.releasePool(asked);
    expect(wrongOfSite(whole)).toEqual([]);
    expect(whole.rows.has('/ipam/space/default:red')).toBe(false);
  });

  it('removes its part of a network, and leaves the others theirs', async () => {
    await one.attach(here, id('a'));
    const seen = (await sweepTwice(one, nothing)).networks[0];
    const expected = { modRevision: seen?.modRevision ?? 0 };
    let progress = await runPlan(one.store, () => planNetworkRemoval(id(1), 'one', expected));
    expect(progress).toBe('more');
    while (progress === 'more') {
      progress = await runPlan(one.store, () => planNetworkRemoval(id(1), 'one'));
    }
    expect(progress).toBe('done');
    expect(wrongOfSite(whole)).toEqual([]);
    expect((await readNetworks(two.store)).map(({ value }) => value.id)).toEqual([id(2)]);
    // the engine still has its container's address, until the sweep finds that it has not
    expect((await readHeldAddresses(one.store)).map(({ address }) => address)).toEqual([
      '10.1.0.2',
    ]);
  });
});

describe('a shared network that is removed', () => {
  it('takes nothing more, from the first step on', async () => {
    await one.attach(here, id('a'));
    expect(await runPlan(one.store, () => planNetworkRemoval(id(1), 'one'))).toBe('more');
    await expect(one.createEndpoint(id(1), id('b'), '10.1.0.9/24')).rejects.toMatchObject({
      code: 'NETWORK_UNKNOWN',
    });
    await one.deleteNetwork(id(1));
    expect(wrongOfSite(whole)).toEqual([]);
  });

  it('goes in steps when its pool is full, and nobody sees it half gone', async () => {
    for (let n = 0; n < 200; n++) await one.requestAddress(poolOf(here));
    await two.removeNetwork(there);
    const large = await two.createNetwork({
      id: id(3),
      ...sharedAs('red'),
      subnets: ['10.4.0.0/16'],
    });
    for (let n = 0; n < 700; n++) await two.requestAddress(poolOf(large));
    await two.deleteNetwork(id(3));
    expect(whole.rows.has('/network/default/red')).toBe(false);
    const again = one.createNetwork({ id: id(4), ...sharedAs('red'), subnets: ['10.4.0.0/16'] });
    await expect(again).rejects.toMatchObject({ code: 'BUSY' });
    // the sweep goes on, or the engine's ReleasePool
    const { pools } = await sweepTwice(two, nothing);
    expect(pools.map(({ value }) => value.cidr)).toEqual(['10.4.0.0/16']);
    await two.releasePool(poolOf(large));
    expect(wrongOfSite(whole)).toEqual([]);
    await one.createNetwork({ id: id(5), ...sharedAs('red'), subnets: ['10.4.0.0/16'] });
  });
});
