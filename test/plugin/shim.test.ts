/** Calls of an engine through a plugin that hands them on, with agents that answer, are away, and die in a call. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { managedCallMs } from '../../lib/limits.ts';
import { createShim } from '../../lib/plugin/shim.ts';
import { until } from '../support/until.ts';
import { HandClock, keptLog } from './stub.ts';

let folder = '';
let agentSocket = '';
let server: Server | undefined;
const { log } = keptLog();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shim-test-'));
  agentSocket = join(folder, 's');
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function agent(listener: RequestListener): Promise<void> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(agentSocket, resolve));
}

/** Answers with what it got. */
const echo: RequestListener = (request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const got = Buffer.concat(parts).toString();
    response.end(
      JSON.stringify({ path: request.url, got, scope: request.headers['fairlead-scope'] }),
    );
  });
};

const shim = (scope: 'local' | 'global' = 'global', clock = systemClock) =>
  createShim({ scope, agentSocket, clock, log });
const call = (path: string, body = ''): Request =>
  new Request(`http://plugin/${path}`, { method: 'POST', body });
const bodyOf = async (answer: Promise<Response>): Promise<unknown> => (await answer).json();

test('calls that need nothing are answered whatever the agent does', async () => {
  const handle = shim('global');
  expect(await bodyOf(handle(call('Plugin.Activate')))).toEqual({
    Implements: ['NetworkDriver', 'IpamDriver'],
  });
  expect(await bodyOf(handle(call('NetworkDriver.GetCapabilities')))).toMatchObject({
    Scope: 'global',
    ConnectivityScope: 'global',
  });
  expect(await bodyOf(shim('local')(call('NetworkDriver.GetCapabilities')))).toMatchObject({
    Scope: 'local',
  });
});

test('others are the agent’s to answer, which learns the scope', async () => {
  await agent(echo);
  const answer = await shim()(call('NetworkDriver.Join', '{"a":1}'));
  expect(answer.headers.get('content-type')).toBe('application/vnd.docker.plugins.v1.2+json');
  expect(await answer.json()).toEqual({
    path: '/NetworkDriver.Join',
    got: '{"a":1}',
    scope: 'global',
  });
});

test('an unknown call keeps its status', async () => {
  await agent((_request, response) => response.writeHead(404).end('{"Err":"no"}'));
  expect((await shim()(call('No.Such'))).status).toBe(404);
});

test('a call waits for an agent that is away', async () => {
  const answer = bodyOf(shim()(call('NetworkDriver.Leave', '{}')));
  await agent(echo);
  expect(await answer).toMatchObject({ path: '/NetworkDriver.Leave', got: '{}' });
});

test('a call whose connection breaks is sent again, with its content', async () => {
  let broken = 0;
  await agent((request, response) => {
    request.resume();
    if (broken < 2) {
      broken += 1;
      request.socket.destroy();
      return;
    }
    echo(request, response);
  });
  expect(await bodyOf(shim()(call('IpamDriver.RequestPool', '{"Pool":"x"}')))).toMatchObject({
    got: '{"Pool":"x"}',
  });
  expect(broken).toBe(2);
});

test('an agent that does not come is said to be away, in words that engines read', async () => {
  const clock = new HandClock();
  const answer = bodyOf(shim('global', clock)(call('NetworkDriver.Leave', '{}')));
  let settled = false;
  void answer.finally(() => (settled = true));
  await until('it gives up', () => {
    clock.advance(managedCallMs / 10);
    return settled;
  });
  const { Err, Error: text } = (await answer) as { Err: string; Error: string };
  expect(Err).toBe(text);
  expect(Err).toContain('the agent of this host does not answer');
});

test('what is too large is refused here', async () => {
  const body = 'x'.repeat(8 * 1024 * 1024 + 1);
  const answer = (await bodyOf(shim()(call('NetworkDriver.Join', body)))) as { Err: string };
  expect(answer.Err).not.toBe('');
});
