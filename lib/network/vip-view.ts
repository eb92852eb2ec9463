/**
 * Services of swarms as their rows tell them (`swarm-vips.ts`), beside those of operators (`service-view.ts`). A swarm may
 * have thousands of each, so tasks are kept by their service: a change of one looks at the tasks of its own service alone.
 */
import { assert } from '../assert.ts';
import { formatAddress, type IpAddress } from '../ip/ip.ts';
import { swarmServiceLabel } from '../model/labels.ts';
import { decodeRecord } from '../model/record.ts';
import { parseSwarmVipKey, swarmVipRange, type SeenKey } from '../model/site-keys.ts';
import { swarmVipSchema, type SwarmVip } from '../model/site.ts';
import { chooseBackends } from '../services/backends.ts';
import { delist, enlist } from '../sets-by-key.ts';
import type { KeyValue } from '../store/port.ts';
import { attachmentsTo, backendOf } from './service-backend.ts';
import type { SiteRows } from './site-rows.ts';
import { segmentIdOf } from './site-shapes.ts';
import type { Service } from './world.ts';

interface Vip extends Pick<SwarmVip, 'tenant' | 'network' | 'service'> {
  /** Docker's id of the network that it is of. */
  readonly networkId: string;
  readonly address: IpAddress;
}

/** Where an attachment is. */
type Place = Extract<SeenKey, { readonly kind: 'endpoint' }>;

/** Tasks of services know no checks, so none has a name for them. */
const judging = { name: '', check: undefined };

/** Whether a key is of such a row. */
export const isVipKey = (key: string): boolean => key.startsWith(swarmVipRange.start);

/** The services of the swarms of one site. */
export class VipView {
  readonly #rows: () => SiteRows;
  /** By their keys; and the keys by tenant, and by whose tasks are behind them. */
  readonly #vips = new Map<string, Vip>();
  readonly #ofTenant = new Map<string, Set<string>>();
  readonly #ofTasks = new Map<string, Set<string>>();
  /** Attachments by whose tasks they are; and that, by where they are. */
  readonly #tasks = new Map<string, Set<string>>();
  readonly #taskAt = new Map<string, string>();

  /** @param rows those of the view, which has taken every change before this one does */
  constructor(rows: () => SiteRows) {
    this.#rows = rows;
  }

  /** Forgets all. */
  clear(): void {
    for (const map of [this.#vips, this.#ofTenant, this.#ofTasks, this.#tasks, this.#taskAt]) {
      map.clear();
    }
  }

  /** Takes a row, or that it is gone. @throws STORE_DAMAGED */
  keep(key: string, row: KeyValue | undefined): void {
    const before = this.#vips.get(key);
    if (before !== undefined) {
      delist(this.#ofTenant, before.tenant, key);
      delist(this.#ofTasks, tasksOf(before), key);
      this.#vips.delete(key);
    }
    if (row === undefined) return;
    const vip = readVip(row);
    this.#vips.set(key, vip);
    enlist(this.#ofTenant, vip.tenant, key);
    enlist(this.#ofTasks, tasksOf(vip), key);
  }

  /** The rows that something else of the site, now another, has to do with; a task is placed by it. */
  *touchedBy(seen: SeenKey): Iterable<string> {
    if (seen.kind === 'endpoint') {
      for (const tasks of this.place(seen)) yield* this.#ofTasks.get(tasks) ?? [];
    } else if (seen.kind === 'node') yield* this.#vips.keys();
    else if (seen.kind === 'tenant' || seen.kind === 'network') {
      yield* this.#ofTenant.get(seen.tenant) ?? [];
    }
  }

  /** What a row comes to. */
  service(key: string): Service | undefined {
    const vip = this.#vips.get(key);
    const rows = this.#rows();
    const network = vip && rows.siteNetworks(vip.tenant).get(vip.network);
    if (vip === undefined || network === undefined) return undefined;
    const endpoints = rows.siteEndpoints(vip);
    const { family } = vip.address;
    const has = { has4: family === 4, has6: family === 6 };
    const attached = attachmentsTo(network, { ...judging, ...has, own: network });
    const there = [...(this.#tasks.get(tasksOf(vip)) ?? [])].flatMap((id) => {
      const endpoint = endpoints.get(id);
      // nobody knows the way to who is on a host that is not known
      if (endpoint === undefined || rows.node(endpoint.host) === undefined) return [];
      return attached(endpoint);
    });
    const chosen = chooseBackends(
      { network: vip.network, selectors: [], earlier: { selectors: [] } },
      there,
    );
    return {
      // no tenant has such a name
      id: `@swarm:${vip.networkId}:${formatAddress(vip.address)}`,
      segmentId: segmentIdOf(network),
      addresses: [vip.address],
      ports: [],
      allPorts: true,
      earlierPorts: [],
      affinity: 'connection',
      backends: chosen.map((each) => backendOf(each, judging)),
    };
  }

  /** Puts an attachment with those of its service; answers whose tasks are others by that. */
  place(seen: Place): Iterable<string> {
    const { tenant, network, endpointId } = seen;
    const where = `${tenant}/${network}/${endpointId}`;
    const endpoint = this.#rows().siteEndpoints(seen).get(endpointId);
    const service = endpoint?.container?.labels[swarmServiceLabel];
    const before = this.#taskAt.get(where);
    const after =
      endpoint === undefined || service === undefined
        ? undefined
        : tasksOf({ ...seen, networkId: endpoint.dockerNetworkId, service });
    if (before !== undefined) delist(this.#tasks, before, endpointId);
    if (after === undefined) this.#taskAt.delete(where);
    else {
      this.#taskAt.set(where, after);
      enlist(this.#tasks, after, endpointId);
    }
    return new Set([before, after].flatMap((each) => each ?? []));
  }
}

/** What the tasks of a service in a network of Docker's are known by. */
const tasksOf = ({
  tenant,
  network,
  networkId,
  service,
}: Pick<Vip, 'tenant' | 'network' | 'networkId' | 'service'>): string =>
  `${tenant}/${network}/${networkId}/${service}`;

function readVip(row: KeyValue): Vip {
  const place = parseSwarmVipKey(row.key);
  assert(place !== undefined, 'only rows of addresses are read as such');
  const { tenant, network, service } = decodeRecord(swarmVipSchema, row).value;
  return { tenant, network, service, ...place };
}
