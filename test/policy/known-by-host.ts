/** What a host knows of a tenant's policies, from the rules and groups themselves. */
import { KnownPolicies } from '../../lib/host/known-policies.ts';
import type { CompiledRule } from '../../lib/policy/compile.ts';
import type { TenantPolicies } from '../../lib/policy/judge.ts';

/** The tenant: its number, its name, and the names of its groups. */
export interface KnownTenant {
  readonly domain: number;
  readonly tenant: string;
  readonly nameOf: (group: number) => string;
}

const ruleId = ({ policy, name }: CompiledRule): string => `${policy}/${name}`;

/** Tells a host of what has changed in a tenant. */
export function tellPolicies(
  known: KnownPolicies,
  { domain, tenant, nameOf }: KnownTenant,
  after: TenantPolicies,
  before: TenantPolicies = { rules: [], groups: new Map() },
): void {
  const [old, rules] = [before.rules, after.rules].map(
    (all) => new Map(all.map((rule) => [ruleId(rule), { ...rule, domain }])),
  );
  for (const id of new Set([...(old?.keys() ?? []), ...(rules?.keys() ?? [])])) {
    known.setRule(`${tenant}/${id}:${domain}`, rules?.get(id));
  }
  const numbersOf = ({ groups, stances }: TenantPolicies) => [
    ...groups.keys(),
    ...(stances?.keys() ?? []),
  ];
  const there = new Set(numbersOf(after));
  for (const number of there.union(new Set(numbersOf(before)))) {
    const stance = after.stances?.get(number);
    const group = { number, domain, policies: after.groups.get(number) ?? [], stance };
    const id = `${tenant}/${nameOf(number)}:${number}`;
    known.setGroup(id, there.has(number) ? group : undefined);
  }
}
