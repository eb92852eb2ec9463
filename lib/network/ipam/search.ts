/**
 * Free choice of an address: next fit behind the one given last, so that an address rests as long as
 * the pool allows before it is used again. Reads records in pages and never enumerates addresses: time
 * grows with the records met, not with the size of the pool. Pure.
 */
import { fromHex, hexAddress, type AddressSpan, type IpAddress } from '../../ip/ip.ts';
import { addressPageRows } from '../../limits.ts';
import { poolAddressKey, poolAddressRange } from '../../model/keys.ts';
import { poolAddressSchema } from '../../model/pool.ts';
import { decodeRecord } from '../../model/record.ts';
import type { Step } from '../../store/plan.ts';

/** A free address. `modRevision` is its record's, 0 without a record. */
export interface FreeAddress {
  readonly address: IpAddress;
  readonly modRevision: number;
}

/** Where to look. */
export interface SearchArea {
  readonly space: string;
  readonly cidr: string;
  readonly span: AddressSpan;
  /** The address to start behind; anywhere outside the span means from its beginning. */
  readonly behind: bigint | undefined;
}

/**
 * The first address without a record behind `behind`, then from the beginning of the span; when each
 * has a record, the one released longest ago; undefined when all are held. Nothing of what is reserved, which
 * is in order and does not overlap.
 */
export function* findFree(
  area: SearchArea,
  reserved: readonly AddressSpan[] = [],
): Step<FreeAddress | undefined> {
  if (reserved.length > 0) return yield* findBeside(area, reserved);
  const { first, last } = area.span;
  const { behind } = area;
  if (behind === undefined || behind < first || behind >= last) {
    const whole = yield* scan(area, first, last);
    return whole.unused ?? whole.oldest;
  }
  const after = yield* scan(area, behind + 1n, last);
  if (after.unused !== undefined) return after.unused;
  const before = yield* scan(area, first, behind);
  return before.unused ?? older(after.oldest, before.oldest);
}

/** The same in the gaps between what is reserved. */
function* findBeside(
  area: SearchArea,
  reserved: readonly AddressSpan[],
): Step<FreeAddress | undefined> {
  const { first, last } = area.span;
  const start = area.behind === undefined || area.behind >= last ? first : area.behind + 1n;
  const gaps = gapsOf(area.span, reserved);
  const after = gaps.filter((gap) => gap.last >= start);
  const before = gaps.filter((gap) => gap.first < start);
  let oldest: FreeAddress | undefined;
  for (const gap of after) {
    const found = yield* scan(area, gap.first > start ? gap.first : start, gap.last);
    if (found.unused !== undefined) return found.unused;
    oldest = older(oldest, found.oldest);
  }
  for (const gap of before) {
    const found = yield* scan(area, gap.first, gap.last < start ? gap.last : start - 1n);
    if (found.unused !== undefined) return found.unused;
    oldest = older(oldest, found.oldest);
  }
  return oldest;
}

/** What is left of a span without others in it, which are in order and do not overlap. */
export function gapsOf(
  { family, first, last }: AddressSpan,
  others: readonly AddressSpan[],
): readonly AddressSpan[] {
  const gaps: AddressSpan[] = [];
  let next = first;
  for (const other of others) {
    if (other.last < next || other.first > last) continue;
    if (other.first > next) gaps.push({ family, first: next, last: other.first - 1n });
    next = other.last + 1n;
  }
  if (next <= last) gaps.push({ family, first: next, last });
  return gaps;
}

interface Found {
  /** The first address without a record. */
  readonly unused?: FreeAddress;
  /** Without such, the one released longest ago. */
  readonly oldest?: FreeAddress | undefined;
}

function* scan(area: SearchArea, from: bigint, to: bigint): Step<Found> {
  const { family } = area.span;
  const keyOf = (value: bigint): string =>
    poolAddressKey(area.space, area.cidr, hexAddress({ family, value }));
  const hexFrom = poolAddressRange(area.space, area.cidr).start.length;
  // behind the last address, before the next: keys have no character below '!'
  const end = `${keyOf(to)}!`;
  const unused = (value: bigint): Found => ({
    unused: { address: { family, value }, modRevision: 0 },
  });
  let oldest: FreeAddress | undefined;
  let next = from;
  for (let more = true; more;) {
    const page = yield { start: keyOf(next), end, limit: addressPageRows };
    for (const row of page.rows) {
      const address = fromHex(row.key.slice(hexFrom));
      if (address.value !== next) return unused(next);
      const { value, modRevision } = decodeRecord(poolAddressSchema, row);
      if (value.state === 'released') oldest = older(oldest, { address, modRevision });
      next += 1n;
    }
    more = page.more;
  }
  return next <= to ? unused(next) : { oldest };
}

function older(one: FreeAddress | undefined, other: FreeAddress | undefined) {
  if (one === undefined || other === undefined) return one ?? other;
  return other.modRevision < one.modRevision ? other : one;
}
