/**
 * Matches as ovs-ofctl prints them: its order of fields, protocols by their names, ports of the transport
 * under one name for all of them.
 */
import { allBits, maskedOf } from './bits.ts';
import { hexOf } from './canonical-actions.ts';
import { fields, type FieldName } from './fields.ts';
import type { Match } from './flow.ts';
import {
  ctStateNames,
  formatFlags,
  formatMasked,
  formatValue,
  hex,
  tcpFlagNames,
  tunnelFlagNames,
} from './format-values.ts';

/** Where the word for the protocol stands in {@link printOrder}. */
const protocol = 'protocol';
/** Where the VLAN tag stands. */
const vlan = 'vlan';

const registers = Array.from({ length: 16 }, (_, index) => `reg${index}` as FieldName);

const printOrder: readonly (FieldName | typeof protocol | typeof vlan)[] = [
  'pktMark',
  'conjId',
  'ctState',
  'ctZone',
  'ctMark',
  'ctLabel',
  'ctNwSrc',
  'ctIpv6Src',
  'ctNwDst',
  'ctIpv6Dst',
  'ctNwProto',
  'ctTpSrc',
  'ctTpDst',
  protocol,
  ...registers,
  'xreg0',
  'xreg1',
  'xreg2',
  'xreg3',
  'xreg4',
  'xreg5',
  'xreg6',
  'xreg7',
  'xxreg0',
  'xxreg1',
  'xxreg2',
  'xxreg3',
  'tunId',
  'tunSrc',
  'tunDst',
  'tunIpv6Src',
  'tunIpv6Dst',
  'tunGbpId',
  'tunGbpFlags',
  'tunFlags',
  'metadata',
  'inPort',
  'inPort16',
  vlan,
  'ethSrc',
  'ethDst',
  'ethType',
  'ipv4Src',
  'ipv4Dst',
  'ipv6Src',
  'ipv6Dst',
  'arpSpa',
  'arpTpa',
  'ipv6Label',
  'ipProto',
  'arpOp',
  'arpSha',
  'arpTha',
  'ipTos',
  'ipDscp',
  'ipEcn',
  'ipTtl',
  'mplsLabel',
  'mplsTc',
  'mplsTtl',
  'mplsBos',
  'ipFrag',
  'icmpType',
  'icmpCode',
  'icmpv6Type',
  'icmpv6Code',
  'ndTarget',
  'ndSll',
  'ndTll',
  'ndReserved',
  'ndOptionsType',
  'tcpSrc',
  'tcpDst',
  'udpSrc',
  'udpDst',
  'sctpSrc',
  'sctpDst',
  'tcpFlags',
];

/** Names that differ from the field's own. */
const printedNames: ReadonlyMap<FieldName, string> = new Map([
  ['ethSrc', 'dl_src'],
  ['ethDst', 'dl_dst'],
  ['ethType', 'dl_type'],
  ['ipv4Src', 'nw_src'],
  ['ipv4Dst', 'nw_dst'],
  ['ipDscp', 'nw_tos'],
  ['icmpv6Type', 'icmp_type'],
  ['icmpv6Code', 'icmp_code'],
  ['tcpSrc', 'tp_src'],
  ['udpSrc', 'tp_src'],
  ['sctpSrc', 'tp_src'],
  ['tcpDst', 'tp_dst'],
  ['udpDst', 'tp_dst'],
  ['sctpDst', 'tp_dst'],
]);

const ethTypeNames: ReadonlyMap<number, string> = new Map([
  [0x0800, 'ip'],
  [0x86dd, 'ipv6'],
  [0x0806, 'arp'],
  [0x8035, 'rarp'],
  [0x8847, 'mpls'],
  [0x8848, 'mplsm'],
]);

/** By Ethernet type, then by protocol number. */
const protocolNames: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [
    0x0800,
    new Map([
      [1, 'icmp'],
      [6, 'tcp'],
      [17, 'udp'],
      [132, 'sctp'],
    ]),
  ],
  [
    0x86dd,
    new Map([
      [58, 'icmp6'],
      [6, 'tcp6'],
      [17, 'udp6'],
      [132, 'sctp6'],
    ]),
  ],
]);

