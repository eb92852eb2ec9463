/**
 * From words to what is to be done: the program's flags, then a family or a command, then its flags and
 * words. What is not known is answered with "No help topic", which is no failure for Contiv's netctl.
 */
import type { CommandRow, FamilyRow, Input } from './command.ts';
import { inputOf } from './command.ts';
import { parseCommandFlags, parseFlags, type FlagRow, type Given } from './flag-set.ts';
import { commandHelp, familyHelp, programHelp } from './help.ts';
import {
  commandTable,
  families,
  globalFlags,
  helpCommand,
  helpFlag,
  versionFlag,
} from './table.ts';

/** What was asked for. */
export type Invocation =
  /** A text for standard output. */
  | { readonly kind: 'text'; readonly text: string }
  /** Flags that cannot be read: a line for the log, and the page that helps. */
  | { readonly kind: 'wrong'; readonly complaint: string; readonly page: string }
  | {
      readonly kind: 'command';
      readonly row: CommandRow;
      readonly input: Input;
      readonly wordCount: number;
      /** Help of this command. */
      readonly page: string;
    };

/** What was asked for, with the flags that stand in front of every command. */
export interface Reading {
  readonly invocation: Invocation;
  readonly global: Input;
  /** Whether the server was named, by flag or variable. */
  readonly isServerNamed: boolean;
}

/** Reads the words behind `netctl`. */
export function readInvocation(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  versionLines: string,
): Reading {
  const outcome = parseFlags([...globalFlags, helpFlag, versionFlag], args, environment);
  const page = programHelp(versionLines);
  if (!outcome.ok) {
    const empty: Given = { values: new Map(), named: new Set(), words: [] };
    const invocation = { kind: 'wrong', complaint: outcome.complaint, page } as const;
    return { invocation, global: inputOf(empty), isServerNamed: false };
  }
  const { given } = outcome;
  const global = inputOf(given);
  const isServerNamed = global.isGiven('netmaster') || (environment['NETMASTER'] ?? '') !== '';
  const read = (): Invocation => {
    if (global.isOn('help')) return text(page);
    if (global.isOn('version')) return text(`netctl version \n${versionLines}\n`);
    return readTopLevel(given.words, page);
  };
  return { invocation: read(), global, isServerNamed };
}

function readTopLevel(words: readonly string[], page: string): Invocation {
  const [word, ...rest] = words;
  if (word === undefined) return text(page);
  const own = commandTable.filter(({ family }) => family === undefined);
  const level = { path: 'netctl', page, rows: [...own, ...families, helpCommand] };
  const found = named(level.rows, word);
  if (found === undefined) return noTopic(word);
  return found.action === undefined ? readFamily(found, rest) : readCommand(found, rest, level);
}

function readFamily(family: FamilyRow, args: readonly string[]): Invocation {
  const page = familyHelp(family);
  const outcome = parseFlags([helpFlag], args);
  if (!outcome.ok) return { kind: 'wrong', complaint: outcome.complaint, page };
  const [word, ...rest] = outcome.given.words;
  if (outcome.given.values.get('help') === true || word === undefined) return text(page);
  const commands = commandTable.filter((row) => row.family === family.name);
  const level = { path: `netctl ${family.name}`, page, rows: [...commands, helpCommand] };
  const found = named(level.rows, word);
  return found === undefined ? noTopic(word) : readCommand(found, rest, level);
}

/** Commands that stand beside each other, and the page that lists them. */
interface Level<Row> {
  readonly path: string;
  readonly page: string;
  readonly rows: readonly Row[];
}

function readCommand(
  row: CommandRow,
  args: readonly string[],
  level: Level<CommandRow | FamilyRow>,
): Invocation {
  const flags: readonly FlagRow[] = [...row.flags, helpFlag];
  const page = commandHelp(row, `${level.path} ${row.name}`);
  const outcome = parseCommandFlags(flags, args);
  if (!outcome.ok) return { kind: 'wrong', complaint: outcome.complaint, page };
  const input = inputOf(outcome.given);
  if (input.isOn('help')) return text(page);
  const { words } = outcome.given;
  if (row.action.does === 'help') return helpOn(words[0], level);
  return { kind: 'command', row, input, wordCount: words.length, page };
}

function helpOn(word: string | undefined, level: Level<CommandRow | FamilyRow>): Invocation {
  if (word === undefined) return text(level.page);
  const found = named(level.rows, word);
  return found === undefined
    ? noTopic(word)
    : text(commandHelp(found, `${level.path} ${found.name}`));
}

function named<Row extends CommandRow | FamilyRow>(
  rows: readonly Row[],
  word: string,
): Row | undefined {
  return rows.find(({ name, aliases = [] }) => name === word || aliases.includes(word));
}

function noTopic(word: string): Invocation {
  return text(`No help topic for '${word}'\n`);
}

function text(line: string): Invocation {
  return { kind: 'text', text: line };
}
