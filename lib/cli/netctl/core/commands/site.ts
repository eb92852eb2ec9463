/** What concerns the whole site: global settings, the ACI gateway, BGP of hosts. */
import { usageError, type CommandRow, type Input, type Tools } from '../command.ts';
import {
  allFlag,
  cell,
  cells,
  isAddress,
  isInterface,
  jsonFlag,
  quietFlag,
  tenantFlag,
  textFlag,
  tooMany,
} from './shared.ts';

const oneHost = { words: 1, otherwise: 'Host name required' } as const;
const hostKey = (input: Input) => [input.word(0)];

/** Commands of the family `global`. */
export const globalCommands: readonly CommandRow[] = [
  {
    family: 'global',
    name: 'info',
    usage: 'show the settings of the site',
    words: ' ',
    flags: [tenantFlag, allFlag, jsonFlag],
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'global',
      ofTenant: false,
      table: {
        heads: '',
        row: (global) =>
          [
            `Fabric mode: ${cell(global, 'networkInfraType')}`,
            `Forward mode: ${cell(global, 'fwdMode')}`,
            `ARP mode: ${cell(global, 'arpMode')}`,
            `Vlan Range: ${cell(global, 'vlans')}`,
            `Vxlan range: ${cell(global, 'vxlans')}`,
            `Private subnet: ${cell(global, 'pvtSubnet')}`,
          ].join('\n'),
      },
    },
  },
  {
    family: 'global',
    name: 'inspect',
    usage: 'show all about the site, as JSON',
    words: ' ',
    flags: [],
    takes: tooMany,
    action: { does: 'inspect', kind: 'global', key: () => ['global'] },
  },
  {
    family: 'global',
    name: 'set',
    usage: 'change settings of the site',
    words: ' ',
    flags: [
      textFlag(['fabric-mode', 'f'], 'default, aci or aci-opflex'),
      textFlag(['vlan-range', 'v'], 'VLAN ids that networks get: A-B'),
      textFlag(['vxlan-range', 'x'], 'VNIs that networks get: A-B'),
      textFlag(['fwd-mode', 'b'], 'bridge or routing'),
      textFlag(['arp-mode', 'a'], 'proxy or flood'),
      textFlag(['private-subnet', 's'], 'a /16 for access to hosts', '172.19.0.0/16'),
    ],
    action: { does: 'run', run: setGlobal },
  },
];

const globalFields = [
  ['fabric-mode', 'networkInfraType'],
  ['vlan-range', 'vlans'],
  ['vxlan-range', 'vxlans'],
  ['fwd-mode', 'fwdMode'],
  ['arp-mode', 'arpMode'],
  ['private-subnet', 'pvtSubnet'],
] as const;

/** What is not given stays as it is, also the subnet, which Contiv set back to its default each time. */
async function setGlobal({ input, ...tools }: Tools): Promise<void> {
  const netmaster = await tools.netmaster();
  const before = await netmaster.get('global', ['global']);
  const changes = globalFields
    .filter(([flag]) => input.isGiven(flag) && input.text(flag) !== '')
    .map(([flag, field]) => [field, input.text(flag)] as const);
  await netmaster.post('global', { ...before, ...Object.fromEntries(changes) });
}

