/** What systemd hears, on a socket of the test's own; the other end is python, which has such sockets. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { announce, serviceManager } from '../../lib/runtime/notify.ts';

const folder = mkdtempSync(join(tmpdir(), 'notify-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const receiver = `
import socket, sys
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0' + path[1:] if path[0] == '@' else path)
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', ';'), flush=True)
`;

/** Starts the other end; `next` is the next message. */
async function manager(
  path: string,
): Promise<{ readonly next: () => Promise<string>; readonly stop: () => void }> {
  const child = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8');
  const lines = (async function* () {
    let rest = '';
    for await (const chunk of child.stdout) {
      const parts = (rest + String(chunk)).split('\n');
      rest = parts.pop() ?? '';
      yield* parts;
    }
  })();
  const next = async () => String((await lines.next()).value);
  expect(await next()).toBe('bound');
  return { next, stop: () => child.kill() };
}

test.each([
  ['a file', join(folder, 'notify.sock')],
  ['an abstract name', `@fairlead-notify-test-${process.pid}`],
])('ready is said when it is true, then that we are alive: %s', async (_, path) => {
  const { next, stop } = await manager(path);
  try {
    const starting = Promise.withResolvers<void>();
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000' };
    void announce(starting.promise, environment, systemClock);
    expect(await next()).toBe('STATUS=opening the store');
    starting.resolve();
    expect(await next()).toBe('READY=1;STATUS=serving');
    expect([await next(), await next(), await next()].toSorted()).toEqual([
      'STATUS=serving',
      'WATCHDOG=1',
      'WATCHDOG=1',
    ]);
  } finally {
    stop();
  }
});

test('a store that takes its time does not keep others from starting; one that fails never is ready', async () => {
  const path = join(folder, 'late.sock');
  const { next, stop } = await manager(path);
  const hurried: Clock = { ...systemClock, sleep: () => Promise.resolve() };
  try {
    const starting = Promise.withResolvers<void>();
    await announce(Promise.reject(new Error('disk')), { NOTIFY_SOCKET: path }, systemClock);
    await announce(starting.promise, { NOTIFY_SOCKET: path }, hurried);
    expect(await next()).toBe('STATUS=opening the store');
    expect(await next()).toBe('STATUS=opening the store');
    expect(await next()).toBe('READY=1;STATUS=listening; the store is not open yet');
  } finally {
    stop();
  }
});

test('without a manager, or with one that is gone, nothing happens', async () => {
  expect(await serviceManager({})).toBeUndefined();
  expect(await serviceManager({ NOTIFY_SOCKET: 'elsewhere' })).toBeUndefined();
  const gone = await serviceManager({ NOTIFY_SOCKET: join(folder, 'gone.sock') });
  expect(() => gone?.tell('READY=1')).not.toThrow();
});
