/** Addresses as text and as bytes, and the Internet checksum: what making and reading frames share. */

/** The bytes of a MAC. */
export function macBytes(mac: string): Uint8Array {
  const bytes = mac.split(':').map((part) => Number.parseInt(part, 16));
  if (bytes.length !== 6 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) {
    throw new Error(`${mac} is no MAC`);
  }
  return Uint8Array.from(bytes);
}

/** A MAC as `02:00:00:00:00:01`. */
export function macText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Uint8Array {
  if (!address.includes(':')) {
    const bytes = address.split('.').map(Number);
    if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) {
      throw new Error(`${address} is no address`);
    }
    return Uint8Array.from(bytes);
  }
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array.from({ length: gap }, () => '0'), ...after];
  if (all.length !== 8) throw new Error(`${address} is no address`);
  return Uint8Array.from(
    all.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 255];
    }),
  );
}

/** An address as text; IPv6 in the form of RFC 5952. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  // the first of the longest runs of zeros is left out
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].map(
    ([run]) => run,
  );
  const longest = runs.toSorted((a, b) => b.length - a.length)[0];
  if (longest === undefined) return groups.join(':');
  const text = groups.join(':');
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  const before = text.slice(0, at).replace(/:$/, '');
  const after = text.slice(at + longest.length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** Puts pieces one after another. */
export function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(pieces);
}

/** Big-endian numbers of 1, 2 or 4 bytes: `[value, size]` each. */
export function numbers(
  ...values: readonly (readonly [value: number, bytes: 1 | 2 | 4])[]
): Uint8Array {
  return join(
    ...values.map(([value, size]) => {
      const bytes = Buffer.alloc(size);
      bytes.writeUIntBE(value >>> 0, 0, size);
      return bytes;
    }),
  );
}

/** The Internet checksum (RFC 1071) of all pieces together. */
export function checksum(...pieces: readonly Uint8Array[]): number {
  const bytes = join(...pieces);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2)
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
