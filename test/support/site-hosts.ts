/**
 * Several hosts on one store in memory, each seeing its part: Docker's calls as `lib/host/operations.ts` makes
 * them, without ports. For tests of what hosts share.
 */
import { Fence } from '../../lib/host/fence.ts';
import { KeyedQueue } from '../../lib/keyed-queue.ts';
import { prefixed } from '../../lib/store/prefixed.ts';
import { runPlanNear } from '../../lib/store/near-first.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import type { StateStore } from '../../lib/store/port.ts';
import type { Endpoint } from '../../lib/model/endpoint.ts';
import { hostPrefix } from '../../lib/model/keys.ts';
import type { Network } from '../../lib/model/network.ts';
import { planNetworkCreation, planNetworkRemoval } from '../../lib/network/calls.ts';
import { planCreateEndpoint, planDeleteEndpoint } from '../../lib/network/endpoints.ts';
import { parseCidr } from '../../lib/ip/ip.ts';
import {
  planAddressRelease,
  planAddressRequest,
  planPoolRelease,
  planPoolRequest,
} from '../../lib/network/ipam/calls.ts';
import type { PoolAnswer } from '../../lib/network/ipam/pools.ts';
import { localSpace } from '../../lib/network/ipam/space.ts';

/** A `docker network create` with our driver. */
export interface NetworkCreate {
  /** Docker's id. */
  readonly id: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly ipamOptions?: Readonly<Record<string, string>>;
  /** `--subnet`s; an empty one lets the driver choose. */
  readonly subnets?: readonly string[];
  readonly gateway?: string;
  readonly range?: string;
  readonly internal?: boolean;
}

/** What Docker knows of a network it made. */
export interface MadeNetwork {
  readonly network: Network;
  readonly pools: readonly PoolAnswer[];
  readonly gateways: readonly string[];
}

const surroundings = {
  hostRoutes: [],
  defaults: {
    v4: [{ base: parseCidr('10.128.0.0/16'), size: 24 }],
    v6: [{ base: parseCidr('fd00:128::/48'), size: 64 }],
  },
};

/** The options of a shared network, for both sides of a create. */
export function sharedAs(
  network: string,
  tenant?: string,
): Required<Pick<NetworkCreate, 'options' | 'ipamOptions'>> {
  const names = { network, ...(tenant === undefined ? {} : { tenant }) };
  return { options: names, ipamOptions: names };
}

/** A host of a site. */
export class SiteHost {
  readonly name: string;
  readonly store: StateStore;
  readonly #queue = new KeyedQueue();

  /** `pause` holds up each read and each transaction before it happens. */
  constructor(whole: Shared, name: string, pause: () => Promise<void> = async () => {}) {
    this.name = name;
    const store = prefixed(asStateStore(whole, pause), hostPrefix(name));
    // as a host that nobody removed writes
    this.store = new Fence({ store, hostName: name, identity: () => 'one cluster' }).store;
  }

  /** As the engine does it: pools, gateways, network; all of it is taken back when something is refused. */
  async createNetwork(create: NetworkCreate): Promise<MadeNetwork> {
    const pools: PoolAnswer[] = [];
    const gateways: string[] = [];
    try {
      for (const subnet of create.subnets ?? ['']) {
        pools.push(await this.requestPool(subnet, create));
      }
      for (const [index, { poolId }] of pools.entries()) {
        const asked = index === 0 ? (create.gateway ?? '') : '';
        gateways.push(await this.requestAddress(poolId, asked, true));
      }
      const network = await runPlan(this.store, () =>
        planNetworkCreation(
          {
            id: create.id,
            internal: create.internal ?? false,
            options: create.options ?? {},
            mtuDefault: 1500,
            subnets: pools.map(({ cidr }, index) => ({
              addressSpace: localSpace,
              pool: cidr,
              gateway: gateways[index],
              auxiliary: {},
            })),
          },
          this.name,
        ),
      );
      return { network, pools, gateways };
    } catch (thrown) {
      for (const [index, gateway] of gateways.entries()) {
        await this.releaseAddress(pools[index]?.poolId ?? '', gateway);
      }
      for (const { poolId } of pools) await this.releasePool(poolId);
      throw thrown;
    }
  }

