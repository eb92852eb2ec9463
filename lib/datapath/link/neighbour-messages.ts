/**
 * The messages of rtnetlink about neighbours (rtnetlink(7)), read only: which MAC the kernel knows for an
 * address. Pure. Other families, and entries that the kernel itself would not use, are passed over.
 */
import { formatAddress, formatMac, fromHex } from '../../ip/ip.ts';
import { messageFlag, readAttributes, readNumber, type NetlinkRequest } from './netlink-codec.ts';

/** Types of messages: `present` in answers, `list` in requests. */
export const neighbourMessage = { present: 28, list: 30 } as const;

const bodyBytes = 12;
const attribute = { destination: 1, linkLayer: 2 } as const;
/** Reachable, stale, delay, probe and permanent: there is a MAC, and it is believed. */
const usableStates = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
const macBytes = 6;

/** Who is reached by which MAC. */
export interface Neighbour {
  /** Index of the link. */
  readonly index: number;
  /** Canonical. */
  readonly address: string;
  readonly mac: string;
}

/** Asks for all neighbours. */
export function listNeighboursRequest(): NetlinkRequest {
  const body = new Uint8Array(bodyBytes);
  return { type: neighbourMessage.list, flags: messageFlag.dump, body };
}

/**
 * Reads a neighbour, or undefined when it is none that can be used.
 * @throws LINK_FAILED
 */
export function decodeNeighbour(body: Uint8Array): Neighbour | undefined {
  const index = readNumber(body, 4);
  const state = (body[8] ?? 0) | ((body[9] ?? 0) << 8);
  const attributes = readAttributes(body, bodyBytes);
  const bytes = attributes.get(attribute.destination);
  const mac = attributes.get(attribute.linkLayer);
  if ((state & usableStates) === 0 || mac?.length !== macBytes) return undefined;
  if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return undefined;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { index, address: formatAddress(fromHex(hex)), mac: formatMac(mac) };
}
