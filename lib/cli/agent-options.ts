/**
 * The options of `fairlead agent`: what each is, its default and why. Values are checked one by one by
 * their readers, and here where two of them must fit together. Nothing is opened or created.
 */
import { posix } from 'node:path';
import { datapathChoices, type DatapathChoice } from '../datapath/datapath-type.ts';
import { FairleadError } from '../errors.ts';
import { linkMtuDefault, linkMtuMax, linkMtuMin, vxlanPortDefault } from '../limits.ts';
import type { Cidr } from '../ip/ip.ts';
import type { DefaultBlock } from '../network/ipam/block.ts';
import { apiListenTable, checkApiListen, type ApiListenOptions } from './api-listen.ts';
import { configOption } from './config-file.ts';
import { logTable, type LogOptionValues } from './log-options.ts';
import { readOptions, type OptionSources, type OptionTable } from './option.ts';
import type { StoreChoice } from '../store/open.ts';
import { readEndpoints, readStore } from './store-reading.ts';
import {
  readAddress,
  readDiscoveryFile,
  readHostBlock,
  readHostName,
  readLinkNames,
  readNameDomain,
  readOneOf,
  readPath,
  readPluginName,
  readPoolBlocks,
  readSocketPath,
  readUnixUrl,
  readWholeNumber,
} from './reading.ts';

/** What the agent was told, checked. All paths are absolute. */
export interface AgentOptions extends ApiListenOptions, LogOptionValues {
  /** The settings file; what it says is in the other options already. */
  readonly config: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly hostName: string;
  readonly store: StoreChoice;
  /** Contiv's way to say `store`. */
  readonly etcdEndpoints?: StoreChoice;
  readonly pluginName: string;
  readonly pluginSocket: string;
  /** What the engine is told that it takes our networks for. */
  readonly pluginScope: 'local' | 'global';
  /** Socket that managed plugins hand calls on to. */
  readonly managedSocket?: string;
  readonly apiSocket: string;
  /** Socket of ovsdb-server. */
  readonly ovsDbSocket: string;
  /** Socket of Docker's API. */
  readonly dockerSocket: string;
  readonly discoveryFile?: string;
  readonly datapath: DatapathChoice;
  /** Where pools come from when nobody asks for a subnet, in order of preference. */
  readonly ipv4Pools: readonly DefaultBlock[];
  readonly ipv6Pools: readonly DefaultBlock[];
  /** MTU of a container's link unless its network says otherwise. */
  readonly linkMtu: number;
  /** Address by which other hosts reach this one through VXLAN, canonical. */
  readonly vtepAddress?: string;
  /** UDP port of VXLAN, the same on all hosts. */
  readonly vxlanPort: number;
  /** NICs for VLAN networks: one, or several as one bond. */
  readonly uplinks?: readonly string[];
  /** Contiv's way to say `uplinks`. */
  readonly vlanUplinks?: readonly string[];
  /** Blocks that containers leave this host under; `none` for no way out. */
  readonly hostBlock: Cidr | 'none';
  readonly hostBlock6: Cidr | 'none';
  /** What inside names may end with; `none` for no answers to questions for names. */
  readonly nameDomain: string;
}

/**
 * 10.64.0.0 to 10.79.255.255 as 4096 networks, one for each VLAN tag of a bridge. Not Docker's own
 * 172.17-31 and 192.168, not swarm's 10.0 upwards, and outside what clouds and Kubernetes hand out
 * by default (10.0-10.52, 10.96-10.111, 10.128 and above). What the host routes already is left out
 * when a pool is chosen.
 */
export const ipv4PoolsDefault = '10.64.0.0/12:24';
/** One site prefix of the unique local range (RFC 4193), 65536 networks of the size hosts expect. */
export const ipv6PoolsDefault = 'fdfa:1ead:d0c::/48:64';

/**
 * Addresses that only this host sees, one for each tenant. Of the range that routers leave alone (RFC 3927), so
 * no site has routes to it, as many have to 100.64.0.0/10 (RFC 6598); beside what clouds keep for themselves in
 * it (169.254.169 and below 169.254.64). A link that numbers itself would try some of them, unlikely as it is.
 */
export const hostBlockDefault = '169.254.64.0/18';
/** Of the unique local range (RFC 4193). */
export const hostBlock6Default = 'fdfa:1ead:d0d::/64';

/** Nobody's in the public tree, and short. */
export const nameDomainDefault = 'fairlead';

