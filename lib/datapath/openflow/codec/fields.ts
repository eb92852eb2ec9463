/**
 * The one table of packet fields: our name, the name that ovs-ofctl prints, the code points, the width.
 * Everything that matches, sets, moves or prints a field reads it here. OpenFlow 1.3.5 section 7.2.3.7;
 * ovs-fields(7) for what Open vSwitch adds.
 */

/** How ovs-ofctl writes a field's value. */
export type FieldStyle =
  | 'decimal'
  | 'hex'
  | 'ethernet'
  | 'ipv4'
  | 'ipv6'
  | 'port'
  | 'fragment'
  | 'ctState'
  | 'tcpFlags'
  | 'tunnelFlags';

/** What must be matched before a field may be. */
export type Prerequisite =
  | 'none'
  | 'arp'
  | 'ip4'
  | 'ip6'
  | 'ip'
  | 'vlan'
  | 'mpls'
  | 'tcp'
  | 'udp'
  | 'sctp'
  | 'icmp4'
  | 'icmp6'
  | 'nd'
  | 'ndSolicit'
  | 'ndAdvert'
  | 'ct';

/** What is said of every field. */
interface FieldFacts {
  /** As Open vSwitch names it. */
  readonly name: string;
  readonly bits: number;
  /** Bytes on the wire; the value is at their low end. */
  readonly bytes: number;
  readonly style: FieldStyle;
  readonly needs: Prerequisite;
  readonly maskable: boolean;
  /** The code point sent: class in the upper 16 bits, field number in the lower. */
  readonly codePoint: number;
  /** Another code point that Open vSwitch sends for the same bits. */
  readonly alias: number | undefined;
  /** How ovs-ofctl names it where bits are moved. */
  readonly codeName: string;
}

/** A field whose value is a number: up to 48 bits, so a MAC address is one. */
export interface NarrowField extends FieldFacts {
  readonly wide: false;
}

/** A field whose value is a bigint: 64 and 128 bits. */
export interface WideField extends FieldFacts {
  readonly wide: true;
}

type Extra = Partial<
  Pick<FieldFacts, 'bytes' | 'style' | 'needs' | 'maskable' | 'alias' | 'codeName'>
>;

const nxm0 = 0x0000_0000;
const nxm1 = 0x0001_0000;
const basic = 0x8000_0000;
const packetRegister = 0x8001_0000;
const ericsson = 0x1000_0000;

const classNames = new Map([
  [nxm0, 'NXM_OF'],
  [nxm1, 'NXM_NX'],
]);

/** Names are made of the class and of what is printed; the table says where they are not. */
function codeNameOf(name: string, codePoint: number): string {
  const kind = classNames.get(Math.floor(codePoint / 0x1_0000) * 0x1_0000) ?? 'OXM_OF';
  return `${kind}_${name.toUpperCase()}`;
}

function facts(name: string, bits: number, codePoint: number, extra: Extra): FieldFacts {
  return {
    name,
    bits,
    bytes: Math.ceil(bits / 8),
    style: 'decimal',
    needs: 'none',
    maskable: true,
    codePoint,
    alias: undefined,
    codeName: codeNameOf(name, extra.alias ?? codePoint),
    ...extra,
  };
}

function narrow(name: string, bits: number, codePoint: number, extra: Extra = {}): NarrowField {
  return { ...facts(name, bits, codePoint, extra), wide: false };
}

function wide(name: string, bits: number, codePoint: number, extra: Extra = {}): WideField {
  return { ...facts(name, bits, codePoint, extra), wide: true };
}

const register = (index: number): NarrowField =>
  narrow(`reg${index}`, 32, nxm1 + index, { style: 'hex' });
const doubleRegister = (index: number): WideField =>
  wide(`xreg${index}`, 64, packetRegister + index, {
    style: 'hex',
    codeName: `OXM_OF_PKT_REG${index}`,
  });
const quadRegister = (index: number): WideField =>
  wide(`xxreg${index}`, 128, nxm1 + 111 + index, { style: 'hex' });

