/** Frames as containers send them to a name server, written byte by byte. Checksums are left out: nobody looks. */

/** What differs from a datagram by IPv4. */
export interface FrameShape {
  readonly family?: 4 | 6;
  readonly protocol?: 'udp' | 'tcp';
  readonly port?: number;
  readonly data: Uint8Array;
  /** Flags and offset of an IPv4 fragment. */
  readonly fragment?: number;
  /** In the place of the protocol's. */
  readonly number?: number;
  readonly ethType?: number;
  /** Of TCP. */
  readonly flags?: number;
  readonly options?: readonly number[];
}

const word = (value: number): readonly number[] => [(value >> 8) & 255, value & 255];
const long = (value: number): readonly number[] => [...word(value >>> 16), ...word(value)];

/** From port 40000; TCP's first byte is 1000, the server's next one 2^32 - 256. */
export function nameFrame(shape: FrameShape): Uint8Array<ArrayBuffer> {
  const { family = 4, protocol = 'udp', port = 53, data, fragment = 0, options = [] } = shape;
  const ends = [...word(40_000), ...word(port)];
  const head = 20 + options.length;
  const transport =
    protocol === 'udp'
      ? [...ends, ...word(8 + data.length), 0, 0, ...data]
      : [
          ...[...ends, ...long(1_000), ...long(0xffff_ff00)],
          ...word(((head / 4) << 12) | (shape.flags ?? 0x18)),
          ...[0xff, 0xff, 0, 0, 0, 0, ...options, ...data],
        ];
  const number = shape.number ?? (protocol === 'udp' ? 17 : 6);
  const packet =
    family === 4
      ? [
          ...[0x45, 0, ...word(20 + transport.length), 0, 0, ...word(fragment)],
          ...[64, number, 0, 0, 10, 1, 0, 1, 192, 0, 2, 53],
        ]
      : [
          ...[0x60, 0, 0, 0, ...word(transport.length), number, 64],
          ...[0xfd, ...Array<number>(14).fill(0), 1],
          ...[0x20, 1, ...Array<number>(13).fill(0), 53],
        ];
  return Uint8Array.from([
    ...[2, 0, 0, 0, 0, 254, 2, 0, 0, 0, 0, 1],
    ...word(shape.ethType ?? (family === 4 ? 0x0800 : 0x86dd)),
    ...packet,
    ...transport,
  ]);
}
