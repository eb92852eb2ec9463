/** Which containers are behind a service, and which of them get new connections. The README says why so. */
import { serviceBackendsMax } from '../limits.ts';
import { meets } from '../model/labels.ts';
import type { ServiceSpec } from './service.ts';

/**
 * How it is with a container: it works; it does not (paused, its health check fails or has not passed yet); or it is
 * being stopped, and ends what it has begun.
 */
export type ContainerState = 'ready' | 'failing' | 'stopping';

/** An attachment of a container to a network of the service's tenant. */
export interface Candidate {
  /** Unique in the cluster. */
  readonly endpointId: string;
  readonly network: string;
  /** Whether other networks of the tenant are routed to it. */
  readonly isRouted: boolean;
  /** What its host says of the container; undefined as long as it has said nothing. */
  readonly container:
    | {
        readonly id: string;
        readonly labels: Readonly<Record<string, string>>;
        readonly state: ContainerState;
      }
    | undefined;
}

/** A container behind a service. */
export interface Chosen<Each> {
  readonly candidate: Each;
  /** Gets new connections; the others keep those that they have. */
  readonly isReady: boolean;
}

/**
 * The containers behind a service, in an order that is the same on all hosts and does not change for those who stay.
 * Of several attachments of a container the one to the service's own network counts, or else the first by name.
 */
export function chooseBackends<Each extends Candidate>(
  spec: Pick<ServiceSpec, 'network' | 'selectors'>,
  candidates: Iterable<Each>,
): readonly Chosen<Each>[] {
  const byContainer = new Map<string, Each>();
  for (const candidate of candidates) {
    const { container } = candidate;
    if (container === undefined || !isMeant(spec, candidate)) continue;
    const other = byContainer.get(container.id);
    if (other === undefined || isBefore(spec, candidate, other)) {
      byContainer.set(container.id, candidate);
    }
  }
  const all = [...byContainer.values()].toSorted((one, other) =>
    compare(one.endpointId, other.endpointId),
  );
  let ready = 0;
  return all.map((candidate) => {
    const isReady = candidate.container?.state === 'ready' && ready < serviceBackendsMax;
    if (isReady) ready += 1;
    return { candidate, isReady };
  });
}

function isMeant(spec: Pick<ServiceSpec, 'network' | 'selectors'>, candidate: Candidate): boolean {
  const labels = candidate.container?.labels ?? {};
  const isReached = candidate.isRouted || candidate.network === spec.network;
  return isReached && meets(labels, spec.selectors);
}

function isBefore(spec: Pick<ServiceSpec, 'network'>, one: Candidate, other: Candidate): boolean {
  const rank = ({ network }: Candidate): number => (network === spec.network ? 0 : 1);
  return (
    (rank(one) - rank(other) ||
      compare(one.network, other.network) ||
      compare(one.endpointId, other.endpointId)) < 0
  );
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
