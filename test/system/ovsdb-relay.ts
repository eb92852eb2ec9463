/**
 * A relay between a client and a real ovsdb-server that makes the server look older: requests of
 * certain methods are answered with "unknown method" and never reach it.
 */
import { createConnection, createServer, type Socket } from 'node:net';
import { createJsonStream } from '../../lib/datapath/ovsdb/json-stream.ts';

export interface Relay {
  readonly path: string;
  close(): Promise<void>;
}

export async function startRelay(server: string, unknown: readonly string[]): Promise<Relay> {
  const path = `${server}.without-${unknown.length}`;
  const sockets = new Set<Socket>();
  const relay = createServer((client) => {
    const upstream = createConnection({ path: server });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    const stream = createJsonStream({
      bytesMax: 1e9,
      depthMax: 100,
      onValue: (value) => {
        const { method, id } = value as { method?: string; id?: unknown };
        if (method === undefined || !unknown.includes(method))
          upstream.write(JSON.stringify(value));
        else client.write(JSON.stringify({ id, error: 'unknown method' }));
      },
    });
    client.on('data', (chunk) => stream.push(chunk));
  });
  await new Promise<void>((resolve) => relay.listen(path, resolve));
  return {
    path,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}
