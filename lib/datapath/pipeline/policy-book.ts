/**
 * Groups, policies and rules kept as what they are for flows: which rule sets there are, who has them, which matches
 * they share. A rule's coming touches its own matches, and the groups of its policy only when it is the first of its
 * priority. Policies that no group has are put away and cost nothing.
 */
import { assert } from '../../assert.ts';
import { policiesEnforcedMax } from '../../limits.ts';
import type { PolicyGroup, PolicyRule } from '../../network/world.ts';
import { delist, enlist } from '../../sets-by-key.ts';
import type { Match } from '../openflow/codec/flow.ts';
import { deciderOfDefault, deciderOfSet, defaultHits, ruleHits } from './hits.ts';
import { RuleOrder } from './rule-order.ts';
import {
  groupAudited,
  groupInSets,
  groupStance,
  placeOf,
  setVerdict,
  trafficInSets,
  trafficMatches,
  type RuleSet,
} from './rule-sets.ts';
import { FlowWriter, flowsOnly, type Unit } from './unit.ts';

/** Who is told what has changed. */
export interface PolicyListener {
  /** A unit is another. */
  readonly touch: (key: string, make: () => Unit | undefined) => void;
  /** A tenant got its first rule that counts, or lost the last. */
  readonly turned: (domain: number) => void;
  /** A tenant got its first group, or lost the last. */
  readonly tracked: (domain: number) => void;
}

/** Rules of a policy that are one set. */
interface FilledSet {
  readonly set: RuleSet;
  readonly decider: number;
  readonly order: RuleOrder;
}

interface Policy {
  readonly name: string;
  readonly domain: number;
  /** While groups have it. */
  number: number | undefined;
  readonly groups: Set<number>;
  readonly rules: Map<string, PolicyRule>;
  readonly sets: Map<string, FilledSet>;
}

/** A match in one place, and whose it is: sets by rule. */
interface SharedMatch {
  readonly match: Match;
  readonly domain: number;
  readonly sets: Map<string, RuleSet>;
}

/** All of a bridge. */
export class PolicyBook {
  readonly #listener: PolicyListener;
  readonly #groups = new Map<number, PolicyGroup>();
  readonly #policies = new Map<string, Policy>();
  readonly #matches = new Map<string, SharedMatch>();
  /** How many rules count in each tenant, and groups that deny without one. */
  readonly #counting = new Map<number, number>();
  /** The groups of each tenant. */
  readonly #grouped = new Map<number, Set<number>>();
  readonly #freed: number[] = [];
  #numbersTaken = 0;

  constructor(listener: PolicyListener) {
    this.#listener = listener;
  }

  /** Whether a tenant has rules that count. */
  isPoliced(domain: number): boolean {
    return this.#counting.has(domain);
  }

  /** Whether a tenant has groups, so that there may be rules one day. */
  isTracked(domain: number): boolean {
    return this.#grouped.has(domain);
  }

  /** Adds a group, or replaces it. */
  setGroup(group: PolicyGroup): void {
    const before = this.#groups.get(group.number);
    this.#groups.set(group.number, group);
    if (before !== undefined && before.domain !== group.domain) this.#leave(before);
    this.#enter(group);
    this.#touchGroup(group.number);
    this.#count(group.domain, denials(group));
    // first those that come, so that a tenant whose last one goes does not turn and turn back
    for (const name of group.policies) this.#join(this.#policyOf(group.domain, name), group.number);
    for (const name of before?.policies ?? []) {
      if (before?.domain === group.domain && group.policies.includes(name)) continue;
      this.#part(this.#policyOf(before?.domain ?? group.domain, name), group.number);
    }
    if (before !== undefined) this.#count(before.domain, -denials(before));
  }

  /** Removes a group. */
  removeGroup(number: number): void {
    const before = this.#groups.get(number);
    if (before === undefined) return;
    this.#groups.delete(number);
    this.#leave(before);
    this.#touchGroup(number);
    for (const name of before.policies) this.#part(this.#policyOf(before.domain, name), number);
    this.#count(before.domain, -denials(before));
  }

