/** Endpoint groups, endpoints, and the network profiles of groups. */
import type { CommandRow, Input } from '../command.ts';
import { tenantOf } from '../run.ts';
import type { JsonObject } from '../shapes.ts';
import {
  cell,
  cells,
  count,
  items,
  listFlags,
  numberFlag,
  tenantFlag,
  textFlag,
  textsFlag,
  tooMany,
} from './shared.ts';

const oneGroup = { words: 1, otherwise: 'EndpointGroup name required' } as const;
const oneProfile = { words: 1, otherwise: 'Net profile name required' } as const;
const ownKey = (input: Input) => [tenantOf(input), input.word(0)];

/** Commands of the family `group`. */
export const groupCommands: readonly CommandRow[] = [
  {
    family: 'group',
    name: 'create',
    usage: 'make a group, or change its policies and profile',
    words: '[network] [group]',
    flags: [
      tenantFlag,
      textsFlag(['policy', 'p'], 'policy of the group'),
      textFlag(['networkprofile', 'n'], 'network profile of the group'),
      textsFlag(['external-contract', 'e'], 'external contracts of the group'),
      textFlag(['ip-pool', 'r'], 'addresses of its containers: A.B.C.D-A.B.C.E'),
      textFlag(['epg-tag', 'tag'], 'name by which containers ask for the group'),
    ],
    takes: { words: 2, otherwise: 'Network and group name required' },
    action: {
      does: 'create',
      kind: 'endpointGroup',
      object: (input) => ({
        tenantName: tenantOf(input),
        networkName: input.word(0),
        groupName: input.word(1),
        netProfile: input.text('networkprofile'),
        ipPool: input.text('ip-pool'),
        policies: input.texts('policy'),
        extContractsGrps: input.texts('external-contract'),
        cfgdTag: input.text('epg-tag'),
      }),
      after: (input) => `Creating EndpointGroup ${tenantOf(input)}:${input.word(1)}\n`,
    },
  },
  {
    family: 'group',
    name: 'inspect',
    usage: 'show all about a group, as JSON',
    words: '[group]',
    flags: [tenantFlag],
    takes: oneGroup,
    action: { does: 'inspect', kind: 'endpointGroup', key: ownKey },
  },
  {
    family: 'group',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove a group',
    words: '[group]',
    flags: [tenantFlag],
    takes: oneGroup,
    action: { does: 'remove', kind: 'endpointGroup', key: ownKey },
  },
  {
    family: 'group',
    name: 'ls',
    aliases: ['list'],
    usage: 'show groups',
    words: ' ',
    flags: listFlags,
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'endpointGroup',
      ofTenant: true,
      quiet: 'groupName',
      table: {
        heads:
          'Tenant\tGroup\tNetwork\tIP Pool\tCfgdTag\tPolicies\tNetwork profile\n------\t-----\t-------\t-------\t-------\t--------\t---------------\n',
        row: (group) =>
          [
            cells(group, 'tenantName', 'groupName', 'networkName', 'ipPool', 'cfgdTag'),
            items(group, 'policies').join(','),
            cell(group, 'netProfile'),
          ].join('\t'),
      },
    },
  },
];

/** Commands of the family `endpoint`. */
export const endpointCommands: readonly CommandRow[] = [
  {
    family: 'endpoint',
    name: 'inspect',
    usage: 'show all about an endpoint, as JSON',
    words: '[epid]',
    flags: [],
    takes: { words: 1, otherwise: 'Endpoint name required' },
    action: { does: 'inspect', kind: 'endpoint', key: (input) => [input.word(0)] },
  },
];

/** Commands of the family `netprofile`. */
export const netprofileCommands: readonly CommandRow[] = [
  {
    family: 'netprofile',
    name: 'create',
    usage: 'make or change a network profile',
    words: '[netprofile]',
    flags: [
      tenantFlag,
      textFlag(['bandwidth', 'b'], 'most that a container sends: 10 kbps, 100 mbps, 1gbps'),
      numberFlag(['dscp', 'd'], 'DSCP that its packets carry'),
      numberFlag(['burst', 's'], 'size of a burst, in kilobytes'),
    ],
    takes: oneProfile,
    action: {
      does: 'create',
      kind: 'netprofile',
      object: (input) => ({
        tenantName: tenantOf(input),
        profileName: input.word(0),
        bandwidth: input.text('bandwidth'),
        DSCP: input.number('dscp'),
        burst: input.number('burst'),
      }),
      after: (input) => `Creating netprofile ${ownKey(input).join(':')}\n`,
    },
  },
  {
    family: 'netprofile',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove a network profile',
    words: '[netprofile]',
    flags: [tenantFlag],
    takes: oneProfile,
    action: { does: 'remove', kind: 'netprofile', key: ownKey },
  },
  {
    family: 'netprofile',
    name: 'ls',
    aliases: ['list'],
    usage: 'show network profiles',
    words: ' ',
    flags: listFlags,
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'netprofile',
      ofTenant: true,
      quiet: 'profileName',
      table: {
        heads:
          'Name\tTenant\tBandwidth\tDSCP\tburst size\n------\t------\t---------\t--------\t----------\n',
        row: profileRow,
      },
    },
  },
  {
    family: 'netprofile',
    name: 'inspect',
    usage: 'show all about a network profile, as JSON',
    words: '[netprofile]',
    flags: [tenantFlag],
    takes: oneProfile,
    action: { does: 'inspect', kind: 'netprofile', key: ownKey },
  },
];

/** A profile without bandwidth has no burst either. */
function profileRow(profile: JsonObject): string {
  const bandwidth = cell(profile, 'bandwidth');
  return [
    cells(profile, 'profileName', 'tenantName'),
    bandwidthText(bandwidth),
    count(profile, 'DSCP'),
    ...(bandwidth === '' ? [] : [count(profile, 'burst')]),
  ].join('\t');
}

/** `10 kb` and `10Kbps` are the same, and shown the same. */
export function bandwidthText(bandwidth: string): string {
  const [digits = ''] = /[0-9]+/.exec(bandwidth) ?? [];
  if (/g/i.test(bandwidth)) return `${digits}Gbps`;
  if (/m/i.test(bandwidth)) return `${digits}Mbps`;
  return /k/i.test(bandwidth) ? `${digits}Kbps` : digits;
}
