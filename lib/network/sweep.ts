/**
 * What Docker no longer has. Errors of Docker's delete calls are swallowed by the engine and a call
 * that found nobody listening is never made again, so the only truth is the engine's own list. This
 * file compares our records with such a list and names what may go; it is pure, and careful: a record
 * goes only if two listings in a row lacked it, the second begun some time after the first ended, and
 * the record did not change in between.
 */
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import type { Pool, PoolAddress } from '../model/pool.ts';
import type { Stored } from '../model/record.ts';

/** Docker's own view, as far as it concerns us. */
export interface DockerView {
  /** Networks whose driver we are: id and the ids of the endpoints the engine has there. */
  readonly networks: ReadonlyMap<string, ReadonlySet<string>>;
  /** Pools (`space-less` cidr texts) and addresses of all networks that use our IPAM. */
  readonly pools: ReadonlyMap<string, ReadonlySet<string>>;
}

/** A row of a pool's addresses, with the pool it belongs to. */
export interface PoolAddressRecord extends Stored<PoolAddress> {
  readonly key: string;
  readonly poolId: string;
  readonly cidr: string;
  readonly space: string;
  readonly address: string;
}

/** Our records, read before the listing was asked for. */
export interface Records {
  readonly networks: readonly Stored<Network>[];
  readonly endpoints: readonly Stored<Endpoint>[];
  readonly pools: readonly Stored<Pool>[];
  readonly addresses: readonly PoolAddressRecord[];
}

/** A record that was missing in a listing: at which revision, and since when (monotonic ms). */
export interface Suspect {
  readonly modRevision: number;
  readonly sinceMs: number;
}

/** Suspects by record name; carried from one comparison to the next. */
export type Suspects = ReadonlyMap<string, Suspect>;

/** What may go now, and whom to look at again. */
export interface Sweep {
  readonly networks: readonly Stored<Network>[];
  readonly endpoints: readonly Stored<Endpoint>[];
  readonly pools: readonly Stored<Pool>[];
  readonly addresses: readonly PoolAddressRecord[];
  readonly suspects: Suspects;
}

/** How long a record must have been missing. */
export interface Patience {
  /** For networks and endpoints, ms. */
  readonly absentMs: number;
  /** For pools and addresses nobody has claimed, ms. */
  readonly unclaimedMs: number;
}

/** Compares our records with Docker's list. `nowMs` is monotonic. */
export function planSweep(
  records: Records,
  docker: DockerView,
  before: Suspects,
  nowMs: number,
  patience: Patience,
): Sweep {
  const suspects = new Map<string, Suspect>();
  const overdue = (name: string, modRevision: number, patienceMs: number): boolean => {
    const known = before.get(name);
    const sinceMs = known?.modRevision === modRevision ? known.sinceMs : nowMs;
    suspects.set(name, { modRevision, sinceMs });
    return known?.modRevision === modRevision && nowMs - sinceMs >= patienceMs;
  };
  // the host's own parts of infra networks, which engines do not have
  const own = new Set(records.networks.filter(({ value }) => value.infra).map(idOf));
  const networks = records.networks.filter(
    ({ value, modRevision }) =>
      !own.has(value.id) &&
      !docker.networks.has(value.id) &&
      overdue(`network/${value.id}`, modRevision, patience.absentMs),
  );
  const endpoints = records.endpoints.filter(
    ({ value, modRevision }) =>
      value.link === undefined &&
      docker.networks.get(value.networkId)?.has(value.id) !== true &&
      overdue(`endpoint/${value.id}`, modRevision, patience.absentMs),
  );
  const pools = records.pools.filter(
    ({ value, modRevision }) =>
      !docker.pools.has(value.cidr) &&
      (value.networkId === undefined ||
        !(own.has(value.networkId) || docker.networks.has(value.networkId))) &&
      overdue(`pool/${value.space}/${value.cidr}`, modRevision, patience.unclaimedMs),
  );
  const owners = new Set(records.endpoints.map(({ value }) => value.id));
  const keptBack = addressesKeptBack(records.networks);
  const addresses = records.addresses.filter(
    (record) =>
      record.value.state === 'held' &&
      record.value.use !== 'gateway' &&
      !isOwned(record, owners) &&
      !keptBack.has(`${record.cidr} ${record.address}`) &&
      docker.pools.get(record.cidr)?.has(record.address) !== true &&
      overdue(`address/${record.key}`, record.modRevision, patience.unclaimedMs),
  );
  return { networks, endpoints, pools, addresses, suspects };
}

const idOf = ({ value }: Stored<Network>): string => value.id;

/** Addresses that networks of ours hold as long as they are there, each as `CIDR ADDRESS`. Engines before 29 list gateways and
 *  auxiliary addresses only as far as the user named them. */
export function addressesKeptBack(networks: readonly Stored<Network>[]): ReadonlySet<string> {
  const kept = networks.flatMap(({ value }) =>
    value.subnets.flatMap(({ cidr, gateway, auxiliary }) =>
      [...Object.values(auxiliary), ...(gateway === undefined ? [] : [gateway])].map(
        (address) => `${cidr} ${address}`,
      ),
    ),
  );
  return new Set(kept);
}

/** An address that an endpoint of ours has is that endpoint's to give back, not the sweep's. */
function isOwned(record: PoolAddressRecord, owners: ReadonlySet<string>): boolean {
  return record.value.endpointId !== undefined && owners.has(record.value.endpointId);
}
