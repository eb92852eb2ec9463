/**
 * Log lines: one JSON object per line on the given stream, for journald, or text for a person.
 * Fields: ts, level, node, part, msg, and facts named in `docs/logging.md`. pino without transports:
 * its worker threads do not survive in a single-file binary.
 */
import { writeSync } from 'node:fs';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { FairleadError } from './errors.ts';

/** Where a part of the program writes what it does. */
export type Logger = PinoLogger;
/** Levels, most severe first. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];
/** Forms of a log line. */
export const logFormats = ['json', 'pretty'] as const;
/** One of `logFormats`. */
export type LogFormat = (typeof logFormats)[number];

/** What a logger needs to know. `write` takes whole lines; the default is standard output. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly node: string;
  readonly write?: (line: string) => void;
}

/** Makes the root logger; parts of the program take `logger.child({ part })`. */
export function createLogger(options: LogOptions): Logger {
  const write = options.write ?? writeToStdout;
  const destination: DestinationStream = {
    write: options.format === 'pretty' ? (line) => write(prettyLine(line)) : write,
  };
  return pino(
    {
      level: options.level,
      base: { node: options.node },
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    destination,
  );
}

/** A logger that says nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

function serializeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return String(thrown);
  const known = thrown instanceof FairleadError;
  return {
    code: known ? thrown.code : undefined,
    message: thrown.message,
    detail: known ? thrown.detail : undefined,
    // an operating error is explained by its code; where a bug was thrown matters
    stack: known ? undefined : thrown.stack,
    cause: thrown.cause === undefined ? undefined : serializeError(thrown.cause),
  };
}

function writeToStdout(line: string): void {
  try {
    writeSync(1, line);
  } catch {
    // a reader that went away or a full pipe must not end the agent
  }
}

function prettyLine(line: string): string {
  const {
    ts,
    level,
    part,
    msg,
    node: _node,
    ...facts
  } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(facts)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
  return `${String(ts)} ${String(level).toUpperCase().padEnd(5)} ${typeof part === 'string' ? part : '-'}: ${String(msg)}${rest}\n`;
}
