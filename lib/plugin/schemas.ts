/**
 * Docker's requests as engines 20.10 to 29 send them. Strict where we read: a known field of another
 * type is refused. Tolerant where we do not: fields added by newer engines pass. As in Go, null and
 * absent are the same.
 */
import { z } from 'zod';

/** null, absent and the empty value are one for Go. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const options = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => value ?? {});
const textMap = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});
const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);

/** 64 hex digits from the engine itself, 25 base-36 digits from swarm. */
export const networkId = z
  .string()
  .regex(/^[0-9a-z]{1,64}$/, 'is not an id of a network (1 to 64 of 0-9 and a-z)');
export const endpointId = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'is not an id of an endpoint (64 hex digits)');
const poolId = z.string().min(1, 'is empty').max(512, 'is too long');

const ipamData = z.object({
  AddressSpace: text,
  Pool: z.string().min(1, 'is empty'),
  Gateway: text,
  AuxAddresses: textMap,
});

/** The request of each call, by its path without the slash. */
export const requestSchemas = {
  'NetworkDriver.GwAllocCheck': z.object({ Options: options }),
  'NetworkDriver.AllocateNetwork': z.object({
    NetworkID: networkId,
    Options: textMap,
    IPv4Data: listOf(ipamData),
    IPv6Data: listOf(ipamData),
  }),
  'NetworkDriver.FreeNetwork': z.object({ NetworkID: networkId }),
  'NetworkDriver.CreateNetwork': z.object({
    NetworkID: networkId,
    Options: options,
    IPv4Data: listOf(ipamData),
    IPv6Data: listOf(ipamData),
  }),
  'NetworkDriver.DeleteNetwork': z.object({ NetworkID: networkId }),
  'NetworkDriver.CreateEndpoint': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
    Interface: z
      .object({ Address: text, AddressIPv6: text, MacAddress: text })
      .nullish()
      .transform((value) => value ?? { Address: '', AddressIPv6: '', MacAddress: '' }),
    Options: options,
  }),
  'NetworkDriver.EndpointOperInfo': z.object({ NetworkID: networkId, EndpointID: endpointId }),
  'NetworkDriver.DeleteEndpoint': z.object({ NetworkID: networkId, EndpointID: endpointId }),
  'NetworkDriver.Join': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
    SandboxKey: z.string().min(1, 'is empty').max(4096, 'is too long'),
    Options: options,
  }),
  'NetworkDriver.Leave': z.object({ NetworkID: networkId, EndpointID: endpointId }),
  'NetworkDriver.DiscoverNew': z.object({ DiscoveryType: z.int(), DiscoveryData: z.unknown() }),
  'NetworkDriver.DiscoverDelete': z.object({ DiscoveryType: z.int(), DiscoveryData: z.unknown() }),
  'NetworkDriver.ProgramExternalConnectivity': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
    Options: options,
  }),
  'NetworkDriver.RevokeExternalConnectivity': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
  }),
  'IpamDriver.RequestPool': z.object({
    AddressSpace: text,
    Pool: text,
    SubPool: text,
    Options: textMap,
    V6: flag,
  }),
  'IpamDriver.ReleasePool': z.object({ PoolID: poolId }),
  'IpamDriver.RequestAddress': z.object({ PoolID: poolId, Address: text, Options: textMap }),
  'IpamDriver.ReleaseAddress': z.object({ PoolID: poolId, Address: text }),
} as const;

/** Calls that come with content. */
export type CallName = keyof typeof requestSchemas;
/** A parsed request. */
export type CallRequest<Name extends CallName> = z.output<(typeof requestSchemas)[Name]>;

/** The options of a CreateNetwork call that we read. */
export const networkOptionsSchema = z.object({
  'com.docker.network.internal': flag,
  'com.docker.network.generic': textMap,
});
