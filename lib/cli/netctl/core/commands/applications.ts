/** What stands before groups: services, application profiles, external contracts. */
import { usageError, type CommandRow, type Input, type Tools } from '../command.ts';
import { sliceText } from '../go-text.ts';
import { tenantOf, writeJson } from '../run.ts';
import {
  cells,
  items,
  jsonFlag,
  allFlag,
  listFlags,
  quietFlag,
  tenantFlag,
  textFlag,
  textsFlag,
  tooMany,
} from './shared.ts';

const ownKey = (input: Input) => [tenantOf(input), input.word(0)];
const oneProfile = { words: 1, otherwise: 'Profile name required' } as const;
const oneContracts = { words: 1, otherwise: 'Contracts group name required' } as const;
const groupFlag = textFlag(['group', 'g'], 'groups of the profile, with commas between');
/** Without a default of its own; nothing means the tenant `default`. */
const serviceTenantFlag = textFlag(['tenant', 't'], 'tenant it belongs to');

const profileObject = (input: Input) => ({
  tenantName: tenantOf(input),
  appProfileName: input.word(0),
  endpointGroups: input.text('group') === '' ? [] : input.text('group').split(','),
});

/** Commands of the family `app-profile`. */
export const appProfileCommands: readonly CommandRow[] = [
  {
    family: 'app-profile',
    name: 'create',
    usage: 'make an application profile',
    words: '[app-profile]',
    flags: [tenantFlag, groupFlag],
    takes: oneProfile,
    action: {
      does: 'create',
      kind: 'appProfile',
      object: profileObject,
      after: (input) => `Creating AppProfile ${ownKey(input).join(':')}\n`,
    },
  },
  {
    family: 'app-profile',
    name: 'update',
    usage: 'replace the groups of an application profile',
    words: '[app-profile]',
    flags: [tenantFlag, groupFlag],
    takes: oneProfile,
    action: { does: 'create', kind: 'appProfile', object: profileObject },
  },
  {
    family: 'app-profile',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove an application profile',
    words: '[app-profile]',
    flags: [tenantFlag],
    takes: oneProfile,
    action: { does: 'remove', kind: 'appProfile', key: ownKey },
  },
  {
    family: 'app-profile',
    name: 'ls',
    aliases: ['list'],
    usage: 'show application profiles',
    words: ' ',
    flags: listFlags,
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'appProfile',
      ofTenant: true,
      quiet: 'appProfileName',
      table: {
        heads: 'Tenant\tAppProfile\tGroups\n------\t----------\t------\n',
        row: (profile) =>
          [
            cells(profile, 'tenantName', 'appProfileName'),
            items(profile, 'endpointGroups').join(','),
          ].join('\t'),
      },
    },
  },
  {
    family: 'app-profile',
    name: 'group-ls',
    aliases: ['group-list'],
    usage: 'show the groups of an application profile',
    words: '[app-profile]',
    flags: listFlags,
    takes: oneProfile,
    action: { does: 'run', run: listProfileGroups },
  },
];

/** The groups end without a line end, as in Contiv. */
async function listProfileGroups(tools: Tools): Promise<void> {
  const { input, writeOut } = tools;
  const netmaster = await tools.netmaster();
  const profile = await netmaster.get('appProfile', ownKey(input));
  if (input.isOn('json')) writeJson(tools, profile);
  else writeOut(items(profile, 'endpointGroups').join(','));
}

