/** Help pages in the form of the library that Contiv's netctl was built with. */
import type { CommandRow, FamilyRow } from './command.ts';
import type { FlagRow } from './flag-set.ts';
import {
  commandTable,
  families,
  globalFlags,
  helpCommand,
  helpFlag,
  versionFlag,
} from './table.ts';
import { helpLayout, tabulate } from './tabwriter.ts';

/** Help of the program. */
export function programHelp(versionLines: string): string {
  const own = commandTable.filter(({ family }) => family === undefined);
  return tabulate(
    `NAME:
   netctl - Contiv's command line, for Fairlead

USAGE:
   netctl [global options] command [command options] [arguments...]
   
VERSION:
   
${versionLines}
   
COMMANDS:
   ${listed([...own, ...families, helpCommand])}
GLOBAL OPTIONS:
   ${described([...globalFlags, helpFlag, versionFlag])}
`,
    helpLayout,
  );
}

/** Help of a family. */
export function familyHelp({ name, usage }: FamilyRow): string {
  const commands = commandTable.filter(({ family }) => family === name);
  return tabulate(
    `NAME:
   netctl ${name} - ${usage}

USAGE:
   netctl ${name} command [command options] [arguments...]

COMMANDS:
   ${listed([...commands, helpCommand])}
OPTIONS:
   ${described([helpFlag])}
`,
    helpLayout,
  );
}

/** Help of a command or, as one of a list, of a family. */
export function commandHelp(row: CommandRow | FamilyRow, path: string): string {
  const { flags = [], words = '[arguments...]' } = row;
  const options = flags.length === 0 ? '' : `\n\nOPTIONS:\n   ${described(flags)}`;
  return tabulate(
    `NAME:
   ${path} - ${row.usage}

USAGE:
   ${path}${flags.length === 0 ? '' : ' [command options]'} ${words}${options}
`,
    helpLayout,
  );
}

/** Its names with the alias behind them. */
export function namesOf({ name, aliases = [] }: CommandRow | FamilyRow): string {
  return [name, ...aliases].join(', ');
}

function listed(rows: readonly (CommandRow | FamilyRow)[]): string {
  return rows.map((row) => `${namesOf(row)}\t${row.usage}\n   `).join('');
}

function described(flags: readonly FlagRow[]): string {
  return flags.map((flag) => `${flagText(flag)}\t${flag.usage}${variableText(flag)}\n   `).join('');
}

/** A flag with its names and its value: `--tenant, -t "default"`. */
export function flagText({ names, type, initial }: FlagRow): string {
  const dashed = names.map((name) => `${name.length === 1 ? '-' : '--'}${name}`);
  const shown = dashed.join(', ');
  switch (type) {
    case 'switch':
      return shown;
    case 'texts':
      return `${shown} [${dashed[0]} option ${dashed[0]} option]`;
    case 'number':
      return `${shown} "${initial ?? 0}"`;
    case 'text':
      return initial === undefined ? `${shown} ` : `${shown} "${initial}"`;
  }
}

function variableText({ variable }: FlagRow): string {
  return variable === undefined ? '' : ` [$${variable}]`;
}
