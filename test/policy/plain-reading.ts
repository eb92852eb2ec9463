/**
 * The dumb twin: what rules say of a conversation, read from their texts one by one. Nothing is compiled, sorted or
 * shared with the product but the reading of an address.
 */
import { parseAddress } from '../../lib/ip/ip.ts';
import type { RuleConfig } from '../../lib/model/objects/rule.ts';

/** One end, by names. */
export interface PlainEnd {
  readonly address: string;
  /** Empty for none. */
  readonly group: string;
}

/** A conversation by names. */
export interface PlainConversation {
  readonly client: PlainEnd;
  readonly server: PlainEnd;
  readonly protocol: number;
  readonly port: number;
  /** What an ICMP message asks, by the names of rules; not for other protocols. */
  readonly asked?: string | undefined;
  /** The network that both are in, or nothing. */
  readonly network: string;
}

/** A tenant by names. */
export interface PlainTenant {
  readonly rules: readonly RuleConfig[];
  readonly policiesOf: Readonly<Record<string, readonly string[]>>;
  readonly subnetsOf: Readonly<Record<string, readonly string[]>>;
  /** What groups do where no rule fits: `allow`, `deny`, `deny-in` or `deny-out`, with `audit` behind it or not. */
  readonly stanceOf?: Readonly<Record<string, string>>;
}

/** The texts of the rules that may be named as deciding an end; none where nothing fits. */
export function deciding(
  tenant: PlainTenant,
  conversation: PlainConversation,
  direction: 'in' | 'out',
): { readonly verdict: string; readonly rule: string | undefined } {
  const own = direction === 'in' ? conversation.server : conversation.client;
  const other = direction === 'in' ? conversation.client : conversation.server;
  const policies = tenant.policiesOf[own.group] ?? [];
  let best: RuleConfig | undefined;
  for (const rule of tenant.rules) {
    if (rule.direction !== direction || !policies.includes(rule.policyName)) continue;
    if (!fitsPlainly(tenant, rule, other, conversation)) continue;
    if (best === undefined || beats(rule, best)) best = rule;
  }
  const stance = tenant.stanceOf?.[own.group] ?? 'allow';
  const isClosed = /^deny(?: |$)/.test(stance) || stance.startsWith(`deny-${direction}`);
  const action = best?.action ?? (isClosed ? 'deny' : 'allow');
  return {
    verdict: stance.endsWith(' audit') ? 'allow' : action,
    rule: best && `${best.policyName}/${best.ruleId}`,
  };
}

function beats(rule: RuleConfig, best: RuleConfig): boolean {
  if (rule.priority !== best.priority) return rule.priority > best.priority;
  if (rule.action !== best.action) return rule.action === 'deny';
  const [one, other] = [rule, best].map(({ policyName, ruleId }) => `${policyName}\0${ruleId}`);
  return (one ?? '') < (other ?? '');
}

function fitsPlainly(
  tenant: PlainTenant,
  rule: RuleConfig,
  other: PlainEnd,
  { protocol, port, network, asked = '' }: PlainConversation,
): boolean {
  const group = rule.fromEndpointGroup + rule.toEndpointGroup;
  if (group !== '' && group !== other.group) return false;
  if (rule.port !== 0 && rule.portLast === 0 && rule.port !== port) return false;
  if (rule.portLast !== 0 && (port < rule.port || port > rule.portLast)) return false;
  if (rule.icmpType !== '' && rule.icmpType !== asked) return false;
  const isV6 = other.address.includes(':');
  if (rule.protocol === 'tcp' && protocol !== 6) return false;
  if (rule.protocol === 'udp' && protocol !== 17) return false;
  if (rule.protocol === 'icmp' && protocol !== (isV6 ? 58 : 1)) return false;
  if (/^[0-9]+$/.test(rule.protocol) && Number(rule.protocol) !== protocol) return false;
  const named = rule.fromNetwork + rule.toNetwork;
  const address = rule.fromIpAddress + rule.toIpAddress;
  if (address === '') return true;
  const subnets = tenant.subnetsOf[named] ?? [];
  if (!subnets.includes(address)) return isWithin(other.address, address);
  if (other.address.startsWith('fe80:')) return network === named;
  return subnets.some((subnet) => isWithin(other.address, subnet));
}

const bitsOf = (text: string): string => {
  const { family, value } = parseAddress(text);
  return value.toString(2).padStart(family === 4 ? 32 : 128, '0');
};

/** Whether an address is in what a rule says, bit by bit. */
function isWithin(address: string, text: string): boolean {
  const isV6 = address.includes(':');
  const [base = '', length] = text.split('/');
  if (base.includes(':') !== isV6) return false;
  if (length !== undefined) {
    return bitsOf(address).slice(0, Number(length)) === bitsOf(base).slice(0, Number(length));
  }
  const [first = '', last] = text.split('-');
  if (last === undefined) return bitsOf(address) === bitsOf(first);
  const [head, tail] = [address, first].map((each) => each.split('.').slice(0, 3).join('.'));
  const number = (each: string): number => Number(each.split('.')[3]);
  return head === tail && number(address) >= number(first) && number(address) <= Number(last);
}