/** The rows, in the order of help; a default may look at rows above it. */
export const agentOptionTable: OptionTable<AgentOptions> = {
  config: configOption,
  dataDir: {
    flag: 'data-dir',
    placeholder: 'DIR',
    summary: 'where state is kept; survives reboots',
    defaultShown: '/var/lib/fairlead',
    defaultText: '/var/lib/fairlead',
    read: readPath,
  },
  runDir: {
    flag: 'run-dir',
    placeholder: 'DIR',
    summary: 'where sockets and other things of this boot are kept',
    defaultShown: '/run/fairlead',
    defaultText: '/run/fairlead',
    read: readPath,
  },
  hostName: {
    flag: 'name',
    placeholder: 'HOST',
    summary: 'name of this host among others',
    defaultShown: "the machine's host name",
    defaultText: ({ hostName }) => hostName,
    read: readHostName,
  },
  store: {
    flag: 'store',
    placeholder: 'STORE',
    summary: 'embedded (our own, in DATA-DIR) or etcd://HOST:PORT,…/PREFIX',
    defaultShown: 'embedded',
    defaultText: 'embedded',
    read: readStore,
  },
  etcdEndpoints: {
    flag: 'etcd-endpoints',
    placeholder: 'URL,…',
    summary: "Contiv's way to name an etcd: http://HOST:PORT,…",
    defaultShown: 'none',
    defaultText: undefined,
    read: readEndpoints,
  },
  pluginName: {
    flag: 'plugin-name',
    placeholder: 'NAME',
    summary: "what follows 'docker network create -d'",
    defaultShown: 'fairlead',
    defaultText: 'fairlead',
    read: readPluginName,
  },
  pluginSocket: {
    flag: 'plugin-socket',
    placeholder: 'PATH',
    summary: "socket that Docker's calls come in by",
    defaultShown: '/run/docker/plugins/PLUGIN-NAME.sock',
    defaultText: ({ textOf }) => `/run/docker/plugins/${fileNameOf(textOf('plugin-name'))}.sock`,
    read: readSocketPath,
  },
  pluginScope: {
    flag: 'plugin-scope',
    placeholder: 'SCOPE',
    summary: 'local (networks are made on each host) or global (by a swarm; managed plugins only)',
    defaultShown: 'local',
    defaultText: 'local',
    read: readOneOf(['local', 'global']),
  },
  managedSocket: {
    flag: 'managed-socket',
    placeholder: 'PATH',
    summary: 'socket for managed plugins that hand calls on to this agent',
    defaultShown: 'none; by the installer /var/lib/fairlead/managed/plugin.sock',
    defaultText: undefined,
    read: readSocketPath,
  },
  apiSocket: {
    flag: 'api-socket',
    placeholder: 'PATH',
    summary: "socket of Fairlead's own API",
    defaultShown: 'RUN-DIR/api.sock',
    defaultText: ({ textOf }) => `${textOf('run-dir')}/api.sock`,
    read: readSocketPath,
  },
  ...apiListenTable,
  ovsDbSocket: {
    flag: 'ovs-db',
    placeholder: 'unix:PATH',
    summary: "socket of Open vSwitch's database",
    defaultShown: 'unix:/var/run/openvswitch/db.sock',
    defaultText: 'unix:/var/run/openvswitch/db.sock',
    read: readUnixUrl,
  },
  dockerSocket: {
    flag: 'docker-host',
    placeholder: 'unix:PATH',
    summary: "socket of Docker's API",
    defaultShown: 'unix:/var/run/docker.sock',
    defaultText: 'unix:/var/run/docker.sock',
    read: readUnixUrl,
  },
  discoveryFile: {
    flag: 'discovery-file',
    placeholder: 'PATH',
    summary: 'write a PLUGIN-NAME.spec or .json file that leads Docker to the plugin socket',
    defaultShown: 'none',
    defaultText: undefined,
    read: readDiscoveryFile,
  },
  datapath: {
    flag: 'datapath',
    placeholder: 'TYPE',
    summary: 'system (kernel), netdev (userspace) or auto (system where it works)',
    defaultShown: 'auto',
    defaultText: 'auto',
    read: readOneOf(datapathChoices),
  },
  ...logTable,
  ipv4Pools: {
    flag: 'ipv4-pools',
    placeholder: 'CIDR:SIZE,…',
    summary:
      'blocks that networks without --subnet are cut from, with the prefix length of a network',
    defaultShown: ipv4PoolsDefault,
    defaultText: ipv4PoolsDefault,
    read: readPoolBlocks(4),
  },
  ipv6Pools: {
    flag: 'ipv6-pools',
    placeholder: 'CIDR:SIZE,…',
    summary: 'the same for IPv6',
    defaultShown: ipv6PoolsDefault,
    defaultText: ipv6PoolsDefault,
    read: readPoolBlocks(6),
  },
  linkMtu: {
    flag: 'mtu',
    placeholder: 'BYTES',
    summary: "MTU of a container's link unless its network sets one",
    defaultShown: String(linkMtuDefault),
    defaultText: String(linkMtuDefault),
    read: readWholeNumber(linkMtuMin, linkMtuMax),
  },
  vtepAddress: {
    flag: 'vtep-ip',
    placeholder: 'ADDRESS',
    summary: 'address of this host by which others reach its containers through VXLAN',
    defaultShown:
      'one that the cluster reaches it by, or that it has on the link of its default route',
    defaultText: undefined,
    read: readAddress,
  },
  vxlanPort: {
    flag: 'vxlan-port',
    placeholder: 'PORT',
    summary: 'UDP port of VXLAN, the same on all hosts',
    defaultShown: String(vxlanPortDefault),
    defaultText: String(vxlanPortDefault),
    read: readWholeNumber(1, 65_535),
  },
  uplinks: {
    flag: 'uplinks',
    placeholder: 'NIC,…',
    summary: 'NICs for VLAN networks, several as one bond; none that the host itself uses',
    defaultShown: 'none',
    defaultText: undefined,
    read: readLinkNames,
  },
  vlanUplinks: {
    flag: 'vlan-uplinks',
    placeholder: 'NIC,…',
    summary: "Contiv's way to say --uplinks",
    defaultShown: 'none',
    defaultText: undefined,
    read: readLinkNames,
  },
  hostBlock: {
    flag: 'host-block',
    placeholder: 'CIDR',
    summary:
      "addresses between containers and this host's own address, seen by nobody else; none for no way out",
    defaultShown: hostBlockDefault,
    defaultText: hostBlockDefault,
    read: readHostBlock(4),
  },
  hostBlock6: {
    flag: 'host-block6',
    placeholder: 'CIDR',
    summary: 'the same for IPv6; used when this host has IPv6',
    defaultShown: hostBlock6Default,
    defaultText: hostBlock6Default,
    read: readHostBlock(6),
  },
  nameDomain: {
    flag: 'name-domain',
    placeholder: 'DOMAIN',
    summary:
      'domain of the names of containers, groups and services, the same on all hosts; none to answer no questions for them',
    defaultShown: nameDomainDefault,
    defaultText: nameDomainDefault,
    read: readNameDomain,
  },
};

