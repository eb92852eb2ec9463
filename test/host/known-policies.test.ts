/** What a host says of conversations after any changes, against a look at every rule that is left. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KnownPolicies } from '../../lib/host/known-policies.ts';
import { judge, type TenantPolicies } from '../../lib/policy/judge.ts';
import { compiledOf, drawnConversation, drawnTenant, numbered } from '../policy/drawn-policies.ts';
import { tellPolicies } from '../policy/known-by-host.ts';

const tenants = [
  { domain: 3, tenant: 'blue', nameOf: (group: number) => `g${group}` },
  { domain: 4, tenant: 'red', nameOf: (group: number) => `g${group}` },
] as const;
const step = fc.record({ which: fc.nat(1), plain: fc.option(drawnTenant) });
const none: TenantPolicies = { rules: [], groups: new Map() };

it('is what all rules that are left say, whatever came and went', () => {
  let decided = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 4 }),
      fc.array(drawnConversation, { minLength: 6, maxLength: 6 }),
      (steps, talks) => {
        const known = new KnownPolicies();
        const now = [none, none];
        for (const { which, plain } of steps) {
          const [tenant, before] = [tenants[which] ?? tenants[0], now[which] ?? none];
          const after = plain === null ? none : compiledOf(plain);
          tellPolicies(known, tenant, after, before);
          now[which] = after;
        }
        for (const [which, { domain, tenant }] of tenants.entries()) {
          const policies = now[which] ?? none;
          const isThere = policies.rules.length + policies.groups.size > 0;
          expect(known.tenant(domain)).toBe(isThere ? tenant : '');
          for (const talk of talks.map(numbered)) {
            const wanted = judge(policies, talk);
            expect(known.judge(domain, talk)).toEqual({
              ...wanted,
              out: { ...wanted.out, rule: wanted.out.rule && { ...wanted.out.rule, domain } },
              in: { ...wanted.in, rule: wanted.in.rule && { ...wanted.in.rule, domain } },
            });
            if (wanted.in.rule !== undefined || wanted.out.rule !== undefined) decided += 1;
          }
          for (const protocol of [6, 17, 132]) {
            const some = policies.rules.some(
              ({ traffic }) => traffic.ports !== undefined && traffic.protocol?.v4 === protocol,
            );
            expect(known.hasPortsOf(domain, protocol)).toBe(some);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(decided).toBeGreaterThan(100);
});

it('names a group by its number, and not by one that had it before', () => {
  const known = new KnownPolicies();
  const group = { number: 11, domain: 3, policies: [] };
  known.setGroup('blue/web:11', group);
  known.setGroup('blue/shop:11', group);
  known.setGroup('blue/web:11', undefined);
  expect(known.group(3, 11)).toMatchObject({ tenant: 'blue', name: 'shop' });
  expect(known.group(4, 11)).toBeUndefined();
  known.setGroup('blue/shop:11', undefined);
  expect([known.group(3, 11), known.tenant(3)]).toEqual([undefined, '']);
});
