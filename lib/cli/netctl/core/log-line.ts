/**
 * Lines on standard error as logrus wrote them for Contiv: `time=… level=error msg=…` in a file or pipe,
 * coloured with the seconds since the start on a terminal.
 */
import { quoted } from './go-text.ts';

/** When a line is written and what reads it. */
export interface LogMoment {
  /** Local time with its offset, RFC 3339 in whole seconds. */
  readonly time: string;
  /** Whole seconds since the program began. */
  readonly sinceStartSeconds: number;
  readonly isTerminal: boolean;
}

/** An error as one line, with its end. */
export function errorLogLine(message: string, moment: LogMoment): string {
  if (moment.isTerminal) {
    const seconds = String(moment.sinceStartSeconds).padStart(4, '0');
    return `\u001b[31mERRO\u001b[0m[${seconds}] ${message.padEnd(44)} \n`;
  }
  return `time=${value(moment.time)} level=error msg=${value(message)}\n`;
}

/** Plain where every character is a letter, a digit, a dash or a dot. */
function value(text: string): string {
  return /^[A-Za-z0-9.-]*$/.test(text) ? text : quoted(text);
}
