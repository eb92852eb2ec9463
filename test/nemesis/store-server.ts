/** Serves a store, and what else an engine can do, on a unix socket in the words of `frames.ts`. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { asFairleadError, FairleadError } from '../../lib/errors.ts';
import type { RangeRequest, StateStore, Txn, WatchRequest } from '../../lib/store/port.ts';
import { errorToWire, FrameReader, FrameWriter, type Ask } from './frames.ts';

/** An engine that is open in this process. */
export interface OpenEngine {
  readonly store: StateStore;
  /** Where it stands, as an object; at least `applied` and `digest`. */
  status(): Promise<unknown>;
  /** An operation of an operator, by name. */
  operate(operation: string, words: readonly unknown[]): Promise<unknown>;
  close(): Promise<void>;
}

/** Listens until the process ends. */
export function serveEngine(socketPath: string, engine: OpenEngine): Promise<Server> {
  rmSync(socketPath, { force: true });
  const server = createServer((socket) => {
    serveConnection(socket, engine);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      resolve(server);
    });
  });
}

function serveConnection(socket: Socket, engine: OpenEngine): void {
  const reader = new FrameReader();
  const writer = new FrameWriter(socket);
  const watches = new Map<number, AbortController>();
  const serve = async (ask: Ask): Promise<void> => {
    try {
      if (ask.what === 'watch') await watch(ask);
      else writer.send({ id: ask.id, answer: (await perform(ask, engine)) ?? null });
    } catch (thrown) {
      writer.send({ id: ask.id, error: errorToWire(asFairleadError(thrown)) });
    }
  };
  const watch = async ({ id, with: request }: Ask): Promise<void> => {
    const ending = new AbortController();
    watches.set(id, ending);
    const { signal } = ending;
    for await (const batch of engine.store.watch({ ...(request as WatchRequest), signal })) {
      writer.send({ id, answer: batch, more: true });
    }
    watches.delete(id);
    writer.send({ id, answer: null });
  };
  socket.on('data', (chunk: Buffer) => {
    for (const ask of reader.push(chunk) as Ask[]) {
      if (ask.what === 'unwatch') watches.get(ask.with as number)?.abort();
      else void serve(ask);
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    for (const ending of watches.values()) ending.abort();
  });
}

function perform({ what, with: words }: Ask, { store, ...engine }: OpenEngine): Promise<unknown> {
  switch (what) {
    case 'txn':
      return store.txn(words as Txn);
    case 'range':
      return store.range(words as RangeRequest);
    case 'grantLease':
      return store.grantLease(words as number);
    case 'keepLease':
      return store.keepLease(words as string);
    case 'revokeLease':
      return store.revokeLease(words as string);
    case 'status':
      return engine.status();
    case 'operate': {
      const [operation = '', ...rest] = words as string[];
      return engine.operate(operation, rest);
    }
    default:
      throw new FairleadError('REQUEST_UNKNOWN', `there is no ${what}`);
  }
}
