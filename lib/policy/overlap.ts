/**
 * Whether some conversation may fit two rules of one direction. Where it is not sure the answer is yes; it is asked of
 * thousands of pairs, so addresses are prepared for it.
 */
import { firstAddress, lastAddress, type IpFamily } from '../ip/ip.ts';
import type { Traffic } from './compile.ts';

/** A rule's traffic, prepared. */
export interface Extent {
  readonly traffic: Traffic;
  readonly spans: readonly Span[] | undefined;
  /** The one address that it is about, where it is that: two of different ones never overlap. */
  readonly address: string | undefined;
  /** The one port, of one protocol, that it is about, where it is that: two of different ones never overlap. */
  readonly port: string | undefined;
}

/** Addresses from a first to a last; those of IPv4 are numbers, which compare fastest. */
interface Span {
  readonly family: IpFamily;
  readonly first: number | bigint;
  readonly last: number | bigint;
  readonly network: number | undefined;
}

/** Prepares a rule's traffic. */
export function extentOf(traffic: Traffic): Extent {
  const spans = traffic.blocks?.map(({ cidr, network }) => {
    const [first, last] = [firstAddress(cidr).value, lastAddress(cidr).value];
    return cidr.family === 4
      ? { family: cidr.family, first: Number(first), last: Number(last), network }
      : { family: cidr.family, first, last, network };
  });
  const [only, another] = spans ?? [];
  const isOne = only !== undefined && another === undefined && only.first === only.last;
  return {
    traffic,
    spans,
    address: isOne ? `${only.family}/${only.first}` : undefined,
    port: onePortOf(traffic),
  };
}

function onePortOf({ protocol, ports }: Traffic): string | undefined {
  if (protocol === undefined || protocol.v4 !== protocol.v6) return undefined;
  return ports?.first === undefined || ports.first !== ports.last
    ? undefined
    : `${protocol.v4}/${ports.first}`;
}

/** Whether both may fit one conversation. */
export function mayOverlap(one: Extent, other: Extent): boolean {
  const [a, b] = [one.traffic, other.traffic];
  if (a.group !== undefined && b.group !== undefined && a.group !== b.group) return false;
  return (
    haveNumberInCommon(a.protocol, b.protocol) &&
    haveNumberInCommon(a.icmpTypes, b.icmpTypes) &&
    (a.ports === undefined ||
      b.ports === undefined ||
      (a.ports.first <= b.ports.last && b.ports.first <= a.ports.last)) &&
    (one.spans === undefined ||
      other.spans === undefined ||
      one.spans.some((span) => other.spans?.some((each) => meet(span, each))))
  );
}

interface ByFamily {
  readonly v4: number | undefined;
  readonly v6: number | undefined;
}

const haveNumberInCommon = (one: ByFamily | undefined, other: ByFamily | undefined): boolean =>
  one === undefined ||
  other === undefined ||
  (one.v4 !== undefined && one.v4 === other.v4) ||
  (one.v6 !== undefined && one.v6 === other.v6);

const meet = (one: Span, other: Span): boolean =>
  one.family === other.family &&
  one.first <= other.last &&
  other.first <= one.last &&
  (one.network === undefined || other.network === undefined || one.network === other.network);
