/**
 * What answers each call, in Docker's words on both sides: the calls with content get it parsed, all
 * give back the JSON of a success. Refusals are thrown as `FairleadError`.
 */
import { callInstantMs, callSlowMs, callStoreMs } from '../limits.ts';
import type { CallName, CallRequest } from './schemas.ts';

/** Calls that come without content. */
export const bareCalls = [
  'Plugin.Activate',
  'Plugin.Deactivate',
  'NetworkDriver.GetCapabilities',
  'IpamDriver.GetCapabilities',
  'IpamDriver.GetDefaultAddressSpaces',
] as const;
export type BareCall = (typeof bareCalls)[number];

/** One method per call; the signal is aborted when the call's time is over. */
export type PluginHandlers = {
  readonly [Name in CallName]: (request: CallRequest<Name>, signal: AbortSignal) => Promise<object>;
} & { readonly [Name in BareCall]: () => Promise<object> };

/** Calls that may have to wait for Open vSwitch. */
const slowCalls: ReadonlySet<string> = new Set<CallName>([
  'NetworkDriver.CreateNetwork',
  'NetworkDriver.CreateEndpoint',
  'NetworkDriver.Join',
  'NetworkDriver.ProgramExternalConnectivity',
]);
const bare: ReadonlySet<string> = new Set(bareCalls);

/** The answer bound of a call, ms. */
export function callBoundMs(name: CallName | BareCall): number {
  if (bare.has(name)) return callInstantMs;
  return slowCalls.has(name) ? callSlowMs : callStoreMs;
}
