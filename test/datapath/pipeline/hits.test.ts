/** What is counted for which rule, on paper: against what `judge` says of each policy by itself. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cookieOf } from '../../../lib/datapath/pipeline/fields.ts';
import { defaultMark, ruleMark } from '../../../lib/datapath/pipeline/hits.ts';
import { OverlapIndex } from '../../../lib/policy/overlap-index.ts';
import { extentOf, mayOverlap } from '../../../lib/policy/overlap.ts';
import { RuleOrder } from '../../../lib/datapath/pipeline/rule-order.ts';
import type { Direction } from '../../../lib/policy/compile.ts';
import { compareTexts, judge, type TenantPolicies } from '../../../lib/policy/judge.ts';
import { parseCidr } from '../../../lib/ip/ip.ts';
import { compiledOf, drawnTenant } from '../../policy/drawn-policies.ts';
import { PolicedFabric, policed } from './policed-site.ts';
import {
  answer,
  anyTraffic,
  conversationOf,
  groupIn,
  policies,
  ruleOf,
  speak,
  talk,
  tcp80,
  tenants,
  type Talk,
} from './talks.ts';

const hitsOf = (object: number): bigint => cookieOf('hits', object);

/** Cookies that one end may count by: of several policies that say the same any may be the one that is counted. */
function countedAt(rules: TenantPolicies, said: Talk, direction: Direction): readonly bigint[] {
  const conversation = conversationOf(said);
  const group = groupIn(direction === 'in' ? said.server : said.client);
  const decided = judge(rules, conversation)[direction];
  if (decided.rule === undefined) {
    const denies = rules.stances?.get(group)?.[direction] === 'deny';
    return denies ? [hitsOf(defaultMark(group, direction))] : [];
  }
  const { priority, verdict } = decided.rule;
  return (rules.groups.get(group) ?? []).flatMap((policy) => {
    const alone = { ...rules, groups: new Map([[group, [policy]]]) };
    const { rule } = judge(alone, conversation)[direction];
    const isSame = rule?.priority === priority && rule.verdict === verdict;
    return rule !== undefined && isSame ? [hitsOf(ruleMark({ ...rule, domain: policed }))] : [];
  });
}

/** What was counted while something was done. */
function countedBy(site: PolicedFabric, work: () => void): ReadonlyMap<bigint, number> {
  const before = site.carried();
  work();
  const more = [...site.carried()].map(([cookie, count]) => {
    return [cookie, count - (before.get(cookie) ?? 0)] as const;
  });
  const isHit = (cookie: bigint) => (cookie ^ hitsOf(0)) >> 40n === 0n;
  return new Map(more.filter(([cookie, count]) => isHit(cookie) && count > 0));
}

describe('a conversation', () => {
  it('counts once at each end that judges it, for a rule that decides there and is the first of its policy', () => {
    const site = new PolicedFabric();
    const count = { rules: 0, both: 0, none: 0 };
    fc.assert(
      fc.property(policies, fc.array(talk, { minLength: 8, maxLength: 8 }), (rules, talks) => {
        site.change(rules);
        for (const said of talks) {
          site.forget();
          const counted = [...countedBy(site, () => speak(site, said))];
          const isLetOut = judge(rules, conversationOf(said)).out.verdict === 'allow';
          const ends = [
            countedAt(rules, said, 'out'),
            ...(isLetOut ? [countedAt(rules, said, 'in')] : []),
          ].filter((may) => may.length > 0);
          const what = [said, rules, counted];
          expect(
            counted.reduce((sum, [, packets]) => sum + packets, 0),
            asText(what),
          ).toBe(ends.length);
          for (const may of ends) {
            expect(may.some((cookie) => counted.some(([each]) => each === cookie))).toBe(true);
          }
          count[(['none', 'rules', 'both'] as const)[ends.length] ?? 'none'] += 1;
        }
      }),
      { numRuns: 150 },
    );
    expect(Math.min(count.rules, count.both, count.none)).toBeGreaterThan(10);
  });

  it('counts when it begins, not as it goes on', () => {
    const [client, server] = tenants.filter(
      ({ segmentId, group }) => segmentId === 't1n1' && group !== undefined,
    );
    if (client === undefined || server?.group === undefined) throw new Error('no containers');
    const said = { client, server, family: 4, isLinkLocal: false, speech: tcp80 } as const;
    const rule = ruleOf({});
    const groups = new Map([[server.group, ['base']]]);
    const site = new PolicedFabric();
    site.change({ rules: [rule], groups });
    const own = hitsOf(ruleMark({ ...rule, domain: policed }));
    expect(countedBy(site, () => speak(site, said)).get(own)).toBe(1);
    expect(countedBy(site, () => [answer(site, said), speak(site, said)])).toEqual(new Map());
  });
});

