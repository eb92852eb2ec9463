/**
 * Blocks of a shared pool that hosts have to themselves when they choose addresses: a host looks in its own
 * first, so that hosts which attach containers at the same time neither meet nor look through what others have.
 * A block is a preference and no right: an address has one holder because its record is compared, whoever's
 * block it is in. So nobody has to be asked when a block is taken over, `--ip` may name any address, and a pool
 * can be used up to the last address from any host. Pure.
 */
import {
  addressBits,
  fromHex,
  hexAddress,
  parseCidr,
  type AddressSpan,
  type Cidr,
  type IpAddress,
} from '../../ip/ip.ts';
import {
  addressPageRows,
  blockBitsMax,
  blockBitsMin,
  blockTriesMax,
  hostBlocksMax,
  poolBlocksBits,
} from '../../limits.ts';
import { poolBlockKey, poolBlockRange } from '../../model/keys.ts';
import { poolBlockSchema, type HostBlock, type Pool, type SharedPool } from '../../model/pool.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { firstHeld, type ChoiceArea } from './group-pools.ts';
import { findFree, gapsOf, type FreeAddress } from './search.ts';
import { hash, lookBehind } from './spread.ts';

/** Who chooses, and how many times others came before. */
export interface Chooser {
  readonly host: string;
  readonly attempt: number;
}

/** A free address, and what the host notes of its blocks when it takes it. */
export interface BlockChoice {
  readonly free: FreeAddress;
  readonly blocks: readonly HostBlock[];
  /** A block that becomes the host's with it. */
  readonly claim?: TxnDraft;
}

/** How many bits of an address count within a block of a pool; undefined for a pool too small for blocks. */
export function blockBitsOf(cidr: Cidr): number | undefined {
  const hostBits = addressBits(cidr.family) - cidr.prefixLength;
  const bits = Math.min(hostBits - poolBlocksBits, blockBitsMax);
  return bits < blockBitsMin ? undefined : bits;
}

/** All blocks of the part of a pool that is chosen from. */
interface Blocks {
  readonly pool: Pool;
  readonly area: ChoiceArea;
  readonly bits: bigint;
}

const spanAt = ({ bits, area: { span } }: Blocks, index: bigint): AddressSpan => {
  const [first, last] = [index << bits, ((index + 1n) << bits) - 1n];
  return {
    family: span.family,
    first: first > span.first ? first : span.first,
    last: last < span.last ? last : span.last,
  };
};

const firstOf = ({ bits, area }: Blocks, index: bigint): IpAddress => ({
  family: area.span.family,
  value: index << bits,
});

const keyOf = (blocks: Blocks, index: bigint): string =>
  poolBlockKey(blocks.pool.space, blocks.pool.cidr, hexAddress(firstOf(blocks, index)));

/**
 * A free address for a host: of its own blocks, of one that nobody has, or of whoever's. Undefined when all are
 * held. `note` is what the host noted of the pool.
 */
export function* chooseInBlocks(
  pool: Pool,
  area: ChoiceArea,
  note: SharedPool,
  chooser: Chooser,
): Step<BlockChoice | undefined> {
  const cursor = note.cursor === undefined ? undefined : fromHex(note.cursor).value;
  const bits = blockBitsOf(parseCidr(pool.cidr));
  if (bits === undefined) return yield* chooseAnywhere(pool, area, cursor, chooser);
  const blocks: Blocks = { pool, area, bits: BigInt(bits) };
  const own = yield* chooseInOwn(blocks, note.blocks ?? [], cursor, chooser.host);
  if (own.free !== undefined) return { free: own.free, blocks: own.blocks };
  if (own.blocks.length < hostBlocksMax) {
    const claimed = yield* chooseInUnclaimed(blocks, own.blocks, chooser);
    if (claimed !== undefined) return claimed;
  }
  const found = yield* chooseAnywhere(pool, area, cursor, chooser);
  return found && (yield* takeOver(blocks, own.blocks, found.free, chooser.host));
}

function* chooseAnywhere(
  { space, cidr }: Pool,
  { span, reserved }: ChoiceArea,
  cursor: bigint | undefined,
  chooser: Chooser,
): Step<BlockChoice | undefined> {
  const behind = lookBehind(span, cursor, chooser);
  const free = yield* findFree({ space, cidr, span, behind }, reserved);
  return free && { free, blocks: [] };
}

/** Looks in the host's blocks, that of the cursor first; those in which nothing is free are marked. */
function* chooseInOwn(
  blocks: Blocks,
  noted: readonly HostBlock[],
  cursor: bigint | undefined,
  host: string,
): Step<{ readonly free: FreeAddress | undefined; readonly blocks: readonly HostBlock[] }> {
  const { pool, area, bits } = blocks;
  const indexOf = ({ first }: HostBlock): bigint => fromHex(first).value >> bits;
  const current = noted.filter((one) => cursor !== undefined && indexOf(one) === cursor >> bits);
  const ordered = [...current, ...noted.filter((one) => !current.includes(one))];
  let kept = noted;
  for (const block of ordered) {
    if (block.full === true) continue;
    const index = indexOf(block);
    const owner = yield* readBlock(blocks, index);
    if (owner?.value.host !== host) {
      // another host took it over
      kept = kept.filter((one) => one !== block);
      continue;
    }
    const place = { space: pool.space, cidr: pool.cidr, span: spanAt(blocks, index) };
    const free = yield* findFree({ ...place, behind: cursor }, area.reserved);
    if (free !== undefined) return { free, blocks: kept };
    kept = kept.map((one) => (one === block ? { ...one, full: true as const } : one));
  }
  return { free: undefined, blocks: kept };
}

