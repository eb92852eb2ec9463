/**
 * Runs a command to its end and returns what it said. No shell; output and time are bounded.
 */
import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { slowness } from '../support/slowness.ts';

const outputBytesMax = 16 * 1024 * 1024;

/** How a command ended. `code` is 137 when a signal ended it, whichever. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command gets beside its arguments. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: string | undefined;
  /** After this long the command is killed and the call rejects. */
  readonly timeoutMs?: number | undefined;
  /** `inherit` hands this process's terminal to the command; nothing is captured then. */
  readonly terminal?: 'inherit' | undefined;
}

/** Where a command is looked for: root's own PATH may lack the directories of the daemons. */
export const commandDirectories: readonly string[] = [
  ...(process.env['PATH'] ?? '').split(delimiter),
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

/** The environment of this process with a complete PATH, and `more`. */
export function commandEnvironment(more: RunOptions['env']): NodeJS.ProcessEnv {
  const path = [...new Set(commandDirectories)].join(delimiter);
  return { ...process.env, PATH: path, ...more };
}

/**
 * Runs `argv[0]` with its arguments.
 * @throws {Error} when it cannot be started or takes longer than `timeoutMs` (60 s)
 */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [command = '', ...args] = argv;
  const inherit = options.terminal === 'inherit';
  const timeoutMs = (options.timeoutMs ?? 60_000) * slowness;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: commandEnvironment(options.env),
      stdio: inherit ? 'inherit' : 'pipe',
    });
    const output: { stdout: Buffer[]; stderr: Buffer[]; bytes: number } = {
      stdout: [],
      stderr: [],
      bytes: 0,
    };
    const gather = (into: 'stdout' | 'stderr') => (chunk: Buffer) => {
      output.bytes += chunk.length;
      if (output.bytes > outputBytesMax) child.kill('SIGKILL');
      else output[into].push(chunk);
    };
    child.stdout?.on('data', gather('stdout'));
    child.stderr?.on('data', gather('stderr'));
    // a command that does not read its input may close it first; its exit code says enough
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    let late = false;
    const timer = inherit
      ? undefined
      : setTimeout(() => {
          late = true;
          child.kill('SIGKILL');
        }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot run ${command}: ${error.message}`, { cause: error }));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (late) reject(new Error(`${argv.join(' ')}: no end after ${timeoutMs} ms`));
      else {
        const stdout = Buffer.concat(output.stdout).toString('utf8');
        const stderr = Buffer.concat(output.stderr).toString('utf8');
        resolve({ code: code ?? 137, stdout, stderr });
      }
    });
  });
}

/**
 * Runs a command that must succeed, and returns its standard output.
 * @throws {Error} with its standard error when the exit code is not 0
 */
export async function runOk(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) {
    throw new Error(`${argv.join(' ')}: exit code ${code}: ${(stderr || stdout).trim()}`);
  }
  return stdout;
}
