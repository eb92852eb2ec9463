/** Tenants and their networks. */
import { usageError, type CommandRow, type Input } from '../command.ts';
import { tenantOf } from '../run.ts';
import {
  cells,
  count,
  isAddress,
  jsonFlag,
  listFlags,
  numberFlag,
  quietFlag,
  tenantFlag,
  textFlag,
  tooMany,
} from './shared.ts';

const oneTenant = { words: 1, otherwise: 'Tenant name required' } as const;
const oneNetwork = { words: 1, otherwise: 'Network name required' } as const;
const tenantKey = (input: Input) => [input.word(0)];
const networkKey = (input: Input) => [tenantOf(input), input.word(0)];

/** Commands of the family `network`. */
export const networkCommands: readonly CommandRow[] = [
  {
    family: 'network',
    name: 'ls',
    aliases: ['list'],
    usage: 'show networks',
    words: ' ',
    flags: listFlags,
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'network',
      ofTenant: true,
      quiet: 'networkName',
      table: {
        // the last head ends with a space, as in Contiv's table
        heads: `Tenant\tNetwork\tNw Type\tEncap type\tPacket tag\tSubnet\tGateway\tIPv6Subnet\tIPv6Gateway\tCfgd Tag \n------\t-------\t-------\t----------\t----------\t-------\t------\t----------\t-----------\t---------\n`,
        row: (network) =>
          [
            cells(network, 'tenantName', 'networkName', 'nwType', 'encap'),
            count(network, 'pktTag'),
            cells(network, 'subnet', 'gateway', 'ipv6Subnet', 'ipv6Gateway', 'cfgdTag'),
          ].join('\t'),
      },
    },
  },
  {
    family: 'network',
    name: 'inspect',
    usage: 'show all about a network, as JSON',
    words: '[network]',
    flags: [tenantFlag],
    takes: oneNetwork,
    action: { does: 'inspect', kind: 'network', key: networkKey },
  },
  {
    family: 'network',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove a network',
    words: '[network]',
    flags: [tenantFlag],
    takes: oneNetwork,
    action: {
      does: 'remove',
      kind: 'network',
      key: networkKey,
      before: (input) => `Deleting network ${networkKey(input).join(':')}\n`,
    },
  },
  {
    family: 'network',
    name: 'create',
    usage: 'make a network',
    words: '[network]',
    flags: [
      tenantFlag,
      textFlag(['nw-type', 'n'], 'data, or infra for the hosts themselves', 'data'),
      textFlag(['encap', 'e'], 'vlan or vxlan', 'vxlan'),
      numberFlag(['pkt-tag', 'p'], 'VLAN id or VNI; 0 leaves the choice to the server'),
      textFlag(['subnet', 's'], 'addresses: A.B.C.D/LEN or a range A.B.C.D-A.B.C.E/LEN; required'),
      textFlag(['gateway', 'g'], 'address of the gateway'),
      textFlag(['subnetv6', 's6'], 'IPv6 addresses: ADDRESS/LEN'),
      textFlag(['gatewayv6', 'g6'], 'IPv6 address of the gateway'),
      textFlag(['nw-tag', 'tag'], 'name by which containers ask for the network'),
    ],
    takes: oneNetwork,
    check(input) {
      const [gateway, gatewayV6] = [input.text('gateway'), input.text('gatewayv6')];
      if (input.text('subnet') === '') throw usageError('Subnet is required', 'help');
      if (gateway !== '' && !isAddress(gateway)) {
        throw usageError('Invalid gateway - Enter in A.B.C.D format', 'help');
      }
      if (gatewayV6 !== '' && !isAddress(gatewayV6)) {
        throw usageError('Invalid IPv6 gateway ', 'help');
      }
    },
    action: {
      does: 'create',
      kind: 'network',
      object: (input) => ({
        tenantName: tenantOf(input),
        networkName: input.word(0),
        encap: input.text('encap'),
        subnet: input.text('subnet'),
        gateway: input.text('gateway'),
        ipv6Subnet: input.text('subnetv6'),
        ipv6Gateway: input.text('gatewayv6'),
        pktTag: input.number('pkt-tag'),
        nwType: input.text('nw-type'),
        cfgdTag: input.text('nw-tag'),
      }),
      after: (input) => `Creating network ${networkKey(input).join(':')}\n`,
    },
  },
];

/** Commands of the family `tenant`. */
export const tenantCommands: readonly CommandRow[] = [
  {
    family: 'tenant',
    name: 'ls',
    aliases: ['list'],
    usage: 'show tenants',
    words: ' ',
    flags: [quietFlag, jsonFlag],
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'tenant',
      ofTenant: false,
      quiet: 'tenantName',
      table: {
        heads: 'Name\t\n------\t\n',
        row: (tenant) => `${cells(tenant, 'tenantName')}\t`,
      },
    },
  },
  {
    family: 'tenant',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove a tenant that has nothing in it',
    words: '[tenant]',
    flags: [],
    takes: oneTenant,
    action: {
      does: 'remove',
      kind: 'tenant',
      key: tenantKey,
      before: (input) => `Deleting tenant ${input.word(0)}\n`,
    },
  },
  {
    family: 'tenant',
    name: 'create',
    usage: 'make a tenant',
    words: '[tenant]',
    flags: [],
    takes: oneTenant,
    action: {
      does: 'create',
      kind: 'tenant',
      object: (input) => ({ tenantName: input.word(0) }),
      after: (input) => `Creating tenant: ${input.word(0)}\n`,
    },
  },
  {
    family: 'tenant',
    name: 'inspect',
    usage: 'show all about a tenant, as JSON',
    words: '[tenant]',
    flags: [],
    takes: oneTenant,
    action: { does: 'inspect', kind: 'tenant', key: tenantKey },
  },
];
