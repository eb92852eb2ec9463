/**
 * What is denied, in the log: some packets of it, at a bounded rate, which the flows tell of (`pipeline/policy.ts`).
 * Verdicts are the switch's; who is named here is found by the rules as this host knows them, as `policy explain` does.
 */
import type { OpenFlowConnection } from '../datapath/openflow/connection.ts';
import type { PacketIn } from '../datapath/openflow/codec/messages.ts';
import type { Match } from '../datapath/openflow/codec/flow.ts';
import { cookieKinds, readCookie, registers, tables } from '../datapath/pipeline/fields.ts';
import { protocolNumbers } from '../datapath/pipeline/packets.ts';
import { formatAddress, type IpAddress } from '../ip/ip.ts';
import { endpointGroupNumberMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import { namedProtocols } from '../policy/compile.ts';
import type { Conversation } from '../policy/conversation.ts';
import type { StancePlace } from '../policy/stance.ts';
import type { KnownPolicies } from './known-policies.ts';

/** What a line says. */
export interface Denial {
  readonly tenant: string;
  /** Which end denies it: `out` is who began, `in` whom it was begun with. */
  readonly direction: 'in' | 'out';
  readonly from: string;
  /** Groups by name; nothing for none. */
  readonly fromGroup: string;
  readonly to: string;
  readonly toGroup: string;
  /** By name, or its number. */
  readonly protocol: string;
  /** The server's port, for protocols that have ports. */
  readonly port?: number;
  /** `policy/rule`; nothing where none fits. */
  readonly rule: string;
  /** Where no rule fits: whose default denies it. Nothing at all is said where rules have changed since. */
  readonly default: StancePlace | '';
  /** It passes: denials of the group are only counted. */
  readonly audit: boolean;
}

/** Writes what comes, until the returned function is called. */
export function logDenials(
  connection: Pick<OpenFlowConnection, 'onNews'>,
  known: KnownPolicies,
  log: Logger,
): () => void {
  return connection.onNews((news) => {
    if (news.kind !== 'packetIn') return;
    const denial = denialIn(news, known);
    if (denial !== undefined) log.info(denial, 'a conversation was denied');
  });
}

/** What a packet is of that the flows tell of; undefined for one that is told for something else. */
export function denialIn(
  { cookie, table, match }: Pick<PacketIn, 'cookie' | 'table' | 'match'>,
  known: KnownPolicies,
): Denial | undefined {
  const said = readCookie(cookie);
  // most are questions for names
  if (said?.kind !== cookieKinds.denied) return undefined;
  const conversation = conversationIn(match);
  if (conversation === undefined) return undefined;
  const domain = numberIn(match[registers.domain]);
  const direction = table === tables.outDenied ? 'out' : 'in';
  const decision = known.judge(domain, conversation)[direction];
  // conntrack of a switch in user space knows no ports of SCTP: which of the rules that have some it was is not told
  const { protocol, port } = conversation;
  const isSaid = protocol !== sctp || port !== 0 || !known.hasPortsOf(domain, sctp);
  const isDenied = isSaid && (decision.verdict === 'deny' || decision.isAudited);
  const { client, server } = conversation;
  const nameOf = (number: number | undefined): string =>
    number === undefined || number > endpointGroupNumberMax
      ? ''
      : (known.group(domain, number)?.name ?? '');
  const { rule } = decision;
  return {
    tenant: known.tenant(domain),
    direction,
    from: formatAddress(client.address),
    fromGroup: nameOf(client.group),
    to: formatAddress(server.address),
    toGroup: nameOf(server.group),
    protocol: protocolName(protocol, client.address),
    ...(conversation.icmpType !== undefined || port === 0 ? {} : { port }),
    rule: isDenied && rule !== undefined ? `${rule.policy}/${rule.name}` : '',
    default: (isDenied ? decision.place : undefined) ?? '',
    audit: said.object === 1,
  };
}

/** Who began, with whom, and how, whichever way the packet travels. */
function conversationIn(match: Match): Conversation | undefined {
  const [from, to] = [
    addressIn(match.ctNwSrc, match.ctIpv6Src),
    addressIn(match.ctNwDst, match.ctIpv6Dst),
  ];
  if (from === undefined || to === undefined) return undefined;
  const protocol = numberIn(match.ctNwProto);
  const isIcmp = protocol === (from.family === 4 ? icmp.v4 : icmp.v6);
  return {
    client: { address: from, group: numberIn(match[registers.clientGroup]) || undefined },
    server: { address: to, group: numberIn(match[registers.serverGroup]) || undefined },
    protocol,
    port: isIcmp ? 0 : numberIn(match.ctTpDst),
    // conntrack has it there (ovs-fields(7), "ct_tp_src")
    icmpType: isIcmp ? numberIn(match.ctTpSrc) : undefined,
    network: numberIn(match[registers.network]),
  };
}

const icmp = { v4: 1, v6: 58 } as const;
const { sctp } = protocolNumbers;

/** What a field held; fields that were 0 are not told. */
const numberIn = (told: Match['reg0']): number =>
  typeof told === 'object' ? told.value : (told ?? 0);

function addressIn(v4: Match['ctNwSrc'], v6: Match['ctIpv6Src']): IpAddress | undefined {
  if (v4 !== undefined) return { family: 4, value: BigInt(numberIn(v4)) };
  if (v6 === undefined) return undefined;
  return { family: 6, value: typeof v6 === 'object' ? v6.value : v6 };
}

function protocolName(protocol: number, { family }: IpAddress): string {
  const named = Object.entries(namedProtocols).find(
    ([, numbers]) => (family === 4 ? numbers.v4 : numbers.v6) === protocol,
  );
  return named?.[0] ?? String(protocol);
}