  /** Adds a rule, or replaces it. */
  setRule(rule: PolicyRule): void {
    const policy = this.#policyOf(rule.domain, rule.policy);
    const before = policy.rules.get(rule.name);
    policy.rules.set(rule.name, rule);
    if (policy.number === undefined) return;
    if (before !== undefined) this.#delist(policy, before);
    this.#enlist(policy, rule);
    if (before === undefined) this.#count(rule.domain, 1);
  }

  /** Removes a rule. */
  removeRule({ domain, policy: of, name }: Pick<PolicyRule, 'domain' | 'policy' | 'name'>): void {
    const policy = this.#policyOf(domain, of);
    const before = policy.rules.get(name);
    policy.rules.delete(name);
    if (before !== undefined && policy.number !== undefined) {
      this.#delist(policy, before);
      this.#count(domain, -1);
    }
    this.#forgetEmpty(policy);
  }

  #enter({ domain, number }: PolicyGroup): void {
    if (enlist(this.#grouped, domain, number)) this.#listener.tracked(domain);
  }

  #leave({ domain, number }: PolicyGroup): void {
    if (delist(this.#grouped, domain, number)) this.#listener.tracked(domain);
  }

  #policyOf(domain: number, name: string): Policy {
    const key = policyKey({ domain, name });
    let policy = this.#policies.get(key);
    if (policy === undefined) {
      const none = { groups: new Set<number>(), rules: new Map(), sets: new Map() };
      policy = { name, domain, number: undefined, ...none };
      this.#policies.set(key, policy);
    }
    return policy;
  }

  #forgetEmpty(policy: Policy): void {
    if (policy.groups.size + policy.rules.size === 0) this.#policies.delete(policyKey(policy));
  }

