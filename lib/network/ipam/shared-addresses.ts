/**
 * Addresses of shared pools: what RequestAddress and ReleaseAddress decide about them. An address names the
 * host that holds it, and the host notes it for itself, so that it can give back what is its own without
 * looking at what others have. Each host chooses in blocks of its own (`host-blocks.ts`): hosts that take
 * addresses at the same time write no row in common. Pure.
 */
import { FairleadError } from '../../errors.ts';
import {
  contains,
  formatAddress,
  fromHex,
  hexAddress,
  parseAddress,
  parseCidr,
  usableSpan,
  type Cidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { heldKey, poolAddressKey, poolKey, sharedPoolKey } from '../../model/keys.ts';
import {
  heldAddressSchema,
  parsePoolId,
  type Pool,
  type PoolAddress,
  type SharedPool,
} from '../../model/pool.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { siteEndpointKey } from '../../model/site-keys.ts';
import type { Compare, Operation } from '../../store/port.ts';
import { asRead, type Decision, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import { mismatch, readSiteNetwork } from '../site-networks.ts';
import {
  answerOf,
  exhausted,
  inUse,
  placeholderOf,
  rangeOf,
  requireHost,
  type AddressAnswer,
  type AddressRequest,
} from './addresses.ts';
import { spanOf } from './block.ts';
import {
  passPool,
  readChoiceArea,
  readReserved,
  requireUnreserved,
  type ChoiceArea,
} from './group-pools.ts';
import { readPool, readPoolAddress, requirePool, type StoredPool } from './read.ts';
import { releasedRecord, type AddressRelease } from './release.ts';
import { putHeld } from './held.ts';
import { chooseInBlocks, reopened, type BlockChoice, type Chooser } from './host-blocks.ts';
import { findFree } from './search.ts';
import { lookBehind } from './spread.ts';
import { readSharedPool } from './shared-pools.ts';
import { networkOfSpace } from './space.ts';

/** A RequestAddress call for a shared pool. */
export interface SharedAddressRequest extends AddressRequest {
  /** By a node of a swarm: it may have what the managers gave. */
  readonly ofSwarm?: boolean;
}

/**
 * Gives an address of a shared pool to a host. The gateway is one for all hosts, and may be asked for again
 * by any. Refuses as `planRequestAddress`, and with NETWORK_MISMATCH for another gateway than the one
 * there is. `attempt` counts those of this request that others came before.
 */
export function* planRequestSharedAddress(
  request: SharedAddressRequest,
  host: string,
  attempt = 0,
): Plan<AddressAnswer> {
  const pool = yield* requirePool(request.poolId);
  const group = parsePoolId(request.poolId)?.group;
  const note = yield* readSharedPool(pool.value);
  if (note?.value.serial !== pool.value.serial) {
    throw new FairleadError('POOL_UNKNOWN', `this host did not ask for pool ${request.poolId}`);
  }
  if (request.gateway) return yield* giveGateway(pool, request.address);
  const cidr = parseCidr(pool.value.cidr);
  if (request.address !== '') {
    const address = requireHost(cidr, request.address);
    const record = yield* readPoolAddress(pool.value, address);
    if (record?.value.state === 'held') {
      const { use, group: taker } = record.value;
      const given = request.ofSwarm === true && use === 'swarm' && taker === group;
      if (given) return { txn: undefined, answer: answerOf(cidr, address) };
      throw inUse(cidr, address, record.value);
    }
    yield* requireUnreserved(pool.value, address, group);
    return hold(pool, note, cidr, { address, host, group, before: record });
  }
  const choice = yield* chooseShared(pool.value, note.value, { host, attempt }, group);
  return hold(pool, note, cidr, { ...choice, host, group });
}

/** An address that a host may have by free choice. */
export interface SharedChoice {
  readonly address: IpAddress;
  /** The address's record before, if it has one. */
  readonly before: { readonly modRevision: number } | undefined;
  /** The host's note of the pool when it takes the address. */
  readonly moved: SharedPool;
  /** A block that becomes the host's. */
  readonly claim: TxnDraft | undefined;
}

/** Chooses a free address of a shared pool for a host, or for its group. Refuses with POOL_EXHAUSTED. */
export function* chooseShared(
  pool: Pool,
  note: SharedPool,
  chooser: Chooser,
  group?: string,
): Step<SharedChoice> {
  const cidr = parseCidr(pool.cidr);
  const area = yield* readChoiceArea(pool, spanOf(cidr, rangeOf(pool)), group);
  const choose = area.group === undefined ? chooseInBlocks : chooseInGroup;
  const choice = yield* choose(pool, area, note, chooser);
  if (choice === undefined) throw allTaken(pool, area);
  const { free, blocks, claim } = choice;
  const { address } = free;
  const { blocks: _before, ...rest } = note;
  const noted = blocks.length === 0 ? rest : { ...rest, blocks: [...blocks] };
  return { address, before: free, moved: moveCursor(noted, area, address), claim };
}

/** Parts of groups have no blocks: hosts that meet there look elsewhere next. */
function* chooseInGroup(
  { space, cidr }: Pool,
  { span, reserved, group = '' }: ChoiceArea,
  { groupCursors, blocks = [] }: SharedPool,
  chooser: Chooser,
): Step<BlockChoice | undefined> {
  const cursor = groupCursors?.[group];
  const last = cursor === undefined ? undefined : fromHex(cursor).value;
  const behind = lookBehind(span, last, chooser);
  const free = yield* findFree({ space, cidr, span, behind }, reserved);
  return free && { free, blocks };
}

/** The note with another cursor, and without those of groups that have no part any more. */
function moveCursor(
  note: SharedPool,
  { group, parts }: ChoiceArea,
  address: IpAddress,
): SharedPool {
  const { groupCursors = {}, ...rest } = note;
  const cursors = Object.entries(groupCursors).filter(([name]) =>
    parts.some((part) => part.group === name),
  );
  const hex = hexAddress(address);
  const moved = group === undefined ? { ...rest, cursor: hex } : rest;
  const kept = Object.fromEntries(group === undefined ? cursors : [...cursors, [group, hex]]);
  return Object.keys(kept).length === 0 ? moved : { ...moved, groupCursors: kept };
}

/** The refusal of a pool, or of the part of it that a group has, without a free address. */
export function allTaken(pool: Pool, { span, group }: ChoiceArea): FairleadError {
  const { family, first, last } = span;
  if (group === undefined) return exhausted(pool, last - first + 1n);
  const [from, to] = [first, last].map((value) => formatAddress({ family, value }));
  return new FairleadError(
    'POOL_EXHAUSTED',
    `pool ${from}-${to} of group ${group} has no free address: all ${last - first + 1n} are in use`,
  );
}

/** All hosts have the gateway: its record names none, and goes with the pool. */
function* giveGateway(pool: StoredPool, asked: string): Plan<AddressAnswer> {
  const { space, cidr: name, gateway } = pool.value;
  const cidr = parseCidr(name);
  if (gateway !== undefined) {
    const has = fromHex(gateway);
    const same = asked === '' || hexAddress(parseAddress(asked)) === gateway;
    if (same) return { txn: undefined, answer: answerOf(cidr, has) };
    const network = networkOfSpace(space) ?? { tenant: '', network: space };
    throw mismatch(network, `gateway of ${name}`, asked, formatAddress(has));
  }
  const network = networkOfSpace(space);
  if (asked === '' && network !== undefined && (yield* readSiteNetwork(network)) !== undefined) {
    return { txn: undefined, answer: answerOf(cidr, placeholderOf(cidr)) };
  }
  const { address, before } = yield* chooseGateway(pool.value, cidr, asked);
  const hex = hexAddress(address);
  const key = poolAddressKey(space, name, hex);
  const { closed: _closed, ...open } = pool.value;
  const changed: Pool = { ...open, gateway: hex };
  const held: PoolAddress = { state: 'held', use: 'gateway' };
  return {
    txn: {
      compare: [asRead(poolKey(space, name), pool), asRead(key, before)],
      then: [
        { op: 'put', key, value: encodeRecord(held) },
        { op: 'put', key: poolKey(space, name), value: encodeRecord(changed) },
      ],
    },
    answer: answerOf(cidr, address),
  };
}

/** A free address, with its record as it was then: a chosen one may be somebody else's a moment later. */
function* chooseGateway(
  pool: Pool,
  cidr: Cidr,
  asked: string,
): Step<Pick<Holding, 'address' | 'before'>> {
  if (asked !== '') {
    const address = requireHost(cidr, asked);
    const before = yield* readPoolAddress(pool, address);
    if (before?.value.state === 'held') throw inUse(cidr, address, before.value);
    return { address, before };
  }
  const span = usableSpan(cidr);
  const area = { space: pool.space, cidr: pool.cidr, span, behind: undefined };
  const free = yield* findFree(area, yield* readReserved(pool));
  if (free === undefined) throw exhausted(pool, span.last - span.first + 1n);
  return { address: free.address, before: free };
}

interface Holding {
  readonly address: IpAddress;
  readonly host: string;
  readonly group: string | undefined;
  /** The address's record before, if it has one. */
  readonly before: { readonly modRevision: number } | undefined;
  /** The host's note with another cursor. */
  readonly moved?: SharedPool;
  /** A block that becomes the host's. */
  readonly claim?: TxnDraft | undefined;
}

function hold(
  pool: StoredPool,
  note: Stored<SharedPool>,
  cidr: Cidr,
  { address, host, group, before, moved, claim }: Holding,
): Decision<AddressAnswer> {
  const { space, cidr: name } = pool.value;
  const key = poolAddressKey(space, name, hexAddress(address));
  const noteKey = sharedPoolKey(space, name);
  const named = group === undefined ? {} : { group };
  const held: PoolAddress = { state: 'held', use: 'other', host, ...named };
  const then: Operation[] = [
    { op: 'put', key, value: encodeRecord(held) },
    putHeld(pool.value, address, undefined),
  ];
  if (moved !== undefined) then.push({ op: 'put', key: noteKey, value: encodeRecord(moved) });
  const txn: TxnDraft = { compare: [asRead(noteKey, note), asRead(key, before)], then };
  txn.compare.push(...(claim?.compare ?? []));
  txn.then.push(...(claim?.then ?? []));
  passPool(txn, pool);
  return { txn, answer: answerOf(cidr, address) };
}

/**
 * Gives back an address that this host holds. Answers whether something changed: nothing does for a
 * gateway, for what another host holds, and for an address that an endpoint has. `expected` limits it to
 * the host's note of it as it was seen at that revision. Refuses with ADDRESS_INVALID.
 */
export function* planReleaseSharedAddress(
  request: AddressRelease,
  host: string,
  expected?: { readonly modRevision: number },
): Plan<boolean> {
  const nothing = { txn: undefined, answer: false };
  const address = parseAddress(request.address);
  const place = parsePoolId(request.poolId);
  if (place === undefined || !contains(parseCidr(place.cidr), address)) return nothing;
  const key = heldKey(place.space, place.cidr, hexAddress(address));
  const [row] = (yield { start: key }).rows;
  const note = row && decodeRecord(heldAddressSchema, row);
  if (note?.value.serial !== place.serial) return nothing;
  if (expected !== undefined && expected.modRevision !== note.modRevision) return nothing;
  const compare: Compare[] = [asRead(key, note)];
  const then: Operation[] = [{ op: 'delete', start: key }];
  const pool = yield* readPool(place);
  const record = pool && (yield* readPoolAddress(pool.value, address));
  if (pool !== undefined && record?.value.state === 'held' && record.value.host === host) {
    const owner = yield* ownerOf(place.space, record.value);
    if (owner === 'present') return nothing;
    const at = poolAddressKey(place.space, place.cidr, hexAddress(address));
    compare.push(asRead(at, record), ...owner);
    then.push(releasedRecord(pool.value, at));
    const mine = yield* readSharedPool(place);
    const open = mine?.value.serial === place.serial ? reopened(mine.value, address) : undefined;
    if (open !== undefined) {
      const noteKey = sharedPoolKey(place.space, place.cidr);
      compare.push(asRead(noteKey, mine));
      then.push({ op: 'put', key: noteKey, value: encodeRecord(open) });
    }
  }
  return { txn: { compare, then }, answer: true };
}

/** The compares that nobody owns the record, or that its endpoint is still there. */
function* ownerOf(space: string, record: PoolAddress): Step<readonly Compare[] | 'present'> {
  const name = networkOfSpace(space);
  if (record.endpointId === undefined || name === undefined) return [];
  const key = siteEndpointKey(name, record.endpointId);
  return (yield { start: key }).rows.length > 0 ? 'present' : [asRead(key, undefined)];
}
