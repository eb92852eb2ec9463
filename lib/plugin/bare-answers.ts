/** What is answered to calls that need nothing: the same by an agent, and by a plugin that only hands calls on. */
import { globalSpace, localSpace } from '../network/ipam/space.ts';
import type { BareCall, PluginHandlers } from './handlers.ts';

/** Whether engines take our networks for their own, or for those of a whole swarm. */
export const pluginScopes = ['local', 'global'] as const;
export type PluginScope = (typeof pluginScopes)[number];

/** The answers by the name of the call. */
export const bareAnswers = (scope: PluginScope): Pick<PluginHandlers, BareCall> => ({
  'Plugin.Activate': async () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }),
  'Plugin.Deactivate': async () => ({}),
  'NetworkDriver.GetCapabilities': async () => ({
    Scope: scope,
    ConnectivityScope: scope,
    GwAllocChecker: false,
  }),
  // we remember what we gave, so nothing has to be replayed; MACs come from addresses
  'IpamDriver.GetCapabilities': async () => ({
    RequiresMACAddress: false,
    RequiresRequestReplay: false,
  }),
  'IpamDriver.GetDefaultAddressSpaces': async () => ({
    LocalDefaultAddressSpace: localSpace,
    GlobalDefaultAddressSpace: globalSpace,
  }),
});
