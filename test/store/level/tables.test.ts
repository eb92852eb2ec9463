/** LevelDB's own formats, as far as we read them: what is not well-formed is refused, never believed. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { castagnoli } from '../../../lib/store/level/castagnoli.ts';
import { readLiveTables } from '../../../lib/store/level/manifest.ts';
import { unpackSnappy } from '../../../lib/store/level/snappy.ts';
import { checkTable } from '../../../lib/store/level/table.ts';
import { twinStart } from '../../disk/twin.ts';
import { Workload } from '../../disk/workload.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

it('computes CRC-32C as RFC 3720 has it', () => {
  expect(castagnoli(bytesOf('123456789')).toString(16)).toBe('e3069283');
  expect(castagnoli(new Uint8Array(32)).toString(16)).toBe('8a9136aa');
});

it('unpacks what Snappy packs: literals, copies, and copies that overlap themselves', () => {
  const packed = Uint8Array.of(
    ...[17, 0x0c, ...bytesOf('abcd')],
    // 4 bytes from 4 back; 2 bytes from 2 back, in the long form; 6 bytes from 1 back
    ...[0x01, 4],
    ...[0x06, 2, 0],
    ...[0x09, 1],
    ...[0x00, ...bytesOf('!')],
  );
  expect(new TextDecoder().decode(unpackSnappy(packed, 100))).toBe('abcdabcdcddddddd!');
});

it('refuses any other bytes, or unpacks them to the length that they say', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (packed) => {
      try {
        expect(unpackSnappy(packed, 1000).length).toBeLessThanOrEqual(1000);
      } catch (error) {
        expect(error).toBeInstanceOf(FairleadError);
      }
    }),
    { numRuns: 5000 },
  );
});

it('hazard 30: finds whole what LevelDB wrote, and everything else damaged', async () => {
  const directory = await temporaryFolder();
  for (let round = 0; round < 3; round += 1) {
    const opened = await openStorage(directory);
    const { stored } = opened;
    // each opening makes a table of the log before
    const workload = new Workload({ ...twinStart, hard: stored.hard }, round);
    if (round === 0) for (let n = 0; n < 80; n += 1) await written(opened, workload.next());
    await opened.close();
  }
  const database = join(directory, 'db');
  const tables = await readLiveTables(database);
  expect(tables.length).toBeGreaterThan(0);
  const names = await readdir(database);
  for (const { number, bytes } of tables) {
    const name = `${String(number).padStart(6, '0')}.ldb`;
    expect(names).toContain(name);
    const file = await readFile(join(database, name));
    expect(file.length).toBe(bytes);
    checkTable(name, file);
    for (const end of [0, 5, 47, 48, 49, bytes - 1]) {
      expect(() => checkTable(name, file.subarray(0, end))).toThrow('damaged');
    }
    fc.assert(
      fc.property(fc.nat(bytes - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const spoiled = Uint8Array.from(file);
        spoiled[at] = (spoiled[at] ?? 0) ^ flip;
        expect(() => checkTable(name, spoiled)).toThrow('damaged');
      }),
      { numRuns: 50 },
    );
  }
});
