/**
 * What is said on the wire of a container that begins to be on this host: switches learn where its MAC is, and
 * machines which MAC its addresses have now, although it may not say a word itself (RFC 5227 section 3, RFC
 * 4861 section 7.2.6). Pure.
 */
import { addressBytes, type IpAddress } from '../../ip/ip.ts';
import type { Action } from '../openflow/codec/flow.ts';
import type { LocalEndpoint, Segment } from '../../network/world.ts';
import { checksum, sum } from './checksum.ts';
import { exits, loadRegister, tables } from './fields.ts';

const ethernetBytes = 14;
const ipv6HeaderBytes = 40;
/** Type, code, checksum, flags, target, and the option with the MAC. */
const advertisementBytes = 32;
const icmpv6 = 58;
const toEverybody = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const toAllNodes = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
/** ff02::1 */
const allNodes = { family: 6, value: (0xff02n << 112n) | 1n } as const;

/** How frames of a network get to the wire: with its tag. */
export const toWire = ({ number }: Segment): readonly Action[] => [
  loadRegister('network', number),
  loadRegister('exit', exits.uplink),
  { kind: 'resubmit', table: tables.exit },
];

/** The frames for a container, one for each of its addresses. */
export function announcements({
  mac,
  ipv4,
  ipv6,
}: Pick<LocalEndpoint, 'mac' | 'ipv4' | 'ipv6'>): readonly Uint8Array[] {
  const from = Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
  return [
    ...(ipv4 === undefined ? [] : [arpAnnouncement(from, ipv4)]),
    ...(ipv6 === undefined ? [] : [neighbourAdvertisement(from, ipv6)]),
  ];
}

/** A question for one's own address. */
function arpAnnouncement(from: Uint8Array, address: IpAddress): Uint8Array {
  const own = addressBytes(address);
  const nobody = new Uint8Array(6);
  const head = Uint8Array.of(0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1);
  return join(toEverybody, from, head, from, own, nobody, own);
}

/** An answer that nobody asked for, and that overrides what is known. */
function neighbourAdvertisement(from: Uint8Array, address: IpAddress): Uint8Array {
  const own = addressBytes(address);
  const override = 0x20;
  const targetLinkLayerAddress = Uint8Array.of(2, 1);
  const frame = join(
    ...[toAllNodes, from, Uint8Array.of(0x86, 0xdd)],
    ...[Uint8Array.of(0x60, 0, 0, 0, 0, advertisementBytes, icmpv6, 255), own],
    addressBytes(allNodes),
    Uint8Array.of(136, 0, 0, 0, override, 0, 0, 0),
    ...[own, targetLinkLayerAddress, from],
  );
  const message = frame.subarray(ethernetBytes + ipv6HeaderBytes);
  const addresses = sum(frame.subarray(ethernetBytes + 8, ethernetBytes + ipv6HeaderBytes), 0);
  const view = new DataView(frame.buffer);
  const at = ethernetBytes + ipv6HeaderBytes + 2;
  view.setUint16(at, checksum(message, addresses + advertisementBytes + icmpv6));
  return frame;
}

function join(...pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((total, { length }) => total + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}
