/**
 * Pools of shared networks: what RequestPool and ReleasePool decide about them. A pool is there from the
 * first host's request until its network is gone and nobody is about to make one with it; a request is
 * noted until that host's network is made or the pool released. Subnets of a tenant do not overlap, by
 * the tenant's guard; different tenants may have the same. Pure.
 */
import { FairleadError } from '../../errors.ts';
import {
  firstAddress,
  formatCidr,
  hexAddress,
  lastAddress,
  overlaps,
  parseCidr,
  type Cidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { poolReleaseRows, spacePoolsMax } from '../../limits.ts';
import {
  poolAddressKey,
  poolAddressRange,
  poolBlockRange,
  poolHeldRange,
  poolKey,
  sharedPoolKey,
} from '../../model/keys.ts';
import {
  parsePoolId,
  poolId,
  sharedPoolSchema,
  type Pool,
  type PoolAddress,
  type PoolName,
  type SharedPool,
} from '../../model/pool.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import {
  hostUseRange,
  requestKey,
  requestRange,
  subnetKey,
  subnetsFrom,
  tenantSubnetRange,
} from '../../model/site-keys.ts';
import {
  subnetOwnerSchema,
  type SiteNetwork,
  type SiteNetworkName,
  type SubnetOwner,
} from '../../model/site.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import { listSubnets, mismatch, readSiteNetwork, requirePresent } from '../site-networks.ts';
import type { NamedPlace } from '../site-options.ts';
import { guardTenant } from '../tenants.ts';
import { askedPool, askedRange } from './block.ts';
import { requireGroup } from './group-pools.ts';
import { closeGuard, countGuard, countOrForget, isClosed, passGuard, readGuard } from './guard.ts';
import { giveBackBlocks } from './host-blocks.ts';
import {
  chooseFree,
  type PoolAnswer,
  type PoolRequest,
  type PoolSurroundings,
  type ReleaseProgress,
} from './pools.ts';
import { readPool, readPoolNamed, readSpacePools, type StoredPool } from './read.ts';
import { localSpace, networkOfSpace, sharedSpace } from './space.ts';

/** A RequestPool call for a shared network. */
export interface SharedPoolRequest extends PoolRequest {
  /** With a group, addresses taken from the pool will be those of its containers. */
  readonly place: NamedPlace;
  readonly host: string;
}

/**
 * Gives a pool of a shared network: the one asked for, or the network's own of that family, or, when there
 * is no such network yet, a new one. A request for a pool that is there joins it. Refuses with
 * NETWORK_MISMATCH, POOL_OVERLAP, POOL_NONE_FREE, ADDRESS_INVALID, ADDRESS_OUTSIDE_POOL, REQUEST_INVALID,
 * REFERENCE_UNKNOWN for a group that is not there, SITE_LIMIT and BUSY.
 */
export function* planRequestSharedPool(
  request: SharedPoolRequest,
  surroundings: PoolSurroundings,
): Plan<PoolAnswer> {
  if (request.space !== localSpace) {
    throw new FairleadError('REQUEST_INVALID', 'shared networks are not made by a swarm', {
      fix: 'create the network on each host with --scope local, or without swarm mode',
    });
  }
  const { name } = request.place;
  const guard = yield* readGuard(name);
  const network = (yield* readSiteNetwork(name))?.value;
  requirePresent(request.place, network);
  if (request.place.group !== undefined) yield* requireGroup(name, request.place.group);
  const cidr =
    request.pool === ''
      ? yield* chooseCidr(request, network, surroundings)
      : askedPool(request.pool);
  const text = formatCidr(cidr);
  if (network !== undefined && !network.subnets.some((subnet) => subnet.cidr === text)) {
    throw mismatch(name, 'subnet', text, listSubnets(network));
  }
  const range = request.subPool === '' ? undefined : formatCidr(askedRange(request.subPool, cidr));
  const draft: TxnDraft = { compare: [], then: [] };
  const existing = yield* readPoolNamed(guard.space, text);
  if (existing === undefined) {
    const wanted: Pool = {
      space: guard.space,
      cidr: text,
      serial: guard.stored.value.changes + 1,
      // nobody takes over what others may have begun to use
      state: 'used',
      ...(range === undefined ? {} : { range }),
      options: { ...request.options },
    };
    yield* guardTenant(draft, name.tenant);
    yield* makePool(draft, name, wanted);
    yield* noteRequest(draft, request, wanted);
    countGuard(draft, guard);
    return { txn: draft, answer: answerOf(wanted, request.place) };
  }
  if (existing.value.state === 'releasing') {
    throw new FairleadError('BUSY', `subnet ${text} is still being released`);
  }
  if (range !== undefined && range !== existing.value.range) {
    throw mismatch(name, `range of ${text}`, range, existing.value.range ?? 'none');
  }
  const news = yield* noteRequest(draft, request, existing.value);
  const answer = answerOf(existing.value, request.place);
  if (!news) return { txn: undefined, answer };
  // the pool is there as long as the guard is as it was
  passGuard(draft, guard);
  return { txn: draft, answer };
}

