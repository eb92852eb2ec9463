/**
 * Every shape of rule on VLANs, with real packets and by `explain`: gateways of ours, and a router on the wire. Besides
 * containers of one host and of two there is a machine on the wire, which is in no group.
 */
import { beforeAll, describe } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import type { NetworkForm } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import type { Talk } from '../../support/policy-words.ts';
import { wireMachines } from '../../support/policy-wire.ts';
import { talksOf, testShapes, type Pair } from './shape-tests.ts';
import { shapes, wireShapes } from './shapes.ts';

const pairs: readonly Pair[] = [
  ['front1', 'back2'],
  ['front1', 'back5'],
  ['front1', 'data1'],
  ['front4', 'data1'],
  ['data1', 'back2'],
  ['free3', 'back5'],
  ['back2', 'front4'],
  ['wire9', 'back2'],
  ['wire9', 'data2'],
  ['front4', 'wire9'],
  ['back2', 'wire9'],
  ['data2', 'wire9'],
];

const forms: Readonly<Record<string, NetworkForm>> = {
  'a router on the wire': { encap: 'vlan', mode: 'bridge' },
  'gateways on every host': { encap: 'vlan', mode: 'routing' },
};

describe.for(Object.entries(forms))('%s', ([, form]) => {
  const lab = labOfSite(2, { machines: wireMachines(form) });
  let site: PolicySite;
  let talks: readonly Talk[];

  beforeAll(async () => {
    site = await PolicySite.open(lab, form);
    talks = talksOf(pairs.filter(([client, server]) => site.canMeet(client, server)));
  }, 240_000);

  testShapes({ ...shapes, ...wireShapes }, () => ({ site, talks }));
});
