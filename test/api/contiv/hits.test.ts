/** What was counted for rules and defaults, beside what Contiv showed of objects. */
import { expect, test } from 'vitest';
import { objectHits } from '../../../lib/api/contiv/hits.ts';
import { FairleadError } from '../../../lib/errors.ts';
import type { HitsAsked } from '../../../lib/network/hit-book.ts';
import type { SummedHits } from '../../../lib/network/hit-sums.ts';

const asked: HitsAsked[] = [];
const reading =
  (counts: readonly (readonly [string, number])[], more: Partial<SummedHits> = {}) =>
  async (what: HitsAsked): Promise<SummedHits> => {
    asked.push(what);
    return { counts: new Map(counts), hosts: 2, atMs: undefined, ...more };
  };

test('a rule has its own, a policy those of its rules, groups and networks what their default denied', async () => {
  const rule = { kind: 'rule', parts: ['blue', 'closed', '2'] } as const;
  expect(await objectHits(rule, reading([['2', 7]]))).toEqual({ hits: 7, hitsHosts: 2 });
  const policy = { kind: 'policy', parts: ['blue', 'closed'] } as const;
  const rules = [
    ['10', 1],
    ['2', 0],
  ] as const;
  expect(await objectHits(policy, reading(rules))).toEqual({
    ruleHits: ['2: 0', '10: 1'],
    hitsHosts: 2,
  });
  for (const kind of ['endpointGroup', 'network'] as const) {
    const defaults = await objectHits({ kind, parts: ['blue', 'web'] }, reading([['in', 5]]));
    expect(defaults).toEqual({ defaultHits: ['in: 5'], hitsHosts: 2 });
  }
  expect(asked).toEqual([
    { kind: 'rule', tenant: 'blue', policy: 'closed', rule: '2' },
    { kind: 'policy', tenant: 'blue', policy: 'closed' },
    { kind: 'default', tenant: 'blue', group: 'web' },
    { kind: 'default', tenant: 'blue', group: 'web' },
  ]);
});

test('it is said how old what other hosts told is', async () => {
  const rule = { kind: 'rule', parts: ['blue', 'closed', '2'] } as const;
  expect(await objectHits(rule, reading([['2', 7]], { atMs: 1_000 }))).toEqual({
    ...{ hits: 7, hitsHosts: 2, hitsAsOf: '1970-01-01T00:00:01.000Z' },
  });
});

test('what nobody counts has none', async () => {
  const nobody = reading([], { hosts: 0 });
  expect(await objectHits({ kind: 'rule', parts: ['blue', 'closed', '3'] }, nobody)).toEqual({});
  expect(await objectHits({ kind: 'tenant', parts: ['blue'] }, nobody)).toEqual({});
});

test('hits that cannot be read do not hide the object', async () => {
  const down = async () => {
    throw new FairleadError('STORE_CLOSED', 'no store');
  };
  expect(await objectHits({ kind: 'rule', parts: ['blue', 'closed', '1'] }, down)).toEqual({
    hits: ['hits were not read: no store'],
  });
});
