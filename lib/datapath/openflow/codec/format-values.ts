/**
 * Field values as ovs-ofctl writes them (ovs-fields(7)): numbers, addresses, flags, and masks in the way
 * of each.
 */
import { reservedPort, type Slice } from './flow.ts';
import { fields, type FieldName, type FieldStyle } from './fields.ts';
import { sliceBits } from './action-codes.ts';

const portNames: ReadonlyMap<number, string> = new Map([
  [reservedPort.inPort, 'IN_PORT'],
  [reservedPort.table, 'TABLE'],
  [reservedPort.normal, 'NORMAL'],
  [reservedPort.flood, 'FLOOD'],
  [reservedPort.all, 'ALL'],
  [reservedPort.controller, 'CONTROLLER'],
  [reservedPort.local, 'LOCAL'],
  [reservedPort.any, 'ANY'],
]);

/** Flags of connection states, lowest bit first. */
export const ctStateNames = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'];
/** Flags of a TCP header, lowest bit first. */
export const tcpFlagNames = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns'];
/** Flags of a tunnel header, lowest bit first. */
export const tunnelFlagNames = ['oam'];

/** A number in hexadecimal; zero has no prefix. */
export function hex(value: number | bigint): string {
  return value === 0 || value === 0n ? '0' : `0x${value.toString(16)}`;
}

/** A port by its number or reserved name. */
export function formatPort(port: number): string {
  return portNames.get(port) ?? `${port}`;
}

/** True for ports that have a name. */
export function isNamedPort(port: number): boolean {
  return portNames.has(port);
}

/** A MAC address. */
export function formatMac(mac: number): string {
  const digits = mac.toString(16).padStart(12, '0');
  return (digits.match(/../g) ?? []).join(':');
}

/** An IPv4 address. */
export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** An IPv6 address (RFC 5952), with the last 32 bits of mapped and compatible ones as IPv4. */
export function formatIpv6(address: bigint): string {
  const words = Array.from({ length: 8 }, (_, index) =>
    Number((address >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  let [start, length] = [-1, 1];
  for (let at = 0; at < 8; at += 1) {
    let run = 0;
    while (at + run < 8 && words[at + run] === 0) run += 1;
    if (run > length) [start, length] = [at, run];
  }
  const text = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  const embedded = start === 0 && (length === 6 || (length === 5 && words[5] === 0xffff));
  if (embedded) {
    const low = formatIpv4(Number(address & 0xffff_ffffn));
    return length === 6 ? `::${low}` : `::ffff:${low}`;
  }
  return start < 0 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`;
}

/** Length of a mask that is ones and then zeros; undefined for other masks. */
function prefixOf(mask: bigint, bits: number): number | undefined {
  const inverse = ~mask & ((1n << BigInt(bits)) - 1n);
  if ((inverse & (inverse + 1n)) !== 0n) return undefined;
  return bits - (inverse === 0n ? 0 : inverse.toString(2).length);
}

/** A value without mask. */
export function formatValue(style: FieldStyle, value: bigint): string {
  switch (style) {
    case 'ethernet':
      return formatMac(Number(value));
    case 'ipv4':
      return formatIpv4(Number(value));
    case 'ipv6':
      return formatIpv6(value);
    case 'port':
      return formatPort(Number(value));
    case 'hex':
    case 'ctState':
    case 'tcpFlags':
    case 'tunnelFlags':
      return hex(value);
    case 'decimal':
    case 'fragment':
      return value.toString();
  }
}

/** A value with a mask that is not the whole field. */
export function formatMasked(style: FieldStyle, bits: number, value: bigint, mask: bigint): string {
  const address = style === 'ipv4' || style === 'ipv6';
  if (address) {
    const prefix = prefixOf(mask, bits);
    return `${formatValue(style, value)}/${prefix ?? formatValue(style, mask)}`;
  }
  if (style === 'ethernet') return `${formatMac(Number(value))}/${formatMac(Number(mask))}`;
  return `${maskedHex(value)}/${maskedHex(mask)}`;
}

function maskedHex(value: bigint): string {
  return value === 0n ? '0' : `0x${value.toString(16)}`;
}

/** Flags with a mask as `+set-unset`, lowest bit first; without one as `a|b`. */
export function formatFlags(
  names: readonly string[],
  value: number,
  mask: number | undefined,
): string {
  const nameOf = (bit: number) => names[bit] ?? `[${2 ** bit}]`;
  const bits = Array.from({ length: 32 }, (_, bit) => bit);
  const isSet = (bit: number) => ((value >>> bit) & 1) === 1;
  if (mask === undefined) return bits.filter(isSet).map(nameOf).join('|') || '0';
  return bits
    .filter((bit) => ((mask >>> bit) & 1) === 1)
    .map((bit) => `${isSet(bit) ? '+' : '-'}${nameOf(bit)}`)
    .join('');
}

/** Bits of a field, as moves and loads name them. */
export function formatSlice(slice: Slice): string {
  const { first, bits } = sliceBits(slice);
  const { codeName } = fields[slice.field];
  if (first === 0 && bits === widthOf(slice.field)) return `${codeName}[]`;
  return bits === 1 ? `${codeName}[${first}]` : `${codeName}[${first}..${first + bits - 1}]`;
}

/** A slice of the VLAN number does not reach the bit that says that there is a tag. */
function widthOf(field: FieldName): number {
  return field === 'vlanVid' ? 12 : fields[field].bits;
}
