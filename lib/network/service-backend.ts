/** An attachment as one that may be behind a service, and as one that is. Pure. */
import { parseAddress } from '../ip/ip.ts';
import type { SiteEndpoint, SiteNetwork } from '../model/site.ts';
import { stateFor, type Candidate, type Chosen } from '../services/backends.ts';
import type { ServiceSpec } from '../services/service.ts';
import { segmentIdOf } from './site-shapes.ts';
import type { ServiceBackend } from './world.ts';

/** A service, as those behind it are judged for it. */
export interface JudgingService extends Pick<ServiceSpec, 'check'> {
  /** By which checks tell of it. */
  readonly name: string;
}

/** An attachment that may be behind a service. */
export interface ServiceAttachment extends Candidate {
  readonly endpoint: SiteEndpoint;
  readonly segmentId: string;
}

/** An attachment to a network; `areRouted` says that of it and of the service's own. */
export function attachmentTo(
  network: SiteNetwork,
  endpoint: SiteEndpoint,
  { service, areRouted }: { readonly service: JudgingService; readonly areRouted: boolean },
): ServiceAttachment {
  const { id: endpointId, container } = endpoint;
  return {
    network: network.name,
    isRouted: areRouted,
    segmentId: segmentIdOf(network),
    endpoint,
    endpointId,
    container: container && { ...container, state: stateFor(container, service) },
  };
}

/** One that was chosen. */
export function backendOf(
  { candidate: { endpoint, segmentId }, isMember, isReady }: Chosen<ServiceAttachment>,
  { name, check }: JudgingService,
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
