/** Making, replacing and removing socket files. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { socketPathBytesMax } from '../../lib/limits.ts';
import { listenAtPath } from '../../lib/runtime/socket-path.ts';

let folder: string;
let servers: Server[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-path-'));
  servers = [];
});
afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

function newServer(): Server {
  const made = createServer((socket) => socket.destroy());
  servers.push(made);
  return made;
}

test('nothing but the socket is left in the folder, and it goes with remove', async () => {
  const path = join(folder, 'x.sock');
  const file = await listenAtPath(newServer(), path);
  expect(readdirSync(folder)).toEqual(['x.sock']);
  file.remove();
  expect(readdirSync(folder)).toEqual([]);
  file.remove();
});

test('a path of the longest length works, one byte more is refused before anything is made', async () => {
  const room = socketPathBytesMax - Buffer.byteLength(folder) - 1;
  const longest = join(folder, 'é'.repeat(Math.floor(room / 2)) + 'x'.repeat(room % 2));
  expect(Buffer.byteLength(longest)).toBe(socketPathBytesMax);
  await listenAtPath(newServer(), longest);
  expect(existsSync(longest)).toBe(true);
  await expect(listenAtPath(newServer(), `${longest}x`)).rejects.toMatchObject({
    code: 'SOCKET_FAILED',
    message: expect.stringContaining('too long'),
  });
  expect(readdirSync(folder)).toHaveLength(1);
});

test('of two that start at once on a stale file one serves and the other is told', async () => {
  const path = join(folder, 'x.sock');
  const stale = createServer();
  await new Promise<void>((resolve) => stale.listen(join(folder, 'y.sock'), resolve));
  linkSync(join(folder, 'y.sock'), path);
  await new Promise((resolve) => stale.close(resolve));
  const both = await Promise.allSettled([
    listenAtPath(newServer(), path),
    listenAtPath(newServer(), path),
  ]);
  expect(both.map((one) => one.status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(both.find((one) => one.status === 'rejected')?.reason).toMatchObject({
    code: 'SOCKET_IN_USE',
  });
  expect(readdirSync(folder)).toEqual(['x.sock']);
});

test('folders and links are left alone, also links to nothing', async () => {
  const path = join(folder, 'x.sock');
  mkdirSync(path);
  await expect(listenAtPath(newServer(), path)).rejects.toMatchObject({ code: 'SOCKET_FAILED' });
  const link = join(folder, 'link.sock');
  symlinkSync('/nowhere/at/all', link);
  await expect(listenAtPath(newServer(), link)).rejects.toMatchObject({ code: 'SOCKET_FAILED' });
  expect(readdirSync(folder).toSorted()).toEqual(['link.sock', 'x.sock']);
});

test('a folder that cannot be made is SOCKET_FAILED with the reason of the system', async () => {
  await expect(listenAtPath(newServer(), '/dev/null/x/y.sock')).rejects.toMatchObject({
    code: 'SOCKET_FAILED',
    message: expect.stringContaining('ENOTDIR'),
  });
});
