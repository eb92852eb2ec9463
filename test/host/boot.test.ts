/** What a host says of its containers after the machine was booted. */
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { readEarlierBoot, startBootLoop, type EarlierBoot } from '../../lib/host/boot.ts';
import { readEndpoints } from '../../lib/host/records.ts';
import { silentLogger } from '../../lib/log.ts';
import { bootKey } from '../../lib/model/keys.ts';
import type { StateStore } from '../../lib/store/port.ts';
import { MapStore } from '../support/map-store.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');

let whole: MapStore;
let host: SiteHost;
let made: MadeNetwork;
beforeEach(async () => {
  whole = new MapStore();
  host = new SiteHost(whole, 'one');
  made = await host.createNetwork({ id: id(1), ...sharedAs('blue'), subnets: ['10.1.0.0/24'] });
});

/** An agent starts; `meanwhile` is what happens between its first look and what it does about it. */
async function start(
  bootId: string,
  {
    store = host.store,
    meanwhile = async () => {},
    ...seen
  }: { store?: StateStore; meanwhile?: () => Promise<void>; earlier?: EarlierBoot } = {},
): Promise<readonly string[]> {
  const released: string[] = [];
  const earlier = seen.earlier ?? (await readEarlierBoot(host.store, bootId));
  await meanwhile();
  const loop = startBootLoop({
    store,
    hostName: 'one',
    earlier,
    clock: systemClock,
    log: silentLogger(),
    release: (endpointId) => released.push(endpointId),
  });
  await loop.settled(AbortSignal.timeout(5_000));
  await loop.close();
  return released;
}
const there = async () => (await readEndpoints(host.store)).map(({ value }) => value.id);
const shownToOthers = () => [...whole.rows.keys()].filter((key) => key.startsWith('/endpoint/'));

describe('after a boot', () => {
  it('endpoints of before are gone for all, those of after it stay', async () => {
    await start('boot-1');
    await host.attach(made, id('a'));
    await host.attach(made, id('b'));
    const after = () => host.attach(made, id('c')).then(() => undefined);
    const released = await start('boot-2', { meanwhile: after });
    expect(released).toEqual([id('a'), id('b')]);
    expect(await there()).toEqual([id('c')]);
    expect(shownToOthers()).toEqual([`/endpoint/default/blue/${id('c')}`]);
    expect(wrongOfSite(whole)).toEqual([]);
    expect(await start('boot-2')).toEqual([]);
    expect(await there()).toEqual([id('c')]);
  });

  it('addresses of before are others’ to have, and those taken since are not', async () => {
    await start('boot-1');
    const own = await host.createNetwork({ id: id(3), subnets: ['10.3.0.0/24'] });
    const [asked = ''] = ((await host.attach(made, id('a'))).ipv4 ?? '').split('/');
    const local = (await host.attach(own, id('b'))).ipv4 ?? '';
    const since = await host.requestAddress(made.pools[0]?.poolId ?? '');
    await start('boot-2');
    const other = new SiteHost(whole, 'two');
    const part = await other.createNetwork({ id: id(2), ...sharedAs('blue') });
    await other.attach(part, id('d'), asked);
    const [kept = ''] = since.split('/');
    await expect(other.attach(part, id('e'), kept)).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
    });
    // the engine's own release comes late: the address is another host's by now
    await host.releaseAddress(made.pools[0]?.poolId ?? '', asked);
    await expect(host.attach(made, id('f'), asked)).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
    });
    expect((await host.attach(own, id('g'), local.split('/')[0])).ipv4).toBe(local);
    expect(wrongOfSite(whole)).toEqual([]);
  });

  const stops = [1, 2, 3, 4, 5].flatMap((last) =>
    [false, true].map((isBehind) => [last, isBehind]),
  );
  it.each(stops as [number, boolean][])(
    'addresses are given back by the next agent when one is stopped before its write %i (behind: %s)',
    async (last, isBehind) => {
      await start('boot-1');
      const own = await host.createNetwork({ id: id(3), subnets: ['10.3.0.0/24'] });
      const [shared = ''] = ((await host.attach(made, id('a'))).ipv4 ?? '').split('/');
      const [local = ''] = ((await host.attach(own, id('b'))).ipv4 ?? '').split('/');
      let writes = 0;
      const stopped = Promise.withResolvers<undefined>();
      const store: StateStore = {
        ...host.store,
        range: (request) => host.store.range(request),
        async txn(txn) {
          writes += 1;
          if (writes < last) return host.store.txn(txn);
          stopped.resolve(undefined);
          throw new FairleadError('QUORUM_LOST', 'nobody leads');
        },
      };
      const earlier = await readEarlierBoot(host.store, 'boot-2');
      const around = { hostName: 'one', clock: systemClock, log: silentLogger() };
      const loop = startBootLoop({ ...around, store, earlier, release: () => {} });
      await stopped.promise;
      await loop.close();
      // the next agent's own copy of the store may be behind, or not
      await start('boot-2', { ...(isBehind && { earlier }) });
      expect(await there()).toEqual([]);
      expect((await host.attach(made, id('e'), shared)).ipv4).toBe(`${shared}/24`);
      expect((await host.attach(own, id('f'), local)).ipv4).toBe(`${local}/24`);
      expect(wrongOfSite(whole)).toEqual([]);
      expect(await start('boot-2')).toEqual([]);
    },
  );

  it('removals are tried until the store takes them, and the boot is noted only then', async () => {
    await start('boot-1');
    await host.attach(made, id('a'));
    let refusals = 2;
    const store: StateStore = {
      ...host.store,
      range: (request) => host.store.range(request),
      async txn(txn) {
        refusals -= 1;
        if (refusals < 0) return host.store.txn(txn);
        expect(whole.rows.get(`host/one/${bootKey}`)?.value).toContain('boot-1');
        throw new FairleadError('QUORUM_LOST', 'nobody leads');
      },
    };
    expect(await start('boot-2', { store })).toEqual([id('a')]);
    expect(whole.rows.get(`host/one/${bootKey}`)?.value).toContain('boot-2');
  });

  it('the boot is noted again where the host has come to another cluster', async () => {
    const earlier = await readEarlierBoot(host.store, 'boot-1');
    const release = () => {};
    const around = { clock: systemClock, log: silentLogger() };
    const loop = startBootLoop({ store: host.store, hostName: 'one', earlier, release, ...around });
    const noted = () => whole.rows.get(`host/one/${bootKey}`)?.value;
    await loop.settled(AbortSignal.timeout(5_000));
    expect(noted()).toContain('boot-1');
    whole.rows.delete(`host/one/${bootKey}`);
    await loop.settled(AbortSignal.timeout(5_000));
    expect(noted()).toContain('boot-1');
    await loop.close();
  });

  it('of a host that never noted one nothing is believed to be gone', async () => {
    await host.attach(made, id('a'));
    await start('boot-2');
    expect(await there()).toEqual([id('a')]);
  });
});
