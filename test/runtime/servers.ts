/** Starts `server-child.ts` on a runtime, and speaks to it in raw bytes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/until.ts';

export const runtimes = ['node', 'bun', 'deno'] as const;
export type Runtime = (typeof runtimes)[number];

const root = join(import.meta.dirname, '..', '..');

/** Command that runs a source file of this project. */
export function runtimeCommand(runtime: Runtime, file: string): readonly [string, ...string[]] {
  const program = join(root, 'node_modules', '.bin', runtime);
  return runtime === 'deno' ? [program, 'run', '-A', file] : [program, file];
}

export const serverChild = join(import.meta.dirname, 'server-child.ts');

/** A folder of its own for a test, removed with everything that was started in it. */
export class ServerFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'fairlead-listen-'));
  readonly socket = join(this.path, 'plugin.sock');
  readonly #servers: Server[] = [];

  /** Starts a command without waiting for anything. */
  start(
    command: readonly [string, ...string[]],
    env: Readonly<Record<string, string>> = {},
  ): Server {
    const [program, ...args] = command;
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // a group of its own, so that what a shell started ends with it
      detached: true,
    });
    const server = new Server(child, command);
    this.#servers.push(server);
    return server;
  }

  /** Starts the server on its own path and waits until it serves. */
  async serve(runtime: Runtime, env: Readonly<Record<string, string>> = {}): Promise<Server> {
    const server = this.start([...runtimeCommand(runtime, serverChild), this.socket], env);
    await server.line('serving');
    return server;
  }

  /** Waits until somebody listens on the socket: its file is there a moment before, and whoever calls then is refused. */
  async listening(): Promise<void> {
    // unix(7): its flags are __SO_ACCEPTCON then
    const line = new RegExp(`^\\S+ \\S+ \\S+ 00010000 .* ${this.socket}$`, 'm');
    await until('the socket', () => line.test(readFileSync('/proc/net/unix', 'utf8')));
  }

  async close(): Promise<void> {
    for (const server of this.#servers) await server.kill();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A running server with what it wrote. */
export class Server {
  output = '';
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  /** What it was started with, its last argument left out. */
  readonly command: readonly [string, ...string[]];

  constructor(child: ChildProcess, command: readonly [string, ...string[]]) {
    this.#child = child;
    this.command = [command[0], ...command.slice(1, -1)];
    child.stdout?.on('data', (data: Buffer) => (this.output += data.toString()));
    child.stderr?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.#exited = new Promise((resolve) => child.once('close', resolve));
  }

  /** Log lines with this message, oldest first. */
  lines(message: string): Record<string, unknown>[] {
    return this.output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['msg'] === message);
  }

  /** Waits until there are `count` log lines with this message; gives the last. */
  async line(message: string, count = 1): Promise<Record<string, unknown>> {
    return until(`log line ${message}`, () => {
      const found = this.lines(message);
      if (found.length < count && this.#child.exitCode !== null) {
        throw new Error(`the server ended: ${this.output}`);
      }
      return found[count - 1];
    });
  }

  /** Sends SIGTERM. */
  stop(): void {
    this.#child.kill('SIGTERM');
  }

  /** Exit code, once it has ended by itself. */
  exited(): Promise<number | null> {
    return this.#exited;
  }

  async kill(): Promise<void> {
    const { pid } = this.#child;
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // all of them have ended
    }
    await this.#exited;
  }
}

/** One connection; keeps everything that came back. */
export class RawClient {
  received = '';
  /** How many times something arrived. */
  pieces = 0;
  ended = false;
  readonly #socket;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on('data', (data) => {
      this.pieces += 1;
      this.received += data.toString('latin1');
    });
    this.#socket.on('error', () => (this.ended = true));
    this.#socket.on('end', () => (this.ended = true));
    this.#socket.on('close', () => (this.ended = true));
  }

  send(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Bodies of the answers that have arrived whole. */
  get bodies(): string[] {
    const bodies: string[] = [];
    let rest = this.received;
    for (;;) {
      const head = rest.indexOf('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(rest.slice(0, head))?.[1];
      if (head < 0 || length === undefined) return bodies;
      const end = head + 4 + Number(length);
      if (rest.length < end) return bodies;
      bodies.push(rest.slice(head + 4, end));
      rest = rest.slice(end);
    }
  }

  /** Waits for `count` answers. */
  async answers(count = 1): Promise<string[]> {
    return until(`${count} answers`, () => (this.bodies.length >= count ? this.bodies : undefined));
  }

  /** Waits until the other side ended the connection. */
  async end(): Promise<void> {
    await until('the end of the connection', () => this.ended);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** A call as an engine writes it; 20.10 sends an empty Host. */
export function rawCall(call: string, body = '', host = ''): string {
  return [
    `POST /${call} HTTP/1.1`,
    `Host: ${host}`,
    'User-Agent: Go-http-client/1.1',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Accept: application/vnd.docker.plugins.v1.2+json',
    '',
    body,
  ].join('\r\n');
}

/** EndpointOperInfo, which the server answers after `tens` times ten milliseconds. */
export function slowCall(tens: number): string {
  const EndpointID = 'f'.repeat(tens).padStart(64, '0');
  return rawCall(
    'NetworkDriver.EndpointOperInfo',
    JSON.stringify({ NetworkID: 'a'.repeat(64), EndpointID }),
  );
}