/**
 * The agent's options from flags, environment and defaults.
 * @throws USAGE
 */
export function readAgentOptions(sources: OptionSources): AgentOptions {
  const options = withUplinks(withEndpoints(readOptions(agentOptionTable, sources)));
  checkSockets(options);
  checkApiListen(options);
  if (options.discoveryFile !== undefined) {
    checkDiscoveryFile(options.discoveryFile, fileNameOf(options.pluginName));
  }
  return options;
}

function checkSockets({ pluginSocket, managedSocket, apiSocket }: AgentOptions): void {
  const places = [
    ['--plugin-socket', pluginSocket],
    ['--managed-socket', managedSocket],
  ] as const;
  for (const [flag, path] of places) {
    if (path !== apiSocket) continue;
    throw new FairleadError('USAGE', `${flag} and --api-socket are both ${apiSocket}`, {
      fix: 'must be two paths',
    });
  }
  if (pluginSocket !== managedSocket) return;
  throw new FairleadError(
    'USAGE',
    `--plugin-socket and --managed-socket are both ${pluginSocket}`,
    {
      fix: 'must be two paths',
    },
  );
}

function withEndpoints(options: AgentOptions): AgentOptions {
  const { store, etcdEndpoints } = options;
  if (etcdEndpoints === undefined) return options;
  if (store.engine === 'embedded') return { ...options, store: etcdEndpoints };
  throw new FairleadError('USAGE', '--store and --etcd-endpoints both name an etcd', {
    fix: 'must be one of them',
  });
}

function withUplinks(options: AgentOptions): AgentOptions {
  const { uplinks, vlanUplinks } = options;
  if (vlanUplinks === undefined) return options;
  if (uplinks === undefined) return { ...options, uplinks: vlanUplinks };
  throw new FairleadError('USAGE', '--uplinks and --vlan-uplinks both name NICs', {
    fix: 'must be one of them',
  });
}

/** Docker takes a plugin's name from the file it found it by: another name would never be found. */
function checkDiscoveryFile(path: string, pluginFileName: string): void {
  const { base, name, ext } = posix.parse(path);
  if (name === pluginFileName) return;
  throw new FairleadError('USAGE', `--discovery-file ${JSON.stringify(base)}`, {
    fix: `must be named ${pluginFileName}${ext}, as the plugin is`,
  });
}

/** The name of a plugin's socket file: of `registry/site/fairlead:1.0`, `fairlead`. */
function fileNameOf(pluginName: string): string {
  const last = pluginName.slice(pluginName.lastIndexOf('/') + 1);
  return last.split(':', 1)[0] ?? last;
}
