/** Packets as containers send them. */
import { linkLocalOf, type IpAddress } from '../../../lib/ip/ip.ts';
import { macNumber } from '../../../lib/datapath/pipeline/addresses.ts';
import type { Packet } from './interpreter.ts';

const broadcastMac = 0xffff_ffff_ffffn;
const mac = (text: string): bigint => BigInt(macNumber(text));

/** One end of a conversation. */
export interface End {
  readonly mac: string;
  readonly ipv4?: IpAddress | undefined;
  readonly ipv6?: IpAddress | undefined;
}

/** An IP packet, by default UDP. */
export function ipPacket(
  ends: {
    readonly fromMac: string;
    readonly toMac: string;
    readonly from: IpAddress;
    readonly to: IpAddress;
  },
  more: Packet['fields'] = {},
  length = 100,
): Packet {
  const { from, to } = ends;
  return {
    length,
    fields: {
      ethSrc: mac(ends.fromMac),
      ethDst: mac(ends.toMac),
      ethType: from.family === 4 ? 0x800n : 0x86ddn,
      ipProto: 17n,
      udpSrc: 4000n,
      udpDst: 53n,
      ipTtl: 64n,
      ...(from.family === 4
        ? { ipv4Src: from.value, ipv4Dst: to.value }
        : { ipv6Src: from.value, ipv6Dst: to.value }),
      ...more,
    },
  };
}

/** Who has this IPv4 address? */
export const arpQuestion = (from: End, target: bigint): Packet => ({
  length: 42,
  fields: {
    ethSrc: mac(from.mac),
    ethDst: broadcastMac,
    ethType: 0x806n,
    arpOp: 1n,
    arpSha: mac(from.mac),
    arpSpa: from.ipv4?.value ?? 0n,
    arpTha: 0n,
    arpTpa: target,
  },
});

/** Who has this IPv6 address? */
export const ndQuestion = (from: End, target: bigint): Packet => ({
  length: 86,
  fields: {
    ethSrc: mac(from.mac),
    ethDst: 0x3333_ff00_0000n | (target & 0xff_ffffn),
    ethType: 0x86ddn,
    ipProto: 58n,
    ipTtl: 255n,
    ipv6Src: from.ipv6?.value ?? linkLocalOf(from.mac).value,
    ipv6Dst: (0xff02n << 112n) | (0x1ffn << 24n) | (target & 0xff_ffffn),
    icmpv6Type: 135n,
    icmpv6Code: 0n,
    ndTarget: target,
    ndSll: mac(from.mac),
  },
});

/** To all of the network. */
export const broadcast = (from: End): Packet =>
  ipPacket({
    fromMac: from.mac,
    toMac: 'ff:ff:ff:ff:ff:ff',
    from: from.ipv4 ?? linkLocalOf(from.mac),
    to: from.ipv4 ? { family: 4, value: 0xffff_ffffn } : { family: 6, value: 0xff02n << 112n },
  });