/**
 * Takes back a host's request for a pool; the pool goes with the last request unless its network has it.
 * Plan and run it until it answers `done`. `expected` limits it to what the host noted of the pool as it
 * was seen at that revision.
 */
export function* planReleaseSharedPool(
  id: string,
  host: string,
  expected?: { readonly modRevision: number },
): Plan<ReleaseProgress> {
  const nothing = { txn: undefined, answer: { done: true } };
  const place = parsePoolId(id);
  const name = place && networkOfSpace(place.space);
  if (place === undefined || name === undefined) return nothing;
  const mine = yield* readSharedPool(place);
  if (expected !== undefined && mine?.modRevision !== expected.modRevision) return nothing;
  const guard = yield* readGuard(name);
  const draft: TxnDraft = { compare: [], then: [] };
  const own = mine?.value.serial === place.serial;
  const request = requestKey(name, place.cidr, host);
  if (own && (yield { start: request }).rows.length > 0) {
    // before it is looked who else there is: of two that go at once, one finds nobody
    draft.then.push({ op: 'delete', start: request });
    passGuard(draft, guard);
    return { txn: draft, answer: { done: false } };
  }
  const pool = yield* readPool(place);
  const network = (yield* readSiteNetwork(name))?.value;
  const kept = network?.subnets.some(({ cidr }) => cidr === place.cidr) === true;
  if (pool !== undefined && pool.value.state !== 'releasing') {
    if (!own) return nothing;
    const used = kept && (yield { ...hostUseRange(name, host), limit: 1 }).rows.length > 0;
    if (used) return nothing;
    const key = sharedPoolKey(place.space, place.cidr);
    if (yield* giveBackBlocks(draft, key, mine, host)) {
      return { txn: draft, answer: { done: false } };
    }
    if (kept || (yield* isRequested(name, place.cidr))) {
      forgetNote(draft, place, mine, request);
      passGuard(draft, guard);
      return { txn: draft, answer: { done: true } };
    }
    if (!isClosed(guard)) {
      closeGuard(draft, guard);
      return { txn: draft, answer: { done: false } };
    }
  }
  const done = pool === undefined || (yield* removePool(draft, name, pool));
  // noted until the pool is gone, so that the sweep goes on with it
  if (own && done) forgetNote(draft, place, mine, request);
  if (draft.then.length === 0) return nothing;
  if (pool !== undefined) yield* countOrForget(draft, guard, done ? [place.cidr] : []);
  return { txn: draft, answer: { done } };
}

/** With the note, and as long as no other call of this host asked for the pool by it meanwhile. */
function forgetNote(
  draft: TxnDraft,
  { space, cidr }: PoolName,
  note: { readonly modRevision: number } | undefined,
  request: string,
): void {
  const key = sharedPoolKey(space, cidr);
  draft.compare.push(asRead(key, note), asRead(request, undefined));
  draft.then.push({ op: 'delete', start: key });
}

/** Whether a host is about to make a network with the pool. */
export function* isRequested(name: SiteNetworkName, cidr: string): Step<boolean> {
  return (yield { ...requestRange(name, cidr), limit: 1 }).rows.length > 0;
}

/**
 * Adds the removal of a pool with its addresses; one with more of them than one transaction deletes is
 * marked, and loses some. Answers whether all of it goes.
 */
export function* removePool(
  draft: TxnDraft,
  name: SiteNetworkName,
  pool: StoredPool,
  rowsMax = poolReleaseRows,
): Step<boolean> {
  const { space, cidr } = pool.value;
  const key = poolKey(space, cidr);
  const range = poolAddressRange(space, cidr);
  draft.compare.push(asRead(key, pool));
  const rest = (yield { ...range, limit: rowsMax + 1 }).rows[rowsMax];
  if (rest !== undefined) {
    const marked: Pool = { ...pool.value, state: 'releasing' };
    draft.then.push(
      { op: 'put', key, value: encodeRecord(marked) },
      { op: 'delete', start: range.start, end: rest.key },
    );
    return false;
  }
  draft.then.push(
    { op: 'delete', start: key },
    { op: 'delete', ...range },
    { op: 'delete', ...poolHeldRange(space, cidr) },
    { op: 'delete', ...poolBlockRange(space, cidr) },
    { op: 'delete', start: subnetKey(name.tenant, lastAddress(parseCidr(cidr))) },
  );
  return true;
}

/** What this host noted of a pool of a shared network. */
export function* readSharedPool({
  space,
  cidr,
}: Pick<PoolName, 'space' | 'cidr'>): Step<Stored<SharedPool> | undefined> {
  const [row] = (yield { start: sharedPoolKey(space, cidr) }).rows;
  return row === undefined ? undefined : decodeRecord(sharedPoolSchema, row);
}

