/** Every shape of rule with real packets and by `explain`: both families, one host and several, within a network and routed. */
import { beforeAll, it } from 'vitest';
import { groupPoliciesMax } from '../../../lib/limits.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { PolicySite } from '../../support/policy-site.ts';
import type { Rule } from '../../support/policy-words.ts';
import { expectAsSaid, talksOf, testShapes } from './shape-tests.ts';
import { allow, deny, shapes } from './shapes.ts';

const lab = labOfSite(3);
let site: PolicySite;

/** On one host, across hosts, in a network, routed, from a group and from none. */
const talks = talksOf([
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
]);

beforeAll(async () => {
  site = await PolicySite.open(lab);
}, 240_000);

it('as many policies as a group can have, of twenty rules each, do all that they say', async () => {
  const rulesEach = 20;
  const rulesOf = (policy: number): readonly Rule[] =>
    Array.from({ length: rulesEach }, (_each, at) =>
      allow({ protocol: 'tcp', port: 8_000 + policy * rulesEach + at }),
    );
  const all = Array.from({ length: groupPoliciesMax }, (_each, at) => rulesOf(at));
  // the first denies what the last allows
  const [first = [], last = []] = [all[0], all.at(-1)];
  all.splice(0, 1, [deny({ protocol: 'tcp' }), ...first]);
  all.splice(-1, 1, [...last, allow({ protocol: 'tcp', port: 80 })]);
  const rules = Object.fromEntries(all.map((each, at) => [`scale${at}`, each] as const));
  await expectAsSaid(site, { has: { back: Object.keys(rules) }, rules }, talks);
});

testShapes(shapes, () => ({ site, talks }));
