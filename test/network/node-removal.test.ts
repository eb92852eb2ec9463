/** Hosts that are removed: nothing of them is left, whoever removes them, and whatever they still try. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { asFairleadError } from '../../lib/errors.ts';
import { hostPrefix } from '../../lib/model/keys.ts';
import { defaultHitsKey, ruleHitsKey } from '../../lib/model/site-keys.ts';
import { planAnnounceNode } from '../../lib/network/nodes.ts';
import { planMarkRemoval, planRemoveNode } from '../../lib/network/node-removal.ts';
import { prefixed } from '../../lib/store/prefixed.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { asStateStore, sharedAs, SiteHost, type MadeNetwork } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const none = async (): Promise<void> => {};

let whole: MapStore;
beforeEach(() => {
  whole = new MapStore();
});

/** Lists a host, with an address of its own. */
const announce = (host: SiteHost) =>
  runPlan(host.store, () =>
    planAnnounceNode({
      name: host.name,
      vtep: `192.0.2.${host.name.codePointAt(0)}`,
      pathMtu: 1500,
      bootId: 'boot',
      version: '1.0.0',
    }),
  );

/** Removes a host as an agent does it; `stepsMax` is where that agent dies. Answers how many steps it did. */
async function remove(
  name: string,
  { pause = none, stepsMax = Infinity }: { pause?: () => Promise<void>; stepsMax?: number } = {},
): Promise<number> {
  const part = prefixed(asStateStore(whole, pause), hostPrefix(name));
  await runPlan(part, () => planMarkRemoval(name));
  for (let steps = 0; steps < stepsMax; steps++) {
    const { done } = await runPlan(part, () => planRemoveNode(name));
    if (done) return steps;
  }
  return stepsMax;
}

/** Rows that say anything of a host. Numbers and released addresses are remembered for a while. */
const rowsOf = (name: string): readonly string[] =>
  [...whole.rows.values()]
    .filter(({ key, value }) => `${key}/`.includes(`/${name}/`) || value.includes(`"${name}"`))
    .map(({ key }) => key);

describe('a host that is removed', () => {
  it('leaves nothing, and its number to nobody soon', async () => {
    const one = new SiteHost(whole, 'one');
    const two = new SiteHost(whole, 'two');
    await announce(one);
    const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'] };
    await one.attach(await one.createNetwork({ id: id(1), ...blue }), id('a'));
    const lasting = (): readonly string[] =>
      [...whole.rows.keys()].filter((key) => !/^\/(?:cursor|ipam\/address)\//.test(key)).toSorted();
    const before = lasting();
    await announce(two);
    const there = await two.createNetwork({ id: id(2), ...blue });
    await two.createNetwork({ id: id(3), ...sharedAs('alone') });
    const own = await two.createNetwork({ id: id(4), subnets: ['10.7.0.0/24'] });
    for (let n = 0; n < 3; n++) await two.attach(there, id(`b${n}`));
    await two.attach(own, id('c'));
    await two.requestAddress(there.pools[0]?.poolId ?? '');
    await two.requestPool('10.9.0.0/24', sharedAs('asked'));
    const told = [
      ruleHitsKey('two', { tenant: 'blue', policy: 'p' }, 7),
      defaultHitsKey('two', { tenant: 'blue', group: 'web' }),
    ];
    const value = JSON.stringify({ atMs: 1, counts: [] });
    await two.store.txn({
      compare: [],
      then: told.map((key) => ({ op: 'put', key, value })),
    });
    expect(lasting()).not.toEqual(before);
    await remove('two');
    expect(wrongOfSite(whole)).toEqual([]);
    expect(lasting()).toEqual(before);
    expect(rowsOf('two')).toEqual([]);
    expect(await remove('two')).toBe(0);
    expect(await announce(new SiteHost(whole, 'three'))).toMatchObject({ number: 3 });
  });

  it('gives its addresses to others, and is refused what it asks for afterwards', async () => {
    const [one, two] = [new SiteHost(whole, 'one'), new SiteHost(whole, 'two')];
    await announce(one);
    await announce(two);
    const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'] };
    const here = await one.createNetwork({ id: id(1), ...blue });
    const there = await two.createNetwork({ id: id(2), ...blue });
    await two.attach(there, id('b'), '10.1.0.9');
    await expect(one.attach(here, id('a'), '10.1.0.9')).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
    });
    await remove('two');
    await one.attach(here, id('a'), '10.1.0.9');
    const { revision } = whole;
    // it never heard of its removal
    for (const late of [
      () => two.requestPool('10.9.0.0/24', sharedAs('asked')),
      () => two.createNetwork({ id: id(9), subnets: ['10.8.0.0/24'] }),
      () => announce(two),
    ]) {
      await expect(late()).rejects.toMatchObject({ code: 'HOST_REMOVED' });
    }
    expect(whole.revision).toBe(revision);
  });

  it('comes back as a new one, which the one before it does not become', async () => {
    const before = new SiteHost(whole, 'two');
    await announce(before);
    await before.createNetwork({ id: id(1), ...sharedAs('blue'), subnets: ['10.1.0.0/24'] });
    await remove('two', { stepsMax: 1 });
    const after = new SiteHost(whole, 'two');
    const early = after.requestPool('10.9.0.0/24', sharedAs('early'));
    await expect(early).rejects.toMatchObject({ code: 'BUSY' });
    await remove('two');
    expect(await announce(after)).toMatchObject({ number: 2 });
    await after.createNetwork({ id: id(2), ...sharedAs('blue'), subnets: ['10.1.0.0/24'] });
    await expect(before.requestPool('10.9.0.0/24', sharedAs('late'))).rejects.toMatchObject({
      code: 'HOST_REMOVED',
    });
    expect(wrongOfSite(whole)).toEqual([]);
  });

  it('of which there is nothing is not marked', async () => {
    const part = prefixed(asStateStore(whole, none), hostPrefix('nobody'));
    expect(await runPlan(part, () => planMarkRemoval('nobody'))).toBe(false);
    expect(whole.rows.size).toBe(0);
  });
});

