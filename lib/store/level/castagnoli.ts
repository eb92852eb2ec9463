/**
 * CRC-32C (RFC 3720, appendix B.4), by which LevelDB seals its records and blocks; zlib has the other
 * CRC-32 only. Eight bytes at a time ("slicing by 8"), because whole tables are read.
 */

const tables: readonly Uint32Array[] = makeTables();
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as readonly [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

function makeTables(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, index) => {
    let crc = index;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    return crc;
  });
  const all = [first];
  while (all.length < 8) {
    const before = all.at(-1) ?? first;
    all.push(before.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] ?? 0)));
  }
  return all;
}

/** The checksum's register after one more byte; begins as `castagnoliStart`. */
export function castagnoliStep(register: number, byte: number): number {
  return (register >>> 8) ^ (t0[(register ^ byte) & 0xff] ?? 0);
}

/** The register before the first byte. */
export const castagnoliStart = 0xffffffff;

/** The checksum that a register stands for. */
export const castagnoliEnd = (register: number): number => (register ^ 0xffffffff) >>> 0;

/** The checksum of some bytes. */
export function castagnoli(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let register = castagnoliStart;
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    const low = view.getUint32(at, true) ^ register;
    const high = view.getUint32(at + 4, true);
    register =
      (t7[low & 0xff] ?? 0) ^
      (t6[(low >>> 8) & 0xff] ?? 0) ^
      (t5[(low >>> 16) & 0xff] ?? 0) ^
      (t4[low >>> 24] ?? 0) ^
      (t3[high & 0xff] ?? 0) ^
      (t2[(high >>> 8) & 0xff] ?? 0) ^
      (t1[(high >>> 16) & 0xff] ?? 0) ^
      (t0[high >>> 24] ?? 0);
  }
  for (; at < bytes.length; at += 1) register = castagnoliStep(register, bytes[at] ?? 0);
  return castagnoliEnd(register);
}

/** LevelDB stores checksums rotated and offset, so that a checksum of a checksum stays useful. */
export function unmaskChecksum(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
