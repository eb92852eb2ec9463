/** Processes of voters: started on a runtime, perhaps in a network namespace, and ended in every way. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { namespacePath } from '../lab/namespaces.ts';
import { tailOf } from '../lab/wait.ts';
import { until } from '../support/until.ts';
import type { VoterSettings } from './engines.ts';

const bin = join(import.meta.dirname, '../../node_modules/.bin');

/** The voter's source. */
export const voterScript = join(import.meta.dirname, 'voter.ts');

const commands = {
  bun: [join(bin, 'bun')],
  deno: [join(bin, 'deno'), 'run', '--quiet', '-A'],
  node: [join(bin, 'node')],
} as const;

/** What a voter can run on. */
export type Runtime = keyof typeof commands;
/** All of them. */
export const runtimes = Object.keys(commands) as readonly Runtime[];

/** A voter's process, and how to start it. */
export interface VoterProcessPlan {
  readonly runtime: Runtime;
  /** The voter as a single file for this machine, in place of the runtime and the source. */
  readonly binary?: string;
  readonly settings: VoterSettings;
  /** Name of its network namespace. */
  readonly namespace?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets everything it says, appended. */
  readonly logFile: string;
}

function lives(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}

/** One voter's process, the running one or the last. */
export class VoterProcess {
  readonly plan: VoterProcessPlan;
  /** Lines that began with `fatal`, over all lives. */
  readonly deaths: string[] = [];
  #child: ChildProcess | undefined;
  #ready = false;
  #lines = '';

  constructor(plan: VoterProcessPlan) {
    this.plan = plan;
  }

  /** Starts it; resolves when it serves. */
  async start(timeoutMs = 30_000): Promise<void> {
    if (this.isAlive) throw new Error(`${this.plan.settings.name} runs already`);
    this.spawn();
    await until(`${this.plan.settings.name} serves`, () => this.#readyOrGone(), {
      timeoutMs,
      everyMs: 5,
    });
    if (!this.#ready) {
      throw new Error(`${this.plan.settings.name} ended:\n${tailOf(this.plan.logFile)}`);
    }
  }

  /** Starts it and does not wait. */
  spawn(): void {
    const { runtime, binary, settings, namespace, environment, logFile } = this.plan;
    const enter = namespace === undefined ? [] : ['nsenter', `--net=${namespacePath(namespace)}`];
    const program = binary === undefined ? [...commands[runtime], voterScript] : [binary];
    const command = [...enter, ...program, JSON.stringify(settings)];
    const [file = '', ...words] = command;
    const log = openSync(logFile, 'a');
    this.#ready = false;
    this.#lines = '';
    const child = spawn(file, words, {
      env: { ...process.env, ...environment },
      // its input ends with this process: a voter outlives no run
      stdio: ['pipe', 'pipe', log],
    });
    closeSync(log);
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#hear(chunk.toString('utf8')));
  }

  get isAlive(): boolean {
    return lives(this.#child);
  }

  /** Whether it serves: it may be stopped all the same. */
  get isReady(): boolean {
    return this.isAlive && this.#ready;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isAlive) this.#child?.kill(signal);
  }

  /** Ends it and waits for its end; a keeper may have started the next one by then. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.signal(signal);
    // one that is stopped would not hear of a SIGTERM
    this.signal('SIGCONT');
    await until(`${this.plan.settings.name} is gone`, () => !lives(child), { everyMs: 2 });
  }

  #readyOrGone(): boolean {
    return this.#ready || !this.isAlive;
  }

  #hear(text: string): void {
    this.#lines += text;
    const lines = this.#lines.split('\n');
    this.#lines = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('ready')) this.#ready = true;
      if (line.startsWith('fatal')) this.deaths.push(line);
    }
  }
}
