/**
 * Docker's requests as engines 20.10 to 29 send them. Strict where we read: a known field of another
 * type is refused. Tolerant where we do not: fields added by newer engines pass. As in Go, null and
 * absent are the same.
 */
import { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { macFromBase64 } from '../ip/ip.ts';
import {
  networkPoolsMax,
  requestEntriesMax,
  requestPortsMax,
  requestTextCharactersMax,
} from '../limits.ts';

const anyText = z.string().max(requestTextCharactersMax, 'is too long');
/** null, absent and the empty value are one for Go. */
const text = anyText.nullish().transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const listOf = <T extends z.ZodType>(item: T, itemsMax: number) =>
  z
    .array(item)
    .max(itemsMax, `has more than ${itemsMax} entries`)
    .nullish()
    .transform((value) => value ?? []);
const textMap = z
  .record(anyText, anyText)
  .refine(
    (map) => Object.keys(map).length <= requestEntriesMax,
    `has more than ${requestEntriesMax} entries`,
  )
  .nullish()
  .transform((value) => value ?? {});
/** A map of options: those named have a known type, others are anybody's. */
const optionsWith = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess((value) => value ?? {}, z.looseObject(shape));

/** 64 hex digits from the engine itself, 25 base-36 digits from swarm. */
export const networkId = z
  .string()
  .regex(
    /^(?:[0-9a-f]{64}|[0-9a-z]{25})$/,
    'is not an id of a network (64 hex digits, or 25 of 0-9 and a-z)',
  );
export const endpointId = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'is not an id of an endpoint (64 hex digits)');
const poolId = z.string().min(1, 'is empty').max(512, 'is too long');

const ipamData = z.object({
  AddressSpace: text,
  Pool: anyText.min(1, 'is empty'),
  Gateway: text,
  AuxAddresses: textMap,
});
const ipamDataList = listOf(ipamData, networkPoolsMax);

const portNumber = z.int().min(0).max(65_535);
/** IP protocol: 6 TCP, 17 UDP, 132 SCTP. */
const protocol = z.int().min(0).max(255);
const exposedPort = z.object({ Proto: protocol, Port: portNumber });
const publishedPort = z.object({
  Proto: protocol,
  IP: text,
  Port: portNumber,
  HostIP: text,
  HostPort: portNumber.nullish(),
  HostPortEnd: portNumber.nullish(),
});

/** Docker puts the six bytes of a MAC in base64 here. */
const macInBase64 = z
  .string()
  .nullish()
  .superRefine((value, context) => {
    if (value === undefined || value === null || value === '') return;
    try {
      macFromBase64(value);
    } catch (thrown) {
      if (!(thrown instanceof FairleadError)) throw thrown;
      context.addIssue({ code: 'custom', message: thrown.message });
    }
  });

const networkOptions = optionsWith({
  'com.docker.network.generic': textMap,
  'com.docker.network.internal': flag,
  'com.docker.network.enable_ipv4': z.boolean().nullish(),
  'com.docker.network.enable_ipv6': flag,
});
const portOptions = {
  'com.docker.network.endpoint.exposedports': listOf(exposedPort, requestPortsMax),
  'com.docker.network.portmap': listOf(publishedPort, requestPortsMax),
} as const;
const containerOptions = optionsWith(portOptions);
const endpointOptions = optionsWith({
  ...portOptions,
  'com.docker.network.endpoint.dnsservers': listOf(anyText, requestEntriesMax),
  'com.docker.network.endpoint.macaddress': macInBase64,
});

/** News of a swarm; type 1 is about a node, the others concern drivers that encrypt. */
const discovery = z
  .object({ DiscoveryType: z.int().min(1), DiscoveryData: z.unknown() })
  .superRefine(({ DiscoveryType, DiscoveryData }, context) => {
    if (DiscoveryType !== 1) return;
    const node = z.object({ Address: text, BindAddress: text, Self: flag });
    for (const { path, message } of node.safeParse(DiscoveryData).error?.issues ?? []) {
      context.addIssue({ code: 'custom', path: ['DiscoveryData', ...path], message });
    }
  });

/** The request of each call, by its path without the slash. */
export const requestSchemas = {
  'NetworkDriver.GwAllocCheck': z.object({ Options: networkOptions }),
  'NetworkDriver.AllocateNetwork': z.object({
    NetworkID: networkId,
    Options: textMap,
    IPv4Data: ipamDataList,
    IPv6Data: ipamDataList,
  }),
  'NetworkDriver.FreeNetwork': z.object({ NetworkID: networkId }),
  'NetworkDriver.CreateNetwork': z.object({
    NetworkID: networkId,
    Options: networkOptions,
    IPv4Data: ipamDataList,
    IPv6Data: ipamDataList,
  }),
  'NetworkDriver.DeleteNetwork': z.object({ NetworkID: networkId }),
  'NetworkDriver.CreateEndpoint': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
    Interface: z
      .object({ Address: text, AddressIPv6: text, MacAddress: text })
      .nullish()
      .transform((value) => value ?? { Address: '', AddressIPv6: '', MacAddress: '' }),
    Options: endpointOptions,
  }),
  'NetworkDriver.EndpointOperInfo': z.object({ NetworkID: networkId, EndpointID: endpointId }),
  'NetworkDriver.DeleteEndpoint': z.object({ NetworkID: networkId, EndpointID: endpointId }),
  'NetworkDriver.Join': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
    SandboxKey: z.string().min(1, 'is empty').max(4096, 'is too long'),
    Options: containerOptions,
  }),
  'NetworkDriver.Leave': z.object({ NetworkID: networkId, EndpointID: endpointId }),
  'NetworkDriver.DiscoverNew': discovery,
  'NetworkDriver.DiscoverDelete': discovery,
  'NetworkDriver.ProgramExternalConnectivity': z.object({
    NetworkID: networkId,
    EndpointID: endpointId,
    Options: containerOptions,
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
