/** Every command of netctl, in the order of help: parser, help and documents are made from this. */
import type { CommandRow, FamilyRow } from './command.ts';
import { appProfileCommands, contractCommands, serviceCommands } from './commands/applications.ts';
import { endpointCommands, groupCommands, netprofileCommands } from './commands/groups.ts';
import { ownCommands } from './commands/own.ts';
import { policyCommands } from './commands/policies.ts';
import { aciCommands, bgpCommands, globalCommands } from './commands/site.ts';
import { networkCommands, tenantCommands } from './commands/tenants.ts';
import type { FlagRow } from './flag-set.ts';

/** The server when nothing else is said, and no agent runs here. */
export const serverDefault = 'http://netmaster:9999';

/** Flags in front of the command. */
export const globalFlags: readonly FlagRow[] = [
  {
    names: ['netmaster'],
    type: 'text',
    initial: serverDefault,
    variable: 'NETMASTER',
    usage: 'URL of the server; without it the agent of this host, where one runs',
  },
  {
    names: ['insecure'],
    type: 'switch',
    variable: 'INSECURE',
    usage: 'take any certificate',
  },
];

/** `-h`, which everything takes. */
export const helpFlag: FlagRow = { names: ['help', 'h'], type: 'switch', usage: 'show help' };
/** `-v`, which only the program takes. */
export const versionFlag: FlagRow = {
  names: ['version', 'v'],
  type: 'switch',
  usage: 'print the version',
};

/** Words that several commands share. */
export const families: readonly FamilyRow[] = [
  { name: 'group', usage: 'endpoint groups: containers that policies are about' },
  { name: 'endpoint', aliases: ['ep'], usage: 'endpoints: containers on networks' },
  { name: 'netprofile', usage: 'network profiles: bandwidth and DSCP of groups' },
  { name: 'network', aliases: ['net'], usage: 'networks' },
  { name: 'tenant', usage: 'tenants: names and addresses of their own' },
  { name: 'policy', usage: 'policies and their rules' },
  { name: 'external-contracts', usage: 'external contracts of ACI' },
  { name: 'global', usage: 'settings of the site' },
  { name: 'aci-gw', usage: 'settings of the ACI gateway' },
  { name: 'bgp', usage: 'BGP settings of hosts' },
  { name: 'app-profile', usage: 'application profiles' },
  { name: 'service', usage: 'services: one address for many containers' },
];

const familyCommands: readonly CommandRow[] = [
  ...groupCommands,
  ...endpointCommands,
  ...netprofileCommands,
  ...networkCommands,
  ...tenantCommands,
  ...policyCommands,
  ...contractCommands,
  ...globalCommands,
  ...aciCommands,
  ...bgpCommands,
  ...appProfileCommands,
  ...serviceCommands,
];

/** Every command with what it does; `help`, which each level has, is not among them. */
export const commandTable: readonly CommandRow[] = [...ownCommands, ...familyCommands];

/** `help`, as each level lists it. */
export const helpCommand: CommandRow = {
  name: 'help',
  aliases: ['h'],
  usage: 'list the commands, or show help of one',
  words: '[command]',
  flags: [],
  action: { does: 'help' },
};
