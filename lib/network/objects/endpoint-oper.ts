/**
 * Containers' attachments as Contiv shows them. There may be very many, so they are read and made page by page, and
 * what they have in common once. Pure.
 */
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
import { groupOfEndpoint } from '../chosen-group.ts';
import { linkNames } from '../port.ts';
import { TenantGroups } from './labelled.ts';
import { readEach, readPages } from './object-rows.ts';

/** An attachment in Contiv's JSON. */
export type EndpointOper = Readonly<Record<string, unknown>>;

/** An attachment, and where. */
export interface Attachment {
  readonly network: string;
  readonly endpoint: SiteEndpoint;
}

/** An attachment with the group that it is in. */
export interface GroupedAttachment extends Attachment {
  readonly group: string | undefined;
}

/** An attachment as it is shown. */
export interface ShownAttachment extends GroupedAttachment {
  readonly oper: EndpointOper;
}

/** The attachments of a tenant for one look: what it read of groups and hosts it does not read again. */
export class EndpointLook {
  readonly #tenant: string;
  readonly #groups: TenantGroups;
  #vteps: ReadonlyMap<string, string> | undefined;

  constructor(tenant: string, groups = new TenantGroups(tenant)) {
    this.#tenant = tenant;
    this.#groups = groups;
  }

  /** Shows those attachments to a network, or to all of the tenant, that are meant. */
  *each(
    network: string | undefined,
    isMeant: (attachment: GroupedAttachment) => boolean,
    onShown: (shown: ShownAttachment) => void,
  ): Step<void> {
    const tenant = this.#tenant;
    const range =
      network === undefined
        ? tenantSiteEndpointRange(tenant)
        : networkSiteEndpointRange({ tenant, network });
    yield* readPages(range, (rows) => this.#page(rows.map(attachmentIn), isMeant, onShown));
  }

  *#page(
    found: readonly Attachment[],
    isMeant: (attachment: GroupedAttachment) => boolean,
    onShown: (shown: ShownAttachment) => void,
  ): Step<void> {
    const meant = (yield* this.#grouped(found)).filter(isMeant);
    for (const one of yield* this.#shown(meant)) onShown(one);
  }

  /** Attachments of the tenant as they are shown. */
  *show(found: readonly Attachment[]): Step<readonly ShownAttachment[]> {
    return yield* this.#shown(yield* this.#grouped(found));
  }

  /** The groups that ask for labels are read where some attachment may be in one. */
  *#grouped(found: readonly Attachment[]): Step<readonly GroupedAttachment[]> {
    if (found.some(({ endpoint }) => isChosenByLabels(endpoint))) yield* this.#groups.readAll();
    const { labelled } = this.#groups;
    return found.map((one) => ({
      ...one,
      group: groupOfEndpoint(one.endpoint, one.network, labelled),
    }));
  }

  *#shown(grouped: readonly GroupedAttachment[]): Step<readonly ShownAttachment[]> {
    if (grouped.length === 0) return [];
    yield* this.#groups.read(grouped.flatMap(({ group }) => group ?? []));
    const vteps = (this.#vteps ??= yield* readVteps());
    return grouped.map((one) => {
      const vtep = vteps.get(one.endpoint.host);
      const number = one.group === undefined ? undefined : this.#groups.get(one.group)?.number;
      return { ...one, oper: shapeOf(this.#tenant, one, { vtep, number }) };
    });
  }
}

/** The attachments to a network, or those of them that are members of a group. */
export function* networkEndpoints(
  { tenant, network }: SiteNetworkName,
  group?: string,
): Step<readonly EndpointOper[]> {
  const endpoints: EndpointOper[] = [];
  yield* new EndpointLook(tenant).each(
    network,
    (one) => group === undefined || one.group === group,
    ({ oper }) => endpoints.push(oper),
  );
  return endpoints;
}

/**
 * The attachment that a text means: the one whose id, container's id or container's name it is, or else the
 * first that has it in one of them.
 */
export function* findEndpoint(text: string): Step<EndpointOper | undefined> {
  // how well a name fits: it is it, begins with it, has it
  const best: (({ readonly tenant: string } & Attachment) | undefined)[] = [];
  yield* readPages(siteEndpointRange, (rows) => {
    for (const row of rows) {
      const attachment = attachmentIn(row);
      const rank = rankOf(attachment, text);
      if (rank !== undefined) best[rank] ??= { tenant: row.key.split('/')[2] ?? '', ...attachment };
    }
    return undefined;
  });
  const meant = best.find((one) => one !== undefined);
  if (meant === undefined) return undefined;
  const [shown] = yield* new EndpointLook(meant.tenant).show([meant]);
  return shown && { ...shown.oper, virtualPort: linkNames(meant.endpoint.id).host };
}

function rankOf({ endpoint: { id, container } }: Attachment, text: string): number | undefined {
  const names = [id, container?.id, container?.name, container?.name.replace(/^\//, '')].filter(
    (one) => one !== undefined,
  );
  const fits = [
    names.includes(text),
    names.some((name) => name.startsWith(text)),
    names.some((name) => name.includes(text)),
  ];
  const rank = fits.indexOf(true);
  return rank === -1 ? undefined : rank;
}

/** The attachment in a row. */
export function attachmentIn(row: KeyValue): Attachment {
  const [, , , network = ''] = row.key.split('/');
  return { network, endpoint: decodeRecord(siteEndpointSchema, row).value };
}

/** Whether labels may decide its group. */
const isChosenByLabels = ({ group, container }: SiteEndpoint): boolean =>
  group === undefined && Object.keys(container?.labels ?? {}).length > 0;

function* readVteps(): Step<ReadonlyMap<string, string>> {
  return new Map(
    yield* readEach(nodeRange, (row) => {
      const { name, vtep } = decodeRecord(nodeSchema, row).value;
      return [name, vtep] as const;
    }),
  );
}

function shapeOf(
  tenant: string,
  { network, endpoint, group }: GroupedAttachment,
  known: { readonly vtep: string | undefined; readonly number: number | undefined },
): EndpointOper {
  const { container } = endpoint;
  const labels = Object.entries(container?.labels ?? {})
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => `${key}:${value}`);
  const { vtep, number } = known;
  return {
    ...(container === undefined
      ? {}
      : {
          // the host itself has a name, and is no container
          ...(endpoint.link === undefined ? { containerID: container.id } : {}),
          containerName: container.name,
        }),
    ...(number === undefined ? {} : { endpointGroupId: number }),
    ...(group === undefined ? {} : { endpointGroupKey: `${group}:${tenant}` }),
    endpointID: endpoint.id,
    homingHost: endpoint.host,
    intfName: endpoint.link ?? linkNames(endpoint.id).container,
    ipAddress: [endpoint.ipv4 ?? '', endpoint.ipv6 ?? ''],
    labels: `map[${labels.join(' ')}]`,
    macAddress: endpoint.mac,
    network: `${network}.${tenant}`,
    ...(endpoint.published === undefined
      ? {}
      : { publishedPorts: endpoint.published.map(describePublished) }),
    ...(group === undefined ? {} : { serviceName: group }),
    ...(vtep === undefined ? {} : { vtepIP: vtep }),
  };
}
