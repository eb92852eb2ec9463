/**
 * Published ports of this host's containers, brought together: what the store says, where the switch has the
 * containers, and what the host itself has. Rules and flows follow the store as everything does; a container that is
 * being started waits for them.
 */
import type { EndpointPort } from '../datapath/endpoint-ports.ts';
import type { Links } from '../datapath/link/links.ts';
import { placeOfPort, placesMax } from '../datapath/pipeline/own-alias.ts';
import type { Publication } from '../datapath/outside/rules.ts';
import type { HostSwitch } from '../datapath/switch.ts';
import { FairleadError } from '../errors.ts';
import { publishedWaitMs } from '../limits.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { familyOf } from '../model/published.ts';
import type { Listener } from '../network/host-ports.ts';
import { specOf } from '../network/port.ts';
import type { PublishingHost } from '../network/published.ts';
import { sameValue } from '../network/same-value.ts';
import { openPorts } from '../network/site-shapes.ts';
import type { StateStore } from '../store/port.ts';
import type { DataPlane } from './data-plane.ts';
import type { Loop } from './loop.ts';
import type { HostOutside } from './outside.ts';
import { readEndpoints, readNetworks } from './records.ts';

/** Publishing, as the operations need it. */
export interface Publishing {
  /** The host, for a container whose ports are to be published. @throws PUBLISH_REFUSED, LINK_FAILED, OVS_* */
  host(endpointId: string, signal: AbortSignal): Promise<PublishingHost>;
  /** Resolves when ports lead to their container. @throws OUTSIDE_FAILED, OVS_DOWN */
  published(endpoint: Endpoint, signal: AbortSignal): Promise<void>;
}

/** What it is made of. */
export interface PublishingParts {
  readonly links: Pick<Links, 'addresses'>;
  readonly readListeners: () => Promise<readonly Listener[]>;
  /** Where the switch has containers. */
  readonly hostSwitch: Pick<HostSwitch, 'endpointPorts'>;
  readonly outside: Pick<HostOutside, 'families'>;
  readonly dataPlane: Pick<DataPlane, 'attached'>;
  readonly loop: Pick<Loop, 'settled'>;
}

/** What published ports lead to, in the order of the store. */
export async function readPublications(
  store: StateStore,
  ports: readonly EndpointPort[],
): Promise<readonly Publication[]> {
  const endpoints = (await readEndpoints(store)).filter(
    ({ value }) => value.published !== undefined,
  );
  if (endpoints.length === 0) return [];
  const numbers = new Map(ports.map(({ endpointId, number }) => [endpointId, number]));
  const networks = new Map((await readNetworks(store)).map(({ value }) => [value.id, value]));
  return endpoints.flatMap(({ value: endpoint }) => {
    const { published = [], state } = endpoint;
    const number = numbers.get(endpoint.id);
    const network = networks.get(endpoint.networkId);
    if (network === undefined || number === undefined || state !== 'joined') return [];
    const { mtu } = specOf(network, endpoint);
    return published.map((port) => ({ ...port, place: placeOfPort(number), mtu }));
  });
}

/** Publishing on this host. */
export function hostPublishing(parts: PublishingParts): Publishing {
  const { links, outside, dataPlane, loop, hostSwitch } = parts;
  /** Waits for a look at the host that began by now. */
  const look = async (signal: AbortSignal): Promise<void> => {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(publishedWaitMs)]);
    await loop.settled(bound).catch(() => {
      throw new FairleadError('OUTSIDE_FAILED', 'the rules of published ports are not there yet', {
        fix: 'fairlead status says why; then start the container again',
      });
    });
  };
  return {
    async host(endpointId, signal) {
      requirePlace(endpointId, hostSwitch.endpointPorts());
      // with the first network it is not decided yet
      if (outside.families().length === 0) await look(signal);
      const addresses = (await links.addresses()).map(({ address }) => address);
      return {
        families: outside.families(),
        addresses: new Set(addresses),
        listeners: await parts.readListeners(),
      };
    },
    async published({ id, published = [] }, signal) {
      const wanted = openPorts(published);
      const bound = AbortSignal.any([signal, AbortSignal.timeout(publishedWaitMs)]);
      await dataPlane.attached(id, bound, (at) => sameValue(at.published ?? [], wanted));
      await look(bound);
      const families = new Set(outside.families());
      const missing = published.map(familyOf).find((family) => !families.has(family));
      if (missing === undefined) return;
      throw new FairleadError(
        'OUTSIDE_FAILED',
        `the packet filter of this host does not take the rules of published ports for IPv${missing}`,
        { fix: 'fairlead status says why' },
      );
    },
  };
}

/** Containers are told apart by an address of their own in the host's block. */
function requirePlace(endpointId: string, ports: readonly EndpointPort[]): void {
  const own = ports.find((each) => each.endpointId === endpointId)?.number;
  if (own === undefined) {
    throw new FairleadError('OVS_DOWN', `endpoint ${endpointId} has no port on the bridge`);
  }
  const isShared = ports.some(
    ({ endpointId: other, number }) =>
      other !== endpointId && number !== undefined && placeOfPort(number) === placeOfPort(own),
  );
  if (!isShared) return;
  throw new FairleadError(
    'PUBLISH_REFUSED',
    `this host has more than ${placesMax} containers, and ports of no more of them can be published`,
    { fix: 'start it on another host' },
  );
}
