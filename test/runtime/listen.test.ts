/** The listener as a process on each runtime, spoken to in raw bytes. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requestBytesMax } from '../../lib/limits.ts';
import { RawClient, rawCall, runtimes, ServerFolder, slowCall } from './servers.ts';

const activate = rawCall('Plugin.Activate');

describe.each(runtimes)('on %s', (runtime) => {
  let folder: ServerFolder;
  let clients: RawClient[];

  beforeEach(() => {
    folder = new ServerFolder();
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await folder.close();
  });

  function dial(): RawClient {
    const client = new RawClient(folder.socket);
    clients.push(client);
    return client;
  }

  async function mustServe(): Promise<void> {
    const client = dial();
    client.send(activate);
    expect(await client.answers()).toEqual(['{}']);
  }

  test('a Host that is empty, absent, named or nonsense makes no difference', async () => {
    await folder.serve(runtime);
    for (const text of [
      activate,
      activate.replace('Host: \r\n', ''),
      rawCall('Plugin.Activate', '', 'plugin.moby.localhost'),
    ]) {
      const client = dial();
      client.send(text);
      expect(await client.answers()).toEqual(['{}']);
      expect(client.received).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    }
    const client = dial();
    client.send(rawCall('Plugin.Activate', '', 'no host at all'));
    expect(JSON.parse((await client.answers())[0] ?? '')).toHaveProperty('Err');
  });

  test('one connection takes call after call, also written before the answer', async () => {
    await folder.serve(runtime);
    const client = dial();
    for (let count = 1; count <= 20; count++) {
      client.send(activate);
      await client.answers(count);
    }
    // head and content are one write, not one after the other; Deno makes two, which come as one or as two
    expect(client.pieces).toBeLessThanOrEqual(runtime === 'deno' ? 40 : 20);
    client.send(activate + slowCall(5) + activate);
    expect(await client.answers(23)).toEqual(Array.from({ length: 23 }, () => '{}'));
    expect(client.ended).toBe(false);
    expect(client.received).not.toMatch(/connection: close/i);
  });

  test('what is not HTTP is refused in the shape of a plugin, and logged once', async () => {
    const server = await folder.serve(runtime);
    for (const [index, text] of [
      'what is this\r\n\r\n',
      `POST / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
    ].entries()) {
      const client = dial();
      client.send(text);
      await client.end();
      const [body] = client.bodies;
      expect(client.received).toMatch(/^HTTP\/1.1 400 /);
      expect(Object.keys(JSON.parse(body ?? ''))).toEqual(['Err', 'Error']);
      // the log comes by another way than the answer
      await server.line('request refused', index + 1);
      expect(server.lines('request refused')).toHaveLength(index + 1);
    }
    await mustServe();
  });

  test('a request that is too large is refused while it arrives, and others are served', async () => {
    await folder.serve(runtime);
    const announced = dial();
    announced.send(
      `POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: ${requestBytesMax + 1}\r\n\r\n{`,
    );
    expect((await announced.answers())[0]).toContain('REQUEST_TOO_LARGE');
    const streamed = dial();
    const part = 'x'.repeat(1024 * 1024);
    streamed.send(
      'POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (let sent = 0; sent <= requestBytesMax; sent += part.length) {
      streamed.send(`${part.length.toString(16)}\r\n${part}\r\n`);
    }
    expect((await streamed.answers())[0]).toContain('REQUEST_TOO_LARGE');
    await mustServe();
  });

  test('a connection that breaks off within head or content hurts nobody', async () => {
    const server = await folder.serve(runtime);
    for (const text of ['POST /Plugin.Act', rawCall('NetworkDriver.Join', '{}').slice(0, -1)]) {
      const client = dial();
      client.send(text);
      await mustServe();
      client.close();
    }
    await server.line('refused');
    await mustServe();
    expect(server.lines('refused')).toHaveLength(1);
  });

  test('a request that never ends is ended by us, an idle connection is not', async () => {
    const server = await folder.serve(runtime, { CLOCK_SPEED: '50' });
    const idle = dial();
    idle.send(activate);
    await idle.answers();
    const silent = dial();
    const slow = [
      'POST /Plugin.Act',
      'POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 10\r\n\r\n{',
    ].map((text) => {
      const client = dial();
      client.send(text);
      return client;
    });
    const resumed = dial();
    resumed.send(activate);
    await resumed.answers();
    resumed.send('POST /Plugin.Act');
    await Promise.all([...slow, resumed].map((client) => client.end()));
    const said = 'connection ended: a request did not arrive whole';
    await server.line(said, 3);
    expect(server.lines(said)).toHaveLength(3);
    for (const client of [idle, silent]) {
      expect(client.ended).toBe(false);
      client.send(activate);
      await client.answers(client === idle ? 2 : 1);
    }
  });

  test('a stop answers what is in work and what was just asked, then ends all connections', async () => {
    const server = await folder.serve(runtime);
    const idle = dial();
    idle.send(activate);
    await idle.answers();
    const inWork = dial();
    inWork.send(activate);
    await inWork.answers();
    inWork.send(slowCall(30));
    const late = dial();
    late.send(slowCall(5).slice(0, 40));
    await mustServe();
    server.stop();
    await idle.end();
    late.send(slowCall(5).slice(40));
    expect(await late.answers()).toEqual(['{}']);
    expect(await inWork.answers(2)).toEqual(['{}', '{}']);
    await Promise.all([late.end(), inWork.end()]);
    expect(await server.exited()).toBe(0);
    expect(server.lines('closed')).toHaveLength(1);
    expect(existsSync(folder.socket)).toBe(false);
  });

  test('the socket file is for its owner only, in a folder that is made', async () => {
    const socket = join(folder.path, 'deep', 'er', 'plugin.sock');
    Object.assign(folder, { socket });
    await folder.serve(runtime);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'deep')).mode & 0o777).toBe(0o755);
    await mustServe();
  });

  test('a stale file is replaced, a served one and one that is no socket are not', async () => {
    const first = await folder.serve(runtime);
    await first.kill();
    expect(lstatSync(folder.socket).isSocket()).toBe(true);
    const second = await folder.serve(runtime);
    const third = folder.start([...second.command, folder.socket]);
    expect(await third.exited()).not.toBe(0);
    expect(third.output).toContain('SOCKET_IN_USE');
    await mustServe();
    await second.kill();
    rmSync(folder.socket);
    writeFileSync(folder.socket, 'precious');
    chmodSync(folder.socket, 0o644);
    const fourth = folder.start([...second.command, folder.socket]);
    expect(await fourth.exited()).not.toBe(0);
    expect(fourth.output).toContain('SOCKET_FAILED');
    expect(statSync(folder.socket).size).toBe('precious'.length);
  });

  test('a socket file that somebody else put at our path outlives us', async () => {
    const server = await folder.serve(runtime);
    renameSync(folder.socket, `${folder.socket}.old`);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(folder.socket, resolve));
    server.stop();
    expect(await server.exited()).toBe(0);
    expect(existsSync(folder.socket)).toBe(true);
    await new Promise((resolve) => other.close(resolve));
  });
});