  /** As the engine does it. */
  async removeNetwork({ network, pools, gateways }: MadeNetwork): Promise<void> {
    await this.deleteNetwork(network.id);
    for (const [index, gateway] of gateways.entries()) {
      await this.releaseAddress(pools[index]?.poolId ?? '', gateway);
    }
    for (const { poolId } of pools) await this.releasePool(poolId);
  }

  /** DeleteNetwork. */
  async deleteNetwork(networkId: string): Promise<void> {
    const plan = () => planNetworkRemoval(networkId, this.name);
    while ((await runPlan(this.store, plan)) === 'more');
  }

  /** RequestPool. */
  requestPool(pool: string, create: Omit<NetworkCreate, 'id'>): Promise<PoolAnswer> {
    const request = {
      space: localSpace,
      pool,
      subPool: create.range ?? '',
      options: create.ipamOptions ?? {},
      v6: pool.includes(':'),
    };
    return runPlan(this.store, () => planPoolRequest(request, surroundings, this.name));
  }

  /** ReleasePool. */
  async releasePool(poolId: string): Promise<void> {
    const plan = () => planPoolRelease(poolId, this.name);
    while (!(await runPlan(this.store, plan)).done);
  }

  /** RequestAddress; answers it with its length. */
  async requestAddress(poolId: string, address = '', gateway = false): Promise<string> {
    const plan = (attempt: number) =>
      planAddressRequest({ poolId, address, gateway }, this.name, attempt);
    const given = () => runPlanNear(this.store, plan);
    return (await this.#queue.run(poolId, given)).address;
  }

  /** ReleaseAddress, with or without a length. */
  releaseAddress(poolId: string, address: string): Promise<boolean> {
    const [text = ''] = address.split('/');
    return runPlanNear(this.store, () => planAddressRelease({ poolId, address: text }, this.name));
  }

  /** As the engine does it: an address, then the endpoint. Answers the endpoint. */
  async attach({ network, pools }: MadeNetwork, endpointId: string, asked = ''): Promise<Endpoint> {
    const poolId = pools[0]?.poolId ?? '';
    const address = await this.requestAddress(poolId, asked);
    try {
      return await this.createEndpoint(network.id, endpointId, address);
    } catch (thrown) {
      await this.releaseAddress(poolId, address);
      throw thrown;
    }
  }

  /** CreateEndpoint. */
  createEndpoint(networkId: string, endpointId: string, ipv4: string, mac = ''): Promise<Endpoint> {
    const request = { networkId, endpointId, ipv4, ipv6: '', mac };
    return runPlanNear(this.store, () => planCreateEndpoint(request, this.name));
  }

  /** As the engine does it: the endpoint, then its address. */
  async detach({ network, pools }: MadeNetwork, endpoint: Endpoint): Promise<void> {
    await runPlanNear(this.store, () => planDeleteEndpoint(network.id, endpoint.id));
    await this.releaseAddress(pools[0]?.poolId ?? '', endpoint.ipv4 ?? '');
  }
}

/** What hosts have in common here. */
type Shared = Pick<StateStore, 'range' | 'txn' | 'grantLease' | 'keepLease' | 'revokeLease'>;

/**
 * A store in memory as hosts see it, which nobody watches; `pause` holds up each read and each transaction,
 * `delay` its answer.
 */
export function asStateStore(
  whole: Shared,
  pause: () => Promise<void>,
  delay: () => Promise<void> = async () => {},
): StateStore {
  const slowly = async <T>(step: () => Promise<T>): Promise<T> => {
    await pause();
    const answer = await step();
    await delay();
    return answer;
  };
  return {
    range: (request) => slowly(() => whole.range(request)),
    txn: (txn) => slowly(() => whole.txn(txn)),
    watch: () => {
      throw new Error('nobody watches this store');
    },
    grantLease: (ttlMs) => whole.grantLease(ttlMs),
    keepLease: (id) => whole.keepLease(id),
    revokeLease: (id) => whole.revokeLease(id),
    close: () => Promise.resolve(),
  };
}
