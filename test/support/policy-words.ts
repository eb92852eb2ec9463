/** What is said at a site of policies, and what should come of it by a plain reading of the rules. */
import type { RuleConfig } from '../../lib/model/objects/rule.ts';
import { deciding, type PlainConversation, type PlainTenant } from '../policy/plain-reading.ts';
import {
  addressOf,
  groupOf,
  groups,
  machine,
  networkOf,
  subnetsOf,
  tenant,
  type Group,
  type Name,
  type Network,
} from './policy-cast.ts';

/** A way to speak. */
export interface Speech {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  /** 0 without ports. */
  readonly port: number;
}
/** The ports that somebody answers on. */
export const ports = [80, 81] as const;
/** All ways to speak that somebody answers. */
export const speeches: readonly Speech[] = [
  ...ports.flatMap((port): Speech[] => [
    { protocol: 'tcp', port },
    { protocol: 'udp', port },
  ]),
  { protocol: 'icmp', port: 0 },
];

/** Somebody begins to speak with somebody. */
export interface Talk extends Speech {
  readonly client: Name;
  readonly server: Name;
  readonly family: 4 | 6;
}

/** One that may be of SCTP, which nobody at the site answers by himself. */
export interface AnyTalk extends Omit<Talk, 'protocol'> {
  readonly protocol: Talk['protocol'] | 'sctp';
}

/** A rule, as far as it says something; `in`, `deny` and priority 1 without. */
export type Rule = Partial<Omit<RuleConfig, 'tenantName' | 'ruleId' | 'policyName'>>;
/** Rules by policy, and which groups have which policies. */
export interface Policies {
  readonly has: Partial<Record<Group, readonly string[]>>;
  readonly rules: Readonly<Record<string, readonly Rule[]>>;
  /** What is done where no rule fits, and with what is denied: `deny-in audit`; nothing is inherited. */
  readonly says?: Says;
}
/** What is said by whom: `deny-in audit`. */
export type Says = Partial<Record<Group | Network | typeof tenant, string>>;

const protocolNumbers = { tcp: [6, 6], udp: [17, 17], icmp: [1, 58], sctp: [132, 132] } as const;
/** A rule that says nothing. */
export const silence: Omit<RuleConfig, 'policyName' | 'ruleId'> = {
  tenantName: tenant,
  direction: 'in',
  priority: 1,
  action: 'deny',
  protocol: '',
  port: 0,
  portLast: 0,
  icmpType: '',
  fromEndpointGroup: '',
  toEndpointGroup: '',
  fromNetwork: '',
  toNetwork: '',
  fromIpAddress: '',
  toIpAddress: '',
};

/** What holds at a site. */
export interface Held {
  readonly rules: readonly RuleConfig[];
  readonly has: Policies['has'];
  readonly says: Says;
}

/** The rules that decide at both ends, by a plain reading: of the client's, of the server's. */
export function bothEnds({ rules, has, says }: Held, talk: AnyTalk) {
  const { client, server, family, protocol, port } = talk;
  const end = (name: Name) => {
    // who is no container is in no group, and no setting is about it
    return { address: addressOf(name, family), group: name === machine ? name : groupOf(name) };
  };
  const conversation: PlainConversation = {
    client: end(client),
    server: end(server),
    protocol: protocolNumbers[protocol][family === 4 ? 0 : 1],
    port,
    asked: protocol === 'icmp' ? 'echo' : undefined,
    network: networkOf(client) === networkOf(server) ? networkOf(client) : '',
  };
  const policiesOf = Object.fromEntries(
    Object.entries(has).map(([group, policies]) => [group, policies ?? []]),
  );
  const stanceOf = {
    '': saidBy(says, '', 'web'),
    ...Object.fromEntries(
      Object.entries(groups).map(([group, network]) => [
        group,
        saidBy(says, group as Group, network),
      ]),
    ),
  };
  const plain: PlainTenant = { rules, policiesOf, subnetsOf, stanceOf };
  return (['out', 'in'] as const).map((direction) => deciding(plain, conversation, direction));
}

/** What a group says in the end; of who is in none, by its network. */
function saidBy(says: Says, group: Group | '', network: Network): string {
  const places = [group === '' ? undefined : says[group], says[network]];
  const all = [...places, says[tenant]].map(wordsOf);
  const action = all.find(([said]) => said !== undefined)?.[0] ?? 'allow';
  const enforcement = all.find(([, said]) => said !== undefined)?.[1] ?? 'enforce';
  return `${action} ${enforcement}`;
}

/** As the row has it: a rule with a network has the network's subnet. */
export function withSubnets(rule: RuleConfig): RuleConfig {
  const subnet = (network: string) => subnetsOf[network as Network]?.[0];
  return {
    ...rule,
    fromIpAddress: subnet(rule.fromNetwork) ?? rule.fromIpAddress,
    toIpAddress: subnet(rule.toNetwork) ?? rule.toIpAddress,
  };
}

/** Both words of what somebody says; undefined for one that is not said. */
export function wordsOf(said = ''): readonly [string | undefined, string | undefined] {
  const words = said.split(' ');
  const enforcement = words.find((word) => word === 'audit' || word === 'enforce');
  const action = words.find((word) => word !== '' && word !== enforcement);
  return [action, enforcement];
}

/** The key of a rule. */
export const keyOf = ({ policyName, ruleId }: RuleConfig): string =>
  `${tenant}:${policyName}:${ruleId}`;

/** A talk in words. */
export const textOf = ({ client, server, family, protocol, port }: AnyTalk): string =>
  `${client} -> ${server} IPv${family} ${protocol}${port === 0 ? '' : ` ${port}`}`;
