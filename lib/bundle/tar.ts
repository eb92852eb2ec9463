/**
 * Tar files whose bytes depend on nothing but content: POSIX ustar (IEEE Std 1003.1, pax, "ustar Interchange
 * Format") with owner 0, time 0 and no names of users. Every tar since 1988 unpacks it, busybox's too.
 */
import { Buffer } from 'node:buffer';
import { FairleadError } from '../errors.ts';

/** What a header says. */
export interface TarHead {
  /** Relative, with slashes. */
  readonly path: string;
  /** Length of the content; 0 for a folder. */
  readonly bytes: number;
  /** Permission bits. */
  readonly mode: number;
  readonly kind: 'file' | 'folder' | 'link';
  /** Of a link: path of the entry before it that it is a second name of. */
  readonly linkTo?: string;
}

const blockBytes = 512;
/** Fields of a header: name, prefix, size in octal digits. */
const nameBytesMax = 100;
const prefixBytesMax = 155;
const sizeMax = 0o77777777777;
const typeFlags = { file: '0', link: '1', folder: '5' } as const;

/**
 * The block before a content.
 * @throws BUNDLE_INVALID when the path, the size or what it links to has no room in it
 */
export function tarHeader({ path, bytes, mode, kind, linkTo = '' }: TarHead): Uint8Array {
  const { name, prefix } = splitPath(kind === 'folder' ? `${path}/` : path);
  if (Buffer.byteLength(linkTo) > nameBytesMax) {
    throw new FairleadError('BUNDLE_INVALID', `${linkTo} is too long a path to link to in tar`);
  }
  if (bytes > sizeMax) throw new FairleadError('BUNDLE_INVALID', `${path} is too large for tar`);
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(bytes, 11), 124);
  block.write(octal(0, 11), 136);
  // the checksum is taken with spaces in its own place
  block.write(' '.repeat(8), 148);
  block.write(typeFlags[kind], 156);
  block.write(linkTo, 157);
  block.write('ustar', 257);
  block.write('00', 263);
  block.write(octal(0, 7), 329);
  block.write(octal(0, 7), 337);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)} `, 148);
  return block;
}

/** Zeros that fill the last block of a content. */
export function tarPadding(bytes: number): Uint8Array {
  return new Uint8Array((blockBytes - (bytes % blockBytes)) % blockBytes);
}

/** Two blocks of zeros, and the end. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * blockBytes);
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')}\0`;
}

/** A long path is cut at a slash; the two parts have fields of their own. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= nameBytesMax) return { name: path, prefix: '' };
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    const fits =
      Buffer.byteLength(prefix) <= prefixBytesMax && Buffer.byteLength(name) <= nameBytesMax;
    if (fits && name !== '') return { name, prefix };
  }
  throw new FairleadError('BUNDLE_INVALID', `${path} is too long a path for tar`);
}
