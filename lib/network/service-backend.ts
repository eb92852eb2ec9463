/** An attachment as one that may be behind a service, and as one that is. Pure. */
import { parseAddress } from '../ip/ip.ts';
import type { SiteEndpoint, SiteNetwork } from '../model/site.ts';
import { answeringFrom, isAnswering, type Addresses } from '../services/answering.ts';
import { stateFor, type Candidate, type Chosen } from '../services/backends.ts';
import type { ServiceSpec } from '../services/service.ts';
import { segmentIdOf } from './site-shapes.ts';
import type { ServiceBackend } from './world.ts';

/** A service, as those behind it are judged for it. */
export interface JudgingService extends Pick<ServiceSpec, 'check'> {
  /** By which checks tell of it. */
  readonly name: string;
  /** Its network. */
  readonly own: SiteNetwork;
  readonly has4: boolean;
  readonly has6: boolean;
}

/** An attachment that may be behind a service. */
export interface ServiceAttachment extends Candidate {
  readonly endpoint: SiteEndpoint;
  readonly segmentId: string;
  /** Those at which it gets connections. */
  readonly addresses: Addresses;
}

/** The attachments to a network as a service looks at them. */
export function attachmentsTo(
  network: SiteNetwork,
  service: JudgingService,
): (endpoint: SiteEndpoint) => ServiceAttachment {
  const about = { network: network.name, segmentId: segmentIdOf(network) };
  const answering = answeringFrom(service.own, network);
  return (endpoint) => {
    const { id: endpointId, container } = endpoint;
    const addresses = answering(endpoint);
    return {
      ...about,
      endpoint,
      endpointId,
      addresses,
      isAnswering: isAnswering(addresses, service),
      container: container && { ...container, state: stateFor(container, service) },
    };
  };
}

/** One that was chosen. */
export function backendOf(
  { candidate: { endpoint, segmentId, addresses }, isMember, isReady }: Chosen<ServiceAttachment>,
  { name, check }: Pick<JudgingService, 'name' | 'check'>,
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
