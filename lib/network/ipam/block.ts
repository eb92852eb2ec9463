/**
 * Which blocks may become pools: what a user may ask for, and what is chosen when nobody asks. Pure
 * arithmetic on values; knows nothing of the store.
 */
import { assert } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import {
  addressBits,
  blockOf,
  containsCidr,
  formatCidr,
  lastAddress,
  overlaps,
  parseAddress,
  parseCidr,
  quote,
  specialBlocksIn,
  usableSpan,
  type AddressSpan,
  type Cidr,
} from '../../ip/ip.ts';

/** A block that is cut into pools of one size when no pool is asked for. */
export interface DefaultBlock {
  readonly base: Cidr;
  /** Prefix length of the pools. */
  readonly size: number;
}

/**
 * The block a user asked for. Host bits are cleared, as Docker's own IPAM does: 10.1.2.3/24 asks for
 * 10.1.2.0/24. A pool holds two usable addresses at least, a gateway and a container: /31 and /127 are
 * the smallest. IPv4 link-local is a user's choice (metadata services live there), its IPv6 sibling
 * is not, since every link has that block already.
 * @throws ADDRESS_INVALID
 */
export function askedPool(text: string): Cidr {
  const cidr = parseCidr(text, { hostBits: 'clear' });
  const lengthMax = addressBits(cidr.family) - 1;
  if (cidr.prefixLength > lengthMax) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `subnet ${quote(text)} has no room for a gateway and a container, expected /${lengthMax} or shorter`,
    );
  }
  requireUnicast(text, cidr);
  return cidr;
}

/**
 * Checks that containers may have addresses of a block.
 * @throws ADDRESS_INVALID
 */
export function requireUnicast(text: string, cidr: Cidr): void {
  for (const { cidr: special, kind, name } of specialBlocksIn(cidr)) {
    if (kind === 'link-local' && special.family === 4) continue;
    throw new FairleadError(
      'ADDRESS_INVALID',
      `subnet ${quote(text)} contains ${name}, ${formatCidr(special)}, expected unicast such as 10.1.2.0/24`,
    );
  }
}

/**
 * The part of a pool that free choices come from (`--ip-range`), host bits cleared.
 * @throws ADDRESS_INVALID, ADDRESS_OUTSIDE_POOL
 */
export function askedRange(text: string, pool: Cidr): Cidr {
  const range = parseCidr(text, { hostBits: 'clear' });
  if (!containsCidr(pool, range)) {
    throw new FairleadError(
      'ADDRESS_OUTSIDE_POOL',
      `range ${quote(text)} is not inside subnet ${formatCidr(pool)}`,
      { fix: 'choose an --ip-range inside the --subnet' },
    );
  }
  const span = spanOf(pool, spanOfBlock(range));
  if (span.first > span.last) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `range ${quote(text)} holds no address that a container of ${formatCidr(pool)} may have`,
    );
  }
  return range;
}

/** The addresses that free choice may give: those of the range, or else of the pool, that hosts may
 *  have in the pool. */
export function spanOf(pool: Cidr, range: AddressSpan | undefined): AddressSpan {
  const usable = usableSpan(pool);
  if (range === undefined) return usable;
  return {
    family: pool.family,
    first: range.first > usable.first ? range.first : usable.first,
    last: range.last < usable.last ? range.last : usable.last,
  };
}

/** All addresses of a block. */
export function spanOfBlock(block: Cidr): AddressSpan {
  return { family: block.family, first: block.base, last: lastAddress(block).value };
}

/**
 * The addresses of `FIRST-LAST` or of a block.
 * @throws ADDRESS_INVALID
 */
export function parseSpan(text: string): AddressSpan {
  if (!text.includes('-')) return spanOfBlock(parseCidr(text));
  const [first = '', last = ''] = text.split('-');
  const [from, to] = [parseAddress(first), parseAddress(last)];
  return { family: from.family, first: from.value, last: to.value };
}

/**
 * The first pool of the default blocks that shares no address with what is occupied, or undefined.
 * Takes at most one step per occupied block, however many pools a default block has.
 */
export function chooseBlock(
  defaults: readonly DefaultBlock[],
  occupied: readonly Cidr[],
): Cidr | undefined {
  for (const { base, size } of defaults) {
    assert(size >= base.prefixLength, 'a default pool is no larger than its block');
    assert(size < addressBits(base.family), 'a default pool holds two addresses at least');
    const near = occupied
      .filter((cidr) => overlaps(cidr, base))
      .toSorted((one, other) => (one.base < other.base ? -1 : 1));
    const end = lastAddress(base).value;
    const hostBits = BigInt(addressBits(base.family) - size);
    let candidate = blockOf({ family: base.family, value: base.base }, size);
    for (const cidr of near) {
      if (!overlaps(cidr, candidate)) continue;
      const behind = ((lastAddress(cidr).value >> hostBits) + 1n) << hostBits;
      candidate = { family: base.family, base: behind, prefixLength: size };
    }
    if (candidate.base <= end) return candidate;
  }
  return undefined;
}