/** Commands of the family `external-contracts`. */
export const contractCommands: readonly CommandRow[] = [
  {
    family: 'external-contracts',
    name: 'ls',
    aliases: ['list'],
    usage: 'show external contracts',
    flags: [quietFlag, allFlag, jsonFlag, tenantFlag],
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'extContractsGroup',
      ofTenant: true,
      quiet: 'contractsGroupName',
      table: {
        heads: 'Tenant\tName\t\tType\t\tContracts\n------\t------\t\t------\t\t-------\n',
        row: (contracts) =>
          `${cells(contracts, 'tenantName', 'contractsGroupName')}\t\t${cells(contracts, 'contractsType')}\t${sliceText(items(contracts, 'contracts'))}`,
      },
    },
  },
  {
    family: 'external-contracts',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove external contracts',
    flags: [tenantFlag],
    takes: oneContracts,
    action: {
      does: 'remove',
      kind: 'extContractsGroup',
      key: ownKey,
      before: (input) =>
        `Deleting external contracts group ${input.word(0)} in tenant ${tenantOf(input)}\n`,
    },
  },
  {
    family: 'external-contracts',
    name: 'create',
    usage: 'make external contracts',
    flags: [
      tenantFlag,
      { names: ['consumed', 'c'], type: 'switch', usage: 'contracts that are consumed' },
      { names: ['provided', 'p'], type: 'switch', usage: 'contracts that are provided' },
      textsFlag(['contract', 'a'], 'name of a contract'),
    ],
    takes: oneContracts,
    check(input) {
      const [provided, consumed] = [input.isOn('provided'), input.isOn('consumed')];
      if (provided && consumed) {
        throw usageError('Cannot use both provided and consumed', 'no help');
      }
      if (!provided && !consumed) {
        throw usageError('Either provided or consumed must be specified', 'no help');
      }
      if (input.texts('contract').length === 0) {
        throw usageError('Contracts not provided', 'no help');
      }
    },
    action: {
      does: 'create',
      kind: 'extContractsGroup',
      object: (input) => ({
        tenantName: tenantOf(input),
        contractsGroupName: input.word(0),
        contractsType: input.isOn('provided') ? 'provided' : 'consumed',
        contracts: input.texts('contract'),
      }),
      after: (input) => `Creating ExternalContracts ${ownKey(input).join(':')}\n`,
    },
  },
];

/** Commands of the family `service`. */
export const serviceCommands: readonly CommandRow[] = [
  {
    family: 'service',
    name: 'ls',
    aliases: ['list'],
    usage: 'show services',
    words: ' ',
    flags: listFlags,
    action: {
      does: 'list',
      kind: 'serviceLB',
      ofTenant: true,
      quiet: 'serviceName',
      table: {
        heads: 'ServiceName\tTenant\tNetwork\tSelectors\n---------\t--------\t-------\t-------\n',
        row: (service) =>
          `${cells(service, 'serviceName', 'tenantName', 'networkName')}\t${sliceText(items(service, 'selectors'))}\t`,
      },
    },
  },
  {
    family: 'service',
    name: 'inspect',
    usage: 'show all about a service, as JSON',
    words: '[servicename]',
    flags: [tenantFlag],
    takes: { words: 1, otherwise: 'Service group name required' },
    action: { does: 'inspect', kind: 'serviceLB', key: ownKey },
  },
  {
    family: 'service',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove a service',
    words: '[servicename]',
    flags: [serviceTenantFlag],
    takes: { words: 1, otherwise: 'Service name required' },
    action: {
      does: 'remove',
      kind: 'serviceLB',
      key: ownKey,
      before: (input) => `Deleting Service  ${input.word(0)},${tenantOf(input)}\n`,
    },
  },
  {
    family: 'service',
    name: 'create',
    usage: 'make or replace a service',
    words: '[servicename]',
    flags: [
      serviceTenantFlag,
      textFlag(['network', 's'], 'network that its address is of'),
      textsFlag(['selector', 'l'], 'label that its containers have: KEY=VALUE'),
      textsFlag(['port', 'p'], 'port of the service, port of the container, protocol: 80:8080:TCP'),
      textFlag(['preferred-ip', 'ip'], 'address that it should get'),
    ],
    takes: { words: 1, otherwise: 'Service name required' },
    action: {
      does: 'create',
      kind: 'serviceLB',
      object: (input) => ({
        tenantName: tenantOf(input),
        serviceName: input.word(0),
        networkName: input.text('network'),
        ipAddress: input.text('preferred-ip'),
        selectors: input.texts('selector'),
        ports: input.texts('port'),
      }),
      after: (input) => `Creating ServiceLB ${ownKey(input).join(':')}\n`,
    },
  },
];
