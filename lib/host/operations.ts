/**
 * What Docker's calls do on this host, in the model's words: read, decide (`lib/network`), one store
 * transaction, and for Join a port. Every operation may be repeated; a refusal has changed nothing.
 * It never calls Docker's API: that would deadlock the engine that waits for us.
 */
import type { Cidr } from '../ip/ip.ts';
import { KeyedQueue } from '../keyed-queue.ts';
import { ovsWaitMs } from '../limits.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import {
  planCreateEndpoint,
  planDeleteEndpoint,
  planJoin,
  planLeave,
  type EndpointRequest,
  type Joined,
} from '../network/endpoints.ts';
import { planNetworkCreation, planNetworkRemoval } from '../network/calls.ts';
import type { AddressAnswer, AddressRequest } from '../network/ipam/addresses.ts';
import {
  planAddressRelease,
  planAddressRequest,
  planPoolRelease,
  planPoolRequest,
} from '../network/ipam/calls.ts';
import type {
  PoolAnswer,
  PoolRequest,
  PoolSurroundings,
  ReleaseProgress,
} from '../network/ipam/pools.ts';
import type { NetworkRequest } from '../network/networks.ts';
import { localSpace } from '../network/ipam/space.ts';
import { namesModel } from '../network/named-by-model.ts';
import {
  planPublish,
  planUnpublish,
  planWhoPublishes,
  type PublishRequest,
} from '../network/published.ts';
import type { RemovalProgress } from '../network/shared-part.ts';
import {
  planAllocateNetwork,
  planFreeNetwork,
  type SwarmNetworkRequest,
} from '../network/swarm-networks.ts';
import type { Plan } from '../store/plan.ts';
import type { PortSpec } from '../network/port.ts';
import type { StateStore } from '../store/port.ts';
import { runPlanNear } from '../store/near-first.ts';
import { runPlan } from '../store/run-plan.ts';
import type { Publishing } from './published.ts';
import { readOwnEndpoint } from './records.ts';

/** The data plane, as the operations need it. */
export interface PortMaker {
  /** Resolves when Open vSwitch can take changes. @throws OVS_DOWN, OVS_LOCKED, OVS_STALLED, … */
  ready(signal: AbortSignal): Promise<void>;
  /** Makes link and port of an endpoint, or finds them made. */
  attach(port: PortSpec, signal: AbortSignal): Promise<void>;
  /** Says that an endpoint is gone; its link and port follow in the background. */
  release(endpointId: string): void;
}

/** What the operations are made of. */
export interface OperationParts {
  /** Name of this host among others. */
  readonly hostName: string;
  readonly store: StateStore;
  readonly ports: PortMaker;
  readonly publishing: Publishing;
  /** Networks this host has routes to, so that default pools keep clear of them. */
  readonly hostRoutes: () => Promise<readonly Cidr[]>;
  readonly poolDefaults: PoolSurroundings['defaults'];
  readonly mtuDefault: number;
  /** Told that networks or endpoints changed in a way the loops should look at. */
  readonly onChange: () => void;
  /** Refuses what is of the model while the engine could not use it. */
  readonly requireNoSwarm: () => void;
}

/** The operations; one object per agent. */
export class HostOperations {
  readonly #parts: OperationParts;
  readonly #queue = new KeyedQueue();

  constructor(parts: OperationParts) {
    this.#parts = parts;
  }

  /** Makes a network. */
  async createNetwork(
    request: Omit<NetworkRequest, 'mtuDefault'>,
    signal: AbortSignal,
  ): Promise<Network> {
    await this.#switchReady(signal);
    const { mtuDefault, hostName } = this.#parts;
    const plan = (): Plan<Network> => planNetworkCreation({ ...request, mtuDefault }, hostName);
    const network = await this.#run('networks', plan, signal);
    this.#parts.onChange();
    return network;
  }

  /** Makes a network for a whole swarm. */
  async allocateNetwork(request: SwarmNetworkRequest, signal: AbortSignal): Promise<void> {
    await this.#run('networks', () => planAllocateNetwork(request), signal);
  }

