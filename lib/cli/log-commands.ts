/** `fairlead log …`: how much the agent of this host says, thin, through its API. */
import { logLevels, logParts, type LogLevel } from '../log.ts';
import type { SyslogFacts } from '../runtime/syslog.ts';
import { apiClient, type ApiRequest } from './api-client.ts';
import { outputOptions, type OutputOptions } from './cluster-options.ts';
import { columns } from './cluster-text.ts';
import type { CommandContext, CommandRow } from './command.ts';
import { readOptions, rowsOf } from './option.ts';

/** What the agent answers. */
interface LogAnswer {
  readonly level: LogLevel;
  readonly parts: readonly { readonly part: string; readonly level: LogLevel }[];
  readonly syslog: SyslogFacts | null;
}

/** The levels as a person reads them. */
export function logText({ parts, syslog }: LogAnswer): string {
  const rows = parts.map(({ part, level }) => [part, level]);
  const server =
    syslog === null
      ? ''
      : `${syslog.to}: ${syslog.sent} lines sent, ${syslog.waiting} waiting, ${syslog.dropped} lost\n`;
  return `${columns([['PART', 'LEVEL'], ...rows])}${server}`;
}

async function ask({ sources, writeOut }: CommandContext, asked: ApiRequest): Promise<void> {
  const { apiSocket, output } = readOptions<OutputOptions>(outputOptions, sources);
  const answer = (await apiClient(apiSocket).ask(asked)) as LogAnswer;
  writeOut(output === 'json' ? `${JSON.stringify(answer)}\n` : logText(answer));
}

/** The commands of the group, in the order of help. */
export const logCommands: readonly CommandRow[] = [
  {
    name: 'log show',
    summary: 'show how much each part of the agent says, and whether a syslog server gets it',
    notes: '',
    options: rowsOf(outputOptions),
    run: (context) => ask(context, { method: 'GET', path: '/v1/log' }),
  },
  {
    name: 'log level',
    summary: 'say less or more, from now until the agent starts again',
    notes: `Levels: ${logLevels.join(', ')}. Without PART all parts have the level, and none one of its own any more.
Parts: ${logParts.join(', ')}.

Examples:
  fairlead log level debug ovsdb
  fairlead log level info`,
    operands: [
      { name: 'LEVEL', summary: 'least severe lines to log' },
      { name: 'PART', summary: 'part of the agent', optional: true },
    ],
    options: rowsOf(outputOptions),
    run(context) {
      const { LEVEL: level, PART: part } = context.sources.operands;
      const body = { level, ...(part === undefined ? {} : { part }) };
      return ask(context, { method: 'PUT', path: '/v1/log/level', body });
    },
  },
];
