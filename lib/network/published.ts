/**
 * Published ports: what ProgramExternalConnectivity and RevokeExternalConnectivity decide. A port of the host is a
 * container's while it is in the row of one of its attachments. All rows are the host's own; the row of the port that
 * was chosen last changes with each, so that of two that come at once one looks again.
 */
import { FairleadError } from '../errors.ts';
import { parseInterface, type IpFamily } from '../ip/ip.ts';
import { publishedPortMin } from '../limits.ts';
import { endpointSchema, type Endpoint } from '../model/endpoint.ts';
import { endpointKey, endpointRange, networkKey, publishedCursorKey } from '../model/keys.ts';
import type { Network } from '../model/network.ts';
import { publishedCursorSchema } from '../model/published.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { readEndpoint, requireEndpoint, requireNetwork } from './endpoints.ts';
import { chooseHostPorts, type Listener, type PortRequest } from './host-ports.ts';
import { readAll } from './objects/object-rows.ts';
import { sameValue } from './same-value.ts';
import { showPublished, withoutPublished } from './shown-ports.ts';
import { readSiteNetwork, titleOf } from './site-networks.ts';

/** What an engine asks for an attachment that is its container's way out. */
export interface PublishRequest {
  readonly networkId: string;
  readonly endpointId: string;
  readonly ports: readonly PortRequest[];
}

/** The host that ports are published on. */
export interface PublishingHost {
  /** For which there is a way out. */
  readonly families: readonly IpFamily[];
  /** Canonical. */
  readonly addresses: ReadonlySet<string>;
  readonly listeners: readonly Listener[];
}

/**
 * Whether publishing is ours: false where Docker's gateway bridge does it. Refuses with PUBLISH_REFUSED for a network
 * without our way out, with NETWORK_UNKNOWN.
 */
export function* planWhoPublishes(networkId: string): Plan<boolean> {
  const { value: network } = yield* requireNetwork(networkId);
  return { txn: undefined, answer: yield* isOurs(network) };
}

/**
 * Gives an attachment the ports that it asks for. A repeated call answers the same. Refuses with PORT_IN_USE,
 * PUBLISH_REFUSED, OUTSIDE_FAILED, REQUEST_INVALID, NETWORK_UNKNOWN, ENDPOINT_UNKNOWN.
 */
export function* planPublish(
  { networkId, endpointId, ports: asked }: PublishRequest,
  host: PublishingHost,
): Plan<Endpoint> {
  const network = yield* requireNetwork(networkId);
  const stored = yield* requireEndpoint(networkId, endpointId);
  const { value: endpoint } = stored;
  const cursor = yield* readCursor();
  const others = (yield* readAll(endpointRange))
    .map((row) => decodeRecord(endpointSchema, row).value)
    .filter(({ id, published }) => id !== endpointId && published !== undefined);
  const isSibling = ({ sandboxKey }: Endpoint): boolean =>
    sandboxKey !== undefined && sandboxKey === endpoint.sandboxKey;
  const chosen = chooseHostPorts({
    ...host,
    asked,
    families: familiesOf(endpoint, host),
    taken: others.flatMap(({ id, published = [] }) =>
      published.map((port) => ({ ...port, endpointId: id })),
    ),
    elsewhere: others.filter(isSibling).flatMap(({ published = [] }) => published),
    before: endpoint.published ?? [],
    cursor: cursor?.value.port ?? publishedPortMin - 1,
  });
  const { published: before = [], ...rest } = endpoint;
  const wanted: Endpoint =
    chosen.ports.length === 0 ? rest : { ...rest, published: [...chosen.ports] };
  if (sameValue(before, chosen.ports)) return { txn: undefined, answer: wanted };
  const draft: TxnDraft = {
    compare: [
      asRead(networkKey(networkId), network),
      asRead(endpointKey(networkId, endpointId), stored),
      asRead(publishedCursorKey, cursor),
    ],
    then: [
      { op: 'put', key: endpointKey(networkId, endpointId), value: encodeRecord(wanted) },
      { op: 'put', key: publishedCursorKey, value: encodeRecord({ port: chosen.cursor }) },
    ],
  };
  yield* showPublished(draft, network.value, wanted);
  return { txn: draft, answer: wanted };
}

/** Takes an attachment's ports away, if it has some. Answers whether it had. */
export function* planUnpublish(networkId: string, endpointId: string): Plan<boolean> {
  const stored = yield* readEndpoint(networkId, endpointId);
  if (stored?.value.published === undefined) return { txn: undefined, answer: false };
  const key = endpointKey(networkId, endpointId);
  const draft: TxnDraft = { compare: [asRead(key, stored)], then: [] };
  const endpoint = yield* withoutPublished(draft, stored.value);
  draft.then.push({ op: 'put', key, value: encodeRecord(endpoint) });
  return { txn: draft, answer: true };
}

/** A shared network is published by us, or by nobody. */
function* isOurs(network: Network): Step<boolean> {
  if (network.site === undefined) {
    if (network.outside === undefined && !network.internal) return false;
    if (network.outside === true) return true;
    throw noWayOut('this network');
  }
  const site = (yield* readSiteNetwork(network.site))?.value;
  if (site?.mode === 'routing' && site.outside && !network.internal) return true;
  throw noWayOut(`network ${titleOf(network.site)}`, site?.mode === 'bridge');
}

function noWayOut(what: string, isBridged = false): FairleadError {
  const why = isBridged
    ? 'has its way out by a router on its VLAN, where its containers have addresses of their own'
    : 'has no way out';
  return new FairleadError('PUBLISH_REFUSED', `${what} ${why}, so no port can be published`);
}

function familiesOf(
  { ipv4, ipv6 }: Endpoint,
  { families }: Pick<PublishingHost, 'families'>,
): readonly IpFamily[] {
  const own = [ipv4, ipv6].flatMap((text) =>
    text === undefined ? [] : [parseInterface(text).address.family],
  );
  const both = own.filter((family) => families.includes(family));
  if (both.length > 0) return both;
  throw new FairleadError(
    'OUTSIDE_FAILED',
    `this host has no way out for ${own.map((family) => `IPv${family}`).join(' and ')} now, so no port can be published`,
    { fix: 'fairlead status says why' },
  );
}

function* readCursor(): Step<Stored<{ readonly port: number }> | undefined> {
  const [row] = (yield { start: publishedCursorKey }).rows;
  return row === undefined ? undefined : decodeRecord(publishedCursorSchema, row);
}