  /** Forgets a network of a swarm, once no node has part in it. */
  async freeNetwork(networkId: string, signal: AbortSignal): Promise<void> {
    const plan = (): Plan<RemovalProgress> => planFreeNetwork(networkId);
    while ((await this.#run('networks', plan, signal)) === 'more');
  }

  /** Forgets a network; works without Open vSwitch. */
  async deleteNetwork(networkId: string, signal: AbortSignal): Promise<void> {
    const plan = (): Plan<RemovalProgress> => planNetworkRemoval(networkId, this.#parts.hostName);
    while ((await this.#run('networks', plan, signal)) === 'more');
    this.#parts.onChange();
  }

  /** Makes an endpoint. */
  async createEndpoint(request: EndpointRequest, signal: AbortSignal): Promise<Endpoint> {
    await this.#switchReady(signal);
    return this.#runNear(
      `network/${request.networkId}`,
      () => planCreateEndpoint(request, this.#parts.hostName),
      signal,
    );
  }

  /** Attaches an endpoint: its intent is durable before anything is made. */
  async join(
    networkId: string,
    endpointId: string,
    sandboxKey: string,
    signal: AbortSignal,
  ): Promise<Joined> {
    await this.#switchReady(signal);
    const joined = await this.#runNear(
      `endpoint/${endpointId}`,
      () => planJoin(networkId, endpointId, sandboxKey),
      signal,
    );
    await this.#parts.ports.attach(joined.port, signal);
    return joined;
  }

  /** Notes that the container lets go of its endpoint; Docker moves the link back after this. */
  async leave(networkId: string, endpointId: string, signal: AbortSignal): Promise<void> {
    const plan = (): Plan<boolean> => planLeave(networkId, endpointId);
    if (await this.#runNear(`endpoint/${endpointId}`, plan, signal)) this.#parts.onChange();
  }

  /** Publishes ports of a container by the attachment that is its way out. */
  async publish(request: PublishRequest, signal: AbortSignal): Promise<void> {
    const { networkId, endpointId, ports } = request;
    if (ports.length === 0) return;
    const { publishing } = this.#parts;
    const key = 'published';
    if (!(await this.#runNear(key, () => planWhoPublishes(networkId), signal))) return;
    await this.#switchReady(signal);
    const host = await publishing.host(endpointId, signal);
    const endpoint = await this.#runNear(key, () => planPublish(request, host), signal);
    try {
      await publishing.published(endpoint, signal);
    } catch (thrown) {
      // refused is as if it had not been asked for, also when its time is over
      await this.#withdraw(networkId, endpointId, new AbortController().signal);
      throw thrown;
    }
  }

  /** Ports lead to a container no more by an attachment that is its way out no more. */
  async unpublish(networkId: string, endpointId: string, signal: AbortSignal): Promise<void> {
    const endpoint = await readOwnEndpoint(this.#parts.store, networkId, endpointId);
    // for most containers there is nothing to agree on
    if (endpoint?.published !== undefined) await this.#withdraw(networkId, endpointId, signal);
  }

  async #withdraw(networkId: string, endpointId: string, signal: AbortSignal): Promise<void> {
    await this.#runNear('published', () => planUnpublish(networkId, endpointId), signal);
    this.#parts.onChange();
  }

  /** Forgets an endpoint; its link and port are removed in the background. */
  async deleteEndpoint(networkId: string, endpointId: string, signal: AbortSignal): Promise<void> {
    const gone = await this.#runNear(
      `network/${networkId}`,
      () => planDeleteEndpoint(networkId, endpointId),
      signal,
    );
    this.#parts.ports.release(endpointId);
    if (gone?.published !== undefined) this.#parts.onChange();
  }

  /** Makes a pool. */
  async requestPool(request: PoolRequest, signal: AbortSignal): Promise<PoolAnswer> {
    const { poolDefaults, hostName } = this.#parts;
    const isLocal = request.space === localSpace;
    if (isLocal && namesModel(request.options)) this.#parts.requireNoSwarm();
    const hostRoutes = request.pool === '' ? await this.#parts.hostRoutes() : [];
    return this.#run(
      'pools',
      () => planPoolRequest(request, { hostRoutes, defaults: poolDefaults }, hostName),
      signal,
    );
  }

  /** Gives a pool back with all its addresses. */
  async releasePool(poolId: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const plan = (): Plan<ReleaseProgress> => planPoolRelease(poolId, this.#parts.hostName);
      const { done } = await this.#run('pools', plan, signal);
      if (done) return;
    }
  }

  /** Takes an address. */
  async requestAddress(request: AddressRequest, signal: AbortSignal): Promise<AddressAnswer> {
    return this.#runNear(
      `pool/${request.poolId}`,
      (attempt) => planAddressRequest(request, this.#parts.hostName, attempt),
      signal,
    );
  }

  /** Gives an address back. */
  async releaseAddress(poolId: string, address: string, signal: AbortSignal): Promise<void> {
    await this.#runNear(
      `pool/${poolId}`,
      () => planAddressRelease({ poolId, address }, this.#parts.hostName),
      signal,
    );
  }

  async #run<Answer>(
    key: string,
    plan: (attempt: number) => Plan<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    return this.#queue.run(key, () => runPlan(this.#parts.store, plan, { signal }));
  }

  /** What containers come and go by: of one host's rows for the most part, so that this host's own reading of
   *  them is good enough to begin with. */
  async #runNear<Answer>(
    key: string,
    plan: (attempt: number) => Plan<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    return this.#queue.run(key, () => runPlanNear(this.#parts.store, plan, { signal }));
  }

  async #switchReady(signal: AbortSignal): Promise<void> {
    await this.#parts.ports.ready(AbortSignal.any([signal, AbortSignal.timeout(ovsWaitMs)]));
  }
}
