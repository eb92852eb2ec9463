/** Which containers are behind a service, and which of them get new connections. The README says why so. */
import { serviceBackendsMax } from '../limits.ts';
import { meets } from '../model/labels.ts';
import type { ServiceSpec } from './service.ts';

/**
 * How it is with a container: it works; it does not (paused, its health check fails or has not passed yet, a port that
 * the service checks does not answer); or it is being stopped, and ends what it has begun.
 */
export type ContainerState = 'ready' | 'failing' | 'stopping';

/** What its host says of a container, as far as it matters here. */
export interface ToldContainer {
  /** Without, the engine has no objection. */
  readonly state?: 'failing' | 'stopping' | undefined;
  /** Services of its tenant whose checks it fails, by name. */
  readonly failed?: readonly string[] | undefined;
}

/** How it is with a container for a service: what failed a check that is not made any more says nothing. */
export function stateFor(
  { state, failed }: ToldContainer,
  service: { readonly name: string; readonly check: ServiceSpec['check'] },
): ContainerState {
  if (state !== undefined) return state;
  return service.check !== undefined && failed?.includes(service.name) === true
    ? 'failing'
    : 'ready';
}

/** An attachment of a container to a network of the service's tenant. */
export interface Candidate {
  /** Unique in the cluster. */
  readonly endpointId: string;
  readonly network: string;
  /** Whether clients in other networks than this hear an answer from there (`answering.ts`). */
  readonly isAnswering: boolean;
  /** What its host says of the container; undefined as long as it has said nothing. */
  readonly container:
    | {
        readonly id: string;
        readonly labels: Readonly<Record<string, string>>;
        readonly state: ContainerState;
      }
    | undefined;
}

/** A container behind a service, or one that was and still has connections from then. */
export interface Chosen<Each> {
  readonly candidate: Each;
  /** Is behind it now. */
  readonly isMember: boolean;
  /** Gets new connections; the others keep those that they have. */
  readonly isReady: boolean;
}

/** What of a service says who is behind it. */
export type Choosing = Pick<ServiceSpec, 'network' | 'selectors'> & {
  readonly earlier: Pick<ServiceSpec['earlier'], 'selectors'>;
};

/**
 * The containers behind a service, and those that have been, in an order that is the same on all hosts and does not
 * change for those who stay. Of several attachments of a container the one to the service's own network counts, or else
 * the first by name; the others may have counted before it was attached there.
 */
export function chooseBackends<Each extends Candidate>(
  spec: Choosing,
  candidates: Iterable<Each>,
): readonly Chosen<Each>[] {
  const found: Each[] = [];
  const counting = new Map<string, Each>();
  for (const candidate of candidates) {
    const { container } = candidate;
    if (container === undefined || !isReached(spec, candidate)) continue;
    const isMeant = isMatched(spec.selectors, candidate);
    if (!isMeant && !spec.earlier.selectors.some((each) => isMatched(each, candidate))) continue;
    found.push(candidate);
    const other = counting.get(container.id);
    if (isMeant && (other === undefined || isBefore(spec, candidate, other))) {
      counting.set(container.id, candidate);
    }
  }
  const members = new Set(counting.values());
  let ready = 0;
  return found
    .toSorted((one, other) => compare(one.endpointId, other.endpointId))
    .map((candidate) => {
      const isMember = members.has(candidate);
      const isReady =
        isMember && candidate.container?.state === 'ready' && ready < serviceBackendsMax;
      if (isReady) ready += 1;
      return { candidate, isMember, isReady };
    });
}

const isReached = (
  spec: Pick<ServiceSpec, 'network'>,
  { isAnswering, network }: Candidate,
): boolean => isAnswering || network === spec.network;

const isMatched = (selectors: ServiceSpec['selectors'], { container }: Candidate): boolean =>
  meets(container?.labels ?? {}, selectors);

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
