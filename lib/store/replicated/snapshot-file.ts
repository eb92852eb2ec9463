/**
 * A snapshot as a text file, one JSON value a line: a header, rows and records, and a last line with the
 * number of lines and the SHA-256 of all before it. What is read back has passed its checksum, and the
 * digest of the state when it is put in place.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { snapshotBytesMax, snapshotLineCharactersMax } from '../../limits.ts';
import type { FrozenImage, ImagePart, MachineHead, MachineImage } from '../machine/image.ts';
import type { SnapshotFacts } from './cluster.ts';

const count = z.number().int().nonnegative();
const position = z.strictObject({ index: count, term: count });

const headerSchema = z.strictObject({
  format: z.literal('fairlead-snapshot'),
  version: z.literal(1),
  clusterId: z.string().regex(/^[0-9a-f]{32}$/),
  epoch: count,
  takenAtMs: z.number(),
  takenBy: z.string(),
  head: z.strictObject({
    applied: position,
    revision: count,
    systemRevision: count,
    compacted: count,
    timeMs: z.number(),
    count,
    digest: z.string().regex(/^[0-9a-f]{32}$/),
  }),
});
/** The first line. */
export type SnapshotHeader = z.infer<typeof headerSchema>;

const trailerSchema = z.strictObject({
  lines: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const rowSchema = z.tuple([
  z.literal('row'),
  z.enum(['users', 'system']),
  z.strictObject({
    key: z.string(),
    value: z.string(),
    createRevision: count,
    modRevision: count,
    version: count,
    lease: z.string().exactOptional(),
  }),
]);
const recordSchema = z.tuple([
  z.literal('record'),
  z.enum(['sessions', 'leases']),
  z.string(),
  z.string(),
]);
const lineSchema = z.union([rowSchema, recordSchema]);

/** What a snapshot says of its origin. */
export type SnapshotOrigin = Pick<SnapshotHeader, 'clusterId' | 'epoch' | 'takenAtMs' | 'takenBy'>;

/** The lines of a snapshot of a state. */
export function* snapshotLines(
  image: FrozenImage,
  origin: SnapshotOrigin,
): Generator<string, void> {
  const sum = createHash('sha256');
  let lines = 0;
  const counted = (value: unknown): string => {
    const line = JSON.stringify(value);
    sum.update(`${line}\n`);
    lines += 1;
    return line;
  };
  yield counted({
    format: 'fairlead-snapshot',
    version: 1,
    ...origin,
    head: image.head,
  } satisfies SnapshotHeader);
  for (const [space, row] of image.rows) yield counted(['row', space, row]);
  for (const [space, key, value] of image.records) yield counted(['record', space, key, value]);
  yield JSON.stringify({ lines, sha256: sum.digest('hex') });
}

/** A snapshot that was read whole. */
export interface ReadSnapshot {
  readonly header: SnapshotHeader;
  readonly image: MachineImage;
  readonly bytes: number;
}

/**
 * Reads a snapshot back.
 * @throws SNAPSHOT_INVALID when it is none, is cut short or was changed
 */
export async function readSnapshot(lines: AsyncIterable<string>): Promise<ReadSnapshot> {
  const sum = createHash('sha256');
  const rows: ImagePart['rows'][number][] = [];
  const records: ImagePart['records'][number][] = [];
  let header: SnapshotHeader | undefined;
  let read = 0;
  let bytes = 0;
  let trailer: z.infer<typeof trailerSchema> | undefined;
  for await (const line of lines) {
    if (trailer !== undefined) throw invalid('something follows its end');
    if (line.length > snapshotLineCharactersMax) throw invalid('a line is too long');
    const value = parseLine(line, read + 1);
    if (!Array.isArray(value) && header !== undefined) {
      trailer = checked(trailerSchema, value, read + 1);
      continue;
    }
    sum.update(`${line}\n`);
    read += 1;
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > snapshotBytesMax) throw invalid('it is larger than any state may be');
    if (header === undefined) {
      header = checked(headerSchema, value, read);
      continue;
    }
    const entry = checked(lineSchema, value, read);
    if (entry[0] === 'row') rows.push([entry[1], entry[2]]);
    else records.push([entry[1], entry[2], entry[3]]);
  }
  if (header === undefined) throw invalid('it is empty');
  if (trailer === undefined) throw invalid('its end is missing');
  if (trailer.lines !== read || trailer.sha256 !== sum.digest('hex')) {
    throw invalid('its checksum is wrong');
  }
  const head: MachineHead = header.head;
  return { header, image: { head, rows, records }, bytes };
}

/**
 * Verifies a snapshot and says what is in it.
 * @throws SNAPSHOT_INVALID
 */
export async function factsOfSnapshot(lines: AsyncIterable<string>): Promise<SnapshotFacts> {
  const { header, image, bytes } = await readSnapshot(lines);
  const { clusterId, epoch, takenAtMs, takenBy, head } = header;
  return {
    clusterId,
    epoch,
    revision: head.revision,
    index: head.applied.index,
    term: head.applied.term,
    digest: head.digest,
    rows: image.rows.length,
    bytes,
    takenAtMs,
    takenBy,
  };
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw invalid(`line ${number} is not JSON`);
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, number: number): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(`line ${number} is unknown`);
}

function invalid(why: string): FairleadError {
  return new FairleadError('SNAPSHOT_INVALID', `this is no whole snapshot: ${why}`);
}
