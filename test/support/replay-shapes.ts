/**
 * What an engine accepts as the answer of each call: the keys it reads, with the types it reads them
 * as. Stricter than an engine in that nothing else may be there.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { errorTable, type ErrorCode } from '../../lib/errors.ts';
import { bareCalls, type BareCall } from '../../lib/plugin/handlers.ts';
import { requestSchemas, type CallName } from '../../lib/plugin/schemas.ts';

const address = z.string().refine((text) => isIP(text) !== 0, 'is no address');
const cidr = z.string().refine((text) => {
  const [ip = '', length = '', more] = text.split('/');
  const bits = isIP(ip) === 4 ? 32 : 128;
  return isIP(ip) !== 0 && /^[0-9]+$/.test(length) && Number(length) <= bits && more === undefined;
}, 'is no address with length');
const mac = z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/);
const textMap = z.record(z.string(), z.string());
const scope = z.enum(['local', 'global']);
const nothing = z.strictObject({});
/** What the kernel takes as the name of a link. */
const linkName = z.string().regex(/^[^\s/]{1,15}$/);
const route = z.discriminatedUnion('RouteType', [
  z.strictObject({ Destination: cidr, RouteType: z.literal(0), NextHop: address }),
  z.strictObject({ Destination: cidr, RouteType: z.literal(1), NextHop: z.literal('').optional() }),
]);

/** The answer of each call that was not refused. */
export const answerShapes = {
  'Plugin.Activate': z.strictObject({
    Implements: z.array(z.enum(['NetworkDriver', 'IpamDriver'])).min(1),
  }),
  'Plugin.Deactivate': nothing,
  'NetworkDriver.GetCapabilities': z.strictObject({
    Scope: scope,
    ConnectivityScope: scope.optional(),
    GwAllocChecker: z.boolean().optional(),
  }),
  'NetworkDriver.GwAllocCheck': z.strictObject({
    SkipIPv4: z.boolean().optional(),
    SkipIPv6: z.boolean().optional(),
  }),
  'NetworkDriver.AllocateNetwork': z.strictObject({ Options: textMap.optional() }),
  'NetworkDriver.FreeNetwork': nothing,
  'NetworkDriver.CreateNetwork': nothing,
  'NetworkDriver.DeleteNetwork': nothing,
  'NetworkDriver.CreateEndpoint': z.strictObject({
    Interface: z
      .strictObject({
        Address: cidr.optional(),
        AddressIPv6: cidr.optional(),
        MacAddress: mac.optional(),
      })
      .optional(),
  }),
  'NetworkDriver.EndpointOperInfo': z.strictObject({
    Value: z.record(z.string(), z.unknown()).optional(),
  }),
  'NetworkDriver.DeleteEndpoint': nothing,
  'NetworkDriver.Join': z.strictObject({
    InterfaceName: z.strictObject({ SrcName: linkName, DstPrefix: linkName }),
    Gateway: address.optional(),
    GatewayIPv6: address.optional(),
    StaticRoutes: z.array(route).optional(),
    DisableGatewayService: z.boolean().optional(),
  }),
  'NetworkDriver.Leave': nothing,
  'NetworkDriver.DiscoverNew': nothing,
  'NetworkDriver.DiscoverDelete': nothing,
  'NetworkDriver.ProgramExternalConnectivity': nothing,
  'NetworkDriver.RevokeExternalConnectivity': nothing,
  'IpamDriver.GetCapabilities': z.strictObject({
    RequiresMACAddress: z.boolean().optional(),
    RequiresRequestReplay: z.boolean().optional(),
  }),
  'IpamDriver.GetDefaultAddressSpaces': z.strictObject({
    LocalDefaultAddressSpace: z.string().min(1),
    GlobalDefaultAddressSpace: z.string().min(1),
  }),
  'IpamDriver.RequestPool': z.strictObject({
    PoolID: z.string().min(1),
    Pool: cidr,
    Data: textMap.optional(),
  }),
  'IpamDriver.ReleasePool': nothing,
  'IpamDriver.RequestAddress': z.strictObject({ Address: cidr, Data: textMap.optional() }),
  'IpamDriver.ReleaseAddress': nothing,
} as const satisfies Record<CallName | BareCall, z.ZodType>;

/** Name of a call, without the slash. */
export type Call = keyof typeof answerShapes;
/** The answer of a call that was not refused. */
export type Answer<Name extends Call> = z.output<(typeof answerShapes)[Name]>;

/** True for a call of the protocol. */
export function isCall(name: string): name is Call {
  return Object.hasOwn(answerShapes, name);
}

/** True for a call that makes sense without content. */
export function isBare(call: Call): boolean {
  return (bareCalls as readonly string[]).includes(call) && !Object.hasOwn(requestSchemas, call);
}

/** Engines read `Err` of network calls and `Error` of IPAM calls. */
const refusalShape = z
  .strictObject({ Err: z.string().min(1), Error: z.string().min(1) })
  .refine(({ Err, Error }) => Err === Error, 'says two things');
const codeInMessage = /^[^\n]+ \(([A-Z_]+)\)(?:; fix: [^\n]+)?$/;

/**
 * The code of a refusal, or undefined when the answer is none.
 * @throws {Error} when it is one that an engine, or a person, could not read
 */
export function refusalIn(body: unknown): ErrorCode | undefined {
  if (typeof body !== 'object' || body === null) throw new Error('the answer is no object');
  if (!('Err' in body || 'Error' in body)) return undefined;
  const { Err: message } = refusalShape.parse(body);
  const code = codeInMessage.exec(message)?.[1] ?? '';
  if (!Object.hasOwn(errorTable, code)) throw new Error(`no code in "${message}"`);
  return code as ErrorCode;
}
