/** Every shape of rule with real packets and by `explain`: both families, one host and several, within a network and routed. */
import { beforeAll, expect, it } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import { PolicySite } from '../../support/policy-site.ts';
import { speeches, type Talk } from '../../support/policy-words.ts';
import { shapes } from './shapes.ts';

const lab = labOfSite(3);
let site: PolicySite;

/** Who begins with whom: on one host, across hosts, in a network, routed, from a group and from none. */
const pairs = [
  ['front1', 'back2'],
  ['front1', 'back5'],
  ['front4', 'back6'],
  ['front1', 'data1'],
  ['front1', 'data2'],
  ['data1', 'back2'],
  ['data2', 'back6'],
  ['free3', 'back2'],
  ['free7', 'back5'],
  ['back2', 'front1'],
  ['back5', 'data2'],
  ['back5', 'back6'],
] as const;
const talks = pairs.flatMap(([client, server]) =>
  speeches.flatMap((speech) =>
    ([4, 6] as const).map((family): Talk => ({ client, server, family, ...speech })),
  ),
);

beforeAll(async () => {
  site = await PolicySite.open(lab);
}, 240_000);

it.for(Object.entries(shapes))('%s', async ([, policies]) => {
  await site.write(policies);
  expect(await site.wrong(talks)).toEqual([]);
  expect(await site.misexplained(talks)).toEqual([]);
});

it('without rules everything passes again', async () => {
  await site.write({ has: {}, rules: {} });
  expect(await site.wrong(talks)).toEqual([]);
});