function answerOf({ space, cidr, serial }: Pool, { group }: NamedPlace): PoolAnswer {
  const name = { space, cidr, serial, ...(group === undefined ? {} : { group }) };
  return { poolId: poolId(name), cidr };
}

/** The pool that a host means that names none. */
function* chooseCidr(
  request: SharedPoolRequest,
  network: SiteNetwork | undefined,
  surroundings: PoolSurroundings,
): Step<Cidr> {
  if (request.subPool !== '') {
    throw new FairleadError('ADDRESS_INVALID', `a range needs a subnet`, {
      fix: 'give --subnet together with --ip-range',
    });
  }
  const family = request.v6 ? 6 : 4;
  const first = (cidrs: readonly string[]): Cidr | undefined =>
    cidrs.map((cidr) => parseCidr(cidr)).find((cidr) => cidr.family === family);
  if (network !== undefined) {
    const own = first(network.subnets.map(({ cidr }) => cidr));
    if (own !== undefined) return own;
    throw mismatch(request.place.name, 'subnets', `one of IPv${family}`, listSubnets(network));
  }
  // another host may be about to make the network
  const space = sharedSpace(request.place.name);
  const begun = first((yield* readSpacePools(space)).map(({ value }) => value.cidr));
  if (begun !== undefined) return begun;
  const range = tenantSubnetRange(request.place.name.tenant);
  const { rows } = yield { ...range, limit: spacePoolsMax };
  const taken = rows.map((row) => parseCidr(decodeRecord(subnetOwnerSchema, row).value.cidr));
  return chooseFree(request.v6, taken, surroundings);
}

/** Adds a new pool whose subnet nobody of the tenant has. Refuses with POOL_OVERLAP. */
function* makePool(draft: TxnDraft, name: SiteNetworkName, pool: Pool): Step<void> {
  const near = yield* findOverlap(name.tenant, parseCidr(pool.cidr));
  if (near !== undefined) {
    throw new FairleadError(
      'POOL_OVERLAP',
      near.cidr === pool.cidr
        ? `subnet ${pool.cidr} is in use already by network ${name.tenant}:${near.network}`
        : `subnet ${pool.cidr} overlaps ${near.cidr}, the subnet of network ${name.tenant}:${near.network}`,
    );
  }
  putPool(draft, name, pool);
}

/** Adds a new pool with its subnet and gateway, for one who found no overlap and puts the tenant's row, too. */
export function putPool(
  draft: TxnDraft,
  name: SiteNetworkName,
  asked: Pool,
  gateway?: IpAddress,
): void {
  const hex = gateway && hexAddress(gateway);
  const pool: Pool = hex === undefined ? asked : { ...asked, gateway: hex };
  const key = poolKey(pool.space, pool.cidr);
  const owner = { network: name.network, cidr: pool.cidr };
  const last = lastAddress(parseCidr(pool.cidr));
  draft.compare.push(asRead(key, undefined));
  draft.then.push(
    { op: 'put', key, value: encodeRecord(pool) },
    { op: 'put', key: subnetKey(name.tenant, last), value: encodeRecord(owner) },
  );
  if (hex === undefined) return;
  const held: PoolAddress = { state: 'held', use: 'gateway' };
  const at = poolAddressKey(pool.space, pool.cidr, hex);
  draft.then.push({ op: 'put', key: at, value: encodeRecord(held) });
}

/** The subnet of a tenant that shares addresses with a block, if there is one. */
export function* findOverlap(tenant: string, cidr: Cidr): Step<SubnetOwner | undefined> {
  const [row] = (yield { ...subnetsFrom(tenant, firstAddress(cidr)), limit: 1 }).rows;
  const near = row && decodeRecord(subnetOwnerSchema, row).value;
  return near !== undefined && overlaps(parseCidr(near.cidr), cidr) ? near : undefined;
}

/** Adds the host's request, for all to see, and its note for itself. Answers whether there was one to add. */
function* noteRequest(
  draft: TxnDraft,
  { place: { name: network, follows }, host }: SharedPoolRequest,
  pool: Pool,
): Step<boolean> {
  const { space, cidr, serial } = pool;
  const request = requestKey(network, cidr, host);
  const asked = (yield { start: request }).rows.length > 0;
  const mine = yield* readSharedPool(pool);
  const noted = mine?.value.serial === serial;
  if (asked && noted) return false;
  const use = { host, ...(follows ? { follows } : {}) };
  if (!asked) draft.then.push({ op: 'put', key: request, value: encodeRecord(use) });
  const key = sharedPoolKey(space, cidr);
  // another call of this host may be about to forget it: a request without a note is never taken back
  draft.compare.push(asRead(key, mine));
  if (noted) return true;
  const note: SharedPool = { space, cidr, serial };
  draft.then.push({ op: 'put', key, value: encodeRecord(note) });
  return true;
}
