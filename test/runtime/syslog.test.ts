/** Lines to a syslog server: what a message is, by which ways it goes, and what happens when nobody takes it. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { syslogLinesMax, syslogMessageBytesMax } from '../../lib/limits.ts';
import { syslogMessage } from '../../lib/runtime/syslog-message.ts';
import { parseSyslogTarget, syslogTargetText } from '../../lib/runtime/syslog-target.ts';
import type { OpenSyslogTransport } from '../../lib/runtime/syslog-transport.ts';
import { Syslog } from '../../lib/runtime/syslog.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';

const line = (msg: string, more: object = {}): string =>
  `${JSON.stringify({ level: 'warn', ts: '2026-11-22T05:00:00.000Z', node: 'h1', part: 'store', ...more, msg })}\n`;

const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0)) await close();
});

/** Header and line of a message (RFC 5424 section 6). */
function read(message: string): { head: string; fields: Record<string, unknown> } {
  const [, head = '', json = ''] =
    /^(<[0-9]{1,3}>1 \S+ \S+ \S+ \S+ \S+ -) (\{.*\})$/.exec(message) ?? [];
  return { head, fields: JSON.parse(json) as Record<string, unknown> };
}

function open(
  url: string,
  openTransport?: OpenSyslogTransport,
): { syslog: Syslog; troubles: (string | undefined)[] } {
  const troubles: (string | undefined)[] = [];
  const target = parseSyslogTarget(url) ?? { transport: 'unix', path: '/' };
  const syslog = new Syslog({
    ...{ target, node: 'h1', clock: systemClock },
    onTrouble: (why) => troubles.push(why),
    ...(openTransport === undefined ? {} : { open: openTransport }),
  });
  closings.push(() => syslog.close());
  return { syslog, troubles };
}

test('a message has the header of RFC 5424 and the line as JSON', () => {
  const message = String(syslogMessage(line('a'), { node: 'h1', processId: 7 }));
  expect(message).toBe(
    '<28>1 2026-11-22T05:00:00.000Z h1 fairlead 7 store - {"level":"warn","ts":"2026-11-22T05:00:00.000Z","node":"h1","part":"store","msg":"a"}',
  );
});

test('any line is one message in ASCII, not too long, and can be read', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
      fc.constantFrom('fatal', 'error', 'warn', 'info', 'debug', 'trace'),
      (msg, facts, level) => {
        const text = line(msg, { facts, level });
        const message = syslogMessage(text, { node: 'h 1é', processId: 7 });
        expect(message.length).toBeLessThanOrEqual(syslogMessageBytesMax);
        expect(String(message)).toMatch(/^[\x20-\x7e]+$/);
        const { head, fields } = read(String(message));
        expect(head).toContain(' h?1? fairlead 7 store -');
        if (fields['cut'] !== true) expect(fields).toEqual(JSON.parse(text));
        else expect(msg.startsWith(String(fields['msg']))).toBe(true);
      },
    ),
  );
});

test('a line that is too long for a message loses its facts, not its form', () => {
  const message = syslogMessage(line('big', { facts: 'x'.repeat(syslogMessageBytesMax) }), {
    ...{ node: 'h1', processId: 7 },
  });
  expect(read(String(message)).fields).toMatchObject({ msg: 'big', part: 'store', cut: true });
});

test('by UDP each line is a datagram', async () => {
  const server = createSocket('udp4');
  const got: string[] = [];
  server.on('message', (message) => got.push(String(message)));
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  closings.push(() => server.close());
  const { syslog } = open(`udp://127.0.0.1:${server.address().port}`);
  for (const each of ['one', 'two']) syslog.write(line(each));
  await until('both came', () => Promise.resolve(got.length === 2));
  expect(got.map((each) => read(each).fields['msg'])).toEqual(['one', 'two']);
});

/** What was framed with its length before it (RFC 6587 section 3.4.1). */
function unframe(stream: string): readonly string[] {
  const messages: string[] = [];
  for (let at = 0; at < stream.length;) {
    const space = stream.indexOf(' ', at);
    const end = space + 1 + Number(stream.slice(at, space));
    messages.push(stream.slice(space + 1, end));
    at = end;
  }
  return messages;
}

test('by TCP lines are counted, and go on when the server comes back', async () => {
  let stream = '';
  let sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => (stream += String(bytes)));
  });
  // nobody else is given it while the server is away
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { syslog, troubles } = open(`tcp://127.0.0.1:${port}`);
  syslog.write(line('one'));
  await until('one came', async () => unframe(stream).length === 1);
  const stopped = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await stopped;
  sockets = [];
  // what the kernel took before it heard of the end is lost, as TCP is
  await until('it is missed', async () => {
    syslog.write(line('between'));
    return troubles.some((why) => why !== undefined);
  });
  syslog.write(line('two'));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  closings.push(
    () => server.close(),
    () => sockets.forEach((socket) => socket.destroy()),
  );
  const texts = () => unframe(stream).map((each) => read(each).fields['msg']);
  await until('two came', async () => texts().at(-1) === 'two');
  expect(texts().filter((text) => text !== 'between')).toEqual(['one', 'two']);
  await until('that is said', async () => troubles.at(-1) === undefined);
});

const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(9000).decode(), flush=True)
`;

test('to a socket such as /dev/log each line is a datagram', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'syslog-test-'));
  const path = join(folder, 'log');
  const { syslog, troubles } = open(`unix:${path}`);
  syslog.write(line('early'));
  await until('nobody is there', async () => troubles.some((why) => why?.includes('ENOENT')));
  const child = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  closings.push(
    () => child.kill(),
    () => rmSync(folder, { recursive: true }),
  );
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  await until('it came', async () => out.includes('"msg":"early"'));
  expect(syslog.facts()).toMatchObject({ to: `unix:${path}`, sent: 1, waiting: 0, dropped: 0 });
});

test('while nobody takes them the oldest lines fall, and how many is said later', async () => {
  const got: string[] = [];
  let isThere = false;
  const { syslog } = open('udp://h1', async () => {
    if (!isThere) throw new Error('away');
    return { send: async (message) => void got.push(String(message)), close: () => undefined };
  });
  for (let each = 0; each < syslogLinesMax + 5; each++) syslog.write(line(`n${each}`));
  expect(syslog.facts()).toMatchObject({ waiting: syslogLinesMax, dropped: 5, sent: 0 });
  isThere = true;
  await until('all came', async () => got.length === syslogLinesMax + 1);
  const fields = got.map((each) => read(each).fields);
  expect(fields[0]).toMatchObject({ part: 'log', msg: 'lines were lost', lines: 5 });
  expect(fields[1]).toMatchObject({ msg: 'n5' });
  expect(syslog.facts()).toMatchObject({ waiting: 0, sent: syslogLinesMax });
});

test('what is waiting goes before the end, and an end without a server is no long one', async () => {
  const got: string[] = [];
  const one = open('udp://h1', async () => ({
    send: async (message) => void got.push(String(message)),
    close: () => undefined,
  }));
  one.syslog.write(line('last'));
  await one.syslog.close();
  expect(got).toHaveLength(1);
  const never = open('udp://h1', () => Promise.reject(new Error('away')));
  never.syslog.write(line('last'));
  await never.syslog.close();
});

test('places are read and written alike', () => {
  for (const text of ['udp://10.0.0.1:514', 'tcp://[2001:db8::1]:601', 'unix:/dev/log']) {
    const target = parseSyslogTarget(text);
    expect(target && syslogTargetText(target)).toBe(text);
  }
});
