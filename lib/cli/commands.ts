/**
 * The commands as data: name, one line for lists, help text, options, and what running them means. The
 * parser, `--help`, and whatever lists commands read this table.
 */
import { clusterCommands } from './cluster-commands.ts';
import { readAgentOptions, agentOptionTable, type AgentOptions } from './agent-options.ts';
import {
  readOptions,
  rowsOf,
  type OperandRow,
  type OptionRow,
  type OptionSources,
} from './option.ts';
import type { CommandSet } from './parser.ts';
import { describeVersion, versionOptionTable } from './version-text.ts';

/** What commands do besides writing text; given by the program's entry point. */
export interface Actions {
  /** Runs the agent until it is told to stop. */
  agent(options: AgentOptions): Promise<void>;
}

/** What a command gets to work with. */
export interface CommandContext {
  readonly sources: OptionSources;
  readonly actions: Actions;
  /** Writes data, whole lines, to standard output. */
  readonly writeOut: (text: string) => void;
}

/** One command. */
export interface CommandRow {
  /** Its words; those before the last are a group of `commandSet`. */
  readonly name: string;
  readonly summary: string;
  /** Paragraphs for its own help, below the options. */
  readonly notes: string;
  readonly operands?: readonly OperandRow[];
  readonly options: readonly OptionRow<unknown>[];
  /** Refuses with a `FairleadError`, the text of which the user sees. Answers the exit code, if it is
   *  not 0. */
  run(context: CommandContext): Promise<number | void>;
}

/** Commands that are no part of a group. */
const ownCommands: readonly CommandRow[] = [
  {
    name: 'agent',
    summary: "answer Docker's plugin calls and keep Open vSwitch in step; runs until stopped",
    notes: `Each option is also an environment variable; a flag wins over it. systemd may hand over the plugin
socket (LISTEN_FDS); --plugin-socket is then not used.

The agent starts without Open vSwitch or Docker and carries on when they appear. Exit code 2 means
that an option is wrong and nothing was started.

Examples:
  fairlead agent
  fairlead agent --datapath netdev --log-level debug
  FAIRLEAD_IPV4_POOLS=10.200.0.0/16:24 fairlead agent`,
    options: rowsOf(agentOptionTable),
    run: ({ sources, actions }) => actions.agent(readAgentOptions(sources)),
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
];

/** Every command, in the order of help, and their groups. */
export const commandSet: CommandSet = {
  commands: [...ownCommands, ...clusterCommands],
  groups: [
    { name: 'cluster', summary: 'make hosts one cluster, see how it does, save and recover it' },
    {
      name: 'snapshot',
      summary: 'save the state of the cluster to a file, look into one, restore it',
    },
  ],
};
