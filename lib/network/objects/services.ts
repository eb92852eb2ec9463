/** What is special about services: an address of their network, theirs as long as they are there. Pure. */
import { FairleadError } from '../../errors.ts';
import { serviceEarlierMax } from '../../limits.ts';
import {
  contains,
  formatAddress,
  formatCidr,
  hexAddress,
  isUsableHost,
  parseAddress,
  parseCidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { poolAddressKey } from '../../model/keys.ts';
import { formats } from '../../model/objects/formats.ts';
import type { Config } from '../../model/objects/kind.ts';
import { invalid } from '../../model/objects/read-config.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import type { PoolAddress } from '../../model/pool.ts';
import { encodeRecord } from '../../model/record.ts';
import type { SiteNetworkName } from '../../model/site.ts';
import type { EarlierService } from '../../model/objects/service-lb.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { exhausted, rangeOf } from '../ipam/addresses.ts';
import { spanOf } from '../ipam/block.ts';
import { passPool, readReserved, requireUnreserved } from '../ipam/group-pools.ts';
import { readPoolAddress, readPoolNamed, type StoredPool } from '../ipam/read.ts';
import { findFree } from '../ipam/search.ts';
import { sharedSpace } from '../ipam/space.ts';
import { sameValue } from '../same-value.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { subnetFor } from './groups.ts';
import { siteName } from './links.ts';
import { configIn, typed } from './object-rows.ts';
import type { Special } from './special.ts';

const kind = 'serviceLB';

/** What is special about services. */
export const serviceSpecial: Special = {
  check(config) {
    const { selectors, ports } = typed(kind, config);
    if (selectors.length === 0) throw invalid('Invalid selector options, expected KEY=VALUE');
    for (const selector of selectors) {
      if (formats.selector.fits(selector)) continue;
      throw invalid(`Invalid selector ${selector}. selector format is key1=value1`);
    }
    const wrong = ports.find((port) => !formats.servicePort.fits(port));
    if (wrong !== undefined || ports.length === 0) {
      const got = wrong === undefined ? '' : ` ${wrong}`;
      throw invalid(`Invalid Port maping${got} . Port format is - Port:TargetPort:Protocol`);
    }
    return config;
  },
  first: ['tenantName', 'networkName'],
  *prepare(draft, _name, config, { before }) {
    if (before !== undefined) {
      const kept = keptAddress(config, before);
      if (kept !== undefined) return { address: kept, ...earlierOf(config, before) };
      yield* giveBack(draft, before);
    }
    return { address: yield* takeAddress(draft, config) };
  },
  *remove(draft, _name, row) {
    yield* giveBack(draft, row);
  },
};

/** A changed service keeps its address, unless it is of another network now or asks for another. */
function keptAddress(config: Config, row: ObjectRow): string | undefined {
  const before = configIn(kind, row);
  const { networkName, ipAddress } = typed(kind, config);
  const same = networkName === before.networkName && ['', row.address].includes(ipAddress);
  return same ? row.address : undefined;
}

/** What a service that keeps its address asked for before: what is open goes on. With another address it would not. */
function earlierOf(config: Config, row: ObjectRow): Pick<ObjectRow, 'earlier'> {
  const now = askedFor(config);
  const earlier: EarlierService[] = [];
  for (const each of [askedFor(configIn(kind, row)), ...(row.earlier ?? [])]) {
    if (![now, ...earlier].some((other) => sameValue(other, each))) earlier.push(each);
  }
  return earlier.length === 0 ? {} : { earlier: earlier.slice(0, serviceEarlierMax) };
}

function askedFor(config: Config): EarlierService {
  const { selectors, ports } = typed(kind, config);
  return { selectors, ports };
}

function* takeAddress(draft: TxnDraft, config: Config): Step<string> {
  const { tenantName, serviceName, networkName, ipAddress } = typed(kind, config);
  const pool = yield* readServicePool({ tenant: tenantName, network: networkName });
  if (pool === undefined) {
    throw new FairleadError('OBJECT_INVALID', `Network ${networkName} has no IPv4 subnet`);
  }
  const address =
    ipAddress === '' ? yield* freeAddress(pool) : yield* freeIfUsable(pool, ipAddress);
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

function* readServicePool(name: SiteNetworkName): Step<StoredPool | undefined> {
  const site = yield* readSiteNetwork(name);
  const cidr = site && subnetFor(site.value);
  return cidr === undefined ? undefined : yield* readPoolNamed(sharedSpace(name), cidr);
}

function* freeAddress(pool: StoredPool): Step<IpAddress> {
  const { space, cidr } = pool.value;
  const span = spanOf(parseCidr(cidr), rangeOf(pool.value));
  const area = { space, cidr, span, behind: undefined };
  const free = yield* findFree(area, yield* readReserved(pool.value));
  if (free === undefined) throw exhausted(pool.value, span.last - span.first + 1n);
  return free.address;
}

function* freeIfUsable(pool: StoredPool, text: string): Step<IpAddress> {
  const address = parseAddress(text);
  const block = parseCidr(pool.value.cidr);
  if (!contains(block, address) || !isUsableHost(block, address)) {
    throw invalid(
      `ipAddress ${text} is not an address that a host of ${formatCidr(block)} may have`,
    );
  }
  yield* requireUnreserved(pool.value, address, undefined);
  return address;
}

/** Adds that the address is free again, if it is still the service's. */
function* giveBack(draft: TxnDraft, row: ObjectRow): Step<void> {
  const { tenantName, serviceName, networkName } = configIn(kind, row);
  if (row.address === undefined) return;
  const name = siteName({ kind: 'network', parts: [tenantName, networkName] });
  const pool = yield* readServicePool(name);
  if (pool === undefined) return;
  const address = parseAddress(row.address);
  const record = yield* readPoolAddress(pool.value, address);
  if (record?.value.use !== 'service' || record.value.service !== serviceName) return;
  const key = poolAddressKey(pool.value.space, pool.value.cidr, hexAddress(address));
  draft.compare.push(asRead(key, record));
  draft.then.push({ op: 'delete', start: key });
}
