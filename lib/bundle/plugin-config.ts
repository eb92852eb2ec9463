/**
 * `config.json` of a managed plugin (Docker's "Plugin Config Version 1"): what the engine starts, with what it may
 * do, and which variables `docker plugin set` takes. Nothing in it is the plugin's name: the operator gives that.
 */

/** Whether the plugin hands Docker's calls to the agent of the host, or is the agent itself. */
export type PluginWay = 'shim' | 'agent';

/** What a config is made of. */
export interface PluginConfigParts {
  readonly way: PluginWay;
  /** Version of the program inside. */
  readonly version: string;
  /** Tells this folder from others; the same in `rootfs`. */
  readonly folderId: string;
  /** Names of the variables that can be set, besides our own. */
  readonly variables: readonly string[];
}

/** Name of the socket; engines want at most 22 characters (`socketNameCharactersMax`). */
export const pluginSocketName = 'fairlead.sock';
/** Where engines look inside of a plugin. */
export const pluginSocketFolder = '/run/docker/plugins';
/** Where the program is in a plugin. */
export const pluginProgram = '/fairlead';
/** What a plugin is started by; engines list it, so that a plugin of ours is known by it under any name. */
export const pluginEntrypoint: readonly string[] = [pluginProgram, 'plugin', 'run'];
/** Where a shim finds the sockets of the host's agent. */
export const agentSocketFolder = '/run/fairlead';

const interfaceTypes = ['docker.networkdriver/1.0', 'docker.ipamdriver/1.0'];

interface Mount {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  readonly destination: string;
}

/** A folder stays the same when the sockets in it are made anew. */
const shimMounts: readonly Mount[] = [
  {
    name: 'agent',
    description: "folder of the host agent's --managed-socket",
    source: '/var/lib/fairlead/managed',
    destination: agentSocketFolder,
  },
];

const agentMounts: readonly Mount[] = [
  {
    name: 'state',
    description: 'folder for state; it survives upgrades of the plugin',
    source: '/var/lib/fairlead',
    destination: '/var/lib/fairlead',
  },
  {
    name: 'openvswitch',
    description: 'folder with the sockets of Open vSwitch',
    source: '/var/run/openvswitch',
    destination: '/var/run/openvswitch',
  },
  {
    name: 'docker',
    description: "socket of Docker's API",
    source: '/var/run/docker.sock',
    destination: '/var/run/docker.sock',
  },
];

/** Says what the engine is told that it takes our networks for. */
export const pluginScopeVariable = 'FAIRLEAD_PLUGIN_SCOPE';

/** Variables of the plugin itself, and their values when nobody sets them. */
const ownVariables: readonly (readonly [string, string, string])[] = [
  [pluginScopeVariable, 'global', 'global for swarm, local for engines in no swarm'],
  ['FAIRLEAD_LOG_LEVEL', 'info', 'least severe lines to log'],
];

/** There is no packet filter inside, so no way out by the host's address. */
const agentVariables: readonly (readonly [string, string, string])[] = [
  ['FAIRLEAD_HOST_BLOCK', 'none', 'needs iptables or nft, which a plugin does not have'],
  ['FAIRLEAD_HOST_BLOCK6', 'none', 'needs iptables or nft, which a plugin does not have'],
];

/** The file as an object. */
export function pluginConfig({ way, version, folderId, variables }: PluginConfigParts): object {
  const isShim = way === 'shim';
  const preset = [...ownVariables, ...(isShim ? [] : agentVariables)];
  const names = new Set(preset.map(([name]) => name));
  const env = [
    { name: 'FAIRLEAD_PLUGIN_WAY', description: 'what this plugin is', value: way },
    ...preset.map(([name, value, description]) => ({
      name,
      description,
      value,
      settable: ['value'],
    })),
    ...variables
      .filter((name) => !names.has(name))
      .map((name) => ({ name, description: '', value: '', settable: ['value'] })),
  ];
  return {
    description: isShim
      ? `Fairlead ${version}, by the agent of the host (${folderId})`
      : `Fairlead ${version} (${folderId})`,
    documentation: 'docs/managed-plugin.md of Fairlead',
    entrypoint: pluginEntrypoint,
    workdir: '/',
    interface: { types: interfaceTypes, socket: pluginSocketName },
    // links are made where the engine takes them from: in the host's network
    network: { type: isShim ? 'none' : 'host' },
    ipchost: false,
    pidhost: false,
    propagatedMount: '',
    mounts: (isShim ? shimMounts : agentMounts).map((mount) => ({
      ...mount,
      type: 'bind',
      options: ['rbind'],
      settable: ['source'],
    })),
    env,
    linux: {
      capabilities: isShim ? [] : ['CAP_NET_ADMIN'],
      allowAllDevices: false,
      devices: null,
    },
  };
}
