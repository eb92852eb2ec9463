/**
 * The one kind of damage in LevelDB's log files (and its manifest, which has the same format) that
 * leaves no trace when LevelDB reads them: a record whose length points beyond the end of the file, and
 * zeros where a record should begin. Both look like a write cut short by a crash, and everything after
 * them is dropped in silence. A real cut leaves nothing behind it; this looks whether something is.
 * Format: leveldb, doc/log_format.md.
 */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { castagnoliEnd, castagnoliStart, castagnoliStep, unmaskChecksum } from './castagnoli.ts';
import { damaged } from './format.ts';

const blockBytes = 32 * 1024;
/** Checksum (4), length (2), type (1). */
const headerBytes = 7;

/**
 * Looks at the end of every log of a closed database.
 * @throws STORE_DAMAGED
 */
export async function auditLogTails(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.log') && !name.startsWith('MANIFEST-')) continue;
    if (hidesRecords(await readLastBlock(join(folder, name)))) {
      throw damaged(`${name} hides records`);
    }
  }
}

async function readLastBlock(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const start = Math.floor(Math.max(0, size - 1) / blockBytes) * blockBytes;
    const block = new Uint8Array(size - start);
    const { bytesRead } = await handle.read(block, 0, block.length, start);
    return block.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** True if the last block of a log ends in what is not a write cut short. */
export function hidesRecords(block: Uint8Array): boolean {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let at = 0;
  while (at + headerBytes <= block.length) {
    const length = view.getUint16(at + 4, true);
    const end = at + headerBytes + length;
    if (length === 0 && block[at + 6] === 0) return block.subarray(at).some((byte) => byte !== 0);
    if (end > block.length) return isWholeRecord(block.subarray(at + 6), view.getUint32(at, true));
    at = end;
  }
  return false;
}

/** Whether type and payload are complete for some length: then only the length was wrong. */
function isWholeRecord(typeAndPayload: Uint8Array, storedChecksum: number): boolean {
  const wanted = unmaskChecksum(storedChecksum);
  let register = castagnoliStart;
  for (const byte of typeAndPayload) {
    register = castagnoliStep(register, byte);
    if (castagnoliEnd(register) === wanted) return true;
  }
  return false;
}
