/**
 * The commands as data: name, one line for lists, help text, options, and what running them means. The
 * parser, `--help`, and whatever lists commands read this table.
 */
import { FairleadError } from '../errors.ts';
import { bundleCommands } from './bundle-commands.ts';
import { completionCommand } from './completion-commands.ts';
import { clusterCommands } from './cluster-commands.ts';
import { withConfigFile } from './config-file.ts';
import { giveBackCommand } from './give-back-command.ts';
import { contivSettings } from './contiv-variables.ts';
import { ipamCommands } from './ipam-commands.ts';
import { logCommands } from './log-commands.ts';
import { nodeCommands } from './node-commands.ts';
import { manPage } from './man.ts';
import { nouns } from './objects/nouns.ts';
import { applyCommands, exportCommand } from './objects/apply-commands.ts';
import { pluginCommands } from './plugin-commands.ts';
import { policyCommands } from './policy-commands.ts';
import { objectCommands } from './objects/object-commands.ts';
import { readAgentOptions, agentOptionTable } from './agent-options.ts';
import { readOptions, rowsOf } from './option.ts';
import type { CommandRow, CommandSet } from './command.ts';
import { selfTest } from './self-test.ts';
import { statusCommand } from './status-command.ts';
import { describeVersion, versionOptionTable } from './version-text.ts';

/** Commands that are no part of a group. */
const ownCommands: readonly CommandRow[] = [
  {
    name: 'agent',
    summary: "answer Docker's plugin calls and keep Open vSwitch in step; runs until stopped",
    notes: `Each option is also an environment variable, and a line of --config; a flag wins over a variable, a
variable over the file. Variables of Contiv's daemons (CONTIV_…) mean what they meant where there is a counterpart;
a line of the log says so where there is none. systemd may hand over the plugin socket (LISTEN_FDS); --plugin-socket is then not
used.

The agent starts without Open vSwitch or Docker and carries on when they appear. Exit code 2 means
that an option is wrong and nothing was started.

Examples:
  fairlead agent
  fairlead agent --datapath netdev --log-level debug
  FAIRLEAD_IPV4_POOLS=10.200.0.0/16:24 fairlead agent`,
    options: rowsOf(agentOptionTable),
    run({ sources, actions }) {
      const contiv = contivSettings(sources.environment);
      const environment = { ...sources.environment, ...contiv.environment };
      const all = withConfigFile({ ...sources, environment }, rowsOf(agentOptionTable));
      return actions.agent(readAgentOptions(all), contiv.notes);
    },
  },
  {
    name: 'version',
    summary: 'print the version, the runtime and the commit it was built from',
    notes: '',
    options: rowsOf(versionOptionTable),
    async run({ sources, writeOut }) {
      const { output } = readOptions(versionOptionTable, sources);
      writeOut(describeVersion(output));
    },
  },
  {
    name: 'self-test',
    summary:
      'try whether this binary works on this machine; touches nothing but a folder in TMPDIR',
    notes: `Needs no agent, Docker or Open vSwitch. The installer asks a new binary before it replaces the old one.
Exit code 0 means that it works; otherwise one line says what is missing.`,
    options: [],
    async run({ writeOut }) {
      writeOut(await selfTest());
    },
  },
  {
    name: 'netctl',
    summary: "Contiv's command line, exact; see fairlead netctl --help",
    notes: `Whatever follows is read as Contiv's netctl reads it, with its output and its exit codes. A link named
netctl that leads to this binary is the same. docs/netctl.md has the commands, and says what differs.`,
    options: [],
    // the entry point answers before anything here is looked at, so that no flag is read twice
    run: () => Promise.reject(new FairleadError('USAGE', 'netctl is the first word or nothing')),
  },
];

const manCommand: CommandRow = {
  name: 'man',
  summary: 'print a man page',
  notes: `Examples:
  fairlead man | man -l -
  fairlead man network-create > /usr/local/share/man/man1/fairlead-network-create.1`,
  operands: [
    {
      name: 'PAGE',
      summary: 'words of a command with hyphens between them; all commands when there is none',
      optional: true,
    },
  ],
  options: [],
  async run({ sources, writeOut }) {
    writeOut(manPage(commandSet, sources.operands['PAGE']));
  },
};

/** Every command, in the order of help, and their groups. */
export const commandSet: CommandSet = {
  commands: [
    ...ownCommands,
    statusCommand,
    ...objectCommands,
    ...policyCommands,
    ...applyCommands,
    exportCommand,
    completionCommand,
    manCommand,
    ...clusterCommands,
    ...nodeCommands,
    ...ipamCommands,
    ...logCommands,
    ...bundleCommands,
    ...pluginCommands,
    giveBackCommand,
  ],
  groups: [
    ...nouns.map(({ name, summary }) => ({ name, summary })),
    { name: 'cluster', summary: 'make hosts one cluster, see how it does, save and recover it' },
    {
      name: 'snapshot',
      summary: 'save the state of the cluster to a file, look into one, restore it',
    },
    { name: 'ipam', summary: 'see whether all agree who has which address' },
    { name: 'log', summary: 'see and set how much the agent of this host says' },
    { name: 'node', summary: 'see the hosts that share networks, remove one that is gone' },
    { name: 'bundle', summary: 'take this release to hosts without a network' },
    { name: 'plugin', summary: 'Fairlead as a managed plugin of Docker, for swarm' },
  ],
};
