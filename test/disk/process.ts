/** A running `child.ts`, and what it said so far. What was acknowledged lives here, outside of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { childCommand, type Runtime } from './runtimes.ts';

/** A child. */
export interface Child {
  readonly lines: readonly string[];
  /** Resolves when it has said so many lines, or has ended. */
  said(count: number): Promise<void>;
  /** Resolves when it has ended and every line was read. */
  readonly ended: Promise<void>;
  kill(): Promise<void>;
}

/** What to start. */
export interface ChildOptions {
  readonly runtime: Runtime;
  readonly args: readonly (string | number)[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A command in front of it. */
  readonly prefix?: readonly string[];
}

/** Starts a child. */
export function startChild({ runtime, args, environment, prefix = [] }: ChildOptions): Child {
  const [command = '', ...rest] = [...prefix, ...childCommand(runtime), ...args.map(String)];
  const child = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const ended = once(child, 'close').then(() => undefined);
  const lines: string[] = [];
  let wake = (): void => undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    wake();
  });
  return {
    lines,
    ended,
    async said(count) {
      while (lines.length < count) {
        const more = new Promise<true>((resolve) => {
          wake = () => resolve(true);
        });
        const isRunning = await Promise.race([more, ended.then(() => false as const)]);
        if (!isRunning) return;
      }
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** What a child said, sorted. */
export interface Told {
  /** What the storage held when it was opened; undefined when it could not be. */
  readonly fingerprint: string | undefined;
  /** Writes acknowledged. */
  readonly done: number;
  readonly fatal: string | undefined;
  readonly refused: string | undefined;
  /** Acknowledged after the end: never. */
  readonly doneAfterFatal: number;
}

/** Sorts what a child said. */
export function toldBy(lines: readonly string[]): Told {
  const of = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.split(' ')[1] ?? '');
  const fatalAt = lines.findIndex((line) => line.startsWith('fatal '));
  const after = fatalAt < 0 ? [] : lines.slice(fatalAt).filter((line) => line.startsWith('done '));
  return {
    fingerprint: of('open')[0],
    done: of('done').length,
    fatal: of('fatal')[0],
    refused: of('refused')[0],
    doneAfterFatal: after.length,
  };
}
