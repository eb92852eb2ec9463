/** The Internet checksum (RFC 1071). Pure. */

/** The checksum of bytes, on top of a sum. */
export function checksum(bytes: Uint8Array, start: number): number {
  let folded = sum(bytes, start);
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** The sum of bytes as words of 16 bits, not folded yet. */
export function sum(bytes: Uint8Array, start: number): number {
  let total = start;
  for (let index = 0; index < bytes.length; index += 2) {
    total += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  }
  return total;
}
