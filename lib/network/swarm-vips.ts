/**
 * Virtual addresses of a swarm's services, as its managers tell them: a row for each, so that every host makes a service
 * of it (`service-view.ts`). Who has the address is decided by the managers' IPAM; here it is said which service it is,
 * and that no container may have it. Plans, pure.
 */
import { contains, parseCidr, type IpAddress } from '../ip/ip.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import {
  siteAddressKey,
  siteNetworkKey,
  swarmNetworkKey,
  swarmVipKey,
} from '../model/site-keys.ts';
import { swarmNetworkSchema, swarmVipSchema, type SwarmVip } from '../model/site.ts';
import { asRead, type Plan, type Step } from '../store/plan.ts';
import { readSiteNetwork } from './site-networks.ts';

/** A service of a swarm, as its managers tell it. */
export interface ToldService {
  /** Docker's. */
  readonly id: string;
  readonly name: string;
  /** Grows with each change. */
  readonly version: number;
}

/** An address of a service in a network of the swarm, by Docker's id. */
export interface ToldVip {
  readonly networkId: string;
  readonly address: IpAddress;
  readonly service: ToldService;
}

/**
 * What came of telling: it is new, it was known, the network is none of ours, its subnets do not have the address, or a
 * container has it.
 */
export type VipTold = 'new' | 'known' | 'not ours' | 'outside' | 'taken';

/** Says that an address is a service's. */
export function* planTellVip({ networkId, address, service }: ToldVip): Plan<VipTold> {
  const nothing = (answer: VipTold) => ({ txn: undefined, answer });
  const place = swarmNetworkKey(networkId);
  const [mapped] = (yield { start: place }).rows;
  if (mapped === undefined) return nothing('not ours');
  const { tenant, network = networkId } = decodeRecord(swarmNetworkSchema, mapped).value;
  const name = { tenant, network };
  const site = yield* readSiteNetwork(name);
  if (site === undefined) return nothing('not ours');
  const isInside = site.value.subnets.some(({ cidr }) => contains(parseCidr(cidr), address));
  if (!isInside) return nothing('outside');
  const key = swarmVipKey(networkId, address);
  const before = yield* readVip(key);
  if (before?.value.service === service.id) return nothing('known');
  const owner = siteAddressKey(name, address);
  if ((yield { start: owner }).rows.length > 0) return nothing('taken');
  const row: SwarmVip = {
    ...name,
    service: service.id,
    name: service.name,
    version: service.version,
  };
  const compare = [
    asRead(place, mapped),
    asRead(siteNetworkKey(name), site),
    asRead(owner, undefined),
    asRead(key, before),
  ];
  return {
    txn: { compare, then: [{ op: 'put', key, value: encodeRecord(row) }] },
    answer: 'new',
  };
}

/** Forgets an address, if it is as it was seen. Answers whether it was. */
export function* planForgetVip(key: string, modRevision: number): Plan<boolean> {
  const row = yield* readVip(key);
  if (row?.modRevision !== modRevision) return { txn: undefined, answer: false };
  return {
    txn: { compare: [asRead(key, row)], then: [{ op: 'delete', start: key }] },
    answer: true,
  };
}

function* readVip(key: string): Step<Stored<SwarmVip> | undefined> {
  const [row] = (yield { start: key }).rows;
  return row && decodeRecord(swarmVipSchema, row);
}

/** A row, and where it is. */
export interface KnownVip {
  readonly key: string;
  readonly networkId: string;
  readonly value: SwarmVip;
  readonly modRevision: number;
}

/** What a manager lists. */
export interface VipListing {
  /** Networks that it knows: of others it says nothing. */
  readonly networks: ReadonlySet<string>;
  /** By id. */
  readonly services: ReadonlyMap<string, ToldService>;
  readonly vips: ReadonlyMap<string, ToldVip>;
}

/** Rows that a manager no longer lists, by key: since when, ms, and which row. */
export type MissingVips = ReadonlyMap<
  string,
  { readonly sinceMs: number; readonly revision: number }
>;

/** What is to be told and forgotten. */
export interface VipChanges {
  readonly told: readonly ToldVip[];
  readonly forgotten: readonly KnownVip[];
  /** To look at again. */
  readonly missing: MissingVips;
}

/**
 * Compares rows, read before the listing, with what a manager lists. A row goes at once when the manager knows better:
 * it has a later version of the service, or of the one that has the address now, or heard that the service was removed.
 * Else a listing may be an old one, of a leader that does not know yet that it is none: then the row goes when it was
 * missing for `confirmMs`.
 */
export function compareVips(
  rows: readonly KnownVip[],
  listing: VipListing,
  past: {
    readonly missing: MissingVips;
    /** Ids of services. */
    readonly removed: ReadonlySet<string>;
    readonly nowMs: number;
    readonly confirmMs: number;
  },
): VipChanges {
  const known = new Map(rows.map((row) => [row.key, row] as const));
  const told = [...listing.vips].flatMap(([key, vip]) => (known.has(key) ? [] : [vip]));
  const forgotten: KnownVip[] = [];
  const missing = new Map<string, { readonly sinceMs: number; readonly revision: number }>();
  for (const row of rows) {
    const { service, version } = row.value;
    const now = listing.vips.get(row.key);
    if (!listing.networks.has(row.networkId) || now?.service.id === service) continue;
    const later = now?.service ?? listing.services.get(service);
    const before = past.missing.get(row.key);
    const sinceMs = before?.revision === row.modRevision ? before.sinceMs : past.nowMs;
    const isSure =
      (later !== undefined && later.version > version) ||
      (later === undefined && past.removed.has(service)) ||
      past.nowMs - sinceMs >= past.confirmMs;
    if (isSure) {
      forgotten.push(row);
      if (now !== undefined) told.push(now);
    } else missing.set(row.key, { sinceMs, revision: row.modRevision });
  }
  return { told, forgotten, missing };
}
