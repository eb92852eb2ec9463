/**
 * Services as `policy explain` needs them: who gets what is new by one, as the hosts make flows of it
 * (`service-view.ts`, `vip-view.ts`). Those of operators and those of swarms. Pure.
 */
import { parseAddress, type IpAddress, type IpFamily } from '../../ip/ip.ts';
import { swarmServiceLabel } from '../../model/labels.ts';
import { serviceLbKind } from '../../model/objects/service-lb.ts';
import { objectRange } from '../../model/objects/object-keys.ts';
import { objectRowSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { nodeRange, parseSwarmVipKey, swarmVipRange } from '../../model/site-keys.ts';
import {
  nodeSchema,
  swarmVipSchema,
  type SiteEndpoint,
  type SiteNetwork,
} from '../../model/site.ts';
import { chooseBackends, type Choosing } from '../../services/backends.ts';
import { readService, type ServicePort } from '../../services/service.ts';
import type { Step } from '../../store/plan.ts';
import { attachmentsTo, type JudgingService } from '../service-backend.ts';
import { serviceAddresses } from '../service-view.ts';
import { configIn, readAll } from './object-rows.ts';

/** A service of a tenant. */
export interface ToldService {
  readonly name: string;
  /** One of each family at most. */
  readonly addresses: readonly IpAddress[];
  /** `all`: a swarm's has every port of the protocols that have ports, each as it is. */
  readonly ports: readonly ServicePort[] | 'all';
  readonly asking: JudgingService;
  readonly choosing: Choosing;
  /** Of a swarm's: whose tasks in which of Docker's networks are behind it. */
  readonly tasks: { readonly service: string; readonly networkId: string } | undefined;
}

/** An attachment of the tenant. */
interface Attached {
  readonly network: string;
  readonly endpoint: SiteEndpoint;
}

/** The services of a tenant that have an address. */
export function* readServices(
  tenant: string,
  networks: ReadonlyMap<string, SiteNetwork>,
): Step<readonly ToldService[]> {
  const services: ToldService[] = [];
  for (const row of yield* readAll(objectRange('serviceLB', [tenant]))) {
    const { value } = decodeRecord(objectRowSchema(serviceLbKind), row);
    const config = configIn('serviceLB', value);
    const spec = readService(config, value.earlier);
    const of = { name: config.serviceName, addresses: serviceAddresses(value) };
    const asking = askingOf(of, networks.get(spec.network), spec.check);
    if (asking === undefined) continue;
    services.push({ ...of, ports: spec.ports, asking, choosing: spec, tasks: undefined });
  }
  for (const row of yield* readAll(swarmVipRange)) {
    const { tenant: owner, network, service, name } = decodeRecord(swarmVipSchema, row).value;
    const place = parseSwarmVipKey(row.key);
    if (owner !== tenant || place === undefined) continue;
    const of = { name, addresses: [place.address] };
    const asking = askingOf(of, networks.get(network), undefined);
    if (asking === undefined) continue;
    const choosing = { network, selectors: [], earlier: { selectors: [] } };
    const tasks = { service, networkId: place.networkId };
    services.push({ ...of, ports: 'all', asking, choosing, tasks });
  }
  return services;
}

function askingOf(
  { name, addresses }: Pick<ToldService, 'name' | 'addresses'>,
  own: SiteNetwork | undefined,
  check: JudgingService['check'],
): JudgingService | undefined {
  if (own === undefined || addresses.length === 0) return undefined;
  const has = (family: IpFamily) => addresses.some((each) => each.family === family);
  return { name, check, own, has4: has(4), has6: has(6) };
}

/** An attachment that gets what is new by a service, and where in each family. */
export interface Ready<Each> {
  readonly candidate: Each;
  readonly addresses: { readonly [Family in IpFamily]: IpAddress | undefined };
}

/** The containers that get what is new, in the order in which hosts have them. */
export function* readyBehind<Each extends Attached>(
  { asking, choosing, tasks }: ToldService,
  networks: ReadonlyMap<string, SiteNetwork>,
  endpoints: readonly Each[],
): Step<readonly Ready<Each>[]> {
  const nodes = yield* readAll(nodeRange);
  const hosts = new Set(nodes.map((row) => decodeRecord(nodeSchema, row).value.name));
  const there = endpoints.flatMap((attached) => {
    const { endpoint } = attached;
    const network = networks.get(attached.network);
    // nobody knows the way to who is on a host that is not known
    if (network === undefined || !hosts.has(endpoint.host)) return [];
    if (tasks !== undefined && !isTask(endpoint, tasks)) return [];
    return { ...attachmentsTo(network, asking)(endpoint), attached };
  });
  return chooseBackends(choosing, there).flatMap(({ candidate, isReady }) => {
    const { attached, addresses } = candidate;
    const at = { 4: read(addresses.ipv4), 6: read(addresses.ipv6) };
    return isReady ? { candidate: attached, addresses: at } : [];
  });
}

const read = (text: string | undefined): IpAddress | undefined =>
  text === undefined ? undefined : parseAddress(text);

const isTask = (
  { dockerNetworkId, container }: SiteEndpoint,
  { service, networkId }: NonNullable<ToldService['tasks']>,
): boolean => dockerNetworkId === networkId && container?.labels[swarmServiceLabel] === service;

const protocolNames = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);

/** Whether a protocol has ports. */
export const hasPorts = (protocol: number): boolean => protocolNames.has(protocol);

/** Where a port of a service leads to: its containers' port; undefined for a port that it does not have. */
export function targetOf(
  { ports }: Pick<ToldService, 'ports'>,
  protocol: number,
  port: number,
): number | undefined {
  const name = protocolNames.get(protocol);
  if (name === undefined) return undefined;
  if (ports === 'all') return port;
  return ports.find((each) => each.protocol === name && each.port === port)?.target;
}
