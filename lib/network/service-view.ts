/**
 * The services of a site as its rows tell them, beside the view (`site-view.ts`), whose rows it looks at. A tenant
 * without services costs a look into a map for each row; of one that has some, a change of an attachment looks at
 * all of its services again.
 */
import { assert } from '../assert.ts';
import { formatAddress, parseAddress, type IpAddress } from '../ip/ip.ts';
import { swarmServiceLabel } from '../model/labels.ts';
import { serviceLbKind } from '../model/objects/service-lb.ts';
import { objectOfKey, objectRange } from '../model/objects/object-keys.ts';
import { objectRowSchema, type ObjectRow } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import { parseSeenKey, parseSwarmVipKey, swarmVipRange } from '../model/site-keys.ts';
import { swarmVipSchema, type SiteEndpoint, type SiteNetwork } from '../model/site.ts';
import { delist, enlist } from '../sets-by-key.ts';
import { chooseBackends, stateFor, type Candidate, type Chosen } from '../services/backends.ts';
import { readService, type ServiceSpec } from '../services/service.ts';
import type { KeyRange, KeyValue } from '../store/port.ts';
import { configIn } from './objects/object-rows.ts';
import { Shown } from './shown.ts';
import type { RowChange, SiteRows } from './site-rows.ts';
import { segmentIdOf } from './site-shapes.ts';
import type { Service, ServiceBackend } from './world.ts';

/** The rows of operators' services. */
export const serviceRange: Required<KeyRange> = objectRange('serviceLB', []);
/** The rows of all services, a swarm's too: to be listed and watched beside those of the view. */
export const servicesRanges: readonly Required<KeyRange>[] = [serviceRange, swarmVipRange];

/** A service is now so, or (undefined) no more. */
export interface ServiceChange {
  readonly kind: 'service';
  readonly id: string;
  readonly value: Service | undefined;
}

interface ServiceRow {
  /** Unique in the cluster. */
  readonly id: string;
  readonly tenant: string;
  /** Of an operator's service, by which checks tell of it; no swarm's has one. */
  readonly name: string;
  readonly spec: ServiceSpec;
  readonly addresses: readonly IpAddress[];
  /** Of a swarm's service: in which network of Docker's those are that are behind it. It has all ports. */
  readonly only: string | undefined;
}

/** A service as those behind it are asked for. */
interface Asking extends Pick<ServiceSpec, 'check'> {
  readonly name: string;
  /** Whether its network is routed, and who is behind it may be in others that are. */
  readonly isRouted: boolean;
  readonly only: string | undefined;
}

/** An attachment that may be behind a service. */
interface Attachment extends Candidate {
  readonly endpoint: SiteEndpoint;
  readonly segmentId: string;
}

/** The services of one site. */
export class ServiceView {
  readonly #rows: () => SiteRows;
  /** By their keys, and the keys by tenant. */
  readonly #services = new Map<string, ServiceRow>();
  readonly #ofTenant = new Map<string, Set<string>>();
  readonly #shown = new Shown<Service>(({ id }) => id);

  /** @param rows those of the view, which has taken every change before this one does */
  constructor(rows: () => SiteRows) {
    this.#rows = rows;
  }

  /**
   * Takes changes that the view has taken, and answers what they come to.
   * @throws STORE_DAMAGED for a row that is no service's; then begin anew with `restart`
   */
  apply(changes: Iterable<RowChange>): readonly ServiceChange[] {
    const touched = new Set<string>();
    for (const change of changes) this.#take(change, touched);
    return this.#settle(touched);
  }

