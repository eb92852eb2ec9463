/** Which addresses of a network or of a group's pool are taken and free, in Contiv's words. Pure. */
import { formatAddress, fromHex, parseCidr, type AddressSpan } from '../../ip/ip.ts';
import { poolAddressRange } from '../../model/keys.ts';
import { poolAddressSchema } from '../../model/pool.ts';
import { decodeRecord } from '../../model/record.ts';
import type { KeyValue } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { rangeOf } from '../ipam/addresses.ts';
import { spanOf } from '../ipam/block.ts';
import { readReserved } from '../ipam/group-pools.ts';
import type { StoredPool } from '../ipam/read.ts';
import { gapsOf } from '../ipam/search.ts';
import { readEach } from './object-rows.ts';
import { joinedText, joinSpans, type ValueSpan } from './spans-text.ts';

/** Taken and free addresses. */
export interface AddressTexts {
  readonly allocated: string;
  readonly available: string;
  /** Those that containers and services have. */
  readonly count: number;
}

/** An address that somebody has. */
export interface HeldAddress {
  readonly value: bigint;
  readonly gateway: boolean;
}

/** Those of a network: what its groups have for themselves is taken. */
export function networkTexts(
  pool: StoredPool,
  held: readonly HeldAddress[],
  reserved: readonly ValueSpan[],
): AddressTexts {
  const span = spanOf(parseCidr(pool.value.cidr), rangeOf(pool.value));
  const spans = [...held.map(({ value }) => ({ first: value, last: value })), ...reserved];
  return { ...textsOf(span, spans), count: held.filter(({ gateway }) => !gateway).length };
}

/** Those of a network, as they are read for it alone. */
export function* networkAddresses(pool: StoredPool): Step<AddressTexts> {
  return networkTexts(pool, yield* heldAddresses(pool), yield* readReserved(pool.value));
}

/** Those of a group's part of a network. */
export function* groupAddresses(pool: StoredPool, span: AddressSpan): Step<AddressTexts> {
  const held = yield* heldAddresses(pool);
  const inside = held.filter(({ value }) => value >= span.first && value <= span.last);
  const spans = inside.map(({ value }) => ({ first: value, last: value }));
  return { ...textsOf(span, spans), count: inside.length };
}

function textsOf(span: AddressSpan, spans: readonly ValueSpan[]): Omit<AddressTexts, 'count'> {
  const { family, first, last } = span;
  const format = (value: bigint): string => formatAddress({ family, value });
  const ordered = spans
    .filter((one) => one.last >= first && one.first <= last)
    .toSorted((one, other) => (one.first < other.first ? -1 : 1));
  const taken = joinSpans(ordered).map((one) => ({
    family,
    first: one.first < first ? first : one.first,
    last: one.last > last ? last : one.last,
  }));
  return {
    allocated: joinedText(taken, format),
    available: joinedText(gapsOf(span, taken), format),
  };
}

function* heldAddresses({ value: { space, cidr } }: StoredPool): Step<readonly HeldAddress[]> {
  const held = yield* readEach(poolAddressRange(space, cidr), heldIn);
  return held.filter((one) => one !== undefined);
}

/** The address in a row of a pool's, if somebody has it. */
export function heldIn(row: KeyValue): HeldAddress | undefined {
  const record = decodeRecord(poolAddressSchema, row).value;
  if (record.state !== 'held') return undefined;
  const { value } = fromHex(row.key.slice(row.key.lastIndexOf('/') + 1));
  return { value, gateway: record.use === 'gateway' };
}
