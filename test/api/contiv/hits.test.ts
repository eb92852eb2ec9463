/** What was counted for rules and defaults, beside what Contiv showed of objects. */
import { expect, test } from 'vitest';
import { objectHits } from '../../../lib/api/contiv/hits.ts';
import { FairleadError } from '../../../lib/errors.ts';
import type { PolicyHits } from '../../../lib/host/policy-hits.ts';

const hits: PolicyHits = {
  rules: [
    { tenant: 'blue', policy: 'closed', rule: '1', hits: 3 },
    { tenant: 'blue', policy: 'closed', rule: '2', hits: 0 },
    { tenant: 'red', policy: 'closed', rule: '1', hits: 7 },
  ],
  defaults: [
    { tenant: 'blue', group: 'web', direction: 'in', hits: 5 },
    { tenant: 'blue', group: 'db', direction: 'out', hits: 6 },
  ],
};
const read = async () => hits;

test('a rule has its own, a policy those of its rules, groups and networks what their default denied', async () => {
  const of = (
    kind: 'rule' | 'policy' | 'endpointGroup' | 'network' | 'tenant',
    ...parts: string[]
  ) => objectHits({ kind, parts }, read);
  expect(await of('rule', 'blue', 'closed', '2')).toEqual({ hits: 0 });
  expect(await of('policy', 'blue', 'closed')).toEqual({ ruleHits: ['1: 3', '2: 0'] });
  expect(await of('endpointGroup', 'blue', 'web')).toEqual({ defaultHits: ['in: 5'] });
  expect(await of('network', 'blue', 'db')).toEqual({ defaultHits: ['out: 6'] });
});

test('what is not enforced here has none', async () => {
  expect(await objectHits({ kind: 'rule', parts: ['blue', 'closed', '3'] }, read)).toEqual({});
  expect(await objectHits({ kind: 'policy', parts: ['blue', 'open'] }, read)).toEqual({});
  expect(await objectHits({ kind: 'tenant', parts: ['blue'] }, read)).toEqual({});
});

test('a switch that does not answer does not hide the object', async () => {
  const down = async () => {
    throw new FairleadError('OVS_DOWN', 'no connection');
  };
  expect(await objectHits({ kind: 'rule', parts: ['blue', 'closed', '1'] }, down)).toEqual({
    hits: ['the switch was not asked: no connection'],
  });
});
