/**
 * The one door to commander: makes its parser from the command table and its complaints into our errors.
 * It writes nothing and ends nothing by itself. commander's own defaults and environment support stay
 * unused, because each value has to know where it came from.
 */
import { Command, CommanderError, Option } from 'commander';
import { FairleadError } from '../errors.ts';
import type { CommandRow } from './commands.ts';
import { environmentName, type OptionRow } from './option.ts';

/** What an argument list asks for. */
export type Invocation =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'command';
      readonly command: CommandRow;
      readonly flags: Readonly<Record<string, string | undefined>>;
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
  commands: readonly CommandRow[],
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
    program.addCommand(
      commandOf(row).action((flags: Record<string, string | undefined>) => {
        invocation = { kind: 'command', command: row, flags: byFlag(row, flags) };
      }),
    );
    program.commands.at(-1)?.copyInheritedSettings(program);
  }
  try {
    program.parse(args.length === 0 ? ['--help'] : args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw complaintOf(error, args, commands);
  }
  return invocation ?? { kind: 'text', text };
}

function commandOf(row: CommandRow): Command {
  const command = new Command(row.name)
    .description(`${upperFirst(row.summary)}.`)
    .summary(row.summary)
    .usage(row.options.length === 0 ? '' : '[options]');
  for (const option of row.options) command.addOption(new Option(flagText(option), help(option)));
  if (row.notes !== '') command.addHelpText('after', `\n${row.notes}`);
  return command;
}

function flagText({ flag, short, placeholder }: OptionRow<unknown>): string {
  return `${short === undefined ? '' : `-${short}, `}--${flag} <${placeholder}>`;
}

function help({ flag, summary, defaultShown }: OptionRow<unknown>): string {
  return `${summary} (default: ${defaultShown}) [${environmentName(flag)}]`;
}

/** commander names values in camel case; we name them by their flag. */
function byFlag(
  row: CommandRow,
  flags: Record<string, string | undefined>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    row.options.map((option) => [option.flag, flags[new Option(flagText(option)).attributeName()]]),
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
  const inCommand = commands.find(({ name }) => name === args[0]);
  const page = inCommand === undefined ? 'fairlead --help' : `fairlead ${inCommand.name} --help`;
  return new FairleadError(
    'USAGE',
    printable(message.slice(0, message.length - tail.length).replace(/^error: /, '')),
    {
      fix: similar === undefined ? `see ${page}` : `did you mean ${similar}? see ${page}`,
      cause: error,
    },
  );
}

/** What was typed comes back in a message: it must not break the line or drive a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?').slice(0, 300);
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
