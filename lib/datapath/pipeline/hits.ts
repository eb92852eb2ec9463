/**
 * How often rules and defaults decided, counted by the switch: tables `outHits` and `inHits`. What has decided puts a
 * number into a register and has the packet looked up there, before it goes on as it would have gone: no verdict
 * depends on what is in these tables. What begins a conversation fits the flow of one rule of the deciding set there;
 * of several that fit it is the first by name, which is the one that `policy explain` names.
 *
 * Numbers are made of names, so an agent that starts again wants the same flows, and they go on counting. Two names
 * with one number are as likely as one in a million; their counts would be added up, and nothing else.
 */
import { fnv1a64 } from '../../fnv.ts';
import type { PolicyRule } from '../../network/world.ts';
import type { Direction } from '../../policy/compile.ts';
import type { Stance } from '../../policy/stance.ts';
import type { Flow } from '../openflow/codec/flow.ts';
import { cookieKinds, readCookie, registers } from './fields.ts';
import { isNew } from './outside.ts';
import { policyTables } from './policy.ts';
import type { PlacedRule } from './rule-order.ts';
import { beginningMatches, type RuleSet } from './rule-sets.ts';
import { drop, FlowWriter } from './unit.ts';

/** The first place; the places of rules that overlap are below. */
const firstPlace = 60_000;

/** Stands for a rule set of a tenant's policy in the register, as what has decided. */
export function deciderOfSet(
  { domain, name }: { readonly domain: number; readonly name: string },
  { direction, priority, verdict }: RuleSet,
): number {
  return numberOf(`set/${domain}/${name}/${direction}/${priority}/${verdict}`, 32n);
}

/** Stands there for what a group does where no rule fits. */
export const deciderOfDefault = (group: number): number => numberOf(`default/${group}`, 32n);

/** Stands for a rule in cookies: 40 bits. */
export const ruleMark = ({
  domain,
  policy,
  name,
}: Pick<PolicyRule, 'domain' | 'policy' | 'name'>) =>
  numberOf(`rule/${domain}/${policy}/${name}`, 40n);

/** Stands for a group's default in cookies. */
export const defaultMark = (group: number, direction: Direction): number =>
  numberOf(`default/${group}/${direction}`, 40n);

/** Counts what a rule decides. */
export function ruleHits({ rule, place }: PlacedRule, decider: number): readonly Flow[] {
  const flow = new FlowWriter({ kind: 'hits', object: ruleMark(rule) });
  const table = policyTables[rule.direction].hits;
  const at = { table, priority: Math.max(1, firstPlace - place) };
  for (const match of beginningMatches(rule)) {
    flow.add(at, [match, isNew, { [registers.decider]: decider }], drop);
  }
  return flow.flows;
}

/** Counts what a group denies where no rule fits. */
export function defaultHits(group: number, stance: Stance, decider: number): readonly Flow[] {
  return (['out', 'in'] as const).flatMap((direction) => {
    if (stance[direction] !== 'deny') return [];
    const flow = new FlowWriter({ kind: 'hits', object: defaultMark(group, direction) });
    const at = { table: policyTables[direction].hits, priority: firstPlace };
    return flow.add(at, [isNew, { [registers.decider]: decider }], drop).flows;
  });
}

/** What the flows of these tables have counted, by what their cookies stand for. */
export function countedHits(
  entries: Iterable<{ readonly flow: Flow; readonly packets: bigint }>,
): ReadonlyMap<number, number> {
  const hits = new Map<number, number>();
  for (const { flow, packets } of entries) {
    const said = readCookie(flow.cookie);
    if (said?.kind !== cookieKinds.hits) continue;
    hits.set(said.object, (hits.get(said.object) ?? 0) + Number(packets));
  }
  return hits;
}

/** The bits above are folded into those that are taken: alone these would be those of a shorter sum. */
function numberOf(text: string, bits: bigint): number {
  const sum = fnv1a64(text);
  return Number((sum >> bits) ^ BigInt.asUintN(Number(bits), sum));
}
