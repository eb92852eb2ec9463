/** The log of a running agent: its lines, their levels, and where they go. */
import type { Clock } from '../clock.ts';
import { createLogs, type LogFormat, type LogLevel, type LogLevels, type Logger } from '../log.ts';
import type { SyslogTarget } from './syslog-target.ts';
import { Syslog, type SyslogFacts } from './syslog.ts';

/** What is wanted of a log. */
export interface LogWish {
  readonly hostName: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** A server that gets the lines, too. */
  readonly syslog?: SyslogTarget;
}

/** A log in use. */
export interface OpenLogs {
  readonly root: Logger;
  readonly levels: LogLevels;
  /** The server that gets lines, too, if there is one. */
  syslog(): SyslogFacts | undefined;
  /** Gives lines that are on their way a short while. */
  close(): Promise<void>;
}

/**
 * Opens it. Standard output gets every line at once, for the journal.
 * @param around `onTrouble` is told why lines do not arrive at the server, and with undefined that they do again
 */
export function openLogs(
  { hostName: node, logLevel: level, logFormat: format, syslog: target }: LogWish,
  around: { readonly clock: Clock; readonly onTrouble: (why: string | undefined) => void },
): OpenLogs {
  const server = target && new Syslog({ target, node, ...around });
  const copyTo = server && ((line: string) => server.write(line));
  return {
    ...createLogs({ level, format, node, copyTo }),
    syslog: () => server?.facts(),
    close: async () => server?.close(),
  };
}
