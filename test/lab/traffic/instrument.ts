/** A traffic program at work: started in a network namespace, asked by lines, stopped by the end of its input. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { commandEnvironment } from '../run.ts';
import { trafficProgram } from './build.ts';

/** A place to send, receive and watch from: a host, a machine, a container or its stand-in. */
export interface Vantage {
  readonly name: string;
  /** Path of its network namespace. */
  readonly net: string;
  /** Variables of processes there, by which a lab finds them again. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Options of a command; those that are `undefined` are left out. */
export type InstrumentOptions = Readonly<Record<string, string | number | undefined>>;

/** What is asked of one, and how its answers read. */
export interface InstrumentTask<T> {
  readonly command: string;
  readonly options: InstrumentOptions;
  readonly answer: z.ZodType<T>;
}

const readySchema = z.object({ ready: z.literal(true) });
const errorSchema = z.object({ error: z.string() });
const answerMs = 60_000;

/** One at work. */
export class Instrument<T> {
  readonly #child: ChildProcess;
  readonly #task: InstrumentTask<T>;
  readonly #what: string;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #ended = false;
  #last: T | undefined;

  private constructor(child: ChildProcess, task: InstrumentTask<T>, what: string) {
    this.#child = child;
    this.#task = task;
    this.#what = what;
    // it may end before it has read what it is told
    child.stdin?.on('error', () => {});
    if (child.stdout !== null) {
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        const next = this.#waiting.shift();
        if (next === undefined) this.#lines.push(line);
        else next(line);
      });
      lines.on('close', () => {
        this.#ended = true;
        for (const each of this.#waiting.splice(0)) each(undefined);
      });
    }
  }

  /**
   * Starts one and waits until it is at work.
   * @throws {Error} with its own words when it cannot
   */
  static async start<T>(at: Vantage, task: InstrumentTask<T>): Promise<Instrument<T>> {
    const options = Object.entries(task.options).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    );
    const argv = [task.command, '--net', at.net, ...options];
    const child = spawn(await trafficProgram(), argv, {
      env: commandEnvironment(at.environment),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const instrument = new Instrument(child, task, `${task.command} at ${at.name}`);
    child.on('error', () => {
      instrument.#ended = true;
      for (const each of instrument.#waiting.splice(0)) each(undefined);
    });
    readySchema.parse(await instrument.#next());
    return instrument;
  }

  /** Tells it a line and gives its answer. */
  async ask(line = ''): Promise<T> {
    this.#child.stdin?.write(`${line}\n`);
    return this.#task.answer.parse(await this.#next());
  }

  /** Waits until it is done by itself, and gives what it said last. */
  async done(timeoutMs = answerMs): Promise<T> {
    return (this.#last ??= this.#task.answer.parse(await this.#next(timeoutMs)));
  }

  /** Stops it and gives what it said last; again what it said when it had stopped before. */
  async stop(): Promise<T> {
    this.#child.stdin?.end();
    return this.done();
  }

  /** The next line as JSON. */
  async #next(timeoutMs = answerMs): Promise<unknown> {
    const line = this.#lines.shift() ?? (await this.#arrival(timeoutMs));
    if (line === undefined) throw new Error(`${this.#what}: ended without an answer`);
    const value: unknown = JSON.parse(line);
    const failed = errorSchema.safeParse(value);
    // a result may have errors in it, and has other things, too
    if (failed.success && Object.keys(value as object).length === 1) {
      throw new Error(`${this.#what}: ${failed.data.error}`);
    }
    return value;
  }

  #arrival(timeoutMs: number): Promise<string | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL');
        reject(new Error(`${this.#what}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.push((line) => {
        clearTimeout(timer);
        resolve(line);
      });
    });
  }
}
