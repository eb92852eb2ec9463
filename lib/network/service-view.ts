/**
 * The services of a site as its rows tell them, beside the view (`site-view.ts`), whose rows it looks at. A tenant
 * without services costs a look into a map for each row; of one that has some, a change of an attachment looks at
 * all of its services again.
 */
import { parseAddress, type IpAddress } from '../ip/ip.ts';
import { serviceLbKind } from '../model/objects/service-lb.ts';
import { objectOfKey, objectRange } from '../model/objects/object-keys.ts';
import { objectRowSchema, type ObjectRow } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import { parseSeenKey } from '../model/site-keys.ts';
import type { SiteEndpoint, SiteNetwork } from '../model/site.ts';
import { answeringFrom, isAnswering, type Addresses } from '../services/answering.ts';
import { chooseBackends, stateFor, type Candidate, type Chosen } from '../services/backends.ts';
import { readService, type ServiceSpec } from '../services/service.ts';
import type { KeyRange, KeyValue } from '../store/port.ts';
import { configIn } from './objects/object-rows.ts';
import { Shown } from './shown.ts';
import type { RowChange, SiteRows } from './site-rows.ts';
import { segmentIdOf } from './site-shapes.ts';
import type { Service, ServiceBackend } from './world.ts';

/** The rows of services: to be listed and watched beside those of the view. */
export const serviceRange: Required<KeyRange> = objectRange('serviceLB', []);

/** A service is now so, or (undefined) no more. */
export interface ServiceChange {
  readonly kind: 'service';
  readonly id: string;
  readonly value: Service | undefined;
}

interface ServiceRow {
  readonly spec: ServiceSpec;
  readonly addresses: readonly IpAddress[];
}

/** A service as those behind it are asked for. */
interface Asking extends Pick<ServiceSpec, 'check'> {
  readonly name: string;
  /** Its network. */
  readonly own: SiteNetwork;
  readonly has4: boolean;
  readonly has6: boolean;
}

/** An attachment that may be behind a service. */
interface Attachment extends Candidate {
  readonly endpoint: SiteEndpoint;
  readonly segmentId: string;
  /** Those at which it gets connections. */
  readonly addresses: Addresses;
}

/** The services of one site. */
export class ServiceView {
  readonly #rows: () => SiteRows;
  /** By tenant, and by their keys. */
  readonly #services = new Map<string, Map<string, ServiceRow>>();
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
    if (seen.kind === 'node') {
      for (const services of this.#services.values()) touchAll(services, touched);
    } else if (seen.kind === 'tenant' || seen.kind === 'network' || seen.kind === 'endpoint') {
      touchAll(this.#services.get(seen.tenant), touched);
    }
  }

  #keep(key: string, row: KeyValue | undefined): void {
    const [tenant = ''] = objectOfKey('serviceLB', key).parts;
    const services = this.#services.get(tenant) ?? new Map<string, ServiceRow>();
    if (row === undefined) services.delete(key);
    else {
      const { value } = decodeRecord(objectRowSchema(serviceLbKind), row);
      const spec = readService(configIn('serviceLB', value), value.earlier);
      services.set(key, { spec, addresses: serviceAddresses(value) });
    }
    if (services.size === 0) this.#services.delete(tenant);
    else this.#services.set(tenant, services);
  }

  #settle(touched: Iterable<string>): readonly ServiceChange[] {
    const { set, gone } = this.#shown.settle('service', touched, (key) => this.#service(key));
    return [...gone, ...set];
  }

  #service(key: string): Service | undefined {
    const [tenant = '', name = ''] = objectOfKey('serviceLB', key).parts;
    const row = this.#services.get(tenant)?.get(key);
    const network = row && this.#rows().siteNetworks(tenant).get(row.spec.network);
    if (row === undefined || row.addresses.length === 0 || network === undefined) return undefined;
    const { ports, affinity, check, earlier } = row.spec;
    const has = (family: 4 | 6) => row.addresses.some((each) => each.family === family);
    const asking = { name, check, own: network, has4: has(4), has6: has(6) };
    const chosen = chooseBackends(row.spec, this.#attachments(tenant, asking));
    return {
      id: `${tenant}:${name}`,
      segmentId: segmentIdOf(network),
      addresses: row.addresses,
      ports,
      earlierPorts: earlier.ports,
      affinity,
      check,
      backends: chosen.map((each) => backendOf(each, { name, check })),
    };
  }

  *#attachments(tenant: string, service: Asking): Iterable<Attachment> {
    const rows = this.#rows();
    for (const [network, row] of rows.siteNetworks(tenant)) {
      const about = { network, segmentId: segmentIdOf(row) };
      const answering = answeringFrom(service.own, row);
      for (const endpoint of rows.siteEndpoints({ tenant, network }).values()) {
        const { id: endpointId, container, host } = endpoint;
        // nobody knows the way to who is on a host that is not known
        if (rows.node(host) === undefined) continue;
        const addresses = answering(endpoint);
        yield {
          ...about,
          endpoint,
          endpointId,
          addresses,
          isAnswering: isAnswering(addresses, service),
          container: container && { ...container, state: stateFor(container, service) },
        };
      }
    }
  }
}

/** The addresses of a service, of each family one at most; none as long as its row is being made. */
export const serviceAddresses = ({ address, address6 }: ObjectRow): readonly IpAddress[] =>
  [address, address6].flatMap((text) => (text === undefined ? [] : [parseAddress(text)]));

const isService = (key: string): boolean => key.startsWith(serviceRange.start);

function touchAll(services: ReadonlyMap<string, unknown> | undefined, touched: Set<string>): void {
  for (const key of services?.keys() ?? []) touched.add(key);
}

function backendOf(
  { candidate: { endpoint, segmentId, addresses }, isMember, isReady }: Chosen<Attachment>,
  { name, check }: Pick<Asking, 'name' | 'check'>,
): ServiceBackend {
  const { id, host, mac, container } = endpoint;
  const { ipv4, ipv6 } = addresses;
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
