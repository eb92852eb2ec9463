/**
 * Looks at all that says who has which address: the rows of the store, Docker's networks and the flows of the
 * bridge as they are. Reads only, never from within a plugin call, and looks twice: what differs for a moment
 * while containers come and go is no difference.
 */
import type { Clock } from '../clock.ts';
import type { DockerClient } from '../docker/client.ts';
import { asFairleadError, describeError } from '../errors.ts';
import { formatAddress, fromHex, parseAddress, parseInterface } from '../ip/ip.ts';
import { addressCheckPauseMs } from '../limits.ts';
import { ownerSchema } from '../model/endpoint.ts';
import { poolAddressRange, poolRange } from '../model/keys.ts';
import type { Network } from '../model/network.ts';
import { poolAddressSchema, poolSchema, type Pool } from '../model/pool.ts';
import { decodeRecord } from '../model/record.ts';
import { siteEndpointRange } from '../model/site-keys.ts';
import { siteEndpointSchema } from '../model/site.ts';
import {
  checkAddresses,
  inBoth,
  type AddressDifference,
  type CheckedEndpoint,
  type CheckedOwner,
  type CheckedPool,
  type CheckedPort,
  type CheckedSides,
} from '../network/ipam/check.ts';
import { networkOfSpace, sharedSpace } from '../network/ipam/space.ts';
import { prefixRange, type StateStore } from '../store/port.ts';
import { ourDrivers } from './our-drivers.ts';
import { readEndpoints, readHeldAddresses, readNetworks, readRows } from './records.ts';

/** What it is made of. */
export interface AddressCheckParts {
  readonly hostName: string;
  /** The store as this host sees it. */
  readonly store: StateStore;
  readonly docker: DockerClient;
  readonly pluginName: string;
  /** The ports of endpoints with what they may send from. @throws OVS_* */
  readonly ports: () => Promise<readonly CheckedPort[]>;
  readonly clock: Clock;
}

/** What a check found. */
export interface AddressCheck {
  readonly host: string;
  readonly networks: number;
  readonly addresses: number;
  readonly endpoints: number;
  readonly differences: readonly AddressDifference[];
  /** Sides that could not be looked at, each with the reason. */
  readonly unseen: readonly string[];
}

/** Looks twice. @throws STORE_* */
export async function checkHostAddresses(
  parts: AddressCheckParts,
  signal: AbortSignal,
): Promise<AddressCheck> {
  const first = await look(parts, signal);
  const before = checkAddresses(first.sides);
  if (before.length > 0) await parts.clock.sleep(addressCheckPauseMs, signal);
  const second = before.length > 0 ? await look(parts, signal) : first;
  const { pools, endpoints } = second.sides;
  return {
    host: parts.hostName,
    networks: new Set(pools.map(({ network }) => network)).size,
    addresses: pools.reduce((sum, { records }) => sum + records.filter(isHeld).length, 0),
    endpoints: endpoints.length,
    differences: inBoth(before, checkAddresses(second.sides)),
    unseen: second.unseen,
  };
}

const isHeld = ({ record }: CheckedPool['records'][number]): boolean => record.state === 'held';

interface Look {
  readonly sides: CheckedSides;
  readonly unseen: readonly string[];
}

/** Reads the sides that change first last: what is in the store before Docker has it is no difference. */
async function look(parts: AddressCheckParts, signal: AbortSignal): Promise<Look> {
  const { store, hostName: host } = parts;
  const unseen: string[] = [];
  const orUnseen = async <Value>(what: string, read: () => Promise<Value>) => {
    try {
      return await read();
    } catch (thrown) {
      unseen.push(`${what}: ${describeError(asFairleadError(thrown))}`);
      return undefined;
    }
  };
  const networks = (await readNetworks(store)).map(({ value }) => value);
  const docker = await orUnseen('Docker', () => readDocker(parts, networks, signal));
  const ports = await orUnseen('Open vSwitch', () => parts.ports());
  const own = await readOwn(store, networks, host);
  const shared = await readShown(store);
  const local = own.filter(({ id }) => !isShared(networks, id, own));
  const notes = (await readHeldAddresses(store)).map(({ space, address }) => `${space} ${address}`);
  const sides: CheckedSides = {
    host,
    pools: await readAllPools(store, networks),
    endpoints: [...shared, ...local],
    own,
    owners: await readOwners(store, networks),
    notes: new Set(notes),
    keptBack: new Set(networks.flatMap(keptBackOf)),
    docker,
    ports,
  };
  return { sides, unseen };
}

const titleOf = ({ id, site }: Pick<Network, 'id' | 'site'>): string =>
  site === undefined ? id.slice(0, 12) : sharedSpace(site);

