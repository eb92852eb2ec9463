/**
 * The one door to commander: makes its parser from the command table and its complaints into our errors.
 * It writes nothing and ends nothing by itself. commander's own defaults and environment support stay
 * unused, because each value has to know where it came from.
 */
import { Argument, Command, CommanderError, Option } from 'commander';
import { FairleadError } from '../errors.ts';
import type { CommandGroup, CommandRow, CommandSet } from './command.ts';
import { variableOf, type OptionRow } from './option.ts';

/** What an argument list asks for. */
export type Invocation =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'command';
      readonly command: CommandRow;
      readonly flags: Readonly<Record<string, string | undefined>>;
      readonly operands: Readonly<Record<string, string | undefined>>;
    };

/** How help is laid out, and what `--version` says. */
export interface ParserOptions {
  readonly columns: number;
  readonly versionText: string;
}

/**
 * Finds out what an argument list asks for, without doing it.
 * @throws USAGE
 */
export function parseArguments(
  { commands, groups }: CommandSet,
  args: readonly string[],
  options: ParserOptions,
): Invocation {
  let text = '';
  let invocation: Invocation | undefined;
  const output = {
    writeOut: (part: string) => void (text += part),
    writeErr: () => undefined,
    getOutHelpWidth: () => options.columns,
    getErrHelpWidth: () => options.columns,
  };
  const program = new Command('fairlead')
    .description('Networks for containers on Docker hosts, made of Open vSwitch.')
    .usage('COMMAND [options]')
    .configureOutput(output)
    .exitOverride()
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help of a command')
    .version(options.versionText, '-V, --version', 'show the version');
  for (const row of commands) {
    const words = row.name.split(' ');
    const name = words.pop() ?? '';
    const family = words.reduce((parent, word) => familyOf(parent, word, groups), program);
    const command = commandOf(row, name).action((...given: unknown[]) => {
      const flags = given[row.operands?.length ?? 0] as Flags;
      const operands = Object.fromEntries(
        (row.operands ?? []).map((operand, at) => [operand.name, given[at] as string | undefined]),
      );
      invocation = { kind: 'command', command: row, flags: byFlag(row, flags), operands };
    });
    family.addCommand(command.copyInheritedSettings(family));
  }
  try {
    program.parse(isFamily(args, commands) ? [...args, '--help'] : args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw complaintOf(error, args, commands);
  }
  return invocation ?? { kind: 'text', text };
}

/** What commander says of a command's flags. */
type Flags = Record<string, string | true | undefined>;

/** The command that stands for the first word of several; alone it prints what they are. */
function familyOf(parent: Command, word: string, groups: readonly CommandGroup[]): Command {
  const existing = parent.commands.find((command) => command.name() === word);
  if (existing !== undefined) return existing;
  const summary = groups.find(({ name }) => name === word)?.summary ?? '';
  const family = new Command(word)
    .description(`${upperFirst(summary)}.`)
    .summary(summary)
    .usage('COMMAND [options]')
    .copyInheritedSettings(parent)
    .helpCommand('help [command]', 'show help of a command');
  parent.addCommand(family);
  return family;
}

function commandOf(row: CommandRow, name: string): Command {
  const operands = row.operands ?? [];
  const usage = operands.map((operand) => (operand.optional ? `[${operand.name}]` : operand.name));
  const command = new Command(name)
    .description(`${upperFirst(row.summary)}.`)
    .summary(row.summary)
    .usage([...usage, ...(row.options.length === 0 ? [] : ['[options]'])].join(' '));
  for (const { name: operand, summary, optional } of operands) {
    command.addArgument(new Argument(optional ? `[${operand}]` : `<${operand}>`, summary));
  }
  for (const option of row.options) command.addOption(parserOption(option));
  if (row.notes !== '') command.addHelpText('after', `\n${row.notes}`);
  return command;
}

function parserOption(row: OptionRow<unknown>): Option {
  const option = new Option(flagText(row), help(row));
  if (row.isRepeatable !== true) return option;
  return option.argParser((text, before: string | undefined) =>
    before === undefined ? text : `${before}\n${text}`,
  );
}

function flagText({ flag, short, placeholder }: OptionRow<unknown>): string {
  const value = placeholder === undefined ? '' : ` <${placeholder}>`;
  return `${short === undefined ? '' : `-${short}, `}--${flag}${value}`;
}

function help(row: OptionRow<unknown>): string {
  const variable = variableOf(row);
  const hint = variable === undefined ? '' : ` [${variable}]`;
  return `${row.summary} (default: ${row.defaultShown})${hint}`;
}

/** commander names values in camel case; we name them by their flag. */
function byFlag(row: CommandRow, flags: Flags): Record<string, string | undefined> {
  return Object.fromEntries(
    row.options.map((option) => {
      const value = flags[new Option(flagText(option)).attributeName()];
      return [option.flag, value === true ? 'true' : value];
    }),
  );
}

function complaintOf(
  error: CommanderError,
  args: readonly string[],
  commands: readonly CommandRow[],
): FairleadError {
  // a help page for nothing we have is the one complaint that commander has no words for
  const message =
    error.code === 'commander.help' ? `unknown command '${args.at(-1) ?? ''}'` : error.message;
  const [tail = '', similar] = /\n\(Did you mean (.+)\?\)$/.exec(message) ?? [];
  const page = `fairlead ${pageOf(args, commands)}--help`;
  return new FairleadError(
    'USAGE',
    printable(message.slice(0, message.length - tail.length).replace(/^error: /, '')),
    {
      fix: similar === undefined ? `see ${page}` : `did you mean ${similar}? see ${page}`,
      cause: error,
    },
  );
}

/** True for the beginning of several commands and nothing else: nothing at all, or a group. */
function isFamily(args: readonly string[], commands: readonly CommandRow[]): boolean {
  const words = args.map((word) => `${word} `).join('');
  return commands.some(({ name }) => name.startsWith(words));
}

/** The longest beginning of what was typed that has a help page, with a space behind it. */
function pageOf(args: readonly string[], commands: readonly CommandRow[]): string {
  for (let words = args.length; words > 0; words -= 1) {
    const typed = args.slice(0, words).join(' ');
    const known = commands.some(({ name }) => name === typed || name.startsWith(`${typed} `));
    if (known) return `${typed} `;
  }
  return '';
}

/** What was typed comes back in a message: it must not break the line or drive a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?').slice(0, 300);
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
