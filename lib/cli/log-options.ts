/** The options of logs. */
import { logFormats, logLevels, type LogFormat, type LogLevel } from '../log.ts';
import { parseSyslogTarget, type SyslogTarget } from '../runtime/syslog-target.ts';
import type { OptionTable } from './option.ts';
import { readOneOf, type Reading } from './reading.ts';

/** What was said about logs. */
export interface LogOptionValues {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** A server that gets the lines, too. */
  readonly syslog?: SyslogTarget;
}

/** The rows. */
export const logTable: OptionTable<LogOptionValues> = {
  logLevel: {
    flag: 'log-level',
    placeholder: 'LEVEL',
    summary: `least severe lines to log: ${logLevels.join(', ')}`,
    defaultShown: 'info',
    defaultText: 'info',
    read: readOneOf(logLevels),
  },
  logFormat: {
    flag: 'log-format',
    placeholder: 'FORMAT',
    summary: `form of log lines: ${logFormats.join(', ')}`,
    defaultShown: 'json, on a terminal pretty',
    defaultText: ({ stdoutIsTty }) => (stdoutIsTty ? 'pretty' : 'json'),
    read: readOneOf(logFormats),
  },
  syslog: {
    flag: 'syslog',
    placeholder: 'URL',
    summary:
      'syslog server that gets the lines, too (RFC 5424): udp://HOST:PORT, tcp://HOST:PORT, unix:PATH',
    defaultShown: 'none',
    defaultText: undefined,
    read: readSyslog,
  },
};

function readSyslog(text: string): Reading<SyslogTarget> {
  const value = parseSyslogTarget(text);
  return value === undefined
    ? { mustBe: 'udp://HOST:PORT, tcp://HOST:PORT or unix: and the absolute path of a socket' }
    : { value };
}