  /** Begins anew with all rows there are, which the view has. */
  restart(rows: Iterable<KeyValue>): readonly ServiceChange[] {
    const touched = new Set(this.#shown.places());
    this.#services.clear();
    this.#ofTenant.clear();
    for (const row of rows) if (isService(row.key)) this.#take({ type: 'put', row }, touched);
    return this.#settle(touched);
  }

  #take(change: RowChange, touched: Set<string>): void {
    const key = change.type === 'put' ? change.row.key : change.key;
    if (isService(key)) {
      this.#keep(key, change.type === 'put' ? change.row : undefined);
      touched.add(key);
      return;
    }
    if (this.#services.size === 0) return;
    const seen = parseSeenKey(key);
    if (seen === undefined) return;
    if (seen.kind === 'node') touchAll(this.#services.keys(), touched);
    else if (seen.kind === 'tenant' || seen.kind === 'network' || seen.kind === 'endpoint') {
      touchAll(this.#ofTenant.get(seen.tenant), touched);
    }
  }

  #keep(key: string, row: KeyValue | undefined): void {
    const before = this.#services.get(key);
    if (before !== undefined) delist(this.#ofTenant, before.tenant, key);
    this.#services.delete(key);
    if (row === undefined) return;
    const service = key.startsWith(serviceRange.start) ? readObject(row) : readVip(row);
    this.#services.set(key, service);
    enlist(this.#ofTenant, service.tenant, key);
  }

  #settle(touched: Iterable<string>): readonly ServiceChange[] {
    const { set, gone } = this.#shown.settle('service', touched, (key) => this.#service(key));
    return [...gone, ...set];
  }

  #service(key: string): Service | undefined {
    const row = this.#services.get(key);
    const network = row && this.#rows().siteNetworks(row.tenant).get(row.spec.network);
    if (row === undefined || row.addresses.length === 0 || network === undefined) return undefined;
    const { id, tenant, name, only } = row;
    const { ports, affinity, check, earlier } = row.spec;
    const asking = { name, check, isRouted: only === undefined && isRouted(network), only };
    const chosen = chooseBackends(row.spec, this.#attachments(tenant, asking));
    return {
      id,
      segmentId: segmentIdOf(network),
      addresses: row.addresses,
      ports,
      ...(only === undefined ? {} : { allPorts: true as const }),
      earlierPorts: earlier.ports,
      affinity,
      check,
      backends: chosen.map((each) => backendOf(each, { name, check })),
    };
  }

  *#attachments(tenant: string, service: Asking): Iterable<Attachment> {
    const rows = this.#rows();
    for (const [network, row] of rows.siteNetworks(tenant)) {
      const areRouted = service.isRouted && isRouted(row);
      const about = { network, isRouted: areRouted, segmentId: segmentIdOf(row) };
      for (const endpoint of rows.siteEndpoints({ tenant, network }).values()) {
        const { id: endpointId, container, host } = endpoint;
        // nobody knows the way to who is on a host that is not known
        if (rows.node(host) === undefined) continue;
        if (service.only !== undefined && service.only !== endpoint.dockerNetworkId) continue;
        yield {
          ...about,
          endpoint,
          endpointId,
          container: container && { ...container, state: stateFor(container, service) },
        };
      }
    }
  }
}

/** The addresses of a service, of each family one at most; none as long as its row is being made. */
export const serviceAddresses = ({ address, address6 }: ObjectRow): readonly IpAddress[] =>
  [address, address6].flatMap((text) => (text === undefined ? [] : [parseAddress(text)]));

const isRouted = ({ mode }: Pick<SiteNetwork, 'mode'>): boolean => mode === 'routing';
const isService = (key: string): boolean =>
  servicesRanges.some(({ start }) => key.startsWith(start));

function touchAll(services: Iterable<string> | undefined, touched: Set<string>): void {
  for (const key of services ?? []) touched.add(key);
}

/** What an operator has made. */
function readObject(row: KeyValue): ServiceRow {
  const [tenant = '', name = ''] = objectOfKey('serviceLB', row.key).parts;
  const { value } = decodeRecord(objectRowSchema(serviceLbKind), row);
  const spec = readService(configIn('serviceLB', value), value.earlier);
  const addresses = serviceAddresses(value);
  return { id: `${tenant}:${name}`, tenant, name, spec, addresses, only: undefined };
}

/** What a manager of a swarm has told: one row for each address. */
function readVip(row: KeyValue): ServiceRow {
  const place = parseSwarmVipKey(row.key);
  assert(place !== undefined, 'only rows of services are read as such');
  const { networkId, address } = place;
  const { tenant, network, service } = decodeRecord(swarmVipSchema, row).value;
  const spec: ServiceSpec = {
    network,
    selectors: [[swarmServiceLabel, service]],
    ports: [],
    affinity: 'connection',
    check: undefined,
    earlier: { selectors: [], ports: [] },
  };
  // no tenant has such a name
  const id = `@swarm:${networkId}:${formatAddress(address)}`;
  return { id, tenant, name: '', spec, addresses: [address], only: networkId };
}

function backendOf(
  { candidate: { endpoint, segmentId }, isMember, isReady }: Chosen<Attachment>,
  { name, check }: Pick<Asking, 'name' | 'check'>,
): ServiceBackend {
  const { id, host, mac, ipv4, ipv6, container } = endpoint;
  const isFailing = container?.failed?.includes(name) === true;
  return {
    endpointId: id,
    host,
    segmentId,
    mac,
    ipv4: ipv4 === undefined ? undefined : parseAddress(ipv4),
    ipv6: ipv6 === undefined ? undefined : parseAddress(ipv6),
    isReady,
    check: check === undefined || !isMember ? undefined : isFailing ? 'failed' : 'passed',
  };
}
