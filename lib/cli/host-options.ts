/** The agent's options as the host takes them. */
import type { HostOptions } from '../host/host.ts';
import type { AgentOptions } from './agent-options.ts';

/** What a host is told, by the options of an agent. */
export function hostOptions(options: AgentOptions, version: string): HostOptions {
  return {
    dataDirectory: options.dataDir,
    name: options.hostName,
    version,
    store: options.store,
    ovsdbPath: options.ovsDbSocket,
    dockerSocket: options.dockerSocket,
    pluginName: options.pluginName,
    datapath: options.datapath,
    poolDefaults: { v4: options.ipv4Pools, v6: options.ipv6Pools },
    mtuDefault: options.linkMtu,
    vtepAddress: options.vtepAddress,
    vxlanPort: options.vxlanPort,
    uplinks: options.uplinks ?? [],
    hostBlocks: [options.hostBlock, options.hostBlock6].filter((block) => block !== 'none'),
    nameDomain: options.nameDomain === 'none' ? undefined : options.nameDomain,
    runDirectory: options.runDir,
  };
}