function isShared(
  networks: readonly Network[],
  endpointId: string,
  own: readonly CheckedEndpoint[],
): boolean {
  const network = own.find(({ id }) => id === endpointId)?.network;
  return networks.some((one) => one.site !== undefined && titleOf(one) === network);
}

const keptBackOf = (network: Network): readonly string[] =>
  network.subnets.flatMap(({ auxiliary, gateway }) =>
    [...Object.values(auxiliary), ...(gateway === undefined ? [] : [gateway])].map(
      (address) => `${titleOf(network)} ${address}`,
    ),
  );

/** Canonical, without length. */
const plain = (text: string): string =>
  formatAddress(text.includes('/') ? parseInterface(text).address : parseAddress(text));

const addressesOf = (...texts: readonly (string | undefined)[]): readonly string[] =>
  texts.flatMap((text) => (text === undefined || text === '' ? [] : [plain(text)]));

async function readOwn(
  store: StateStore,
  networks: readonly Network[],
  host: string,
): Promise<readonly CheckedEndpoint[]> {
  return (await readEndpoints(store)).map(
    ({ value: { id, networkId, ipv4, ipv6, state, link } }) => ({
      network: titleOf(networks.find((one) => one.id === networkId) ?? { id: networkId }),
      id,
      host,
      state,
      ofHost: link !== undefined,
      addresses: addressesOf(ipv4, ipv6),
    }),
  );
}

/** Endpoints of shared networks as all hosts see them. */
async function readShown(store: StateStore): Promise<readonly CheckedEndpoint[]> {
  return (await readRows(store, siteEndpointRange)).map((row) => {
    const [tenant = '', network = ''] = row.key.slice(siteEndpointRange.start.length).split('/');
    const { id, host, ipv4, ipv6 } = decodeRecord(siteEndpointSchema, row).value;
    return {
      network: sharedSpace({ tenant, network }),
      id,
      host,
      addresses: addressesOf(ipv4, ipv6),
    };
  });
}

const sitePools = prefixRange('/ipam/pool/');

/** Pools of shared networks, and this host's own that a network of it uses. */
async function readAllPools(
  store: StateStore,
  networks: readonly Network[],
): Promise<readonly CheckedPool[]> {
  const rows = [...(await readRows(store, sitePools)), ...(await readRows(store, poolRange))];
  const pools: CheckedPool[] = [];
  for (const row of rows) {
    const { value: pool } = decodeRecord(poolSchema, row);
    const network = titleOfPool(pool, networks);
    if (network === undefined || pool.state === 'releasing') continue;
    const range = poolAddressRange(pool.space, pool.cidr);
    const records = (await readRows(store, range)).map((one) => ({
      address: formatAddress(fromHex(one.key.slice(range.start.length))),
      record: decodeRecord(poolAddressSchema, one).value,
    }));
    pools.push({ network, pool, records });
  }
  return pools;
}

/** Pools that other drivers' networks use are not ours to judge: nobody tells us their endpoints. */
function titleOfPool({ space, cidr }: Pool, networks: readonly Network[]): string | undefined {
  if (networkOfSpace(space) !== undefined) return space;
  const user = networks.find(({ subnets }) =>
    subnets.some((subnet) => subnet.addressSpace === space && subnet.cidr === cidr),
  );
  return user && titleOf(user);
}

async function readOwners(
  store: StateStore,
  networks: readonly Network[],
): Promise<readonly CheckedOwner[]> {
  const ranges = [prefixRange('/address/'), prefixRange('address/')];
  const owners: CheckedOwner[] = [];
  for (const range of ranges) {
    for (const row of await readRows(store, range)) {
      const parts = row.key.slice(range.start.length).split('/');
      const [one = '', two = '', hex = two] = parts;
      const network =
        parts.length === 3
          ? sharedSpace({ tenant: one, network: two })
          : titleOf(networks.find(({ id }) => id === one) ?? { id: one });
      const { endpointId } = decodeRecord(ownerSchema, row).value;
      owners.push({ network, address: formatAddress(fromHex(hex)), endpointId });
    }
  }
  return owners;
}

/** What the engine has in networks of ours. */
async function readDocker(
  { docker, pluginName }: AddressCheckParts,
  networks: readonly Network[],
  signal: AbortSignal,
): Promise<readonly CheckedEndpoint[]> {
  const found: CheckedEndpoint[] = [];
  const isOurs = await ourDrivers(docker, pluginName, signal);
  for (const { id, driver } of await docker.networks(signal)) {
    if (!isOurs(driver)) continue;
    const listed = await docker.network(id, signal);
    const network = titleOf(networks.find((one) => one.id === id) ?? { id });
    for (const { endpointId, ipv4, ipv6 } of listed?.endpoints ?? []) {
      found.push({ network, id: endpointId, host: '', addresses: addressesOf(ipv4, ipv6) });
    }
  }
  return found;
}
