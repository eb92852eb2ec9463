/** The tests that every site of rules has: each shape does what it says, and without rules everything passes. */
import { expect, it } from 'vitest';
import type { Name } from '../../support/policy-cast.ts';
import type { PolicySite } from '../../support/policy-site.ts';
import { speeches, type Policies, type Talk } from '../../support/policy-words.ts';

/** Who begins with whom. */
export type Pair = readonly [client: Name, server: Name];

/** All that these can say to each other, in both families. */
export const talksOf = (pairs: readonly Pair[]): readonly Talk[] =>
  pairs.flatMap(([client, server]) =>
    speeches.flatMap((speech) =>
      ([4, 6] as const).map((family): Talk => ({ client, server, family, ...speech })),
    ),
  );

/** Real packets and `explain` do as these policies say. */
export async function expectAsSaid(
  site: PolicySite,
  policies: Policies,
  talks: readonly Talk[],
): Promise<void> {
  await site.write(policies);
  expect(await site.wrong(talks)).toEqual([]);
  expect(await site.misexplained(talks)).toEqual([]);
}

/** Says these tests of a site, which is there when they run, and of what is said at it. */
export function testShapes(
  shapes: Readonly<Record<string, Policies>>,
  at: () => { readonly site: PolicySite; readonly talks: readonly Talk[] },
): void {
  it.for(Object.entries(shapes))('%s', async ([, policies]) => {
    const { site, talks } = at();
    await expectAsSaid(site, policies, talks);
  });

  it('without rules everything passes again', async () => {
    const { site, talks } = at();
    await site.write({ has: {}, rules: {} });
    expect(await site.wrong(talks)).toEqual([]);
  });
}
