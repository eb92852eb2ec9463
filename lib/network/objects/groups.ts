/** What is special about endpoint groups: their number, tag and part of the network's addresses. Pure. */
import { FairleadError } from '../../errors.ts';
import { contains, formatAddress, formatCidr, parseCidr } from '../../ip/ip.ts';
import type { EndpointGroupConfig } from '../../model/objects/endpoint-group.ts';
import { formats, noSelectors } from '../../model/objects/formats.ts';
import {
  groupEndpointRange,
  linkRange,
  objectKey,
  type ObjectName,
} from '../../model/objects/object-keys.ts';
import { settingsOf } from '../../model/objects/policy-settings.ts';
import { invalid } from '../../model/objects/read-config.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import { numberKey } from '../../model/site-keys.ts';
import type { SiteNetwork, SiteNetworkName } from '../../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { rangeOf } from '../ipam/addresses.ts';
import { parseSpan, spanOf } from '../ipam/block.ts';
import { closePool, releaseSpan, reserveSpan } from '../ipam/group-pools.ts';
import { readPoolNamed, type StoredPool } from '../ipam/read.ts';
import { sharedSpace } from '../ipam/space.ts';
import { readSwarmPlace } from '../ipam/swarm-pools.ts';
import { takeNumber } from '../numbers.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { mappedBySwarm } from './network-removal.ts';
import { configIn, typed } from './object-rows.ts';
import type { Special } from './special.ts';
import { claimTag, releaseTag } from './tags.ts';

const kind = 'endpointGroup';

/** What is special about endpoint groups. */
export const groupSpecial: Special = {
  check(config) {
    const group = typed(kind, config);
    return { ...config, ...settingsOf(group), selectors: selectorsOf(group) };
  },
  first: ['tenantName', 'networkName'],
  *prepare(draft, name, config, { before, attempt }) {
    if (before !== undefined) return { number: before.number };
    yield* requireNoNetwork(draft, name);
    const group = typed(kind, config);
    if (group.ipPool !== '') yield* reservePool(draft, group);
    const owner = { kind, tenant: group.tenantName, name: group.groupName } as const;
    yield* claimTag(draft, group.cfgdTag, owner);
    return { number: yield* takeNumber(draft, 'group', name.parts.join(':'), { attempt }) };
  },
  *before(_name, config) {
    const { tenantName, networkName, ipPool } = typed(kind, config);
    const { pool } = yield* readNetworkPool(tenantName, networkName);
    const open = ipPool !== '' && pool !== undefined && pool.value.closed !== true;
    return open ? closePool(pool) : undefined;
  },
  *remove(draft, name, row) {
    const [profile] = (yield { ...linkRange(name, 'appProfile'), limit: 1 }).rows;
    if (profile !== undefined) {
      const key = profile.key.split('/').slice(-2).join(':');
      throw new FairleadError(
        'OBJECT_IN_USE',
        `Cannot delete ${name.parts[1]}, associated to appProfile ${key}`,
      );
    }
    const [tenant = '', group = ''] = name.parts;
    if ((yield { ...groupEndpointRange(tenant, group), limit: 1 }).rows.length > 0) {
      throw new FairleadError('OBJECT_IN_USE', `Error: EPG ${group} has active endpoints`);
    }
    const network = configIn(kind, row).networkName;
    const place = yield* readSwarmPlace({ tenant, network }, group);
    if (place !== undefined) {
      const [message, fix] = mappedBySwarm(`group ${group}`, place.value.id);
      throw new FairleadError('OBJECT_IN_USE', message, { fix });
    }
    yield* freeWhatItHas(draft, row);
  },
};

/** `none` takes them back. To ask twice is to ask. */
function selectorsOf({ selectors }: EndpointGroupConfig): readonly string[] {
  if (!selectors.includes(noSelectors)) return [...new Set(selectors)];
  if (selectors.length === 1) return [];
  throw invalid(`selectors string invalid format, expected ${formats.groupSelector.expected}`);
}

/** Networks and groups of a tenant have their names in common. */
function* requireNoNetwork(draft: TxnDraft, { parts }: ObjectName): Step<void> {
  const key = objectKey({ kind: 'network', parts });
  if ((yield { start: key }).rows.length > 0) {
    throw new FairleadError(
      'OBJECT_CONFLICT',
      `Network ${parts[1]} conflicts with the endpointGroup name`,
    );
  }
  draft.compare.push(asRead(key, undefined));
}

function* reservePool(
  draft: TxnDraft,
  { tenantName: tenant, networkName: network, ipPool: text, groupName: group }: EndpointGroupConfig,
): Step<void> {
  const { name, pool } = yield* readNetworkPool(tenant, network);
  if (pool === undefined) {
    throw new FairleadError('OBJECT_INVALID', `invalid ip-pool ${text}, the network has no IPv4`);
  }
  const span = parseSpan(text);
  const block = parseCidr(pool.value.cidr);
  if (span.first > span.last) {
    throw new FairleadError(
      'OBJECT_INVALID',
      `invalid ip-pool ${text}, its end is before its start`,
    );
  }
  const ends = [span.first, span.last].map((value) => ({ family: span.family, value }));
  if (!ends.every((end) => contains(block, end))) {
    throw new FairleadError(
      'OBJECT_INVALID',
      `bad ip-pool ${text}, EPG ip-pool must be a subset of network ${formatCidr(block)}`,
    );
  }
  const given = spanOf(block, rangeOf(pool.value));
  const outside =
    span.first < given.first ? span.first : span.last > given.last ? span.last : undefined;
  if (outside !== undefined) {
    const address = formatAddress({ family: span.family, value: outside });
    throw new FairleadError('OBJECT_CONFLICT', `ip address ${address} is not available`);
  }
  yield* reserveSpan(draft, name, pool, { ...span, group });
}

/** The IPv4 subnet of a network. */
export const subnetFor = ({ subnets }: SiteNetwork): string | undefined =>
  subnets.find(({ cidr }) => parseCidr(cidr).family === 4)?.cidr;

function* freeWhatItHas(draft: TxnDraft, row: ObjectRow): Step<void> {
  const config = configIn(kind, row);
  releaseTag(draft, config.cfgdTag);
  if (row.number !== undefined) {
    draft.then.push({ op: 'delete', start: numberKey('group', row.number) });
  }
  if (config.ipPool === '') return;
  const { name, pool } = yield* readNetworkPool(config.tenantName, config.networkName);
  if (pool !== undefined) releaseSpan(draft, name, pool, parseSpan(config.ipPool));
}

/** The IPv4 pool of a network, if it has one. */
function* readNetworkPool(
  tenant: string,
  network: string,
): Step<{ readonly name: SiteNetworkName; readonly pool: StoredPool | undefined }> {
  const name = { tenant, network };
  const site = yield* readSiteNetwork(name);
  const cidr = site && subnetFor(site.value);
  const pool = cidr === undefined ? undefined : yield* readPoolNamed(sharedSpace(name), cidr);
  return { name, pool };
}
