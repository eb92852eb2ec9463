/** Members in processes of each runtime, for the tests of connections between them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Authority } from '../../../lib/store/peer/authority.ts';
import type { PeerCredentials } from '../../../lib/store/peer/secure.ts';
import { until } from '../../support/until.ts';
import type { ChildCommand, ChildReport } from './child.ts';
import { credentialsOf, helloOf } from './cluster.ts';

const bin = join(import.meta.dirname, '../../../node_modules/.bin');
const script = join(import.meta.dirname, 'child.ts');
const commands = {
  node: [join(bin, 'node')],
  bun: [join(bin, 'bun')],
  deno: [join(bin, 'deno'), 'run', '--quiet', '-A'],
} as const;

/** A runtime. */
export type Runtime = keyof typeof commands;
/** All of them. */
export const runtimes = Object.keys(commands) as readonly Runtime[];

type Answer = { readonly number: number } & (
  | { readonly result: unknown }
  | { readonly code: string; readonly message: string }
);

/** A process that has members. */
export class MemberProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #number = 0;

  constructor(runtime: Runtime, environment: Readonly<Record<string, string>> = {}) {
    const [program, ...args] = commands[runtime];
    this.#child = spawn(program, [...args, script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no output');
    createInterface({ input: stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.number)?.(answer);
      this.#waiting.delete(answer.number);
    });
  }

  /** Tells it; gives what came of it, a code where it failed. */
  async tell(command: ChildCommand): Promise<unknown> {
    this.#number += 1;
    const number = this.#number;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(number, resolve);
      this.#child.stdin?.write(`${JSON.stringify({ number, command })}\n`);
    });
    return 'result' in answer ? answer.result : answer.code;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Stops it in its tracks, connections open. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Lets it go on. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }
}

/** How a member is to be. */
export interface RemoteOptions {
  readonly credentials?: PeerCredentials;
  readonly wallMs?: number;
  readonly refuse?: Extract<ChildCommand, { readonly do: 'open' }>['refuse'];
  readonly epoch?: number;
  readonly authority?: Authority;
  /** Address to listen on; the loopback otherwise. */
  readonly host?: string;
}

/** A member in a process. */
export class RemoteMember {
  readonly id: string;
  readonly process: MemberProcess;

  private constructor(id: string, process: MemberProcess) {
    this.id = id;
    this.process = process;
  }

  static async open(
    child: MemberProcess,
    id: string,
    {
      credentials = credentialsOf(id),
      wallMs = Date.UTC(2028, 0, 1),
      refuse = {},
      epoch = 1,
      authority,
      host = '127.0.0.1',
    }: RemoteOptions = {},
  ): Promise<RemoteMember> {
    const hello = helloOf(id, { epoch });
    const failed = await child.tell({
      host,
      do: 'open',
      hello,
      credentials,
      wallMs,
      refuse,
      authority,
    });
    if (failed !== null) throw new Error(`a member could not be opened: ${JSON.stringify(failed)}`);
    return new RemoteMember(id, child);
  }

  async report(): Promise<ChildReport> {
    return (await this.process.tell({ do: 'report', id: this.id })) as ChildReport;
  }

  /** What it knows of another. */
  async state(other: string): Promise<ChildReport['states'][number] | undefined> {
    return (await this.report()).states.find(({ member }) => member === other);
  }

  async dial(other: RemoteMember, port?: number): Promise<void> {
    const address = { host: '127.0.0.1', port: port ?? (await other.report()).port };
    const members = [{ id: other.id, addresses: [address], dial: true }];
    await this.process.tell({ do: 'members', id: this.id, members });
  }

  async close(): Promise<void> {
    await this.process.tell({ do: 'close', id: this.id });
  }
}

/** Waits until two members are connected, as both see it. */
export async function untilConnected(one: RemoteMember, other: RemoteMember): Promise<void> {
  await until('both are connected', async () => {
    const states = [await one.state(other.id), await other.state(one.id)];
    return states.every((state) => state?.connected);
  });
}
