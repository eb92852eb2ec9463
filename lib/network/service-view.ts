/**
 * The services of a site as its rows tell them, beside the view (`site-view.ts`), whose rows it looks at. A tenant
 * without services costs a look into a map for each row; of one that has some, a change of an attachment looks at
 * all of its services again. Those of swarms are in `vip-view.ts`.
 */
import { parseAddress, type IpAddress } from '../ip/ip.ts';
import { serviceLbKind } from '../model/objects/service-lb.ts';
import { objectOfKey, objectRange } from '../model/objects/object-keys.ts';
import { objectRowSchema, type ObjectRow } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import { parseSeenKey, swarmVipRange } from '../model/site-keys.ts';
import { chooseBackends } from '../services/backends.ts';
import { readService, type ServiceSpec } from '../services/service.ts';
import type { KeyRange, KeyValue } from '../store/port.ts';
import { configIn } from './objects/object-rows.ts';
import {
  attachmentsTo,
  backendOf,
  type JudgingService,
  type ServiceAttachment,
} from './service-backend.ts';
import { Shown } from './shown.ts';
import type { RowChange, SiteRows } from './site-rows.ts';
import { segmentIdOf } from './site-shapes.ts';
import { isVipKey, VipView } from './vip-view.ts';
import type { Service } from './world.ts';

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
  readonly spec: ServiceSpec;
  readonly addresses: readonly IpAddress[];
}

/** The services of one site. */
export class ServiceView {
  readonly #rows: () => SiteRows;
  /** By tenant, and by their keys. */
  readonly #services = new Map<string, Map<string, ServiceRow>>();
  readonly #vips: VipView;
  readonly #shown = new Shown<Service>(({ id }) => id);

  /** @param rows those of the view, which has taken every change before this one does */
  constructor(rows: () => SiteRows) {
    this.#rows = rows;
    this.#vips = new VipView(rows);
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
    this.#vips.clear();
    for (const row of rows) {
      if (this.#takeService(row.key, row, touched)) continue;
      const seen = parseSeenKey(row.key);
      // all services are looked at anyway
      if (seen?.kind === 'endpoint') this.#vips.place(seen);
    }
    return this.#settle(touched);
  }

  #take(change: RowChange, touched: Set<string>): void {
    const key = change.type === 'put' ? change.row.key : change.key;
    const row = change.type === 'put' ? change.row : undefined;
    if (this.#takeService(key, row, touched)) return;
    const seen = parseSeenKey(key);
    if (seen === undefined) return;
    for (const each of this.#vips.touchedBy(seen)) touched.add(each);
    if (seen.kind === 'node') {
      for (const services of this.#services.values()) touchAll(services, touched);
    } else if (seen.kind === 'tenant' || seen.kind === 'network' || seen.kind === 'endpoint') {
      touchAll(this.#services.get(seen.tenant), touched);
    }
  }

  /** Takes the row of a service; answers whether it is one. */
  #takeService(key: string, row: KeyValue | undefined, touched: Set<string>): boolean {
    if (isVipKey(key)) this.#vips.keep(key, row);
    else if (key.startsWith(serviceRange.start)) this.#keep(key, row);
    else return false;
    touched.add(key);
    return true;
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
    const { set, gone } = this.#shown.settle('service', touched, (key) =>
      isVipKey(key) ? this.#vips.service(key) : this.#service(key),
    );
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
      backends: chosen.map((each) => backendOf(each, asking)),
    };
  }

  *#attachments(tenant: string, service: JudgingService): Iterable<ServiceAttachment> {
    const rows = this.#rows();
    for (const [network, row] of rows.siteNetworks(tenant)) {
      const attached = attachmentsTo(row, service);
      for (const endpoint of rows.siteEndpoints({ tenant, network }).values()) {
        // nobody knows the way to who is on a host that is not known
        if (rows.node(endpoint.host) === undefined) continue;
        yield attached(endpoint);
      }
    }
  }
}

/** The addresses of a service, of each family one at most; none as long as its row is being made. */
export const serviceAddresses = ({ address, address6 }: ObjectRow): readonly IpAddress[] =>
  [address, address6].flatMap((text) => (text === undefined ? [] : [parseAddress(text)]));

function touchAll(services: ReadonlyMap<string, unknown> | undefined, touched: Set<string>): void {
  for (const key of services?.keys() ?? []) touched.add(key);
}
