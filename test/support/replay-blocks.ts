/** Address arithmetic for the replay, on another library than the product's. */
import ipaddr from 'ipaddr.js';

/** Addresses from `first` to `last`, both included. */
export interface Block {
  readonly family: 4 | 6;
  readonly prefixLength: number;
  readonly first: bigint;
  readonly last: bigint;
}

const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** Number and family of an address without length. */
export function valueOf(address: string): { readonly family: 4 | 6; readonly value: bigint } {
  const parsed = ipaddr.parse(address);
  const value = parsed.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: parsed.kind() === 'ipv4' ? 4 : 6, value };
}

/** The text of an address, the same for every way to write it. */
export function textOf({ family, value }: { family: 4 | 6; value: bigint }): string {
  const bytes = Array.from({ length: bitsOf(family) / 8 }, (_, index) =>
    Number((value >> BigInt(bitsOf(family) - 8 * (index + 1))) & 0xffn),
  );
  return family === 4
    ? new ipaddr.IPv4(bytes).toString()
    : new ipaddr.IPv6(bytes).toRFC5952String();
}

/** The address of `address/length`, or of an address alone, in the one way to write it. */
export const plain = (text: string): string => textOf(valueOf(text.replace(/\/.*$/, '')));

/** The number behind the slash. */
export const lengthOf = (text: string): number => Number(text.split('/')[1]);

/** The block an `address/length` lies in. */
export function blockOf(text: string): Block {
  const { family, value } = valueOf(text.replace(/\/.*$/, ''));
  const prefixLength = lengthOf(text);
  const hostBits = BigInt(bitsOf(family) - prefixLength);
  const first = (value >> hostBits) << hostBits;
  return { family, prefixLength, first, last: first + (1n << hostBits) - 1n };
}

/** The canonical text of the block an `address/length` lies in. */
export function blockText(text: string): string {
  const { family, first, prefixLength } = blockOf(text);
  return `${textOf({ family, value: first })}/${prefixLength}`;
}

/** True when an address is one of the block's. */
export function has(block: Block, address: string): boolean {
  const { family, value } = valueOf(address);
  return family === block.family && value >= block.first && value <= block.last;
}

/** True when a host of the block may have the address: in IPv4 not the first and not the last. */
export function hasHost(block: Block, address: string): boolean {
  const { value } = valueOf(address);
  const isLast = block.family === 4 && value === block.last;
  return has(block, address) && value !== block.first && !isLast;
}

/** True when two blocks share an address. */
export function meet(one: Block, other: Block): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last;
}

/** True when all of `inner` is in `outer`. */
export function holds(outer: Block, inner: Block): boolean {
  return outer.family === inner.family && inner.first >= outer.first && inner.last <= outer.last;
}
