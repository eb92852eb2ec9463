/**
 * The rules of a tenant by what they are about: which decides is found without a look at each of thousands, for who has to
 * know it of many packets. What `judge.ts` says of a list of all rules is said here of those that may fit.
 */
import { blockOf } from '../ip/ip.ts';
import type { CompiledRule, Direction, Traffic } from './compile.ts';
import type { Conversation } from './conversation.ts';
import { fits, inOrder } from './judge.ts';
import { OverlapIndex } from './overlap-index.ts';
import { extentOf, type Extent } from './overlap.ts';

interface Kept {
  readonly rule: CompiledRule;
  readonly extent: Extent;
}

interface Policy {
  readonly rules: Map<string, Kept>;
  readonly byDirection: Readonly<Record<Direction, OverlapIndex<Kept>>>;
}

/** Rules that come and go. */
export class RuleFinder {
  readonly #policies = new Map<string, Policy>();

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#policies.size === 0;
  }

  /** Adds a rule, or replaces that of its policy and name. */
  set(rule: CompiledRule): void {
    this.remove(rule);
    const policy = this.#policies.get(rule.policy) ?? emptyPolicy();
    this.#policies.set(rule.policy, policy);
    const kept = { rule, extent: extentOf(rule.traffic) };
    policy.rules.set(rule.name, kept);
    policy.byDirection[rule.direction].add(kept);
  }

  /** Removes the rule of this policy and name; harmless when it is not there. */
  remove({ policy: of, name }: Pick<CompiledRule, 'policy' | 'name'>): void {
    const policy = this.#policies.get(of);
    const kept = policy?.rules.get(name);
    if (policy === undefined || kept === undefined) return;
    policy.rules.delete(name);
    policy.byDirection[kept.rule.direction].remove(kept);
    if (policy.rules.size === 0) this.#policies.delete(of);
  }

  /** Of the rules of these policies and this direction, the first in order that fits. */
  firstThatFits(
    policies: readonly string[],
    conversation: Conversation,
    direction: Direction,
  ): CompiledRule | undefined {
    const extent = extentOf(trafficOf(conversation, direction));
    let first: CompiledRule | undefined;
    for (const name of policies) {
      const near = this.#policies.get(name)?.byDirection[direction].overlapping(extent) ?? [];
      for (const { rule } of near) {
        if (first !== undefined && inOrder(first, rule) <= 0) continue;
        if (fits(rule.traffic, conversation, direction)) first = rule;
      }
    }
    return first;
  }
}

const emptyPolicy = (): Policy => ({
  rules: new Map(),
  byDirection: { in: new OverlapIndex(), out: new OverlapIndex() },
});

/** What a rule that is about this conversation only would say: every rule that fits the one may fit the other. */
function trafficOf(conversation: Conversation, direction: Direction): Traffic {
  const { client, server, protocol, port, network } = conversation;
  const { address, group } = direction === 'in' ? client : server;
  return {
    group,
    blocks: [{ cidr: blockOf(address, address.family === 4 ? 32 : 128), network }],
    protocol: { v4: protocol, v6: protocol },
    ports: { first: port, last: port },
    icmpTypes: undefined,
  };
}
