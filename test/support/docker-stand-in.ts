/**
 * Stands in for Docker towards a plugin socket: makes pools, networks and endpoints with the calls and
 * ids a real engine would send, so that tests can stop between any two of them and benches can time
 * each. The sandbox is a name only: nobody moves the link.
 */
import { randomBytes } from 'node:crypto';
import type { PluginClient } from './plugin-client.ts';

const newId = (): string => randomBytes(32).toString('hex');

/** A network made by calls. */
export interface StandInNetwork {
  readonly id: string;
  readonly poolId: string;
  readonly pool: string;
  readonly gateway: string;
}

/** An endpoint made by calls. */
export interface StandInEndpoint {
  readonly id: string;
  readonly network: StandInNetwork;
  /** With prefix length. */
  readonly address: string;
}

const gatewayOptions = { RequestAddressType: 'com.docker.network.gateway' };

/** The calls of `docker network create`. */
export async function createNetwork(client: PluginClient, subnet = ''): Promise<StandInNetwork> {
  const pool = await client.must('/IpamDriver.RequestPool', {
    AddressSpace: 'FairleadLocal',
    Pool: subnet,
    SubPool: '',
    Options: {},
    V6: false,
  });
  const poolId = String(pool['PoolID']);
  const gateway = await client.must('/IpamDriver.RequestAddress', {
    PoolID: poolId,
    Address: '',
    Options: gatewayOptions,
  });
  const network = {
    id: newId(),
    poolId,
    pool: String(pool['Pool']),
    gateway: String(gateway['Address']),
  };
  await client.must('/NetworkDriver.CreateNetwork', {
    NetworkID: network.id,
    Options: { 'com.docker.network.enable_ipv6': false, 'com.docker.network.generic': {} },
    IPv4Data: [{ AddressSpace: 'FairleadLocal', Pool: network.pool, Gateway: network.gateway }],
    IPv6Data: [],
  });
  return network;
}

/** The calls of `docker network rm`, in the engine's order. */
export async function removeNetwork(client: PluginClient, network: StandInNetwork): Promise<void> {
  const [gateway] = network.gateway.split('/');
  await client.must('/IpamDriver.ReleaseAddress', { PoolID: network.poolId, Address: gateway });
  await client.must('/IpamDriver.ReleasePool', { PoolID: network.poolId });
  await client.must('/NetworkDriver.DeleteNetwork', { NetworkID: network.id });
}

/** The IPAM half of a container's start. */
export async function requestAddress(
  client: PluginClient,
  network: StandInNetwork,
): Promise<StandInEndpoint> {
  const answer = await client.must('/IpamDriver.RequestAddress', {
    PoolID: network.poolId,
    Address: '',
    Options: null,
  });
  return { id: newId(), network, address: String(answer['Address']) };
}

/** CreateEndpoint and Join: what makes a container attached. */
export async function attach(client: PluginClient, endpoint: StandInEndpoint): Promise<void> {
  const { id, network, address } = endpoint;
  await client.must('/NetworkDriver.CreateEndpoint', {
    NetworkID: network.id,
    EndpointID: id,
    Interface: { Address: address, AddressIPv6: '', MacAddress: '' },
    Options: {
      'com.docker.network.endpoint.exposedports': [],
      'com.docker.network.portmap': [],
    },
  });
  await client.must('/NetworkDriver.Join', {
    NetworkID: network.id,
    EndpointID: id,
    SandboxKey: `/run/docker/netns/${id.slice(0, 12)}`,
    Options: {
      'com.docker.network.endpoint.exposedports': [],
      'com.docker.network.portmap': [],
    },
  });
}

/** Leave and DeleteEndpoint. */
export async function detach(client: PluginClient, endpoint: StandInEndpoint): Promise<void> {
  const ids = { NetworkID: endpoint.network.id, EndpointID: endpoint.id };
  await client.must('/NetworkDriver.Leave', ids);
  await client.must('/NetworkDriver.DeleteEndpoint', ids);
}

/** The IPAM half of a container's end. */
export async function releaseAddress(
  client: PluginClient,
  endpoint: StandInEndpoint,
): Promise<void> {
  const [address] = endpoint.address.split('/');
  await client.must('/IpamDriver.ReleaseAddress', {
    PoolID: endpoint.network.poolId,
    Address: address,
  });
}
