/**
 * Every shape of rule on VLANs, with real packets and by `explain`: gateways of ours, and a router on the wire. Besides
 * containers of one host and of two there is a machine on the wire, which is in no group.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import type { Name, NetworkForm } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import { speeches, type Talk } from '../../support/policy-words.ts';
import { wireMachines } from '../../support/policy-wire.ts';
import { shapes, wireShapes } from './shapes.ts';

const pairs: readonly (readonly [Name, Name])[] = [
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
    talks = pairs
      .filter(([client, server]) => site.canMeet(client, server))
      .flatMap(([client, server]) =>
        speeches.flatMap((speech) =>
          ([4, 6] as const).map((family): Talk => ({ client, server, family, ...speech })),
        ),
      );
  }, 240_000);

  it.for(Object.entries({ ...shapes, ...wireShapes }))('%s', async ([, policies]) => {
    await site.write(policies);
    expect(await site.wrong(talks)).toEqual([]);
    expect(await site.misexplained(talks)).toEqual([]);
  });

  it('without rules everything passes again', async () => {
    await site.write({ has: {}, rules: {} });
    expect(await site.wrong(talks)).toEqual([]);
  });
});
