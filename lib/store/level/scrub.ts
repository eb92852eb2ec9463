/**
 * Reading the tables for damage. A small store is read whole before LevelDB opens it, which takes 4 ms per
 * MiB; a large one in the background after it, in steps. When an opening died, or something was found in
 * the background, all is read before LevelDB comes near it again: then the store is refused as it should
 * be, instead of a process that aborts at every start.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { FairleadError } from '../../errors.ts';
import { isSystemError, writeFileDurably } from './durable-file.ts';
import { damaged } from './format.ts';
import { readLiveTables, type LiveTable } from './manifest.ts';
import { checkTable } from './table.ts';

/**
 * Reads the tables of a store that is not open, if they are `bytesMax` at most; returns those that are
 * left for the background.
 * @throws STORE_DAMAGED
 */
export async function scrubBeforeOpening(
  folder: string,
  bytesMax: number,
): Promise<readonly LiveTable[]> {
  const tables = await readLiveTables(folder);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  for (const table of tables) {
    const path = await pathOf(folder, table);
    const found = path === undefined ? undefined : (await stat(path)).size;
    if (found !== table.bytes) throw damaged(`its table ${table.number} is missing or cut short`);
  }
  if (bytes > bytesMax) return tables;
  for (const table of tables) await scrub(folder, table);
  return [];
}

/** Reads tables in the background until told to stop. What is found is told once, and left as a mark. */
export async function scrubInBackground(options: {
  readonly folder: string;
  readonly mark: string;
  readonly tables: readonly LiveTable[];
  readonly clock: Clock;
  readonly pauseMs: number;
  readonly signal: AbortSignal;
  readonly onDamage: (error: FairleadError) => void;
}): Promise<void> {
  const { folder, tables, clock, pauseMs, signal } = options;
  for (const table of tables) {
    await clock.sleep(pauseMs, signal);
    try {
      await scrub(folder, table);
    } catch (error) {
      if (signal.aborted) return;
      await raiseSuspicion(options.mark, String(error)).catch(() => undefined);
      options.onDamage(damaged(`its table ${table.number} is damaged`, { cause: error }));
      return;
    }
  }
}

/** Leaves word that all is to be read before LevelDB opens it again. */
export async function raiseSuspicion(mark: string, why: string): Promise<void> {
  await writeFileDurably(mark, `${why}\n`);
}

/** Forgets that something was found: the store was read whole since. */
export async function removeSuspicion(mark: string): Promise<void> {
  await rm(mark, { force: true });
}

async function scrub(folder: string, table: LiveTable): Promise<void> {
  const path = await pathOf(folder, table);
  // replaced by LevelDB since the list was read
  if (path === undefined) return;
  try {
    checkTable(String(table.number), await readFile(path));
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

async function pathOf(folder: string, { number }: LiveTable): Promise<string | undefined> {
  for (const ending of ['ldb', 'sst']) {
    const path = join(folder, `${String(number).padStart(6, '0')}.${ending}`);
    if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  }
  return undefined;
}
