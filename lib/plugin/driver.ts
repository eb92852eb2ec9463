/**
 * Docker's calls on this host: the protocol's words on one side, the host's operations on the other.
 * Calls that need nothing are answered whatever else is missing.
 */
import { FairleadError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { storeOpenWaitMs } from '../limits.ts';
import { localSpace, nodeSpace } from '../network/ipam/space.ts';
import { isSwarmNetwork } from '../model/network.ts';
import type { PortRequest } from '../network/host-ports.ts';
import type { RequestedSubnet } from '../network/networks.ts';
import { bareAnswers, type PluginScope } from './bare-answers.ts';
import type { PluginHandlers } from './handlers.ts';
import type { CallRequest } from './schemas.ts';

/** How Docker asks for the gateway of a network. */
const requestType = 'RequestAddressType';
const gatewayRequest = 'com.docker.network.gateway';
/** What a container publishes. */
const portMapOption = 'com.docker.network.portmap';
/** Docker names a container's first interface this and counts. */
const interfacePrefix = 'eth';

/** The handlers of a host that may still be starting, for engines that are told this scope. */
export function createDriver(host: Promise<Host>, scope: PluginScope = 'local'): PluginHandlers {
  // a start that fails ends the process; until then each call says so by itself
  host.catch(() => undefined);
  const ready = (signal: AbortSignal): Promise<Host> => started(host, signal);
  return {
    ...bareAnswers(scope),
    ...networkHandlers(ready, scope),
    ...endpointHandlers(ready),
    ...publishHandlers(ready),
    ...ipamHandlers(ready, scope),
  };
}

type Ready = (signal: AbortSignal) => Promise<Host>;

async function started(host: Promise<Host>, signal: AbortSignal): Promise<Host> {
  const waited = AbortSignal.any([signal, AbortSignal.timeout(storeOpenWaitMs)]);
  const { promise, reject } = Promise.withResolvers<never>();
  const refuse = (): void => reject(new FairleadError('STARTING', 'the agent is still starting'));
  waited.addEventListener('abort', refuse, { once: true });
  try {
    return await Promise.race([host, promise]);
  } finally {
    waited.removeEventListener('abort', refuse);
  }
}

type Handlers<Names extends keyof PluginHandlers> = Pick<PluginHandlers, Names>;

function networkHandlers(
  ready: Ready,
  scope: PluginScope,
): Handlers<
  | 'NetworkDriver.GwAllocCheck'
  | 'NetworkDriver.AllocateNetwork'
  | 'NetworkDriver.FreeNetwork'
  | 'NetworkDriver.CreateNetwork'
  | 'NetworkDriver.DeleteNetwork'
  | 'NetworkDriver.DiscoverNew'
  | 'NetworkDriver.DiscoverDelete'
> {
  return {
    'NetworkDriver.GwAllocCheck': async () => ({ SkipIPv4: false, SkipIPv6: false }),
    'NetworkDriver.AllocateNetwork': async (request, signal) => {
      if (scope === 'global') {
        const { operations } = await ready(signal);
        await operations.allocateNetwork(
          {
            id: request.NetworkID,
            options: request.Options,
            subnets: [...request.IPv4Data, ...request.IPv6Data].map(describeSubnet),
          },
          signal,
        );
      }
      // its nodes get what the user gave
      return { Options: {} };
    },
    'NetworkDriver.FreeNetwork': async ({ NetworkID }, signal) => {
      if (scope === 'global') await (await ready(signal)).operations.freeNetwork(NetworkID, signal);
      return {};
    },
    'NetworkDriver.CreateNetwork': async (request, signal) => {
      const { operations } = await ready(signal);
      await operations.createNetwork(
        {
          id: request.NetworkID,
          internal: request.Options['com.docker.network.internal'],
          options: request.Options['com.docker.network.generic'],
          subnets: [...request.IPv4Data, ...request.IPv6Data].map(describeSubnet),
          ofSwarm: scope === 'global' && isSwarmNetwork(request.NetworkID),
        },
        signal,
      );
      return {};
    },
    'NetworkDriver.DeleteNetwork': async ({ NetworkID }, signal) => {
      const { operations } = await ready(signal);
      await operations.deleteNetwork(NetworkID, signal);
      return {};
    },
    // nodes of a swarm are hosts of our cluster, which knows them itself
    'NetworkDriver.DiscoverNew': async () => ({}),
    'NetworkDriver.DiscoverDelete': async () => ({}),
  };
}

function endpointHandlers(
  ready: Ready,
): Handlers<
  | 'NetworkDriver.CreateEndpoint'
  | 'NetworkDriver.EndpointOperInfo'
  | 'NetworkDriver.DeleteEndpoint'
  | 'NetworkDriver.Join'
  | 'NetworkDriver.Leave'
> {
  return {
    'NetworkDriver.CreateEndpoint': async (request, signal) => {
      const { operations } = await ready(signal);
      const endpoint = await operations.createEndpoint(
        {
          networkId: request.NetworkID,
          endpointId: request.EndpointID,
          ipv4: request.Interface.Address,
          ipv6: request.Interface.AddressIPv6,
          mac: request.Interface.MacAddress,
        },
        signal,
      );
      // only what was empty may be filled in
      return { Interface: endpoint.macDerived ? { MacAddress: endpoint.mac } : {} };
    },
    'NetworkDriver.EndpointOperInfo': async () => ({ Value: {} }),
    'NetworkDriver.DeleteEndpoint': async ({ NetworkID, EndpointID }, signal) => {
      const { operations } = await ready(signal);
      await operations.deleteEndpoint(NetworkID, EndpointID, signal);
      return {};
    },
    'NetworkDriver.Join': async ({ NetworkID, EndpointID, SandboxKey }, signal) => {
      const { operations } = await ready(signal);
      const joined = await operations.join(NetworkID, EndpointID, SandboxKey, signal);
      const { port, gateways } = joined;
      const name = {
        InterfaceName: { SrcName: port.containerLink, DstPrefix: interfacePrefix },
      };
      // no gateway: Docker then gives its own way out, and none to an internal network
      if (gateways === undefined) return name;
      return {
        ...name,
        ...(gateways.ipv4 === undefined ? {} : { Gateway: gateways.ipv4 }),
        ...(gateways.ipv6 === undefined ? {} : { GatewayIPv6: gateways.ipv6 }),
        // no second way out beside ours
        DisableGatewayService: true,
      };
    },
    'NetworkDriver.Leave': async ({ NetworkID, EndpointID }, signal) => {
      const { operations } = await ready(signal);
      await operations.leave(NetworkID, EndpointID, signal);
      return {};
    },
  };
}

/** The endpoint is its container's way out, or is it no more: ports are published by it, and by no other. */
function publishHandlers(
  ready: Ready,
): Handlers<
  'NetworkDriver.ProgramExternalConnectivity' | 'NetworkDriver.RevokeExternalConnectivity'
> {
  return {
    'NetworkDriver.ProgramExternalConnectivity': async (request, signal) => {
      const { operations } = await ready(signal);
      const ports = request.Options[portMapOption].map(describePort);
      await operations.publish(
        { networkId: request.NetworkID, endpointId: request.EndpointID, ports },
        signal,
      );
      return {};
    },
    'NetworkDriver.RevokeExternalConnectivity': async ({ NetworkID, EndpointID }, signal) => {
      const { operations } = await ready(signal);
      await operations.unpublish(NetworkID, EndpointID, signal);
      return {};
    },
  };
}

function ipamHandlers(
  ready: Ready,
  scope: PluginScope,
): Handlers<
  | 'IpamDriver.RequestPool'
  | 'IpamDriver.ReleasePool'
  | 'IpamDriver.RequestAddress'
  | 'IpamDriver.ReleaseAddress'
> {
  return {
    'IpamDriver.RequestPool': async (request, signal) => {
      const { operations } = await ready(signal);
      const { poolId, cidr } = await operations.requestPool(
        {
          space: spaceOf(request.AddressSpace, scope),
          pool: request.Pool,
          subPool: request.SubPool,
          options: request.Options,
          v6: request.V6,
        },
        signal,
      );
      return { PoolID: poolId, Pool: cidr, Data: {} };
    },
    'IpamDriver.ReleasePool': async ({ PoolID }, signal) => {
      const { operations } = await ready(signal);
      await operations.releasePool(PoolID, signal);
      return {};
    },
    'IpamDriver.RequestAddress': async ({ PoolID, Address, Options }, signal) => {
      const { operations } = await ready(signal);
      const gateway = Options[requestType] === gatewayRequest;
      const { address } = await operations.requestAddress(
        { poolId: PoolID, address: Address, gateway },
        signal,
      );
      return { Address: address, Data: {} };
    },
    'IpamDriver.ReleaseAddress': async ({ PoolID, Address }, signal) => {
      const { operations } = await ready(signal);
      await operations.releaseAddress(PoolID, Address, signal);
      return {};
    },
  };
}

/** In a swarm, managers ask in the global space, and nodes again in the local one. */
function spaceOf(space: string, scope: PluginScope): string {
  if (space !== '' && space !== localSpace) return space;
  return scope === 'global' ? nodeSpace : localSpace;
}

type PortBinding =
  CallRequest<'NetworkDriver.ProgramExternalConnectivity'>['Options'][typeof portMapOption][number];

const describePort = ({
  Proto,
  Port,
  HostIP,
  HostPort,
  HostPortEnd,
}: PortBinding): PortRequest => ({
  protocol: Proto,
  port: Port,
  hostAddress: HostIP,
  first: HostPort ?? 0,
  last: HostPortEnd ?? 0,
});

type IpamData = CallRequest<'NetworkDriver.CreateNetwork'>['IPv4Data'][number];

function describeSubnet(data: IpamData): RequestedSubnet {
  return {
    addressSpace: data.AddressSpace,
    pool: data.Pool,
    gateway: data.Gateway === '' ? undefined : data.Gateway,
    auxiliary: data.AuxAddresses,
  };
}