const asText = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? `${each}` : each));

it('rules stand for themselves: thousands of them have as many numbers', () => {
  const marks = [1, 2].flatMap((domain) =>
    ['web', 'base', 'tcp-80'].flatMap((policy) =>
      Array.from({ length: 5_000 }, (_each, at) => ruleMark({ domain, policy, name: `${at}` })),
    ),
  );
  expect(new Set(marks).size).toBe(30_000);
  expect(Math.max(...marks)).toBeLessThan(2 ** 40);
});

describe('the places of rules', () => {
  it('are those that they would have if they had come in any other order', () => {
    fc.assert(
      fc.property(drawnTenant, fc.infiniteStream(fc.nat()), (tenant, draws) => {
        const rules = compiledOf(tenant).rules.map((rule) => ({ ...rule, domain: policed }));
        const [one, other] = [new RuleOrder(), new RuleOrder()];
        for (const rule of rules) one.add(rule);
        const shuffled = rules
          .map((rule) => [rule, draws.next().value] as const)
          .toSorted(([, a], [, b]) => a - b);
        for (const [rule] of shuffled) other.add(rule);
        const gone = shuffled.slice(0, 3).map(([rule]) => rule);
        for (const rule of gone) other.remove(rule);
        for (const rule of gone) other.add(rule);
        for (const { name } of rules) expect(other.get(name)).toEqual(one.get(name));
      }),
    );
  });

  it('are found by looking at those only that may overlap, which are all that do', () => {
    fc.assert(
      fc.property(drawnTenant, fc.infiniteStream(fc.boolean()), (tenant, draws) => {
        const all = compiledOf(tenant).rules.map(({ name, traffic }) => ({
          name,
          extent: extentOf(traffic),
        }));
        const index = new OverlapIndex<(typeof all)[number]>();
        for (const one of all) index.add(one);
        const there = all.filter((one) => {
          const isKept = draws.next().value;
          if (!isKept) index.remove(one);
          return isKept;
        });
        for (const { extent } of all) {
          const found = new Set(index.overlapping(extent));
          expect(found).toEqual(new Set(there.filter((each) => mayOverlap(each.extent, extent))));
        }
      }),
    );
  });

  it('are other ones only for those that overlap and come behind', () => {
    const host = (last: number, name: string) => ({
      ...ruleOf({
        name,
        traffic: {
          ...anyTraffic,
          blocks: [{ cidr: parseCidr(`10.0.1.${last}/32`), network: undefined }],
        },
      }),
      domain: policed,
    });
    const order = new RuleOrder();
    for (const last of [1, 2, 3]) order.add(host(last, `r${last}`));
    expect(['r1', 'r2', 'r3'].map((name) => order.get(name)?.place)).toEqual([0, 0, 0]);
    const all = { ...ruleOf({ name: 'r11' }), domain: policed };
    expect(order.add(all)).toEqual(['r11', 'r2', 'r3']);
    expect(['r1', 'r11', 'r2', 'r3'].map((name) => order.get(name)?.place)).toEqual([0, 1, 2, 2]);
    expect(order.add(host(4, 'r0'))).toEqual(['r0']);
    expect(order.remove(all)).toEqual(['r11', 'r2', 'r3']);
    expect(order.get('r2')?.place).toBe(0);
    expect(compareTexts('r11', 'r2')).toBe(-1);
  });

  it('are behind a rule about everything for each of thousands that it comes before', () => {
    const tcp = (port: number | undefined) => ({
      ...anyTraffic,
      protocol: { v4: 6, v6: 6 },
      ports: port === undefined ? undefined : { first: port, last: port },
    });
    const named = (name: string, port?: number) => ({
      ...ruleOf({ name, traffic: tcp(port) }),
      domain: policed,
    });
    const order = new RuleOrder();
    for (let port = 1; port <= 3_000; port += 1) order.add(named(`r${port}`, port));
    expect(order.add(named('all')).length).toBe(3_001);
    expect(order.get('r3000')?.place).toBe(1);
    expect(order.add(named('r3000b', 3_000))).toEqual(['r3000b']);
    expect(order.get('r3000b')?.place).toBe(2);
    expect(order.add(named('r3000a', 3_000))).toEqual(['r3000a', 'r3000b']);
    expect(order.remove(named('all')).length).toBe(3_003);
    expect(order.get('r3000b')?.place).toBe(2);
    expect(order.get('r3000')?.place).toBe(0);
  });
});
