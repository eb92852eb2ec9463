/** How often rules and defaults decided on this host since their flows are there, read from the switch. */
import type { OpenFlowConnection } from '../datapath/openflow/connection.ts';
import { tables } from '../datapath/pipeline/fields.ts';
import { countedHits, defaultMark, ruleMark } from '../datapath/pipeline/hits.ts';
import type { Direction } from '../policy/compile.ts';
import type { KnownPolicies } from './known-policies.ts';

/** A rule that is some group's here. */
export interface RuleHits {
  readonly tenant: string;
  readonly policy: string;
  readonly rule: string;
  /** Beginnings of conversations that it decided. */
  readonly hits: number;
}

/** A group that denies where no rule fits. */
export interface DefaultHits {
  readonly tenant: string;
  /** Of who is in a network and in no group the network's name. */
  readonly group: string;
  readonly direction: Direction;
  /** Beginnings of conversations that no rule was about. */
  readonly hits: number;
}

/** What was counted on a host. */
export interface PolicyHits {
  readonly rules: readonly RuleHits[];
  readonly defaults: readonly DefaultHits[];
}

const none: PolicyHits = { rules: [], defaults: [] };

/** Asks the switch. @throws OVS_* */
export async function readPolicyHits(
  connection: Pick<OpenFlowConnection, 'flows'>,
  known: Pick<KnownPolicies, 'groups' | 'rules'>,
): Promise<PolicyHits> {
  const [rules, groups] = [[...known.rules()], [...known.groups()]];
  // most hosts have nothing to ask about
  if (rules.length === 0 && groups.every(({ group }) => group.stance === undefined)) return none;
  const counted = await Promise.all(
    [tables.outHits, tables.inHits].map((table) => connection.flows({ table })),
  );
  const hits = countedHits(counted.flat());
  return {
    rules: rules.flatMap(({ tenant, rule }) => {
      const count = hits.get(ruleMark(rule));
      const { policy, name } = rule;
      return count === undefined ? [] : [{ tenant, policy, rule: name, hits: count }];
    }),
    defaults: groups.flatMap(({ tenant, name, group: { number } }) =>
      (['out', 'in'] as const).flatMap((direction) => {
        const count = hits.get(defaultMark(number, direction));
        return count === undefined ? [] : [{ tenant, group: name, direction, hits: count }];
      }),
    ),
  };
}
