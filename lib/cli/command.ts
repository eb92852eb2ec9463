/** What a command is, and what it gets to work with. The commands themselves are in `commands.ts`. */
import type { AgentOptions } from './agent-options.ts';
import type { PluginOptions } from './plugin-options.ts';
import type { OperandRow, OptionRow, OptionSources } from './option.ts';

/** What commands do besides writing text; given by the program's entry point. */
export interface Actions {
  /** Runs the agent until it is told to stop; `notes` are for its log. */
  agent(options: AgentOptions, notes: readonly string[]): Promise<void>;
  /** Runs a managed plugin that hands calls on, until it is told to stop; `notes` are for its log. */
  plugin(options: PluginOptions, notes: readonly string[]): Promise<void>;
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

/** A family of commands that share their first word. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
}

/** The commands, and the families that some belong to. */
export interface CommandSet {
  readonly commands: readonly CommandRow[];
  readonly groups: readonly CommandGroup[];
}
