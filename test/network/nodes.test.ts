/** Hosts of a cluster: what they say of themselves, and what goes with them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { planAnnounceNode, planRemoveNode, type NodeFacts } from '../../lib/network/nodes.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { sharedAs, SiteHost } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const facts = (name: string, change: Partial<NodeFacts> = {}): NodeFacts => ({
  name,
  vtep: '192.0.2.1',
  pathMtu: 1500,
  bootId: 'b',
  version: '1.0.0',
  ...change,
});

let whole: MapStore;
beforeEach(() => {
  whole = new MapStore();
});
const announce = (said: NodeFacts) => runPlan(whole, () => planAnnounceNode(said));
const siteKeys = (): readonly string[] =>
  [...whole.rows.keys()].filter((key) => key.startsWith('/')).toSorted();

/** Answers how many steps it took. */
async function remove(host: SiteHost): Promise<number> {
  for (let steps = 1; ; steps++) {
    const { done } = await runPlan(host.store, () => planRemoveNode(host.name));
    if (done) return steps;
  }
}

describe('a host', () => {
  it('gets one number for good, and writes only what is new', async () => {
    expect(await announce(facts('a'))).toMatchObject({ number: 1 });
    expect(await announce(facts('b'))).toMatchObject({ number: 2 });
    const { revision } = whole;
    expect(await announce(facts('a'))).toMatchObject({ number: 1 });
    expect(whole.revision).toBe(revision);
    expect(await announce(facts('a', { bootId: 'c', pathMtu: 9000 }))).toMatchObject({
      number: 1,
      pathMtu: 9000,
    });
    expect(whole.revision).toBe(revision + 1);
  });

  it('gets a number of its own, however many come at once', async () => {
    const names = Array.from({ length: 10 }, (_, n) => `host-${n}`);
    const nodes = await Promise.all(names.map((name) => announce(facts(name))));
    const numbers = nodes.map(({ number }) => number).toSorted((one, other) => one - other);
    expect(numbers).toEqual(names.map((_, n) => n + 1));
  });

  it('that is removed leaves nothing in shared networks, and its number to nobody soon', async () => {
    const one = new SiteHost(whole, 'one');
    const two = new SiteHost(whole, 'two');
    await announce(facts('one'));
    const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'] };
    await one.attach(await one.createNetwork({ id: id(1), ...blue }), id('a'));
    // released addresses are remembered, numbers not given again
    const lasting = (): readonly string[] =>
      siteKeys().filter((key) => !/^\/(?:cursor|ipam\/address)\//.test(key));
    const before = lasting();
    await announce(facts('two'));
    const there = await two.createNetwork({ id: id(2), ...blue });
    await two.createNetwork({ id: id(3), ...sharedAs('alone') });
    for (let n = 0; n < 3; n++) await two.attach(there, id(`b${n}`));
    await two.requestAddress(there.pools[0]?.poolId ?? '');
    await two.requestPool('10.9.0.0/24', sharedAs('asked'));
    expect(lasting()).not.toEqual(before);
    await remove(two);
    expect(wrongOfSite(whole)).toEqual([]);
    expect(lasting()).toEqual(before);
    expect([...whole.rows.keys()].filter((key) => key.startsWith('host/two/'))).toEqual([
      'host/two/tag-cursor',
    ]);
    expect(await remove(two)).toBe(1);
    expect(await announce(facts('three'))).toMatchObject({ number: 3 });
  });
});
