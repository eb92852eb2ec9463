/**
 * The audit of the log at open: its blocks lead without a gap and as one chain from where the log begins to
 * where it ends. What an earlier block holds from the first entry of the next on was cut off and counts for
 * nothing, and so does what lies behind the end.
 */
import type { Entry } from '../raft/entry.ts';
import { eachEntry, type Database } from './database.ts';
import { damaged, entryKey, kindEnd, kindStart, numberText, unseal } from './format.ts';
import { chainAfter, decodeBlock, type LogBlock } from './log-entry.ts';
import type { LogBase, LogEnd } from './meta.ts';

/** A log that was audited. */
export interface AuditedLog {
  readonly entries: readonly Entry[];
  /** The chain after each of the entries. */
  readonly chains: readonly string[];
  /** The first index of each block. */
  readonly blocks: readonly number[];
}

interface PlacedBlock extends LogBlock {
  readonly first: number;
}

/**
 * Reads and checks the log of a generation.
 * @throws STORE_DAMAGED
 */
export async function auditLog(
  database: Database,
  generation: number,
  { base, end }: { readonly base: LogBase; readonly end: LogEnd },
): Promise<AuditedLog> {
  const blocks = await readBlocks(database, generation, base);
  const entries: Entry[] = [];
  const chains: string[] = [];
  let { index, term } = base.mark.at;
  let { chain } = base;
  for (const [at, block] of blocks.entries()) {
    const next = blocks[at + 1]?.first ?? end.last.index + 1;
    const last = block.first + block.entries.length - 1;
    if (last < next - 1 || next <= block.first) throw damaged('its log has a gap', { next });
    for (const entry of block.entries) {
      if (entry.index <= index || entry.index >= next) continue;
      if (entry.term < term) throw damaged('terms fall in its log', { index: entry.index });
      ({ index, term } = entry);
      chain = chainAfter(chain, entry);
      entries.push(entry);
      chains.push(chain);
    }
    const isWhole = last === next - 1 && index === last;
    if (isWhole && chain !== block.chain) throw damaged('its log is not one chain', { index });
  }
  if (index !== end.last.index || term !== end.last.term || chain !== end.chain) {
    throw damaged('its log does not lead to its end', { index, end: end.last });
  }
  return { entries, chains, blocks: blocks.map(({ first }) => first) };
}

async function readBlocks(
  database: Database,
  generation: number,
  { mark, cleared }: LogBase,
): Promise<readonly PlacedBlock[]> {
  if (cleared > mark.at.index) throw damaged('the beginning of its log is impossible');
  const blocks: PlacedBlock[] = [];
  // begins at the first block kept: in front of it lie only the tombstones of forgotten ones
  const range = { start: entryKey(generation, cleared + 1), end: kindEnd(generation, 'log') };
  const prefix = kindStart(generation, 'log');
  await eachEntry(database, range, (key, stored) => {
    const first = Number.parseInt(key.slice(prefix.length), 16);
    const isFirst = blocks.length === 0;
    const fits = key === prefix + numberText(first) && (!isFirst || first === cleared + 1);
    if (!fits) throw damaged('its log has a gap', { key });
    blocks.push({ first, ...decodeBlock(first, unseal(key, stored)) });
  });
  return blocks;
}
