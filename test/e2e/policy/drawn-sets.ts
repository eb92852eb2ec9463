/** Policies and talks drawn from chance, small enough that rules often meet each other and what is said. */
import type { Random } from '../../sim/random.ts';
import type { Name } from '../../support/policy-cast.ts';
import { speeches, type Policies, type Rule, type Talk } from '../../support/policy-words.ts';

const groups = ['front', 'back', 'data'] as const;
const policyNames = ['p', 'q', 'r'] as const;
const rulesMost = 12;
const names: readonly Name[] = [
  ...(['front1', 'back2', 'free3', 'data1', 'front4', 'back5', 'data2', 'back6', 'free7'] as const),
];
const others: readonly Rule[] = [
  {},
  {},
  { fromEndpointGroup: 'front' },
  { fromEndpointGroup: 'back' },
  { fromEndpointGroup: 'data' },
  { fromNetwork: 'web' },
  { fromNetwork: 'db' },
  { fromIpAddress: '10.80.1.0/30' },
  { fromIpAddress: '10.80.1.3-6' },
  { fromIpAddress: 'fd80:2::/64' },
  { fromEndpointGroup: 'front', fromIpAddress: '10.80.1.4/30' },
];
const traffic: readonly Rule[] = [
  {},
  {},
  { protocol: 'tcp' },
  { protocol: 'tcp', port: 80 },
  { protocol: 'tcp', port: 80, portLast: 4_095 },
  { protocol: 'udp' },
  { protocol: 'udp', port: 81 },
  { protocol: '17', port: 1, portLast: 80 },
  { protocol: 'icmp' },
  { protocol: 'icmp', icmpType: 'echo' },
  { protocol: 'icmp', icmpType: 'timestamp' },
];
const settings = ['', '', '', '', 'deny', 'deny-in', 'deny-out', 'allow', 'audit', 'deny audit'];
const placesOfSettings = ['blue', 'web', 'db', ...groups] as const;

/** Policies of the groups, rules of the policies, and settings. */
export function drawPolicies(random: Random): Policies {
  const has = groups.map(
    (group) => [group, policyNames.filter(() => random.chance(0.45))] as const,
  );
  const rules = policyNames.map((policy) => [policy, drawRules(random)] as const);
  const says = placesOfSettings.flatMap((place) => {
    const said = random.chance(0.3) ? random.pick(settings) : '';
    return said === '' ? [] : [[place, said] as const];
  });
  return {
    has: Object.fromEntries(has),
    rules: Object.fromEntries(rules),
    says: Object.fromEntries(says),
  };
}

function drawRules(random: Random): readonly Rule[] {
  const rules = Array.from({ length: random.below(rulesMost / policyNames.length + 1) }, () =>
    drawRule(random),
  );
  // rules of the same words are one rule
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

function drawRule(random: Random): Rule {
  const rule: Rule = {
    action: random.chance(0.55) ? 'deny' : 'allow',
    priority: random.pick([1, 2, 2, 50, 100]),
    ...random.pick(traffic),
  };
  const other = random.pick(others);
  if (random.chance(0.6)) return { ...rule, direction: 'in', ...other };
  const { fromEndpointGroup = '', fromNetwork = '', fromIpAddress = '' } = other;
  return {
    ...rule,
    direction: 'out',
    toEndpointGroup: fromEndpointGroup,
    toNetwork: fromNetwork,
    toIpAddress: fromIpAddress,
  };
}

/** Somebody who begins with somebody else. */
export function drawTalk(random: Random): Talk {
  const client = random.pick(names);
  const server = random.pick(names.filter((name) => name !== client));
  return { client, server, family: random.chance(0.5) ? 4 : 6, ...random.pick(speeches) };
}
