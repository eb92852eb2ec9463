/**
 * The names of a site as its rows tell them, beside the view (`site-view.ts`), whose rows it looks at: of all tenants,
 * containers of all hosts. A change costs what it changes.
 */
import { parseAddress, parseCidr, type Cidr, type IpAddress } from '../ip/ip.ts';
import { endpointGroupKind } from '../model/objects/endpoint-group.ts';
import { objectOfKey } from '../model/objects/object-keys.ts';
import { objectRowSchema } from '../model/objects/rows.ts';
import { serviceLbKind } from '../model/objects/service-lb.ts';
import { decodeRecord } from '../model/record.ts';
import { parseSeenKey, type SeenKey } from '../model/site-keys.ts';
import type { SiteEndpoint } from '../model/site.ts';
import { isDomainName } from '../names/message.ts';
import type { TenantNames } from '../names/resolve.ts';
import type { KeyValue } from '../store/port.ts';
import { shortId } from './containers.ts';
import { configIn } from './objects/object-rows.ts';
import { serviceAddresses, serviceRange } from './service-view.ts';
import type { RowChange, SiteEndpointPlace, SiteRows } from './site-rows.ts';
import { TenantIndex, type Attached, type ServedName } from './tenant-index.ts';

/** The names of one site. */
export class NameView {
  readonly #rows: () => SiteRows;
  readonly #now: () => number;
  readonly #tenants = new Map<string, TenantIndex>();
  /** Tenants by the number that stands for them in flows. */
  readonly #numbers = new Map<number, string>();
  /** Networks of groups that ask for labels, by `TENANT/GROUP`. */
  readonly #asking = new Map<string, string>();
  #isRead = false;

  /**
   * @param rows those of the view, which has taken every change before this one does
   * @param now ms on a clock that never goes back
   */
  constructor(rows: () => SiteRows, now: () => number) {
    this.#rows = rows;
    this.#now = now;
  }

  /** Whether it has all rows there are: before that nothing is known, and nothing is nobody's. */
  get isRead(): boolean {
    return this.#isRead;
  }

  /**
   * Takes changes that the view has taken.
   * @throws STORE_DAMAGED for a row that is no service's; then begin anew with `restart`
   */
  apply(changes: Iterable<RowChange>): void {
    for (const change of changes) this.#take(change);
  }

  /** Begins anew with all rows there are, which the view has. */
  restart(rows: Iterable<KeyValue>): void {
    const before = new Map(this.#tenants);
    this.#tenants.clear();
    this.#numbers.clear();
    this.#asking.clear();
    for (const row of rows) this.#take({ type: 'put', row });
    for (const [tenant, index] of this.#tenants) {
      const known = before.get(tenant);
      if (known !== undefined) index.inherit(known, this.#now());
    }
    this.#isRead = true;
  }

  /** The names of the tenant that a number stands for. */
  numbered(number: number): TenantNames | undefined {
    const tenant = this.#numbers.get(number);
    if (tenant === undefined || this.#rows().tenant(tenant)?.number !== number) return undefined;
    return this.#namesOf(tenant);
  }

  /** The network that a number stands for, of the tenant that another one does; in lower case. */
  networkNumbered(tenantNumber: number, number: number): string | undefined {
    const tenant = this.#numbers.get(tenantNumber) ?? '';
    return this.#tenants.get(tenant)?.networkNumbered(number);
  }

  #take(change: RowChange): void {
    const key = change.type === 'put' ? change.row.key : change.key;
    if (key.startsWith(serviceRange.start)) {
      const [tenant = '', name = ''] = objectOfKey('serviceLB', key).parts;
      const served = change.type === 'put' ? servedIn(change.row, name) : undefined;
      this.#index(tenant).setService(name.toLowerCase(), served, this.#now());
      return this.#forgetEmpty(tenant);
    }
    const seen = parseSeenKey(key);
    if (seen === undefined || !('tenant' in seen)) return;
    this.#look(seen, change.type === 'put' ? change.row : undefined);
  }

  #look(seen: Extract<SeenKey, { readonly tenant: string }>, row: KeyValue | undefined): void {
    const rows = this.#rows();
    const { tenant } = seen;
    switch (seen.kind) {
      case 'tenant': {
        const number = rows.tenant(tenant)?.number;
        if (number !== undefined) this.#numbers.set(number, tenant);
        return;
      }
      case 'network':
        this.#index(tenant).setNetwork(
          seen.network,
          rows.siteNetworks(tenant).get(seen.network)?.number,
        );
        return this.#forgetEmpty(tenant);
      case 'group': {
        const network = row && groupNetworkIn(row);
        this.#index(tenant).setGroup(seen.group, network, this.#now());
        this.#choose(tenant, seen.group);
        return this.#forgetEmpty(tenant);
      }
      case 'endpoint':
        this.#attach(seen);
        return this.#forgetEmpty(tenant);
      case 'rule':
      case 'netprofile':
        return;
    }
  }

