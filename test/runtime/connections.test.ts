/** How many connections there may be. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'vitest';
import { connectionsMax } from '../../lib/limits.ts';
import { listen } from '../../lib/runtime/listen.ts';
import { until } from '../support/until.ts';
import { RawClient, rawCall } from './servers.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-connections-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('one connection too many is ended, the others are served, and room comes back', async () => {
  const path = join(folder, 'x.sock');
  const text = '{}';
  const headers = { 'content-length': String(text.length) };
  const listener = await listen({ path }, () => new Response(text, { headers }));
  const clients: RawClient[] = [];
  const dial = (): RawClient => {
    const client = new RawClient(path);
    clients.push(client);
    client.send(rawCall('x'));
    return client;
  };
  for (let count = 0; count < connectionsMax; count++) dial();
  await Promise.all(clients.map((client) => client.answers()));
  await dial().end();
  for (const client of clients.slice(0, 10)) client.close();
  await until('room', async () => {
    const client = dial();
    await until('an answer or the end', () => client.ended || client.bodies.length > 0);
    return client.bodies.length > 0;
  });
  for (const client of clients) client.close();
  await listener.close();
});
