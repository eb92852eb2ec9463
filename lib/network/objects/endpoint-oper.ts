/** Containers' attachments as Contiv shows them. Pure. */
import {
  networkSiteEndpointRange,
  nodeRange,
  siteEndpointRange,
  tenantSiteEndpointRange,
} from '../../model/site-keys.ts';
import {
  nodeSchema,
  siteEndpointSchema,
  type SiteEndpoint,
  type SiteNetworkName,
} from '../../model/site.ts';
import { describePublished } from '../../model/published.ts';
import { decodeRecord } from '../../model/record.ts';
import type { KeyValue } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { LabelledGroups } from '../../policy/labelled-groups.ts';
import { groupOfEndpoint } from '../chosen-group.ts';
import { linkNames } from '../port.ts';
import { readLabelled } from './labelled.ts';
import { readAll, readObject } from './object-rows.ts';

/** An attachment in Contiv's JSON. */
export type EndpointOper = Readonly<Record<string, unknown>>;

/**
 * The attachments to a network, or those of them that are members of a group. The groups that ask for labels are read
 * where nobody has read them and some attachment may be in one: a tenant may have very many.
 */
export function* networkEndpoints(
  name: SiteNetworkName,
  known?: LabelledGroups,
  group?: string,
): Step<readonly EndpointOper[]> {
  const found = (yield* readAll(networkSiteEndpointRange(name))).map(endpointIn);
  const labelled =
    known ??
    (found.some(isChosenByLabels) ? yield* readLabelled(name.tenant) : new LabelledGroups());
  const all = found.map((endpoint) => withGroup(endpoint, name, labelled));
  const endpoints = group === undefined ? all : all.filter((one) => one.group === group);
  if (endpoints.length === 0) return [];
  const vteps = yield* readVteps();
  const shown: EndpointOper[] = [];
  for (const one of endpoints) shown.push(yield* shapeOf(one, name, vteps));
  return shown;
}

/** How many attachments to networks of a tenant there are. */
export function* countTenantEndpoints(tenant: string): Step<number> {
  return (yield* readAll(tenantSiteEndpointRange(tenant))).length;
}

/**
 * The attachment that a text means: the one whose id, container's id or container's name it is, or else the
 * first that has it in one of them.
 */
export function* findEndpoint(text: string): Step<EndpointOper | undefined> {
  const found = (yield* readAll(siteEndpointRange)).map((row) => {
    const [, , tenant = '', network = ''] = row.key.split('/');
    return { name: { tenant, network }, endpoint: endpointIn(row) };
  });
  const namesOf = ({ endpoint: { id, container } }: (typeof found)[number]): readonly string[] =>
    [id, container?.id, container?.name, container?.name.replace(/^\//, '')].filter(
      (one) => one !== undefined,
    );
  const meant =
    found.find((one) => namesOf(one).includes(text)) ??
    found.find((one) => namesOf(one).some((name) => name.startsWith(text))) ??
    found.find((one) => namesOf(one).some((name) => name.includes(text)));
  if (meant === undefined) return undefined;
  const labelled = yield* readLabelled(meant.name.tenant);
  const grouped = withGroup(meant.endpoint, meant.name, labelled);
  return yield* shapeOf(grouped, meant.name, yield* readVteps(), 'alone');
}

const endpointIn = (row: KeyValue): SiteEndpoint => decodeRecord(siteEndpointSchema, row).value;

/** An attachment with the group that it is in. */
function withGroup(
  endpoint: SiteEndpoint,
  { network }: SiteNetworkName,
  labelled: LabelledGroups,
): SiteEndpoint {
  return { ...endpoint, group: groupOfEndpoint(endpoint, network, labelled) };
}

/** Whether labels may decide its group. */
const isChosenByLabels = ({ group, container }: SiteEndpoint): boolean =>
  group === undefined && Object.keys(container?.labels ?? {}).length > 0;

function* membershipOf(tenant: string, group: string): Step<EndpointOper> {
  const stored = yield* readObject({ kind: 'endpointGroup', parts: [tenant, group] });
  const number = stored?.value.number;
  return {
    ...(number === undefined ? {} : { endpointGroupId: number }),
    endpointGroupKey: `${group}:${tenant}`,
  };
}

function* readVteps(): Step<ReadonlyMap<string, string>> {
  const nodes = (yield* readAll(nodeRange)).map((row) => decodeRecord(nodeSchema, row).value);
  return new Map(nodes.map(({ name, vtep }) => [name, vtep]));
}

function* shapeOf(
  endpoint: SiteEndpoint,
  { tenant, network }: SiteNetworkName,
  vteps: ReadonlyMap<string, string>,
  where?: 'alone',
): Step<EndpointOper> {
  const { container, group } = endpoint;
  const labels = Object.entries(container?.labels ?? {})
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => `${key}:${value}`);
  const links = linkNames(endpoint.id);
  const vtep = vteps.get(endpoint.host);
  return {
    ...(container === undefined
      ? {}
      : {
          // the host itself has a name, and is no container
          ...(endpoint.link === undefined ? { containerID: container.id } : {}),
          containerName: container.name,
        }),
    ...(group === undefined ? {} : yield* membershipOf(tenant, group)),
    endpointID: endpoint.id,
    homingHost: endpoint.host,
    intfName: endpoint.link ?? links.container,
    ipAddress: [endpoint.ipv4 ?? '', endpoint.ipv6 ?? ''],
    labels: `map[${labels.join(' ')}]`,
    macAddress: endpoint.mac,
    network: `${network}.${tenant}`,
    ...(endpoint.published === undefined
      ? {}
      : { publishedPorts: endpoint.published.map(describePublished) }),
    ...(group === undefined ? {} : { serviceName: group }),
    ...(where === 'alone' ? { virtualPort: links.host } : {}),
    ...(vtep === undefined ? {} : { vtepIP: vtep }),
  };
}