  #attach(where: SiteEndpointPlace): void {
    const { tenant, network, endpointId } = where;
    const rows = this.#rows();
    const endpoint = rows.siteEndpoints(where).get(endpointId);
    const attached = endpoint && attachedOf(endpoint, network, rows.groupOf(where));
    this.#index(tenant).setAttached(`${network}/${endpointId}`, attached, this.#now());
  }

  /** A group that asks for labels, or asked, may have other members. */
  #choose(tenant: string, group: string): void {
    const rows = this.#rows();
    const key = `${tenant}/${group}`;
    const row = rows.policies.group(tenant, group);
    const after = row !== undefined && row.requirements.length > 0 ? row.network : undefined;
    const before = this.#asking.get(key);
    if (after === undefined) this.#asking.delete(key);
    else this.#asking.set(key, after);
    for (const network of new Set([before, after])) {
      if (network === undefined) continue;
      for (const endpointId of rows.siteEndpoints({ tenant, network }).keys()) {
        const where = { tenant, network, endpointId };
        const known = this.#index(tenant).groupAt(`${network}/${endpointId}`);
        if (known !== rows.groupOf(where)?.toLowerCase()) this.#attach(where);
      }
    }
  }

  #index(tenant: string): TenantIndex {
    const index = this.#tenants.get(tenant) ?? new TenantIndex();
    this.#tenants.set(tenant, index);
    return index;
  }

  /** What it remembers of names that are no more goes with it: the tenant has no network whose names they were. */
  #forgetEmpty(tenant: string): void {
    if (this.#tenants.get(tenant)?.isEmpty === true) this.#tenants.delete(tenant);
  }

  #namesOf(tenant: string): TenantNames {
    const index = this.#tenants.get(tenant) ?? new TenantIndex();
    return {
      tenant: tenant.toLowerCase(),
      service: (name) => index.service(name),
      group: (name) => index.group(name),
      containers: (name) => index.containers(name),
      hasNetwork: (name) => index.hasNetwork(name),
      nameOf: (address) => index.nameOf(address),
      ownBlocks: () => this.#ownBlocks(tenant),
      wasKnown: (name) => index.wasKnown(name, this.#now()),
    };
  }

  /** On the wire there may be machines of others with addresses of the network. */
  *#ownBlocks(tenant: string): Generator<Cidr> {
    for (const { mode, subnets } of this.#rows().siteNetworks(tenant).values()) {
      if (mode === 'routing') yield* subnets.map(({ cidr }) => parseCidr(cidr));
    }
  }
}

function servedIn(row: KeyValue, name: string): ServedName | undefined {
  const { value } = decodeRecord(objectRowSchema(serviceLbKind), row);
  const addresses = serviceAddresses(value);
  if (addresses.length === 0) return undefined;
  const { networkName } = configIn('serviceLB', value);
  return {
    name: name.toLowerCase(),
    network: networkName.toLowerCase(),
    addresses,
  };
}

function groupNetworkIn(row: KeyValue): string {
  const { value } = decodeRecord(objectRowSchema(endpointGroupKind), row);
  return configIn('endpointGroup', value).networkName;
}

/** An attachment has names of its own, and a group by its labels, as soon as its host has told them. */
function attachedOf(
  { container, ipv4, ipv6 }: SiteEndpoint,
  network: string,
  group: string | undefined,
): Attached {
  const own = container === undefined ? [] : namesOf(container);
  const addresses: IpAddress[] = [ipv4, ipv6].flatMap((text) =>
    text === undefined ? [] : [parseAddress(text)],
  );
  return { network: network.toLowerCase(), addresses, names: own, group: group?.toLowerCase() };
}

function namesOf({
  id,
  name,
  aliases = [],
}: NonNullable<SiteEndpoint['container']>): readonly string[] {
  const texts = [name.replace(/^\//, ''), ...aliases, shortId(id)].map((text) =>
    text.toLowerCase(),
  );
  return [...new Set(texts)].filter(isDomainName);
}
