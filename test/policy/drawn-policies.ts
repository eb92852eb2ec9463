/** Tenants with policies drawn at random, small enough that rules often meet. */
import fc from 'fast-check';
import { parseAddress, parseCidr } from '../../lib/ip/ip.ts';
import type { RuleConfig } from '../../lib/model/objects/rule.ts';
import { compileRule, type RuleNames } from '../../lib/policy/compile.ts';
import type { Conversation } from '../../lib/policy/conversation.ts';
import type { TenantPolicies } from '../../lib/policy/judge.ts';
import { stanceOf as stanceOfSettings, type Stance } from '../../lib/policy/stance.ts';
import type { PlainConversation, PlainTenant } from './plain-reading.ts';

/** Groups and networks by name, with their numbers. */
export const groupNumbers: Readonly<Record<string, number>> = { web: 11, app: 12, db: 13 };
export const networkNumbers: Readonly<Record<string, number>> = { blue: 1, red: 2 };
/** The subnets of the networks. */
export const subnetsOf: PlainTenant['subnetsOf'] = {
  blue: ['10.0.1.0/24', 'fd01:0:0:1::/64'],
  red: ['10.0.2.0/24', 'fd01:0:0:2::/64'],
};

const groups = Object.keys(groupNumbers);
const policies = ['base', 'extra', 'more'];
const addressTexts = [
  '10.0.1.0/24',
  '10.0.1.3',
  '10.0.1.2-5',
  '10.0.2.0/30',
  '0.0.0.0/0',
  'fd01:0:0:1::/64',
  'fd01:0:0:2::3',
  '::/0',
];
const others = [
  ...addressTexts.map((address) => ({ group: '', network: '', address })),
  ...groups.map((group) => ({ group, network: '', address: '' })),
  ...groups.map((group) => ({ group, network: '', address: '10.0.1.2-5' })),
  { group: '', network: 'blue', address: '10.0.1.0/24' },
  { group: '', network: 'red', address: '10.0.2.0/24' },
  // a network that was written down with another subnet than it has now
  { group: '', network: 'red', address: '10.0.1.0/24' },
  { group: '', network: '', address: '' },
];
const protocols = [
  { protocol: '' },
  { protocol: 'tcp' },
  { protocol: 'tcp', port: 80 },
  { protocol: 'tcp', port: 79, portLast: 80 },
  { protocol: 'tcp', port: 81, portLast: 65_535 },
  { protocol: 'udp' },
  { protocol: 'udp', port: 80 },
  { protocol: '17', port: 80, portLast: 80 },
  { protocol: 'icmp' },
  { protocol: 'icmp', icmpType: 'echo' },
  { protocol: 'icmp', icmpType: 'timestamp' },
  { protocol: '132', port: 80 },
].map((said) => ({ port: 0, portLast: 0, icmpType: '', ...said }));

const rule = fc.record({
  policyName: fc.constantFrom(...policies),
  direction: fc.constantFrom('in', 'out'),
  priority: fc.constantFrom(1, 2, 100),
  action: fc.constantFrom('allow', 'deny'),
  other: fc.constantFrom(...others),
  traffic: fc.constantFrom(...protocols),
});

const stances = [
  'allow',
  'allow',
  'allow',
  'deny',
  'deny-in',
  'deny-out',
  'allow audit',
  'deny audit',
];

/** Tenants. */
export const drawnTenant: fc.Arbitrary<PlainTenant> = fc
  .record({
    rules: fc.array(rule, { maxLength: 20, size: 'max' }),
    policiesOf: fc.record(
      Object.fromEntries(
        groups.map((group) => [group, fc.subarray(policies, { minLength: 1 })] as const),
      ),
    ),
    stanceOf: fc.record(
      Object.fromEntries(groups.map((group) => [group, fc.constantFrom(...stances)] as const)),
    ),
  })
  .map(({ rules, policiesOf, stanceOf }) => ({
    policiesOf,
    stanceOf,
    subnetsOf,
    rules: rules.map(({ other, traffic, ...rest }, index): RuleConfig => {
      const isIn = rest.direction === 'in';
      return {
        ...rest,
        ...traffic,
        tenantName: 'default',
        ruleId: `r${index}`,
        fromEndpointGroup: isIn ? other.group : '',
        fromNetwork: isIn ? other.network : '',
        fromIpAddress: isIn ? other.address : '',
        toEndpointGroup: isIn ? '' : other.group,
        toNetwork: isIn ? '' : other.network,
        toIpAddress: isIn ? '' : other.address,
      };
    }),
  }));

const ends = {
  v4: ['10.0.1.1', '10.0.1.3', '10.0.1.5', '10.0.2.2', '10.0.2.9', '192.0.2.7'],
  v6: ['fd01:0:0:1::3', 'fd01:0:0:2::3', 'fe80::1', 'fe80::2', '2001:db8::1'],
} as const;

const end = (addresses: readonly string[]) =>
  fc.record({ address: fc.constantFrom(...addresses), group: fc.constantFrom('', ...groups) });

/** Conversations, most of which some rule fits. */
export const drawnConversation: fc.Arbitrary<PlainConversation> = fc
  .constantFrom(ends.v4, ends.v6)
  .chain((addresses) =>
    fc.record({
      client: end(addresses),
      server: end(addresses),
      protocol: fc.constantFrom(6, 17, 1, 58, 132, 47),
      port: fc.constantFrom(80, 81),
      asked: fc.constantFrom('echo', 'timestamp'),
      network: fc.constantFrom('', 'blue', 'red'),
    }),
  )
  .map((said) => {
    const isIcmp = said.protocol === 1 || said.protocol === 58;
    // nobody asks for the time in IPv6
    const asked = said.protocol === 58 ? 'echo' : said.asked;
    return { ...said, asked: isIcmp ? asked : undefined };
  });

/** What is asked, in numbers by protocol. */
const typeNumbers: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  echo: { 1: 8, 58: 128 },
  timestamp: { 1: 13 },
};

/** What names stand for. */
export const names: RuleNames = {
  groupNumber: (name) => groupNumbers[name],
  network: (name) => {
    const number = networkNumbers[name];
    const cidrs = (subnetsOf[name] ?? []).map((text) => parseCidr(text));
    return number === undefined ? undefined : { number, cidrs };
  },
};

function stanceIn(text: string): Stance {
  const [defaultAction = '', enforcement = ''] = text.split(' ');
  return stanceOfSettings({
    group: { defaultAction, enforcement },
    network: undefined,
    tenant: undefined,
  });
}

/** The same tenant, compiled. */
export const compiledOf = ({
  rules,
  policiesOf,
  stanceOf: said = {},
}: PlainTenant): TenantPolicies => ({
  rules: rules.flatMap((each) => compileRule(each, names) ?? []),
  groups: new Map(
    Object.entries(policiesOf).map(([group, own]) => [groupNumbers[group] ?? 0, own]),
  ),
  stances: new Map(
    Object.entries(said).map(([group, text]) => [groupNumbers[group] ?? 0, stanceIn(text)]),
  ),
});

/** The same conversation in numbers. */
export const numbered = ({ asked, ...plain }: PlainConversation): Conversation => ({
  ...plain,
  icmpType: typeNumbers[asked ?? '']?.[plain.protocol],
  client: { address: parseAddress(plain.client.address), group: groupNumbers[plain.client.group] },
  server: { address: parseAddress(plain.server.address), group: groupNumbers[plain.server.group] },
  network: networkNumbers[plain.network],
});