  #join(policy: Policy, group: number): void {
    policy.groups.add(group);
    if (policy.number !== undefined) return;
    policy.number = this.#freed.pop() ?? this.#numbersTaken++;
    assert(policy.number < policiesEnforcedMax, 'groups and their policies are counted');
    for (const rule of policy.rules.values()) this.#enlist(policy, rule);
    this.#count(policy.domain, policy.rules.size);
  }

  #part(policy: Policy, group: number): void {
    policy.groups.delete(group);
    const { number } = policy;
    if (policy.groups.size === 0 && number !== undefined) {
      for (const rule of policy.rules.values()) this.#delist(policy, rule);
      policy.number = undefined;
      this.#freed.push(number);
      this.#count(policy.domain, -policy.rules.size);
    }
    this.#forgetEmpty(policy);
  }

  #enlist(policy: Policy, rule: PolicyRule): void {
    const set = this.#setOf(policy, rule);
    const key = setKey(rule);
    const filled = policy.sets.get(key) ?? filledOf(policy, set);
    policy.sets.set(key, filled);
    const moved = filled.order.add(rule);
    if (filled.order.size === 1) this.#touchSet(policy, key);
    for (const name of moved) this.#touchHits(policy, key, name);
    for (const match of trafficMatches(rule)) {
      const at = matchKey(set, match);
      const shared = this.#matches.get(at) ?? { match, domain: policy.domain, sets: new Map() };
      this.#matches.set(at, shared);
      shared.sets.set(ruleKey(rule), set);
      this.#touchMatch(at);
    }
  }

  #delist(policy: Policy, rule: PolicyRule): void {
    const set = this.#setOf(policy, rule);
    const key = setKey(rule);
    const filled = policy.sets.get(key);
    assert(filled !== undefined, 'a rule that counts is in a set');
    for (const name of filled.order.remove(rule)) this.#touchHits(policy, key, name);
    if (filled.order.size === 0) {
      policy.sets.delete(key);
      this.#touchSet(policy, key);
    }
    for (const match of trafficMatches(rule)) {
      const at = matchKey(set, match);
      const shared = this.#matches.get(at);
      shared?.sets.delete(ruleKey(rule));
      if (shared?.sets.size === 0) this.#matches.delete(at);
      this.#touchMatch(at);
    }
  }

  #setOf({ number }: Policy, { direction, priority, verdict }: PolicyRule): RuleSet {
    assert(number !== undefined, 'a policy whose rules count has a number');
    return { policyNumber: number, direction, priority, verdict };
  }

  #count(domain: number, more: number): void {
    const before = this.#counting.get(domain) ?? 0;
    const count = before + more;
    if (count === 0) this.#counting.delete(domain);
    else this.#counting.set(domain, count);
    if ((before === 0) !== (count === 0)) this.#listener.turned(domain);
  }

  #touchSet(policy: Policy, key: string): void {
    const of = policyKey(policy);
    this.#listener.touch(`policy/set/${key}/${of}`, () => {
      const filled = this.#policies.get(of)?.sets.get(key);
      return filled && made(policy.domain, (flow) => setVerdict(flow, filled.set, filled.decider));
    });
    for (const group of policy.groups) this.#touchGroup(group);
  }

  /** Where a rule is counted is another, or there is such a place now, or none any more. */
  #touchHits(policy: Policy, key: string, name: string): void {
    const of = policyKey(policy);
    this.#listener.touch(`policy/hits/${key}/${of}/${name}`, () => {
      const filled = this.#policies.get(of)?.sets.get(key);
      const place = filled?.order.get(name);
      return filled && place && flowsOnly(ruleHits(place, filled.decider));
    });
  }

  #touchGroup(number: number): void {
    this.#listener.touch(`policy/group/${number}`, () => {
      const group = this.#groups.get(number);
      if (group === undefined) return undefined;
      const { domain, policies, stance } = group;
      const sets = [...new Set(policies)].flatMap((name) =>
        [...(this.#policies.get(policyKey({ domain, name }))?.sets.values() ?? [])].map(
          (filled) => filled.set,
        ),
      );
      if (sets.length === 0 && stance === undefined) return undefined;
      const places = Map.groupBy(sets, placeKey);
      const decider = deciderOfDefault(number);
      const { flows } = made(domain, (flow) => {
        for (const together of places.values()) groupInSets(flow, number, together);
        if (stance !== undefined) groupStance(flow, { number, stance, decider });
      });
      const counts = stance === undefined ? [] : defaultHits(number, stance, decider);
      const audited = new FlowWriter({ kind: 'denied', object: 1 });
      if (stance?.isAudited === true) groupAudited(audited, number);
      return flowsOnly([...flows, ...counts, ...audited.flows]);
    });
  }

  #touchMatch(key: string): void {
    this.#listener.touch(`policy/traffic/${key}`, () => {
      const shared = this.#matches.get(key);
      if (shared === undefined) return undefined;
      const { match, domain } = shared;
      // several rules of a set have the same match
      const sets = new Map([...shared.sets.values()].map((set) => [set.policyNumber, set]));
      return made(domain, (flow) => trafficInSets(flow, match, [...sets.values()]));
    });
  }
}

/** What a group denies without any rule, counted as a rule. */
const denials = ({ stance }: PolicyGroup): number =>
  stance?.in === 'deny' || stance?.out === 'deny' ? 1 : 0;

const filledOf = (policy: Policy, set: RuleSet): FilledSet => ({
  set,
  decider: deciderOfSet(policy, set),
  order: new RuleOrder(),
});

const policyKey = ({ domain, name }: Pick<Policy, 'domain' | 'name'>): string =>
  `${domain}/${name}`;

const ruleKey = ({ policy, name }: PolicyRule): string => `${policy}/${name}`;

const setKey = ({ direction, priority, verdict }: PolicyRule): string =>
  `${direction}/${priority}/${verdict}`;

function placeKey(set: RuleSet): string {
  const { table, priority } = placeOf(set);
  return `${table}/${priority}`;
}

const matchKey = (set: RuleSet, match: Match): string =>
  `${placeKey(set)}/${JSON.stringify(match, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  )}`;

function made(domain: number, write: (flow: FlowWriter) => void): Unit {
  const flow = new FlowWriter({ kind: 'policy', object: domain });
  write(flow);
  return flowsOnly(flow.flows);
}
