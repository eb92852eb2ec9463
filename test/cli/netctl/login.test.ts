/** Signing in to a server, the token that it gives, and the questions that are asked. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { netctl } from '../../../lib/cli/netctl/netctl.ts';
import { createPrompter } from '../../../lib/cli/netctl/prompt.ts';
import { writeToken } from '../../../lib/cli/netctl/token-file.ts';
import { systemClock } from '../../../lib/clock.ts';
import { playServer, Status, type PlayedServer } from './played-server.ts';

let server: PlayedServer;
let home: string;
beforeAll(async () => {
  server = await playServer({});
  home = mkdtempSync(join(tmpdir(), 'netctl-'));
});
afterAll(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});
let before = 0;
beforeEach(() => {
  before = server.asked.length;
});

const line = (message: string) => `time="TIME" level=error msg=${message}\n`;
const timeless = (text: string) => text.replaceAll(/time="[0-9T:+Z-]{20,25}"/g, 'time="TIME"');
describe('the token', () => {
  const file = () => join(home, '.netctl', 'config.json');
  const put = (text: string) => {
    mkdirSync(join(home, '.netctl'), { recursive: true });
    writeFileSync(file(), text);
  };

  test('is not sent over plain http, which is then refused', async () => {
    put('{"token":"secret"}');
    const { exitCode, error } = await server.netctl('tenant rm x', { HOME: home });
    expect({ exitCode, error: timeless(error) }).toEqual({
      exitCode: 3,
      error: line(
        '"error processing netctl config: failed to set auth token: setting auth token requires a https auth_proxy URL"',
      ),
    });
    expect(server.asked).toHaveLength(before);
  });

  test('file without a token is refused', async () => {
    put('{');
    const { exitCode, error } = await server.netctl('tenant rm x', { HOME: home });
    expect(exitCode).toBe(3);
    expect(error).toContain('error processing netctl config: failed to unmarshal JSON');
    rmSync(file());
  });

  test('login needs https', async () => {
    const { exitCode, out, error } = await server.netctl('login');
    expect({ exitCode, error }).toEqual({ exitCode: 3, error: '' });
    expect(out).toMatch(/^login requires a https auth_proxy URL\nNAME:\n/);
  });

  test('home that cannot be looked into is exit code 4', async () => {
    const { exitCode } = await server.netctl('tenant rm x', { HOME: join(server.url, '\0') });
    expect(exitCode).toBe(4);
  });

  test('has a file that only its owner reads', async () => {
    await writeToken(file(), '{"token":"x"}');
    expect(readFileSync(file(), 'utf8')).toBe('{"token":"x"}');
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    chmodSync(file(), 0o600);
    await expect(writeToken(join(file(), 'below'), 'x')).rejects.toMatchObject({ exitCode: 4 });
  });
});

describe('a server with https', () => {
  let secure: PlayedServer;
  let folder: string;
  let out = '';
  let error = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'netctl-'));
    secure = await playServer(
      {
        'POST /api/v1/auth_proxy/login/': '{"token":"secret"}',
        'GET /api/v1/tenants/': [{ tenantName: 'default' }],
      },
      'https',
    );
  });
  afterAll(async () => {
    await secure.close();
    rmSync(folder, { recursive: true });
  });
  const ask = (words: string, typed = '') => {
    out = '';
    error = '';
    const input = new PassThrough();
    input.end(typed);
    return netctl(words.split(' '), {
      environment: { HOME: folder, NETMASTER: secure.url },
      stderrIsTty: false,
      writeOut: (text) => void (out += text),
      writeError: (text) => void (error += text),
      agentSocket: '/nowhere',
      clock: systemClock,
      openInput: () => input,
    });
  };

  test('needs a certificate that is trusted, or --insecure', async () => {
    expect(await ask('tenant ls')).toBe(3);
    expect(error).toMatch(/^time=.*msg="Get https:.*certificate/);
    expect(await ask('--insecure tenant ls -q')).toBe(0);
    expect(out).toBe('default\n');
    expect(secure.asked.at(-1)?.headers['x-auth-token']).toBeUndefined();
  });

  test('gives a token for a name and a password, which later commands send', async () => {
    expect(await ask('--insecure login', 'ann\nsesame\n')).toBe(0);
    expect(out).toBe('Username: Password: \nLogin succeeded.\n');
    expect(secure.asked.at(-1)?.line).toBe(
      'POST /api/v1/auth_proxy/login/ {"username":"ann","password":"sesame"}',
    );
    expect(await ask('--insecure tenant ls -q')).toBe(0);
    expect(secure.asked.at(-1)?.headers['x-auth-token']).toBe('secret');
  });

  test('asks for nothing without a name', async () => {
    const count = secure.asked.length;
    expect(await ask('--insecure login', ' \n')).toBe(3);
    expect(timeless(error)).toBe(line('"you must specify a username"'));
    expect(await ask('--insecure login', 'ann')).toBe(4);
    expect(timeless(error)).toBe(line('EOF'));
    expect(secure.asked).toHaveLength(count);
  });

  test.each([
    [401, 'no', 'Login failed: Bad username or password.\n', ''],
    [500, 'no\n', 'Login failed: unexpected response code (500)\n\n', 'no\n'],
  ])('that answers a login with %i refuses it', async (status, body, said, onError) => {
    const other = secure;
    secure = await playServer(
      { 'POST /api/v1/auth_proxy/login/': new Status(status, body) },
      'https',
    );
    try {
      expect(await ask('--insecure login', 'ann\nsesame\n')).toBe(3);
      expect({ out, error }).toEqual({ out: `Username: Password: \n${said}`, error: onError });
    } finally {
      await secure.close();
      secure = other;
    }
  });
});

describe('questions', () => {
  test('are answered line by line, also from a pipe', async () => {
    const input = new PassThrough();
    let out = '';
    const prompter = createPrompter(
      () => input,
      (text) => void (out += text),
    );
    input.write('ann\r\nsec');
    expect(await prompter.askLine('Username: ')).toBe('ann');
    setImmediate(() => input.end('ret\n'));
    expect(await prompter.askSecret('Password: ')).toBe('secret');
    await expect(prompter.askLine('More: ')).rejects.toMatchObject({ exitCode: 4, message: 'EOF' });
    expect(out).toBe('Username: Password: More: ');
  });

  test('on a terminal a secret is typed in raw mode, and erased with backspace', async () => {
    const modes: boolean[] = [];
    const setRawMode = (isRaw: boolean) => void modes.push(isRaw);
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
    const prompter = createPrompter(
      () => input,
      () => undefined,
    );
    input.write('sex\u007fcret\r');
    expect(await prompter.askSecret('Password: ')).toBe('secret');
    input.write('ab\u0003');
    await expect(prompter.askSecret('Password: ')).rejects.toMatchObject({
      message: 'interrupted',
    });
    expect(modes).toEqual([true, false, true, false]);
  });
});
