/**
 * What a program of Linux says about itself: for which machine it is, and which files it needs to start (System V
 * ABI, "Object Files" and "Dynamic Linking", ELF64 little-endian). Reads headers and the dynamic section only.
 */
import { Buffer } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { FairleadError } from '../errors.ts';
import { elfDynamicBytesMax, elfHeadersMax, elfNameBytesMax } from '../limits.ts';

/** A program or shared library. */
export interface ElfFacts {
  readonly machine: 'x64' | 'arm64' | 'other';
  /** The dynamic linker it asks for; libraries, and programs that need none, have none. */
  readonly interpreter: string | undefined;
  /** The name by which others need it. */
  readonly soname: string | undefined;
  /** Names of the libraries it needs. */
  readonly needed: readonly string[];
}

/** Types of program headers, tags of the dynamic section, numbers of machines. */
const load = 1;
const dynamic = 2;
const interp = 3;
const tags = { end: 0, needed: 1, stringTable: 5, soname: 14 } as const;
const machines: ReadonlyMap<number, ElfFacts['machine']> = new Map([
  [62, 'x64'],
  [183, 'arm64'],
]);
const headerBytes = 64;
const segmentBytes = 56;
const entryBytes = 16;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

/**
 * The facts of a file; undefined when it is no ELF file.
 * @throws BUNDLE_INVALID for one that is damaged or of a kind that Fairlead does not run on, and when it cannot be read
 */
export function readElf(path: string): ElfFacts | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    return factsOf(new Reader(descriptor, path));
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('BUNDLE_INVALID', `${path} cannot be read: ${why}`, { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Parts of a file, whole or refused. */
class Reader {
  readonly #descriptor: number;
  readonly #path: string;
  readonly bytes: number;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.bytes = fstatSync(descriptor).size;
  }

  part(offset: number, bytes: number): Buffer {
    if (offset < 0 || bytes < 0 || offset + bytes > this.bytes) throw this.damaged();
    const part = Buffer.alloc(bytes);
    if (readSync(this.#descriptor, part, 0, bytes, offset) !== bytes) throw this.damaged();
    return part;
  }

  /** The text at an offset, up to its zero. */
  text(offset: number): string {
    const part = this.part(offset, Math.min(elfNameBytesMax, Math.max(0, this.bytes - offset)));
    const end = part.indexOf(0);
    if (end === -1) throw this.damaged();
    return part.toString('latin1', 0, end);
  }

  damaged(): FairleadError {
    return new FairleadError('BUNDLE_INVALID', `${this.#path} is a damaged program`);
  }
}

function factsOf(file: Reader): ElfFacts | undefined {
  if (file.bytes < headerBytes) return undefined;
  const head = file.part(0, headerBytes);
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  // 64 bits, little-endian: of others no more is asked than that they are others
  if (head[4] !== 2 || head[5] !== 1) {
    return { machine: 'other', interpreter: undefined, soname: undefined, needed: [] };
  }
  const segments = segmentsOf(file, head);
  const where = segments.find(({ type }) => type === interp);
  return {
    machine: machines.get(head.readUInt16LE(18)) ?? 'other',
    interpreter: where === undefined ? undefined : file.text(where.offset),
    ...dynamicFacts(file, segments),
  };
}

function segmentsOf(file: Reader, head: Buffer): readonly Segment[] {
  const count = head.readUInt16LE(56);
  if (count > elfHeadersMax || head.readUInt16LE(54) !== segmentBytes) throw file.damaged();
  const table = file.part(Number(head.readBigUInt64LE(32)), count * segmentBytes);
  return Array.from({ length: count }, (_, index) => {
    const at = index * segmentBytes;
    return {
      type: table.readUInt32LE(at),
      offset: Number(table.readBigUInt64LE(at + 8)),
      address: Number(table.readBigUInt64LE(at + 16)),
      bytes: Number(table.readBigUInt64LE(at + 32)),
    };
  });
}

function dynamicFacts(
  file: Reader,
  segments: readonly Segment[],
): Pick<ElfFacts, 'needed' | 'soname'> {
  const section = segments.find(({ type }) => type === dynamic);
  if (section === undefined) return { needed: [], soname: undefined };
  if (section.bytes > elfDynamicBytesMax) throw file.damaged();
  const table = file.part(section.offset, section.bytes);
  const needed: number[] = [];
  let soname: number | undefined;
  let strings: number | undefined;
  for (let at = 0; at + entryBytes <= table.length; at += entryBytes) {
    const tag = Number(table.readBigInt64LE(at));
    const value = Number(table.readBigUInt64LE(at + 8));
    if (tag === tags.end) break;
    if (tag === tags.needed) needed.push(value);
    if (tag === tags.soname) soname = value;
    if (tag === tags.stringTable) strings = value;
  }
  // names are at addresses of the loaded program: the segment that is loaded there says where in the file
  const at = strings;
  const home = segments.find(
    ({ type, address, bytes }) =>
      type === load && at !== undefined && at >= address && at < address + bytes,
  );
  if (at === undefined || home === undefined) throw file.damaged();
  const nameAt = (offset: number): string => file.text(at - home.address + home.offset + offset);
  return {
    needed: needed.map(nameAt),
    soname: soname === undefined ? undefined : nameAt(soname),
  };
}
