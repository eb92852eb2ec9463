/**
 * Log lines: one JSON object per line on the given stream, for journald, or text for a person.
 * Fields: ts, level, node, part, msg, and facts named in `docs/logging.md`. pino without transports:
 * its worker threads do not survive in a single-file binary. Each part has a level of its own, which can be changed
 * while it is in use.
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

/** The parts of the program that speak, each as `logger.child({ part })`. */
export const logParts = [
  'agent',
  'api',
  'boot',
  'checks',
  'containers',
  'denials',
  'docker',
  'flows',
  'infra',
  'listen',
  'log',
  'model',
  'names',
  'node',
  'openflow',
  'outside',
  'ovsdb',
  'peer',
  'plugin',
  'reconcile',
  'removals',
  'site',
  'store',
  'switch',
  'tenant',
  'uplinks',
] as const;
/** One of `logParts`. */
export type LogPart = (typeof logParts)[number];

/** What a logger needs to know. `write` takes whole lines; the default is standard output. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly node: string;
  readonly write?: (line: string) => void;
  /** Gets each line, too, as JSON in any case. Must return at once. */
  readonly copyTo?: ((line: string) => void) | undefined;
}

/** Levels that can be seen and changed while they are in use. */
export interface LogLevels {
  /** The level of parts that have none of their own. */
  readonly level: LogLevel;
  /** Levels of parts that have one of their own. */
  readonly ofParts: ReadonlyMap<LogPart, LogLevel>;
  /** Gives a part a level of its own; without a part, all of them the same. */
  set(level: LogLevel, part?: LogPart): void;
}

/** A root logger and the levels of its parts. */
export interface Logs {
  readonly root: Logger;
  readonly levels: LogLevels;
}

/** Makes the root logger; parts of the program take `root.child({ part })`. */
export function createLogs(options: LogOptions): Logs {
  const { write = writeToStdout, copyTo, format } = options;
  const destination: DestinationStream = {
    write(line) {
      write(format === 'pretty' ? prettyLine(line) : line);
      copyTo?.(line);
    },
  };
  const levels = new PartLevels(options.level);
  const root = pino(
    {
      level: options.level,
      base: { node: options.node },
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
      onChild: (child: Logger) => levels.adopt(child),
    },
    destination,
  );
  levels.adopt(root);
  return { root, levels };
}

/** Makes the root logger of a program whose levels stay as they are. */
export function createLogger(options: LogOptions): Logger {
  return createLogs(options).root;
}

/** Loggers have a level each; this finds those of a part, as long as somebody holds them. */
class PartLevels implements LogLevels {
  level: LogLevel;
  readonly ofParts = new Map<LogPart, LogLevel>();
  #loggers: { readonly part: LogPart | undefined; readonly held: WeakRef<Logger> }[] = [];
  /** How many may be there before those that are gone are looked for. */
  #room: number = logParts.length;

  constructor(level: LogLevel) {
    this.level = level;
  }

  adopt(logger: Logger): void {
    const said: unknown = logger.bindings()['part'];
    const part = logParts.find((each) => each === said);
    logger.level = this.#levelOf(part);
    if (this.#loggers.length >= this.#room) {
      this.#loggers = this.#loggers.filter(({ held }) => held.deref() !== undefined);
      this.#room = Math.max(this.#room, 2 * this.#loggers.length);
    }
    this.#loggers.push({ part, held: new WeakRef(logger) });
  }

  set(level: LogLevel, part?: LogPart): void {
    if (part === undefined) {
      this.level = level;
      this.ofParts.clear();
    } else this.ofParts.set(part, level);
    for (const { part: of, held } of this.#loggers) {
      const logger = held.deref();
      if (logger !== undefined) logger.level = this.#levelOf(of);
    }
  }

  #levelOf(part: LogPart | undefined): LogLevel {
    return (part === undefined ? undefined : this.ofParts.get(part)) ?? this.level;
  }
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
