import { createServer, type Server } from 'node:http';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterStatus } from '../../lib/store/replicated/cluster.ts';
import { emptyImage } from '../../lib/store/machine/state.ts';
import { snapshotLines } from '../../lib/store/replicated/snapshot-file.ts';
import { run } from './terminal.ts';

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

const status: ClusterStatus = {
  clusterId: 'c'.repeat(32),
  epoch: 0,
  self: 'a'.repeat(16),
  leader: 'a'.repeat(16),
  term: 3,
  commit: 12,
  applied: 12,
  revision: 7,
  members: [
    {
      id: 'a'.repeat(16),
      name: 'host-a',
      role: 'voter',
      standing: 'leader',
      addresses: ['10.0.0.1:8470'],
      self: true,
      connected: true,
      lagEntries: 0,
      version: '0.1.0',
      diskFreeBytes: 5 * 1024 ** 3,
      noSpace: false,
    },
  ],
  problems: [],
};

describe('cluster commands', () => {
  let folder: string;
  let server: Server;
  let seen: Seen[];
  let answer: { readonly status: number; readonly text: string };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fairlead-cli-'));
    seen = [];
    answer = { status: 200, text: JSON.stringify(status) };
    server = createServer((incoming, outgoing) => {
      let body = '';
      incoming.on('data', (part: Buffer) => (body += part.toString()));
      incoming.on('end', () => {
        seen.push({ method: incoming.method ?? '', path: incoming.url ?? '', body });
        outgoing.writeHead(answer.status).end(answer.text);
      });
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 'api.sock'), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
  const cluster = (...args: string[]) =>
    run(['cluster', ...args, '--run-dir', folder], { environment: {} });

  test('status shows the members and exits with 0 when all is well', async () => {
    const { exitCode, out } = await cluster('status');
    expect(exitCode).toBe(0);
    expect(out).toContain('leader host-a');
    expect(out).toMatch(/host-a \* +a{16} +voter +leader +0 +- +5\.0 GiB/);
    expect(seen).toEqual([{ method: 'GET', path: '/v1/cluster', body: '' }]);
  });

  test('status puts problems first; they make the exit code 1, a lost quorum 5', async () => {
    const down = { code: 'MEMBER_DOWN', message: 'host-b is not heard of', fix: 'start it' };
    answer = { status: 200, text: JSON.stringify({ ...status, problems: [down] }) };
    const degraded = await cluster('status');
    expect(degraded.exitCode).toBe(1);
    expect(degraded.out).toMatch(/^! MEMBER_DOWN: host-b is not heard of\n {2}fix: start it\n/);
    const lost = { code: 'QUORUM_LOST', message: 'no leader' };
    answer = { status: 200, text: JSON.stringify({ ...status, problems: [down, lost] }) };
    expect((await cluster('status')).exitCode).toBe(5);
  });

  test('status as JSON is what the agent said', async () => {
    const { out } = await cluster('status', '-o', 'json');
    expect(JSON.parse(out)).toEqual(status);
  });

  test('token prints the whole line to paste, and nothing else', async () => {
    answer = { status: 200, text: JSON.stringify({ token: 'fairlead1.x' }) };
    const { out } = await cluster('token', '--role', 'voter', '--uses', '2', '--ttl', '15m');
    expect(out).toBe('fairlead cluster join fairlead1.x\n');
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ role: 'voter', uses: 2, ttlMs: 900_000 });
  });

  test.each([
    [['token', '--ttl', '5'], '--ttl'],
    [['token', '--ttl', '31d'], '--ttl'],
    [['token', '--role', 'boss'], '--role'],
    [['init', '--listen', '1.2.3.4'], '--listen'],
    [['init', '--listen', '1.2.3.4:99999'], '--listen'],
    [['join'], 'TOKEN'],
    [['join', 'fairlead1.x', '--answer', '/x'], 'one of them'],
    [['join', '--request', 'relative'], '--request'],
    [['join', '--answer', '/nonexistent/file'], '/nonexistent/file'],
    [['promote'], 'NAME'],
  ])('%j is refused before the agent is asked', async (args, what) => {
    const { exitCode, error } = await cluster(...args);
    expect(exitCode).toBe(2);
    expect(error).toContain(what);
    expect(seen).toEqual([]);
  });

  test('a port alone listens on all addresses', async () => {
    await cluster('init', '--listen', '8470');
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ listen: '[::]:8470' });
  });

  test.each([
    [['promote', 'host-b'], 'POST /v1/cluster/members/host-b/promote {"force":false}'],
    [['demote', 'a/b'], 'POST /v1/cluster/members/a%2Fb/demote {"force":false}'],
    [['remove', 'host-b', '--force'], 'POST /v1/cluster/members/host-b/remove {"force":true}'],
    [['leave'], 'POST /v1/cluster/leave {}'],
    [['transfer'], 'POST /v1/cluster/transfer {}'],
    [['transfer', 'host-b'], 'POST /v1/cluster/transfer {"to":"host-b"}'],
    [['rotate'], 'POST /v1/cluster/rotate {}'],
    [['join', 'fairlead1.x'], 'POST /v1/cluster/join {"token":"fairlead1.x"}'],
  ])('%j asks the agent', async (args, request) => {
    expect((await cluster(...args)).exitCode).toBe(0);
    expect(seen.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([request]);
  });

  test('joining by file: a request is written, answered on a voter, and taken back', async () => {
    const [request, reply] = [join(folder, 'request'), join(folder, 'answer')];
    answer = { status: 200, text: JSON.stringify({ text: 'the request', pin: 'f00' }) };
    expect((await cluster('join', '--request', request)).exitCode).toBe(0);
    expect(readFileSync(request, 'utf8')).toBe('the request');
    answer = { status: 200, text: JSON.stringify({ text: 'the answer', pin: 'f00' }) };
    const answered = await cluster('answer', request, reply, '--role', 'voter');
    expect(answered).toMatchObject({ exitCode: 0, out: 'pin f00\n' });
    expect(readFileSync(reply, 'utf8')).toBe('the answer');
    answer = { status: 200, text: JSON.stringify(status) };
    const pin = 'a'.repeat(64);
    expect((await cluster('join', '--answer', reply, '--pin', pin)).exitCode).toBe(0);
    expect(seen.map(({ path, body }) => `${path} ${body}`)).toEqual([
      '/v1/cluster/join/request {}',
      '/v1/cluster/join/answer {"text":"the request","role":"voter"}',
      '/v1/cluster ',
      `/v1/cluster/join/accept {"text":"the answer","pin":"${pin}"}`,
    ]);
  });

  test('a refusal of the agent comes out as the agent made it', async () => {
    const error = { code: 'MEMBER_UNKNOWN', message: 'no member zz', fix: 'look' };
    answer = { status: 404, text: JSON.stringify({ error }) };
    expect(await cluster('promote', 'zz')).toMatchObject({
      exitCode: 3,
      error: 'error: no member zz (MEMBER_UNKNOWN): look\n',
    });
  });

  test('without an agent the exit code is 4 and the line says how to start it', async () => {
    const { exitCode, error } = await run(['cluster', 'status', '--run-dir', '/nonexistent']);
    expect(exitCode).toBe(4);
    expect(error).toContain('systemctl start fairlead');
  });

  test('a saved snapshot is verified, inspected and sent back as it is', async () => {
    const origin = { clusterId: 'c'.repeat(32), epoch: 2, takenAtMs: 0, takenBy: 'host-a' };
    const text = [...snapshotLines(emptyImage(), origin)].map((line) => `${line}\n`).join('');
    answer = { status: 200, text };
    const file = join(folder, 'state.snapshot');
    expect((await cluster('snapshot', 'save', file)).out).toContain('saved and verified');
    expect(readFileSync(file, 'utf8')).toBe(text);
    const inspected = await run(['cluster', 'snapshot', 'inspect', file, '-o', 'json']);
    expect(JSON.parse(inspected.out)).toMatchObject({ epoch: 2, revision: 0, takenBy: 'host-a' });
    answer = { status: 200, text: JSON.stringify(status) };
    seen.length = 0;
    expect((await cluster('snapshot', 'restore', file)).exitCode).toBe(0);
    expect(seen).toEqual([{ method: 'POST', path: '/v1/cluster/snapshot', body: text }]);
  });

  test('a snapshot that was cut short is refused, and no file is left', async () => {
    const origin = { clusterId: 'c'.repeat(32), epoch: 2, takenAtMs: 0, takenBy: 'host-a' };
    const [first] = snapshotLines(emptyImage(), origin);
    answer = { status: 200, text: `${first}\n` };
    const file = join(folder, 'state.snapshot');
    const { exitCode, error } = await cluster('snapshot', 'save', file);
    expect(exitCode).toBe(2);
    expect(error).toContain('its end is missing');
    expect((await run(['cluster', 'snapshot', 'inspect', file])).exitCode).toBe(2);
  });
});
