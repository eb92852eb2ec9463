/**
 * Frames of the question whether a container takes connections at a port: TCP's first segment, and what comes back
 * (RFC 9293 section 3.5). Who takes one is told at once that nobody is there, so that nothing lingers. A number by
 * chance in the question, and again in its answer, says what is answered. Pure: bytes in, bytes out.
 */
import { addressBytes, type IpAddress } from '../../ip/ip.ts';
import {
  addressesOf,
  at,
  carriedIn,
  framed,
  joined,
  long,
  protocolOf,
  segmentOf,
  tcpBytes,
  tcpFlag,
  word,
} from './ip-frames.ts';
import { gatewayMac } from './routing.ts';

/** Ports that questions come from: nobody else's, since clients take theirs above (`bindresvport` from 512 on). */
export const checkSources = { first: 448, count: 64 } as const;

/** What is asked. */
export interface CheckQuestion {
  /** The container's, lower case, colons. */
  readonly mac: string;
  readonly from: IpAddress;
  /** The container's, of the same family. */
  readonly to: IpAddress;
  /** One of `checkSources`. */
  readonly source: number;
  readonly port: number;
  /** 32 bits. */
  readonly id: number;
}

/** What a container says. */
export interface CheckAnswer {
  /** The port that was asked. */
  readonly port: number;
  readonly source: number;
  /** That of the question. */
  readonly id: number;
  /** Takes connections, or not; undefined for what answers no question. */
  readonly isOpen: boolean | undefined;
}

const macBytes = (mac: string): Uint8Array =>
  Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
const nothing = new Uint8Array();

/** The frame of a question. */
export function questionFrame({ mac, from, to, source, port, id }: CheckQuestion): Uint8Array {
  const segment = segmentOf({
    ports: [source, port],
    numbers: [id, 0],
    flags: tcpFlag.begin,
    options: nothing,
    data: nothing,
  });
  const [macs, protocol] = [joined([macBytes(mac), macBytes(gatewayMac)]), 'tcp'] as const;
  const ends = { source: addressBytes(from), target: addressBytes(to) };
  return framed(macs, { family: to.family, ...ends, protocol, segment });
}

/**
 * What a frame of a container answers; undefined for one that is to no question of ours. The sums in it are not looked
 * at: on the same machine nobody writes them.
 */
export function readCheckAnswer(frame: Uint8Array): CheckAnswer | undefined {
  const segment = segmentIn(frame);
  if (segment === undefined) return undefined;
  const { begin, reset, acknowledge, fin } = tcpFlag;
  const flags = at(segment, 13) & (begin | reset | acknowledge | fin);
  const isOpen =
    flags === (begin | acknowledge) ? true : flags === (reset | acknowledge) ? false : undefined;
  // it acknowledges the question's own number, of which there is one
  const id = (long(segment, 8) - 1) >>> 0;
  return { port: word(segment, 0), source: word(segment, 2), id, isOpen };
}

/** The frame that ends what a container took for a connection; undefined when there is nothing to end. */
export function checkEndFrame(frame: Uint8Array): Uint8Array | undefined {
  const segment = segmentIn(frame);
  const { reset, acknowledge } = tcpFlag;
  if (segment === undefined || (at(segment, 13) & (reset | acknowledge)) !== acknowledge) {
    return undefined;
  }
  const family = word(frame, 12) === 0x0800 ? 4 : 6;
  const { source, target } = addressesOf(frame, family);
  const end = segmentOf({
    ports: [word(segment, 2), word(segment, 0)],
    numbers: [long(segment, 8), 0],
    flags: reset,
    options: nothing,
    data: nothing,
  });
  const macs = joined([frame.subarray(6, 12), frame.subarray(0, 6)]);
  return framed(macs, { family, source: target, target: source, protocol: 'tcp', segment: end });
}

function segmentIn(frame: Uint8Array): Uint8Array | undefined {
  const carried = carriedIn(frame);
  if (carried === undefined || carried.protocol !== protocolOf.tcp) return undefined;
  const { transport } = carried;
  const head = (at(transport, 12) >> 4) * 4;
  if (transport.length < tcpBytes || head < tcpBytes || head > transport.length) return undefined;
  const { first, count } = checkSources;
  const source = word(transport, 2);
  return source >= first && source < first + count ? transport : undefined;
}
