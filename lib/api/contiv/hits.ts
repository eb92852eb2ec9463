/**
 * How often rules and defaults decided on the host that answers, beside what Contiv showed of rules, policies, groups
 * and networks.
 */
import { asFairleadError } from '../../errors.ts';
import type { DefaultHits, PolicyHits, RuleHits } from '../../host/policy-hits.ts';
import type { KindName } from '../../model/objects/kind.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';

/** Asks the switch. */
export type ReadHits = () => Promise<PolicyHits>;

type Found = number | readonly string[];

/** By kind: what it is called, and what of all is this object's. */
const shown: Partial<
  Record<KindName, readonly [string, (hits: PolicyHits, parts: Parts) => Found | undefined]>
> = {
  rule: [
    'hits',
    ({ rules }, parts) => rules.find((each) => isOf(each, parts) && each.rule === parts[2])?.hits,
  ],
  policy: [
    'ruleHits',
    ({ rules }, parts) =>
      rules.filter((each) => isOf(each, parts)).map(({ rule, hits }) => `${rule}: ${hits}`),
  ],
  endpointGroup: ['defaultHits', ({ defaults }, parts) => linesOf(defaults, parts)],
  network: ['defaultHits', ({ defaults }, parts) => linesOf(defaults, parts)],
};

type Parts = ObjectName['parts'];

/** What there is to add to what an object shows; nothing where nothing of it is enforced here. */
export async function objectHits({ kind, parts }: ObjectName, read: ReadHits): Promise<object> {
  const [name, pick] = shown[kind] ?? [];
  if (name === undefined || pick === undefined) return {};
  try {
    const found = pick(await read(), parts) ?? [];
    return typeof found === 'object' && found.length === 0 ? {} : { [name]: found };
  } catch (thrown) {
    // objects are shown whether or not the switch answers
    return { [name]: [`the switch was not asked: ${asFairleadError(thrown).message}`] };
  }
}

const isOf = (each: RuleHits, [tenant, policy]: Parts): boolean =>
  each.tenant === tenant && each.policy === policy;

const linesOf = (defaults: readonly DefaultHits[], [tenant, name]: Parts): readonly string[] =>
  defaults
    .filter((each) => each.tenant === tenant && each.group === name)
    .map(({ direction, hits }) => `${direction}: ${hits}`);