/** Looks in blocks that nobody has, behind the host's last one. */
function* chooseInUnclaimed(
  blocks: Blocks,
  own: readonly HostBlock[],
  { host, attempt }: Chooser,
): Step<BlockChoice | undefined> {
  const { pool, area, bits } = blocks;
  const { span, reserved } = area;
  const [lowest, highest] = [span.first >> bits, span.last >> bits];
  const last = own.at(-1);
  const next = last === undefined ? lowest : (fromHex(last.first).value >> bits) + 1n;
  const count = highest - lowest + 1n;
  // those that met over a block look for another, the more often the further
  const ahead =
    attempt === 0 ? 0n : BigInt(hash(`${host} ${attempt}`) % 2 ** Math.min(attempt, 16));
  let from = lowest + ((next - lowest + ahead) % count);
  for (let tries = 0; tries < blockTriesMax; tries++) {
    const index =
      (yield* firstUnclaimed(blocks, from, highest)) ??
      (yield* firstUnclaimed(blocks, lowest, highest));
    if (index === undefined) return undefined;
    const place = { space: pool.space, cidr: pool.cidr, span: spanAt(blocks, index) };
    const free = yield* findFree({ ...place, behind: undefined }, reserved);
    if (free !== undefined) {
      const first = hexAddress(firstOf(blocks, index));
      return { free, blocks: [...own, { first }], claim: claimOf(blocks, index, undefined, host) };
    }
    from = lowest + ((index + 1n - lowest) % count);
  }
  return undefined;
}

/** The first block from one to another that nobody has, of those with addresses to choose. */
function* firstUnclaimed(blocks: Blocks, from: bigint, to: bigint): Step<bigint | undefined> {
  const { pool, area, bits } = blocks;
  const hexFrom = poolBlockRange(pool.space, pool.cidr).start.length;
  let next = from;
  for (const gap of gapsOf(area.span, area.reserved)) {
    const [first, last] = [gap.first >> bits, gap.last >> bits];
    if (first > next) next = first;
    const end = last < to ? last : to;
    for (let more = next <= end; more;) {
      const range = { start: keyOf(blocks, next), end: `${keyOf(blocks, end)}!` };
      const page = yield { ...range, limit: addressPageRows };
      for (const row of page.rows) {
        if (fromHex(row.key.slice(hexFrom)).value >> bits !== next) return next;
        next += 1n;
      }
      more = page.more;
      if (!more && next <= end) return next;
    }
  }
  return undefined;
}

/** An address of another's block: with the block, if nothing of it is held. */
function* takeOver(
  blocks: Blocks,
  own: readonly HostBlock[],
  free: FreeAddress,
  host: string,
): Step<BlockChoice> {
  const index = free.address.value >> blocks.bits;
  const { first, last, family } = spanAt(blocks, index);
  const [from, to] = [first, last].map((value) => ({ family, value }));
  const noted = { first: hexAddress(firstOf(blocks, index)) };
  const others = own.filter((one) => one.first !== noted.first);
  const borrowed = { free, blocks: own };
  if (own.length >= hostBlocksMax || from === undefined || to === undefined) return borrowed;
  const owner = yield* readBlock(blocks, index);
  if (owner === undefined) return borrowed;
  // somebody who borrowed of it gave that back
  if (owner.value.host === host) return { free, blocks: [...others, noted] };
  if ((yield* firstHeld(blocks.pool, from, to)) !== undefined) return borrowed;
  return { free, blocks: [...others, noted], claim: claimOf(blocks, index, owner, host) };
}

function* readBlock(
  blocks: Blocks,
  index: bigint,
): Step<Stored<{ readonly host: string }> | undefined> {
  const [row] = (yield { start: keyOf(blocks, index) }).rows;
  return row && decodeRecord(poolBlockSchema, row);
}

function claimOf(
  blocks: Blocks,
  index: bigint,
  before: { readonly modRevision: number } | undefined,
  host: string,
): TxnDraft {
  const key = keyOf(blocks, index);
  return {
    compare: [asRead(key, before)],
    then: [{ op: 'put', key, value: encodeRecord({ host }) }],
  };
}

/** The host's note when an address is given back: its block is looked through again. Undefined when nothing
 *  changes. */
export function reopened(note: SharedPool, address: IpAddress): SharedPool | undefined {
  const bits = blockBitsOf(parseCidr(note.cidr));
  if (bits === undefined) return undefined;
  const index = address.value >> BigInt(bits);
  const isIt = ({ first, full }: HostBlock): boolean =>
    full === true && fromHex(first).value >> BigInt(bits) === index;
  const { blocks = [] } = note;
  if (!blocks.some(isIt)) return undefined;
  return { ...note, blocks: blocks.map((one) => (isIt(one) ? { first: one.first } : one)) };
}

/**
 * Adds that a host gives back its blocks of a pool, and notes so in `noteKey`. Answers whether there were any.
 */
export function* giveBackBlocks(
  draft: TxnDraft,
  noteKey: string,
  note: Stored<SharedPool>,
  host: string,
): Step<boolean> {
  const { blocks = [], ...rest } = note.value;
  if (blocks.length === 0) return false;
  draft.compare.push(asRead(noteKey, note));
  draft.then.push({ op: 'put', key: noteKey, value: encodeRecord(rest) });
  for (const { first } of blocks) {
    const key = poolBlockKey(rest.space, rest.cidr, first);
    const [row] = (yield { start: key }).rows;
    if (row === undefined || decodeRecord(poolBlockSchema, row).value.host !== host) continue;
    draft.compare.push(asRead(key, row));
    draft.then.push({ op: 'delete', start: key });
  }
  return true;
}
