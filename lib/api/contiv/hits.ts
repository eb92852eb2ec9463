/** How often rules and defaults decided on all hosts, beside what Contiv showed of rules, policies, groups and networks. */
import { asFairleadError } from '../../errors.ts';
import type { KindName } from '../../model/objects/kind.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import type { HitsAsked } from '../../network/hit-book.ts';
import type { SummedHits } from '../../network/hit-sums.ts';

/** Adds up what all hosts have counted. */
export type ReadHits = (asked: HitsAsked) => Promise<SummedHits>;

type Counts = SummedHits['counts'];
type Parts = ObjectName['parts'];

interface Shown {
  readonly name: string;
  readonly asked: (parts: Parts) => HitsAsked;
  readonly show: (counts: Counts) => number | readonly string[];
}

/** Numbers of rules as such, as in `1`, `2`, `10`. */
const byName = new Intl.Collator('en', { numeric: true }).compare;
const lines = (counts: Counts): readonly string[] =>
  [...counts]
    .toSorted(([one], [other]) => byName(one, other))
    .map(([name, hits]) => `${name}: ${hits}`);

const ofGroup: Shown = {
  name: 'defaultHits',
  asked: ([tenant = '', group = '']) => ({ kind: 'default', tenant, group }),
  show: lines,
};

/** By kind: what it is called, and of what it is. */
const shown: Partial<Record<KindName, Shown>> = {
  rule: {
    name: 'hits',
    asked: ([tenant = '', policy = '', rule = '']) => ({ kind: 'rule', tenant, policy, rule }),
    show: (counts) => [...counts.values()][0] ?? 0,
  },
  policy: {
    name: 'ruleHits',
    asked: ([tenant = '', policy = '']) => ({ kind: 'policy', tenant, policy }),
    show: lines,
  },
  endpointGroup: ofGroup,
  network: ofGroup,
};

/** What there is to add to what an object shows; nothing where nothing of it was counted, nor is enforced here. */
export async function objectHits({ kind, parts }: ObjectName, read: ReadHits): Promise<object> {
  const of = shown[kind];
  if (of === undefined) return {};
  try {
    const { counts, hosts, atMs } = await read(of.asked(parts));
    if (hosts === 0) return {};
    const age = atMs === undefined ? {} : { hitsAsOf: new Date(atMs).toISOString() };
    return { [of.name]: of.show(counts), hitsHosts: hosts, ...age };
  } catch (thrown) {
    // objects are shown whether or not their hits can be read
    return { [of.name]: [`hits were not read: ${asFairleadError(thrown).message}`] };
  }
}
