/**
 * An ovsdb-server that does what a test says, on a unix socket in a folder of its own. Without a
 * script it answers get_schema, lock and the monitors like a real one with an empty database.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJsonStream } from '../../../lib/datapath/ovsdb/json-stream.ts';
import { columnsOf, tableNames } from '../../../lib/datapath/ovsdb/schema.ts';
import type { ColumnType } from '../../../lib/datapath/ovsdb/values.ts';
import { zeroUuid } from '../../../lib/datapath/ovsdb/values.ts';

/** A message of the client. */
export interface Call {
  readonly method?: string;
  readonly params?: readonly unknown[];
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** What a script says: a result, an error, raw bytes, or nothing at all. */
export type Answer =
  | { readonly result: unknown }
  | { readonly error: unknown }
  | { readonly raw: string }
  | 'silent'
  | undefined;

export interface FakeServer {
  readonly path: string;
  /** Everything clients sent. */
  readonly calls: Call[];
  /** Clients connected now. */
  readonly sockets: Set<Socket>;
  /** Answers a method; undefined falls back to the default. */
  script: (call: Call, socket: Socket) => Answer;
  /** Sends bytes to every client. */
  send(text: string | Uint8Array): void;
  notify(method: string, params: readonly unknown[]): void;
  /** Cuts every connection. */
  drop(): void;
  close(): Promise<void>;
}

export async function startFakeServer(): Promise<FakeServer> {
  const folder = await mkdtemp(join(tmpdir(), 'ovsdb-'));
  const path = join(folder, 'db.sock');
  const sockets = new Set<Socket>();
  const calls: Call[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const stream = createJsonStream({
      bytesMax: 1e9,
      depthMax: 1e3,
      onValue: (value) => answer(value, socket),
    });
    socket.on('data', (chunk) => stream.push(chunk));
  });
  const answer = (call: Call, socket: Socket) => {
    calls.push(call);
    if (call.method === undefined) return;
    const reply = fake.script(call, socket) ?? defaultAnswer(call);
    if (reply === 'silent' || socket.destroyed) return;
    if ('raw' in reply) socket.write(reply.raw);
    // a refusal of the real one has no `result`
    else if ('error' in reply) socket.write(JSON.stringify({ id: call.id, ...reply }));
    else socket.write(JSON.stringify({ id: call.id, ...reply, error: null }));
  };
  const fake: FakeServer = {
    path,
    calls,
    sockets,
    script: () => undefined,
    send: (text) => sockets.forEach((socket) => socket.write(text)),
    notify: (method, params) => fake.send(JSON.stringify({ method, params, id: null })),
    drop: () => sockets.forEach((socket) => socket.destroy()),
    async close() {
      fake.drop();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    },
  };
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return fake;
}

/** What a real server with an empty database answers. */
export function defaultAnswer(call: Call): Exclude<Answer, undefined> {
  switch (call.method) {
    case 'get_schema':
      return { result: schema() };
    case 'lock':
      return { result: { locked: true } };
    case 'monitor_cond_since':
      return { result: [false, zeroUuid, {}] };
    case 'echo':
      return { result: call.params };
    case 'transact':
      return { result: call.params?.slice(1).map(() => ({})) };
    case undefined:
    default:
      return { result: {} };
  }
}

/** A schema with just the columns that are needed. */
export function schema(): { tables: Record<string, { columns: Record<string, unknown> }> } {
  const entries = tableNames.map((table) => [
    table,
    {
      columns: Object.fromEntries(
        Object.entries(columnsOf(table)).map(([name, type]) => [name, { type: typeJson(type) }]),
      ),
    },
  ]);
  return { name: 'Open_vSwitch', version: '8.3.1', tables: Object.fromEntries(entries) } as never;
}

function typeJson(type: ColumnType): unknown {
  switch (type.kind) {
    case 'atom':
      return type.key;
    case 'optional':
      return { key: { type: type.key }, min: 0, max: 1 };
    case 'set':
      return { key: type.key, min: 0, max: 'unlimited' };
    case 'map':
    default:
      return { key: type.key, value: type.value, min: 0, max: 'unlimited' };
  }
}
