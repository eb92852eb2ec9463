/** Sockets from a service manager: how they are told apart, and that no call is lost on them. */
import { existsSync, openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inheritedSockets } from '../../lib/runtime/inherited.ts';
import { listen } from '../../lib/runtime/listen.ts';
import { until } from '../support/until.ts';
import {
  RawClient,
  rawCall,
  runtimeCommand,
  runtimes,
  serverChild,
  ServerFolder,
} from './servers.ts';

describe('the variables', () => {
  const given = (count: string, names?: string, pid = '42') =>
    Object.fromEntries(
      inheritedSockets({ LISTEN_FDS: count, LISTEN_FDNAMES: names, LISTEN_PID: pid }, 42),
    );

  test('without them, or when they are for another process, nothing was handed over', () => {
    expect(inheritedSockets({}, 42).size).toBe(0);
    expect(given('1', undefined, '43')).toEqual({});
    expect(given('0')).toEqual({});
  });

  test('without names the first socket is the plugin’s, the second the API’s', () => {
    expect(given('1')).toEqual({ plugin: 3 });
    expect(given('2')).toEqual({ plugin: 3, api: 4 });
    expect(given('1', 'unknown')).toEqual({ plugin: 3 });
  });

  test('names decide, of ours and of our units', () => {
    expect(given('2', 'api:plugin')).toEqual({ api: 3, plugin: 4 });
    expect(given('2', 'fairlead-api.socket:fairlead.socket')).toEqual({ api: 3, plugin: 4 });
    expect(given('2', 'else:plugin')).toEqual({ plugin: 4, api: 3 });
    expect(given('1', 'api')).toEqual({ api: 3 });
    expect(given('1', 'constructor')).toEqual({ plugin: 3 });
  });

  test.each([
    ['-1', undefined],
    ['two', undefined],
    ['1e1', undefined],
    ['999', undefined],
    ['3', undefined],
    ['2', 'plugin:plugin'],
  ])('LISTEN_FDS=%s with names %s is refused', (count, names) => {
    expect(() => given(count, names)).toThrow(expect.objectContaining({ code: 'SOCKET_FAILED' }));
  });
});

test('a descriptor that is no socket is refused', async () => {
  for (const descriptor of [openSync('/dev/null', 'r'), 1_000]) {
    await expect(listen({ descriptor }, () => new Response())).rejects.toMatchObject({
      code: 'SOCKET_FAILED',
    });
  }
});

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

  const activated = (...command: readonly string[]): void => {
    folder.start(['systemd-socket-activate', '-l', folder.socket, '--', ...command]);
  };

  /** One call on a connection of its own. */
  async function call(): Promise<void> {
    const client = new RawClient(folder.socket);
    clients.push(client);
    client.send(rawCall('Plugin.Activate'));
    expect(await client.answers()).toEqual(['{}']);
    client.close();
  }

  test('systemd-socket-activate: all calls made before the start are answered', async () => {
    activated(...runtimeCommand(runtime, serverChild));
    await folder.listening();
    await Promise.all(Array.from({ length: 50 }, call));
  });

  test('no call is lost when the process is stopped and the next takes over', async () => {
    // the outer shell holds the socket; LISTEN_PID has to be the process that serves
    const serve = `sh -c 'export LISTEN_PID=$$; exec "$@"' sh ${runtimeCommand(runtime, serverChild).join(' ')}`;
    const server = folder.start([
      'systemd-socket-activate',
      '-l',
      folder.socket,
      '--',
      'sh',
      '-c',
      `${serve}; ${serve}; ${serve}`,
    ]);
    await folder.listening();
    let calls = 0;
    let handedOver = false;
    const callers = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!handedOver) {
          await call();
          calls++;
        }
      }),
    );
    // a failure is reported at the end
    callers.catch(() => undefined);
    for (let restarts = 1; restarts <= 2; restarts++) {
      const { pid } = await server.line('serving', restarts);
      const before = calls;
      await until('calls', () => calls > before + 50);
      process.kill(Number(pid), 'SIGTERM');
    }
    await server.line('serving', 3);
    const before = calls;
    await until('calls', () => calls > before + 20);
    handedOver = true;
    await callers;
    expect(existsSync(folder.socket)).toBe(true);
    process.kill(Number((await server.line('serving', 3))['pid']), 'SIGTERM');
    await server.exited();
  });
});