type Doing = 'create' | 'attach' | 'detach' | 'ask';

/** What a host does, one thing after the other, until it is refused as one that was removed. */
async function work(host: SiteHost, doings: readonly Doing[]): Promise<readonly string[]> {
  const made: MadeNetwork[] = [];
  const refusals: string[] = [];
  let ids = 0;
  for (const doing of doings) {
    ids += 1;
    const name = id(`${host.name.codePointAt(0)}${ids}`);
    const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/28'] };
    const there = made.at(-1);
    try {
      if (doing === 'ask') await host.requestPool('10.9.0.0/24', sharedAs('asked'));
      else if (doing === 'create') made.push(await host.createNetwork({ id: name, ...blue }));
      else if (there === undefined) continue;
      else {
        const endpoint = await host.attach(there, name);
        if (doing === 'detach') await host.detach(there, endpoint);
      }
    } catch (thrown) {
      refusals.push(asFairleadError(thrown).code);
    }
  }
  return refusals;
}

it('nothing of a host is left, whatever it does while others remove it and die of that', async () => {
  const doing = fc.constantFrom<Doing>('create', 'attach', 'attach', 'detach', 'ask');
  const doings = fc.array(doing, { minLength: 3, maxLength: 12, size: 'max' });
  await fc.assert(
    fc.asyncProperty(
      doings,
      doings,
      fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }),
      fc.scheduler(),
      async (ofRemoved, ofOther, deaths, scheduler) => {
        whole = new MapStore();
        const pause = () => scheduler.schedule(Promise.resolve());
        const [other, removed] = ['a', 'b'].map((name) => new SiteHost(whole, name, pause));
        if (other === undefined || removed === undefined) return;
        await scheduler.waitFor(announce(other));
        await scheduler.waitFor(announce(removed));
        const all = Promise.all([
          work(removed, ['create', ...ofRemoved]),
          work(other, ['create', ...ofOther]),
          ...deaths.map((stepsMax) => remove('b', { pause, stepsMax }).catch(() => 0)),
        ]);
        await scheduler.waitFor(all);
        await scheduler.waitFor(remove('b', { pause }));
        const late = await scheduler.waitFor(work(removed, ['create', 'ask']));
        expect(late).toEqual(['HOST_REMOVED', 'HOST_REMOVED']);
        expect(rowsOf('b')).toEqual([]);
        expect(wrongOfSite(whole)).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});