/** A match, fields joined by commas. */
export function formatMatch(match: Match): string {
  const { ethType, ipProto } = match;
  const type = typeof ethType === 'number' ? ethType : 0;
  const word = ethTypeNames.get(type);
  const transport = typeof ipProto === 'number' ? protocolNames.get(type)?.get(ipProto) : undefined;
  const parts = printOrder.flatMap((name) => {
    if (name === protocol) return transport ?? word ?? [];
    if (name === vlan) return formatVlan(match);
    if (name === 'ethType' && word !== undefined) return [];
    if (name === 'ipProto' && transport !== undefined) return [];
    return formatEntry(name, match[name]);
  });
  return [...parts, ...(match.opaque ?? []).map(({ bytes }) => hexOf(bytes))].join(',');
}

function formatEntry(name: FieldName, entry: Match[FieldName]): readonly string[] {
  const masked = entry === undefined ? undefined : maskedOf(name, entry);
  if (masked === undefined) return [];
  const { value, mask } = masked;
  const { style, bits } = fields[name];
  const exact = mask === allBits(bits);
  const printed = printedNames.get(name) ?? fields[name].name;
  switch (style) {
    case 'ctState':
    case 'tcpFlags':
    case 'tunnelFlags':
      return [
        `${printed}=${formatFlags(flagNames[style], Number(value), exact ? undefined : Number(mask))}`,
      ];
    case 'fragment':
      return [`nw_frag=${fragmentText(Number(value), Number(mask))}`];
    case 'decimal':
    case 'hex':
    case 'ethernet':
    case 'ipv4':
    case 'ipv6':
    case 'port':
      break;
  }
  if (name === 'ipv6Label')
    return [`${printed}=${labelText(value)}${exact ? '' : `/${labelText(mask)}`}`];
  if (name === 'ipDscp') return [`${printed}=${value << 2n}`];
  if (name === 'ctZone') return [`${printed}=${value}`];
  return [
    `${printed}=${exact ? formatValue(style, value) : formatMasked(style, bits, value, mask)}`,
  ];
}

const flagNames = {
  ctState: ctStateNames,
  tcpFlags: tcpFlagNames,
  tunnelFlags: tunnelFlagNames,
} as const;

function labelText(label: bigint): string {
  return `0x${label.toString(16).padStart(5, '0')}`;
}

/** Bit 0: any fragment, bit 1: a later one. */
function fragmentText(value: number, mask: number): string {
  if (mask === 3) return ['no', 'first', '<error>', 'later'][value] ?? '<error>';
  if (mask === 1) return value === 1 ? 'yes' : 'no';
  return value === 2 ? 'later' : 'not_later';
}

const present = 0x1000n;
const idBits = 0xfffn;

/** A tag as number and priority where that says it all, else as the 16 bits of the header. */
function formatVlan(match: Match): readonly string[] {
  const vid = match.vlanVid === undefined ? undefined : maskedOf('vlanVid', match.vlanVid);
  const pcp = match.vlanPcp === undefined ? undefined : maskedOf('vlanPcp', match.vlanPcp);
  const tci = match.vlanTci === undefined ? undefined : maskedOf('vlanTci', match.vlanTci);
  const value = (tci?.value ?? 0n) | (vid?.value ?? 0n) | ((pcp?.value ?? 0n) << 13n);
  const mask = (tci?.mask ?? 0n) | (vid?.mask ?? 0n) | (pcp === undefined ? 0n : 0xe000n);
  if (mask === 0n) return [];
  const idMask = mask & idBits;
  const priorityMask = mask & 0xe000n;
  const whole =
    (value & mask & present) !== 0n &&
    (idMask === 0n || idMask === idBits) &&
    (priorityMask === 0n || priorityMask === 0xe000n) &&
    (idMask !== 0n || priorityMask !== 0n);
  if (whole) {
    return [
      ...(idMask === 0n ? [] : [`dl_vlan=${value & idBits}`]),
      ...(priorityMask === 0n ? [] : [`dl_vlan_pcp=${value >> 13n}`]),
    ];
  }
  const digits = (bits: bigint) => `0x${bits.toString(16).padStart(4, '0')}`;
  return [
    mask === 0xffffn ? `vlan_tci=${digits(value)}` : `vlan_tci=${digits(value)}/${digits(mask)}`,
  ];
}

/** A cookie as ovs-ofctl prints it. */
export function formatCookie(cookie: bigint): string {
  return cookie === 0n ? '0x0' : hex(cookie);
}