/** Commands of the family `aci-gw`. */
export const aciCommands: readonly CommandRow[] = [
  {
    family: 'aci-gw',
    name: 'info',
    usage: 'show the settings of the ACI gateway',
    words: ' ',
    flags: [tenantFlag, allFlag, jsonFlag],
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'aciGw',
      ofTenant: false,
      table: {
        heads: '',
        row: (gateway) =>
          [
            `Path bindings: ${cell(gateway, 'pathBindings')}`,
            `Node bindings: ${cell(gateway, 'nodeBindings')}`,
            `Physical domain: ${cell(gateway, 'physicalDomain')}`,
            `Enforce policies: ${cell(gateway, 'enforcePolicies')}`,
            `Include Common-Tenant: ${cell(gateway, 'includeCommonTenant')}`,
          ].join('\n'),
      },
    },
  },
  {
    family: 'aci-gw',
    name: 'inspect',
    usage: 'show all about the ACI gateway, as JSON',
    words: ' ',
    flags: [],
    takes: tooMany,
    action: { does: 'inspect', kind: 'aciGw', key: () => ['aciGw'] },
  },
  {
    family: 'aci-gw',
    name: 'set',
    usage: 'replace the settings of the ACI gateway',
    words: ' ',
    flags: [
      textFlag(
        ['path-bindings', 'p'],
        'paths of the fabric: topology/pod-1/paths-101/pathep-[eth1/14],…',
      ),
      textFlag(['node-bindings', 'n'], 'nodes of the fabric: topology/pod-1/node-101,…'),
      textFlag(['phys-dom', 'd'], 'name of the physical domain'),
      textFlag(['enforce-policies', 'e'], 'yes or no', 'yes'),
      textFlag(['include-common-tenant', 'i'], 'yes or no', 'no'),
    ],
    action: {
      does: 'create',
      kind: 'aciGw',
      object: (input) => ({
        name: 'aciGw',
        enforcePolicies: input.text('enforce-policies'),
        includeCommonTenant: input.text('include-common-tenant'),
        nodeBindings: input.text('node-bindings'),
        pathBindings: input.text('path-bindings'),
        physicalDomain: input.text('phys-dom'),
      }),
    },
  },
];

/** Commands of the family `bgp`. */
export const bgpCommands: readonly CommandRow[] = [
  {
    family: 'bgp',
    name: 'ls',
    aliases: ['list'],
    usage: 'show the BGP settings of hosts',
    words: ' ',
    flags: [jsonFlag, quietFlag],
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'Bgp',
      ofTenant: false,
      quiet: 'hostname',
      table: {
        heads:
          'HostName\tRouterIP\tAS\tNeighbor\tNeighborAS\n---------\t--------\t-------\t--------\t-------\n',
        row: (host) => cells(host, 'hostname', 'routerip', 'as', 'neighbor', 'neighbor-as'),
      },
    },
  },
  {
    family: 'bgp',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove the BGP settings of a host',
    words: '[hostname]',
    flags: [],
    takes: oneHost,
    action: {
      does: 'remove',
      kind: 'Bgp',
      key: hostKey,
      before: (input) => `Deleting Bgp router config: ${input.word(0)}\n`,
    },
  },
  {
    family: 'bgp',
    name: 'create',
    usage: 'make the BGP settings of a host',
    words: '[hostname]',
    flags: [
      textFlag(['router-ip'], "the host's own address, with prefix length"),
      textFlag(['as'], 'its AS number'),
      textFlag(['neighbor-as'], 'AS number of the neighbor'),
      textFlag(['neighbor'], 'address of the neighbor'),
    ],
    takes: { words: 1, orMore: true, otherwise: 'Host name required' },
    check: checkBgp,
    action: {
      does: 'create',
      kind: 'Bgp',
      object: (input) => ({
        hostname: input.word(0),
        routerip: input.text('router-ip'),
        as: input.text('as'),
        'neighbor-as': input.text('neighbor-as'),
        neighbor: input.text('neighbor'),
      }),
    },
  },
  {
    family: 'bgp',
    name: 'inspect',
    usage: 'show all about BGP of a host, as JSON',
    words: '[hostname]',
    flags: [],
    takes: oneHost,
    action: { does: 'inspect', kind: 'Bgp', key: hostKey },
  },
];

function checkBgp(input: Input): void {
  if (!isInterface(input.text('router-ip'))) {
    throw usageError('Wrong CIDR format. Enter in x.x.x.x/len format', 'help');
  }
  if (!isAddress(input.text('neighbor'))) {
    throw usageError('Wrong IP format. Enter in x.x.x.x format', 'help');
  }
  if (input.text('as') === '' || input.text('neighbor-as') === '') {
    throw usageError('Missing attributes', 'help');
  }
}
