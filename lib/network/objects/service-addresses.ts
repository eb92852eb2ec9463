/**
 * The addresses of a service: of its network, one of each family that the network has, its own as long as it is there.
 * Pure.
 */
import { FairleadError } from '../../errors.ts';
import {
  formatAddress,
  formatCidr,
  hexAddress,
  isUsableHost,
  parseAddress,
  parseCidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { poolAddressKey } from '../../model/keys.ts';
import type { Config } from '../../model/objects/kind.ts';
import { invalid } from '../../model/objects/read-config.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import type { PoolAddress } from '../../model/pool.ts';
import { encodeRecord } from '../../model/record.ts';
import type { SiteNetworkName } from '../../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { exhausted, rangeOf } from '../ipam/addresses.ts';
import { spanOf } from '../ipam/block.ts';
import { passPool, readReserved, requireUnreserved } from '../ipam/group-pools.ts';
import { readPoolAddress, readPoolNamed, type StoredPool } from '../ipam/read.ts';
import { findFree } from '../ipam/search.ts';
import { sharedSpace } from '../ipam/space.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { siteName } from './links.ts';
import { configIn, typed } from './object-rows.ts';

const kind = 'serviceLB';

/** What a row says of the addresses of a service. */
export type ServiceAddresses = Pick<ObjectRow, 'address' | 'address6'>;

/** Where the address of a family is asked for, and where it is kept. */
const families = [
  { family: 4, asked: 'ipAddress', kept: 'address' },
  { family: 6, asked: 'ipv6Address', kept: 'address6' },
] as const;
type Family = (typeof families)[number];

/**
 * Adds that the service has its addresses: those that it has, unless it is of another network now or asks for others.
 * Refuses with OBJECT_INVALID, OBJECT_CONFLICT and what addresses are refused with.
 */
export function* takeAddresses(
  draft: TxnDraft,
  config: Config,
  before: ObjectRow | undefined,
): Step<ServiceAddresses> {
  const addresses: Partial<Record<Family['kept'], string>> = {};
  for (const of of families) {
    const kept = before && keptAddress(config, before, of);
    if (kept === undefined && before !== undefined) yield* giveBack(draft, before, of);
    const address = kept ?? (yield* takeAddress(draft, config, of));
    if (address !== undefined) addresses[of.kept] = address;
  }
  return addresses;
}

/** Adds that the addresses are free again, as far as they are still the service's. */
export function* giveBackAddresses(draft: TxnDraft, row: ObjectRow): Step<void> {
  for (const of of families) yield* giveBack(draft, row, of);
}

function keptAddress(config: Config, row: ObjectRow, of: Family): string | undefined {
  const before = configIn(kind, row);
  const { networkName, [of.asked]: asked } = typed(kind, config);
  const address = row[of.kept];
  const isAsked = asked === '' || formatAddress(parseAddress(asked)) === address;
  return networkName === before.networkName && isAsked ? address : undefined;
}

/** Of IPv6 none where the network has none, and none is asked for. */
function* takeAddress(draft: TxnDraft, config: Config, of: Family): Step<string | undefined> {
  const { tenantName, serviceName, networkName, [of.asked]: asked } = typed(kind, config);
  const pool = yield* readServicePool({ tenant: tenantName, network: networkName }, of.family);
  if (pool === undefined && of.family === 6 && asked === '') return undefined;
  if (pool === undefined) {
    throw new FairleadError(
      'OBJECT_INVALID',
      `Network ${networkName} has no IPv${of.family} subnet`,
    );
  }
  const address = asked === '' ? yield* freeAddress(pool) : yield* freeIfUsable(pool, asked, of);
  const { space, cidr } = pool.value;
  const key = poolAddressKey(space, cidr, hexAddress(address));
  const record = yield* readPoolAddress(pool.value, address);
  if (record?.value.state === 'held') {
    throw new FairleadError('OBJECT_CONFLICT', `ip address ${formatAddress(address)} is in use`);
  }
  const held: PoolAddress = { state: 'held', use: 'service', service: serviceName };
  passPool(draft, pool);
  draft.compare.push(asRead(key, record));
  draft.then.push({ op: 'put', key, value: encodeRecord(held) });
  return formatAddress(address);
}

function* readServicePool(name: SiteNetworkName, family: 4 | 6): Step<StoredPool | undefined> {
  const site = yield* readSiteNetwork(name);
  const subnet = site?.value.subnets.find(({ cidr }) => parseCidr(cidr).family === family);
  return subnet === undefined ? undefined : yield* readPoolNamed(sharedSpace(name), subnet.cidr);
}

function* freeAddress(pool: StoredPool): Step<IpAddress> {
  const { space, cidr } = pool.value;
  const span = spanOf(parseCidr(cidr), rangeOf(pool.value));
  const area = { space, cidr, span, behind: undefined };
  const free = yield* findFree(area, yield* readReserved(pool.value));
  if (free === undefined) throw exhausted(pool.value, span.last - span.first + 1n);
  return free.address;
}

function* freeIfUsable(pool: StoredPool, text: string, of: Family): Step<IpAddress> {
  const address = parseAddress(text);
  const block = parseCidr(pool.value.cidr);
  if (!isUsableHost(block, address)) {
    throw invalid(
      `${of.asked} ${text} is not an address that a host of ${formatCidr(block)} may have`,
    );
  }
  yield* requireUnreserved(pool.value, address, undefined);
  return address;
}

function* giveBack(draft: TxnDraft, row: ObjectRow, of: Family): Step<void> {
  const { tenantName, serviceName, networkName } = configIn(kind, row);
  const text = row[of.kept];
  if (text === undefined) return;
  const name = siteName({ kind: 'network', parts: [tenantName, networkName] });
  const pool = yield* readServicePool(name, of.family);
  if (pool === undefined) return;
  const address = parseAddress(text);
  const record = yield* readPoolAddress(pool.value, address);
  if (record?.value.use !== 'service' || record.value.service !== serviceName) return;
  const key = poolAddressKey(pool.value.space, pool.value.cidr, hexAddress(address));
  draft.compare.push(asRead(key, record));
  draft.then.push({ op: 'delete', start: key });
}
