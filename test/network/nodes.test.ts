/** Hosts of a cluster: what they say of themselves. */
import { beforeEach, describe, expect, it } from 'vitest';
import { planAnnounceNode, type NodeFacts } from '../../lib/network/nodes.ts';
import type { SiteNode } from '../../lib/model/site.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';

/** Each name has an address of its own, unless a change says otherwise. */
const facts = (name: string, change: Partial<NodeFacts> = {}): NodeFacts => ({
  name,
  vtep: `192.0.2.${name === 'a' ? 1 : name === 'b' ? 2 : Number(name.slice(5)) + 10}`,
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

  it('ends its tunnel where no other does, and lets go of the address that it had', async () => {
    await announce(facts('a', { vtep: '192.0.2.1' }));
    await expect(announce(facts('b', { vtep: '192.0.2.1' }))).rejects.toMatchObject({
      code: 'VTEP_IN_USE',
      message: 'the tunnel of host a ends at 192.0.2.1, so that of b cannot',
    });
    await announce(facts('a', { vtep: '2001:db8::1' }));
    await announce(facts('b', { vtep: '192.0.2.1' }));
    await expect(announce(facts('a', { vtep: '192.0.2.1' }))).rejects.toMatchObject({
      code: 'VTEP_IN_USE',
    });
    expect([...whole.rows.keys()].filter((key) => key.startsWith('/vtep/'))).toEqual([
      '/vtep/20010db8000000000000000000000001',
      '/vtep/c0000201',
    ]);
  });

  it('of two that come with one address at once, one is refused', async () => {
    const both = ['a', 'b'].map((name) => announce(facts(name, { vtep: '192.0.2.9' })));
    const outcomes = (await Promise.allSettled(both)).map(({ status }) => status);
    expect(outcomes.toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('of which a copy has listed itself says so, and lists itself no more', async () => {
    const original = await announce(facts('a'));
    const copy = await announce(facts('a', { bootId: 'copy', vtep: '192.0.2.8' }));
    const again = (said: NodeFacts, before: SiteNode) =>
      runPlan(whole, () => planAnnounceNode(said, before));
    await expect(again(facts('a'), original)).rejects.toMatchObject({
      code: 'HOST_COPIED',
      message: 'a machine at 192.0.2.8 says that it is a, as this one does',
    });
    await again(facts('a', { bootId: 'copy', vtep: '192.0.2.8' }), copy);
    expect(whole.rows.get('/node/a')?.value).toContain('192.0.2.8');
    // an agent that is started anew takes the name over, as after a boot
    expect(await announce(facts('a'))).toMatchObject({ vtep: '192.0.2.1' });
  });

  it('that an older version listed gets its claim without a change of its row', async () => {
    await announce(facts('a'));
    whole.rows.delete('/vtep/c0000201');
    const before = whole.rows.get('/node/a');
    await announce(facts('a'));
    expect(whole.rows.get('/node/a')).toEqual(before);
    expect(whole.rows.has('/vtep/c0000201')).toBe(true);
  });
});
