/**
 * What a switch would object to in a match: a field without what must be matched before it (a port of TCP
 * in a match that does not say TCP), a mask on a field that takes none. Sending does not look; this is for
 * those who write matches, to find out before a switch does. OpenFlow 1.3.5 section 7.2.3.6.
 */
import { fields, type FieldName, type Prerequisite } from './fields.ts';
import type { Match } from './flow.ts';
import { allBits, maskedOf } from './bits.ts';

/** Each objection in words; none for a good match. */
export function matchFaults(match: Match): readonly string[] {
  return (Object.keys(match) as FieldName[]).flatMap((name) => {
    const entry = match[name];
    const masked = entry === undefined ? undefined : maskedOf(name, entry);
    if (masked === undefined) return [];
    const { needs, maskable, bits } = fields[name];
    return [
      ...(meets(match, needs) ? [] : [`${name} without ${needs}`]),
      ...(maskable || masked.mask === allBits(bits) ? [] : [`${name} with a mask`]),
    ];
  });
}

function meets(match: Match, needs: Prerequisite): boolean {
  const is = (name: FieldName, ...values: readonly number[]) =>
    values.some((value) => match[name] === value);
  const is4 = is('ethType', 0x0800);
  const is6 = is('ethType', 0x86dd);
  const isNeighbour = is6 && is('ipProto', 58);
  switch (needs) {
    case 'none':
      return true;
    case 'arp':
      return is('ethType', 0x0806, 0x8035);
    case 'ip4':
      return is4;
    case 'ip6':
      return is6;
    case 'ip':
      return is4 || is6;
    case 'vlan': {
      const tag = match.vlanVid === undefined ? undefined : maskedOf('vlanVid', match.vlanVid);
      return tag !== undefined && (tag.value & 0x1000n) !== 0n;
    }
    case 'mpls':
      return is('ethType', 0x8847, 0x8848);
    case 'tcp':
      return (is4 || is6) && is('ipProto', 6);
    case 'udp':
      return (is4 || is6) && is('ipProto', 17);
    case 'sctp':
      return (is4 || is6) && is('ipProto', 132);
    case 'icmp4':
      return is4 && is('ipProto', 1);
    case 'icmp6':
      return isNeighbour;
    case 'nd':
      return isNeighbour && is('icmpv6Type', 135, 136);
    case 'ndSolicit':
      return isNeighbour && is('icmpv6Type', 135);
    case 'ndAdvert':
      return isNeighbour && is('icmpv6Type', 136);
    case 'ct':
      return isConversation(match) && (is4 || is6);
  }
}

/** Bits of `ct_state` that only packets of a conversation have, that it was looked for, and that it is none. */
const [conversationBits, trackedBit, invalidBit] = [0xcfn, 0x20n, 0x10n];

/** What conntrack says is matched of packets that it has something to say of: as Open vSwitch's `is_ct_valid`. */
function isConversation({ ctState }: Match): boolean {
  const matched = ctState === undefined ? undefined : maskedOf('ctState', ctState);
  if (matched === undefined) return false;
  const { value, mask } = matched;
  if ((value & conversationBits) !== 0n) return true;
  const isNoneRuledOut = (mask & invalidBit) !== 0n && (value & invalidBit) === 0n;
  return (value & trackedBit) !== 0n && isNoneRuledOut;
}
