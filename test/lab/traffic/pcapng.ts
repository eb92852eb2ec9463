/**
 * Reads captures in pcapng (draft-ietf-opsawg-pcapng-03): sections of either byte order, Ethernet links,
 * enhanced packet blocks. Blocks it does not know are skipped, as the format asks.
 */

/** Which way a frame went, seen from the link it was captured on. */
export type Direction = 'in' | 'out' | 'unknown';

/** A frame as it was on a link. */
export interface CapturedFrame {
  readonly link: string;
  readonly direction: Direction;
  /** Nanoseconds since 1970. */
  readonly atNs: bigint;
  /** From the destination MAC to before the checksum, tags included. */
  readonly bytes: Uint8Array;
  /** Bytes on the wire; more than `bytes` when it was cut. */
  readonly size: number;
}

const sectionBlock = 0x0a0d0d0a;
const linkBlock = 1;
const packetBlock = 6;
const byteOrderMagic = 0x1a2b3c4d;
const ethernet = 1;
const optionName = 2;
const optionResolution = 9;
const optionFlags = 2;

interface Link {
  readonly name: string;
  readonly nanosecondsPerUnit: (units: bigint) => bigint;
}

interface Block {
  readonly type: number;
  readonly body: DataView;
  readonly little: boolean;
}

/**
 * The frames of a capture, in its order. `growing`: it is still written, and its last block may be half there.
 * @throws {Error} when it is cut short or is no capture of Ethernet
 */
export function readPcapng(
  bytes: Uint8Array,
  { growing = false }: { readonly growing?: boolean } = {},
): readonly CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let links: Link[] = [];
  for (const block of blocksOf(bytes, growing)) {
    if (block.type === sectionBlock) links = [];
    else if (block.type === linkBlock) links.push(readLink(block));
    else if (block.type === packetBlock) frames.push(readFrame(block, links));
  }
  return frames;
}

function* blocksOf(bytes: Uint8Array, growing: boolean): Generator<Block> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let little = true;
  for (let at = 0; at < bytes.length;) {
    if (growing && bytes.length - at < 12) return;
    if (bytes.length - at < 12) throw new Error(`pcapng: ${bytes.length - at} bytes at the end`);
    const isSection = view.getUint32(at, true) === sectionBlock;
    if (isSection) little = view.getUint32(at + 8, true) === byteOrderMagic;
    else if (at === 0) throw new Error('pcapng: does not begin with a section');
    if (isSection && view.getUint32(at + 8, little) !== byteOrderMagic) {
      throw new Error('pcapng: no byte order');
    }
    const size = view.getUint32(at + 4, little);
    if (growing && size > bytes.length - at) return;
    if (size < 12 || size % 4 !== 0 || size > bytes.length - at) {
      throw new Error(`pcapng: a block of ${size} bytes at ${at}`);
    }
    if (view.getUint32(at + size - 4, little) !== size) {
      throw new Error(`pcapng: the block at ${at} has two sizes`);
    }
    const body = new DataView(bytes.buffer, bytes.byteOffset + at + 8, size - 12);
    yield { type: view.getUint32(at, little), body, little };
    at += size;
  }
}

function readLink({ body, little }: Block): Link {
  if (body.byteLength < 8) throw new Error('pcapng: a link that is cut short');
  if (body.getUint16(0, little) !== ethernet) throw new Error('pcapng: a link that is no Ethernet');
  const options = optionsOf(body, 8, little);
  const name = options.get(optionName);
  const resolution = options.get(optionResolution)?.getUint8(0) ?? 6;
  return {
    name: name === undefined ? '' : textOf(name),
    nanosecondsPerUnit: (units) =>
      resolution >= 128
        ? (units * 1_000_000_000n) >> BigInt(resolution - 128)
        : (units * 1_000_000_000n) / 10n ** BigInt(resolution),
  };
}

function readFrame({ body, little }: Block, links: readonly Link[]): CapturedFrame {
  if (body.byteLength < 20) throw new Error('pcapng: a frame that is cut short');
  const link = links[body.getUint32(0, little)];
  if (link === undefined) throw new Error('pcapng: a frame of a link that is not described');
  const units = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little));
  const kept = body.getUint32(12, little);
  const padded = Math.ceil(kept / 4) * 4;
  if (padded > body.byteLength - 20) throw new Error('pcapng: a frame larger than its block');
  const flags =
    optionsOf(body, 20 + padded, little)
      .get(optionFlags)
      ?.getUint32(0, little) ?? 0;
  const direction = (['unknown', 'in', 'out', 'unknown'] as const)[flags & 3];
  return {
    link: link.name,
    direction: direction ?? 'unknown',
    atNs: link.nanosecondsPerUnit(units),
    bytes: new Uint8Array(body.buffer, body.byteOffset + 20, kept),
    size: body.getUint32(16, little),
  };
}

function optionsOf(body: DataView, from: number, little: boolean): Map<number, DataView> {
  const options = new Map<number, DataView>();
  for (let at = from; body.byteLength - at >= 4;) {
    const code = body.getUint16(at, little);
    const size = body.getUint16(at + 2, little);
    if (code === 0) break;
    if (size > body.byteLength - at - 4) throw new Error('pcapng: an option that is cut short');
    options.set(code, new DataView(body.buffer, body.byteOffset + at + 4, size));
    at += 4 + Math.ceil(size / 4) * 4;
  }
  return options;
}

function textOf(view: DataView): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}
