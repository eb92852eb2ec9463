/**
 * The command line from argument list to exit code. Everything is checked before anything runs; an
 * error is one line on standard error, and its code decides the exit code (`lib/errors.ts`).
 */
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { systemClock } from '../clock.ts';
import { asFairleadError, treatmentOf, type FairleadError } from '../errors.ts';
import { helpColumnsMax } from '../limits.ts';
import type { Actions } from './command.ts';
import { apiOptions } from './cluster-options.ts';
import { commandSet } from './commands.ts';
import { completionText, completionWord } from './completion.ts';
import { netctl } from './netctl/netctl.ts';
import { readOptions } from './option.ts';
import { parseArguments } from './parser.ts';
import { describeVersion } from './version-text.ts';

/** What the command line takes from the process around it. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostName: string;
  readonly stdoutIsTty: boolean;
  readonly stderrIsTty: boolean;
  /** The names that the program was called by: a link named `netctl` is netctl. */
  readonly calledAs: readonly string[];
  /** Width of the terminal; 80 when there is none. */
  readonly columns: number;
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
}

/** The process we are. */
export function processTerminal(): Terminal {
  return {
    environment: process.env,
    hostName: hostname(),
    stdoutIsTty: process.stdout.isTTY,
    stderrIsTty: process.stderr.isTTY,
    // the binary sees its name in argv0, a script in the place of its path
    calledAs: [process.argv0, process.argv[1] ?? ''].map((path) => basename(path, '.ts')),
    columns: process.stdout.columns ?? 80,
    writeOut: (text) => writeWhole(1, text),
    writeError: (text) => writeWhole(2, text),
  };
}

/**
 * Does what the arguments (without the program's own name) ask for. Never rejects.
 * @returns the exit code
 */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  actions: Actions,
): Promise<number> {
  try {
    const words = netctlWords(args, terminal);
    if (words !== undefined) return await netctl(words, netctlSurroundings(terminal));
    if (args[0] === completionWord) {
      const around = { ...terminal, flags: {}, operands: {} };
      terminal.writeOut(await completionText(commandSet, args.slice(1), around));
      return 0;
    }
    const invocation = parseArguments(commandSet, args, {
      columns: Math.min(terminal.columns, helpColumnsMax),
      versionText: describeVersion('text').trimEnd(),
    });
    if (invocation.kind === 'text') {
      terminal.writeOut(invocation.text);
      return 0;
    }
    const { flags, operands } = invocation;
    const sources = { ...terminal, flags, operands };
    const { writeOut } = terminal;
    return (await invocation.command.run({ sources, actions, writeOut })) ?? 0;
  } catch (thrown) {
    const error = asFairleadError(thrown);
    terminal.writeError(`${errorLine(error)}\n`);
    // where a bug was thrown is what a report of it needs
    const { cause } = error;
    if (error.code === 'INTERNAL' && cause instanceof Error) {
      terminal.writeError(`${cause.stack ?? cause.message}\n`);
    }
    return treatmentOf(error.code).exitCode;
  }
}

/** The words of netctl, where this is netctl. */
function netctlWords(
  args: readonly string[],
  { calledAs }: Terminal,
): readonly string[] | undefined {
  if (calledAs.includes('netctl')) return args;
  return args[0] === 'netctl' ? args.slice(1) : undefined;
}

function netctlSurroundings(terminal: Terminal): Parameters<typeof netctl>[1] {
  const sources = { ...terminal, flags: {}, operands: {} };
  return {
    ...terminal,
    agentSocket: readOptions(apiOptions, sources).apiSocket,
    clock: systemClock,
    openInput: () => process.stdin,
  };
}

/** An error as the command line says it, in one line: what happened, the code word, and what to do. */
export function errorLine(error: FairleadError): string {
  const head = `error: ${error.message} (${error.code})`;
  return visible(error.fix === undefined ? head : `${head}: ${error.fix}`);
}

/** With escapes for what would end the line or be taken by the terminal: a name that was given may have it. */
const visible = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (control) =>
    control === '\n' ? '\\n' : `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Synchronous, so that nothing is lost when the process ends right after. */
function writeWhole(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let sent = 0; sent < bytes.length;) sent += writeSync(descriptor, bytes, sent);
  } catch {
    // a reader that went away (`| head`) is no error of ours
  }
}
