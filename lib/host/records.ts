/**
 * Whole-state reads for the loops: everything below a prefix, page by page, checked by its schema. They are
 * local, so that a host without quorum still knows what it has, and keeps its data plane so.
 */
import type { z } from 'zod';
import { formatAddress, fromHex } from '../ip/ip.ts';
import { endpointSchema, type Endpoint } from '../model/endpoint.ts';
import {
  endpointKey,
  endpointRange,
  heldRange,
  networkRange,
  poolAddressRange,
  poolKey,
  poolRange,
  spacePoolRange,
  sharedPoolRange,
} from '../model/keys.ts';
import { networkSchema, type Network } from '../model/network.ts';
import {
  globalSpace,
  heldAddressSchema,
  poolAddressSchema,
  poolId,
  poolSchema,
  sharedPoolSchema,
  type Pool,
} from '../model/pool.ts';
import { decodeRecord, type Stored } from '../model/record.ts';
import type { SiteNetworkName } from '../model/site.ts';
import { portOf, type PortSpec } from '../network/port.ts';
import type { PoolAddressRecord } from '../network/sweep.ts';
import type { KeyRange, KeyValue, StateStore } from '../store/port.ts';

/** All rows of a range. Pages may be of different revisions: callers compare what they act on. */
export async function readRows(
  store: StateStore,
  range: Required<KeyRange>,
): Promise<readonly KeyValue[]> {
  const rows: KeyValue[] = [];
  let { start } = range;
  for (;;) {
    const page = await store.range({ start, end: range.end, consistency: 'local' });
    rows.push(...page.rows);
    const last = page.rows.at(-1);
    if (!page.more || last === undefined) return rows;
    // the smallest key behind the last one
    start = `${last.key}!`;
  }
}

/** All rows of a range by their schema. */
export async function readObjects<T>(
  store: StateStore,
  range: Required<KeyRange>,
  schema: z.ZodType<T>,
): Promise<readonly Stored<T>[]> {
  return (await readRows(store, range)).map((row) => decodeRecord(schema, row));
}

/** All networks of this host. */
export const readNetworks = (store: StateStore): Promise<readonly Stored<Network>[]> =>
  readObjects(store, networkRange, networkSchema);

/** Those of them that hosts share: what each is called among all hosts, by its id. */
export async function readSharedNames(
  store: StateStore,
): Promise<ReadonlyMap<string, SiteNetworkName>> {
  const networks = await readNetworks(store);
  return new Map(
    networks.flatMap(({ value: { id, site } }) => (site === undefined ? [] : [[id, site]])),
  );
}

/** All endpoints of this host. */
export const readEndpoints = (store: StateStore): Promise<readonly Stored<Endpoint>[]> =>
  readObjects(store, endpointRange, endpointSchema);

/** One of them, if it is there. */
export async function readOwnEndpoint(
  store: StateStore,
  networkId: string,
  endpointId: string,
): Promise<Endpoint | undefined> {
  const start = endpointKey(networkId, endpointId);
  const [row] = (await store.range({ start, consistency: 'local' })).rows;
  return row && decodeRecord(endpointSchema, row).value;
}

/** All pools. */
export const readPools = (store: StateStore): Promise<readonly Stored<Pool>[]> =>
  readObjects(store, poolRange, poolSchema);

/** Pools that the managers of a swarm have, for all hosts. */
export const readSwarmPools = (store: StateStore): Promise<readonly Stored<Pool>[]> =>
  readObjects(store, spacePoolRange(globalSpace), poolSchema);

/** All addresses of a pool, held and released. */
export async function readPoolAddresses(
  store: StateStore,
  pool: Pool,
): Promise<readonly PoolAddressRecord[]> {
  const { space, cidr } = pool;
  const range = poolAddressRange(space, cidr);
  return (await readRows(store, range)).map((row) => ({
    ...decodeRecord(poolAddressSchema, row),
    key: row.key,
    space,
    cidr,
    poolId: poolId(pool),
    address: formatAddress(fromHex(row.key.slice(range.start.length))),
  }));
}

/**
 * The pools of shared networks that this host has to do with, as far as the sweep has to know them. Each has
 * the revision of the host's note of it, and the Docker network that it is used by here.
 */
export async function readSharedPools(
  store: StateStore,
  networks: readonly Stored<Network>[],
): Promise<readonly Stored<Pool>[]> {
  const notes = await readObjects(store, sharedPoolRange, sharedPoolSchema);
  return notes.map(({ value: { space, cidr, serial }, modRevision }) => {
    const user = networks.find(({ value }) =>
      value.subnets.some((subnet) => subnet.addressSpace === space && subnet.cidr === cidr),
    );
    const networkId = user === undefined ? {} : { networkId: user.value.id };
    const value: Pool = { space, cidr, serial, state: 'used', options: {}, ...networkId };
    return { value, modRevision };
  });
}

/** The pools of shared networks that this host has to do with, as all hosts see them. */
export async function readNotedPools(store: StateStore): Promise<readonly Stored<Pool>[]> {
  const notes = await readObjects(store, sharedPoolRange, sharedPoolSchema);
  const pools: Stored<Pool>[] = [];
  for (const { value } of notes) {
    const start = poolKey(value.space, value.cidr);
    const [row] = (await store.range({ start, consistency: 'local' })).rows;
    if (row !== undefined) pools.push(decodeRecord(poolSchema, row));
  }
  return pools;
}

/** The addresses of shared pools that this host holds, by its own notes. */
export async function readHeldAddresses(store: StateStore): Promise<readonly PoolAddressRecord[]> {
  return (await readRows(store, heldRange)).map((row) => {
    const { value: held, modRevision } = decodeRecord(heldAddressSchema, row);
    const { space, cidr, address, endpointId } = held;
    const owner = endpointId === undefined ? {} : { endpointId };
    const value = { state: 'held', use: 'other', ...owner } as const;
    return { value, modRevision, key: row.key, space, cidr, poolId: poolId(held), address };
  });
}

/** The ports this host should have, by endpoint id, and the specs of all endpoints it knows. */
export async function readPorts(store: StateStore): Promise<ReadonlyMap<string, PortSpec>> {
  const networks = new Map((await readNetworks(store)).map(({ value }) => [value.id, value]));
  const ports = new Map<string, PortSpec>();
  for (const { value: endpoint } of await readEndpoints(store)) {
    const network = networks.get(endpoint.networkId);
    const port = network && portOf(network, endpoint);
    if (port !== undefined) ports.set(endpoint.id, port);
  }
  return ports;
}
