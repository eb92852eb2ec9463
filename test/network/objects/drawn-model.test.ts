/** The models that `npm run e2e:model` draws, without hosts: each can be made, and goes in any order. */
import { expect, test } from 'vitest';
import { contivSite } from '../../api/contiv/contiv-site.ts';
import { drawModel } from '../../e2e/model/drawn-model.ts';
import { Random } from '../../sim/random.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { leftOfSite, wrongOfSite } from '../../support/site-check.ts';

test('what is drawn can be made, and is gone when it was removed in any order', async () => {
  const { whole, ask } = await contivSite();
  const before = leftOfSite(whole);
  const drawn = new Set<string>();
  for (let round = 1; round <= 15; round += 1) {
    const random = new Random(1n, round);
    const { objects } = drawModel(random, 0.5);
    for (const { plural, key, body } of objects) {
      const { status, text } = await ask('POST', `/api/v1/${plural}/${key}/`, body);
      expect([plural, key, status, text]).toEqual([plural, key, 200, expect.anything()]);
      drawn.add(plural);
    }
    expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
    const order = objects.map((object) => ({ object, at: random.next() }));
    let left = order.toSorted((one, other) => one.at - other.at).map(({ object }) => object);
    while (left.length > 0) {
      const stays: typeof left = [];
      for (const object of left) {
        const { status } = await ask('DELETE', `/api/v1/${object.plural}/${object.key}/`);
        // a policy takes its rules with it
        if (status === 404) expect(object.plural).toBe('rules');
        else if (status === 409) stays.push(object);
        else expect([object.key, status]).toEqual([object.key, 200]);
        expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
      }
      expect(stays.length).toBeLessThan(left.length);
      left = stays;
    }
    expect(leftOfSite(whole).filter((key) => !key.startsWith('/guard/tenant/'))).toEqual(before);
  }
  // every kind that Contiv's users make
  expect([...drawn].toSorted().join(' ')).toBe(
    'appProfiles endpointGroups extContractsGroups netprofiles networks policys rules serviceLBs tenants',
  );
});