/** Every field, in the order in which matches are sent: a prerequisite stands before what needs it. */
export const fields = {
  inPort: narrow('in_port', 32, basic + 0, { style: 'port', maskable: false }),
  /** The same in the 16 bits of OpenFlow 1.0, for moves. */
  inPort16: narrow('in_port', 16, nxm0 + 0, { style: 'port', maskable: false }),
  conjId: narrow('conj_id', 32, nxm1 + 37, { maskable: false }),
  tunId: wide('tun_id', 64, basic + 38, { style: 'hex', alias: nxm1 + 16 }),
  tunSrc: narrow('tun_src', 32, nxm1 + 31, { codeName: 'NXM_NX_TUN_IPV4_SRC', style: 'ipv4' }),
  tunDst: narrow('tun_dst', 32, nxm1 + 32, { codeName: 'NXM_NX_TUN_IPV4_DST', style: 'ipv4' }),
  tunIpv6Src: wide('tun_ipv6_src', 128, nxm1 + 109, { style: 'ipv6' }),
  tunIpv6Dst: wide('tun_ipv6_dst', 128, nxm1 + 110, { style: 'ipv6' }),
  tunFlags: narrow('tun_flags', 16, nxm1 + 104, { style: 'tunnelFlags' }),
  tunGbpId: narrow('tun_gbp_id', 16, nxm1 + 38),
  tunGbpFlags: narrow('tun_gbp_flags', 8, nxm1 + 39, { style: 'hex' }),
  metadata: wide('metadata', 64, basic + 2, { style: 'hex' }),
  pktMark: narrow('pkt_mark', 32, nxm1 + 33, { style: 'hex' }),
  reg0: register(0),
  reg1: register(1),
  reg2: register(2),
  reg3: register(3),
  reg4: register(4),
  reg5: register(5),
  reg6: register(6),
  reg7: register(7),
  reg8: register(8),
  reg9: register(9),
  reg10: register(10),
  reg11: register(11),
  reg12: register(12),
  reg13: register(13),
  reg14: register(14),
  reg15: register(15),
  xreg0: doubleRegister(0),
  xreg1: doubleRegister(1),
  xreg2: doubleRegister(2),
  xreg3: doubleRegister(3),
  xreg4: doubleRegister(4),
  xreg5: doubleRegister(5),
  xreg6: doubleRegister(6),
  xreg7: doubleRegister(7),
  xxreg0: quadRegister(0),
  xxreg1: quadRegister(1),
  xxreg2: quadRegister(2),
  xxreg3: quadRegister(3),
  ethDst: narrow('eth_dst', 48, basic + 3, { style: 'ethernet', alias: nxm0 + 1 }),
  ethSrc: narrow('eth_src', 48, basic + 4, { style: 'ethernet', alias: nxm0 + 2 }),
  ethType: narrow('eth_type', 16, basic + 5, {
    style: 'hex',
    maskable: false,
    alias: nxm0 + 3,
  }),
  vlanTci: narrow('vlan_tci', 16, nxm0 + 4, { style: 'hex' }),
  /** Bit 12 (0x1000) says that there is a tag; the number is in the lower 12 bits. */
  vlanVid: narrow('vlan_vid', 13, basic + 6),
  vlanPcp: narrow('vlan_pcp', 3, basic + 7, { maskable: false, needs: 'vlan' }),
  mplsLabel: narrow('mpls_label', 20, basic + 34, { bytes: 4, maskable: false, needs: 'mpls' }),
  mplsTc: narrow('mpls_tc', 3, basic + 35, { maskable: false, needs: 'mpls' }),
  mplsBos: narrow('mpls_bos', 1, basic + 36, { maskable: false, needs: 'mpls' }),
  mplsTtl: narrow('mpls_ttl', 8, nxm1 + 30, { maskable: false, needs: 'mpls' }),
  ipDscp: narrow('ip_dscp', 6, basic + 8, { maskable: false, needs: 'ip' }),
  ipTos: narrow('nw_tos', 8, nxm0 + 5, { codeName: 'NXM_OF_IP_TOS', maskable: false, needs: 'ip' }),
  ipEcn: narrow('nw_ecn', 2, basic + 9, {
    codeName: 'NXM_NX_IP_ECN',
    maskable: false,
    needs: 'ip',
    alias: nxm1 + 28,
  }),
  ipTtl: narrow('nw_ttl', 8, nxm1 + 29, {
    codeName: 'NXM_NX_IP_TTL',
    maskable: false,
    needs: 'ip',
  }),
  ipFrag: narrow('ip_frag', 2, nxm1 + 26, { style: 'fragment', needs: 'ip' }),
  ipProto: narrow('nw_proto', 8, basic + 10, {
    codeName: 'NXM_OF_IP_PROTO',
    maskable: false,
    needs: 'ip',
    alias: nxm0 + 6,
  }),
  ipv4Src: narrow('ip_src', 32, basic + 11, { style: 'ipv4', needs: 'ip4', alias: nxm0 + 7 }),
  ipv4Dst: narrow('ip_dst', 32, basic + 12, { style: 'ipv4', needs: 'ip4', alias: nxm0 + 8 }),
  ipv6Src: wide('ipv6_src', 128, basic + 26, {
    style: 'ipv6',
    needs: 'ip6',
    alias: nxm1 + 19,
  }),
  ipv6Dst: wide('ipv6_dst', 128, basic + 27, {
    style: 'ipv6',
    needs: 'ip6',
    alias: nxm1 + 20,
  }),
  ipv6Label: narrow('ipv6_label', 20, basic + 28, {
    bytes: 4,
    style: 'hex',
    needs: 'ip6',
    alias: nxm1 + 27,
  }),
  tcpSrc: narrow('tcp_src', 16, basic + 13, { needs: 'tcp', alias: nxm0 + 9 }),
  tcpDst: narrow('tcp_dst', 16, basic + 14, { needs: 'tcp', alias: nxm0 + 10 }),
  tcpFlags: narrow('tcp_flags', 12, nxm1 + 34, { style: 'tcpFlags', needs: 'tcp' }),
  udpSrc: narrow('udp_src', 16, basic + 15, { needs: 'udp', alias: nxm0 + 11 }),
  udpDst: narrow('udp_dst', 16, basic + 16, { needs: 'udp', alias: nxm0 + 12 }),
  sctpSrc: narrow('sctp_src', 16, basic + 17, { needs: 'sctp' }),
  sctpDst: narrow('sctp_dst', 16, basic + 18, { needs: 'sctp' }),
  icmpType: narrow('icmp_type', 8, basic + 19, {
    maskable: false,
    needs: 'icmp4',
    alias: nxm0 + 13,
  }),
  icmpCode: narrow('icmp_code', 8, basic + 20, {
    maskable: false,
    needs: 'icmp4',
    alias: nxm0 + 14,
  }),
  icmpv6Type: narrow('icmpv6_type', 8, basic + 29, {
    maskable: false,
    needs: 'icmp6',
    alias: nxm1 + 21,
  }),
  icmpv6Code: narrow('icmpv6_code', 8, basic + 30, {
    maskable: false,
    needs: 'icmp6',
    alias: nxm1 + 22,
  }),
  ndTarget: wide('nd_target', 128, basic + 31, {
    style: 'ipv6',
    needs: 'nd',
    alias: nxm1 + 23,
  }),
  ndSll: narrow('nd_sll', 48, basic + 32, {
    style: 'ethernet',
    needs: 'ndSolicit',
    alias: nxm1 + 24,
  }),
  ndTll: narrow('nd_tll', 48, basic + 33, {
    style: 'ethernet',
    needs: 'ndAdvert',
    alias: nxm1 + 25,
  }),
  ndReserved: narrow('nd_reserved', 32, ericsson + 1, {
    maskable: false,
    needs: 'nd',
    codeName: 'ERICOXM_OF_ICMPV6_ND_RESERVED',
  }),
  ndOptionsType: narrow('nd_options_type', 8, ericsson + 2, {
    maskable: false,
    needs: 'nd',
    codeName: 'ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE',
  }),
  arpOp: narrow('arp_op', 16, basic + 21, {
    maskable: false,
    needs: 'arp',
    alias: nxm0 + 15,
  }),
  arpSpa: narrow('arp_spa', 32, basic + 22, { style: 'ipv4', needs: 'arp', alias: nxm0 + 16 }),
  arpTpa: narrow('arp_tpa', 32, basic + 23, { style: 'ipv4', needs: 'arp', alias: nxm0 + 17 }),
  arpSha: narrow('arp_sha', 48, basic + 24, {
    style: 'ethernet',
    needs: 'arp',
    alias: nxm1 + 17,
  }),
  arpTha: narrow('arp_tha', 48, basic + 25, {
    style: 'ethernet',
    needs: 'arp',
    alias: nxm1 + 18,
  }),
  ctState: narrow('ct_state', 32, nxm1 + 105, { style: 'ctState' }),
  ctZone: narrow('ct_zone', 16, nxm1 + 106, { style: 'hex', maskable: false }),
  ctMark: narrow('ct_mark', 32, nxm1 + 107, { style: 'hex' }),
  ctLabel: wide('ct_label', 128, nxm1 + 108, { style: 'hex' }),
  ctNwProto: narrow('ct_nw_proto', 8, nxm1 + 119, { maskable: false, needs: 'ct' }),
  ctNwSrc: narrow('ct_nw_src', 32, nxm1 + 120, { style: 'ipv4', needs: 'ct' }),
  ctNwDst: narrow('ct_nw_dst', 32, nxm1 + 121, { style: 'ipv4', needs: 'ct' }),
  ctIpv6Src: wide('ct_ipv6_src', 128, nxm1 + 122, { style: 'ipv6', needs: 'ct' }),
  ctIpv6Dst: wide('ct_ipv6_dst', 128, nxm1 + 123, { style: 'ipv6', needs: 'ct' }),
  ctTpSrc: narrow('ct_tp_src', 16, nxm1 + 124, { needs: 'ct' }),
  ctTpDst: narrow('ct_tp_dst', 16, nxm1 + 125, { needs: 'ct' }),
} as const satisfies Readonly<Record<string, NarrowField | WideField>>;

/** A field's name with us. */
export type FieldName = keyof typeof fields;

type NamesOf<Kind> = {
  [Name in FieldName]: (typeof fields)[Name] extends Kind ? Name : never;
}[FieldName];

/** Fields whose value is a number. */
export type NarrowFieldName = NamesOf<NarrowField>;

/** Fields whose value is a bigint. */
export type WideFieldName = NamesOf<WideField>;
