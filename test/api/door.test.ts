/** Who comes in by TCP, and how far. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { openDoor, plainDoor, tokenDoor } from '../../lib/api/door.ts';
import { asFairleadError } from '../../lib/errors.ts';

const inside = (): Response => new Response('inside');
const token = 'abcdefghijklmnop';
const request = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  new Request(`http://fairlead${path}`, { headers });

describe('with TLS and token', () => {
  const door = tokenDoor(inside, token);

  test.each([
    [{ 'x-auth-token': token }, 200],
    [{ authorization: `Bearer ${token}` }, 200],
    [{}, 401],
    [{ 'x-auth-token': '' }, 401],
    [{ 'x-auth-token': `${token}x` }, 401],
    [{ authorization: `Basic ${token}` }, 401],
    [{ 'x-auth-token': 'x', authorization: `Bearer ${token}` }, 401],
  ])('%j is answered %i', async (headers, status) => {
    const answer = await door(request('/v1/cluster', headers));
    expect(answer.status).toBe(status);
    if (status === 200) return;
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(await answer.text()).toBe('token missing or wrong\n');
  });
});

describe('without', () => {
  const door = plainDoor(inside);

  test.each([
    ['/api/v1/host/networks/', 200],
    ['/version', 200],
    ['/info/', 200],
    ['/healthz', 200],
    ['/v1/cluster', 404],
    ['/v1/host/pools', 404],
    ['/debug/state', 404],
    ['/debug/state/endpoints', 404],
    ['/api/v1x', 404],
    ['/api/v1/../../v1/cluster', 404],
  ])('%s is %i: what Contiv served, and no more', async (path, status) => {
    expect((await door(request(path))).status).toBe(status);
  });

  it('no page of a browser comes in', async () => {
    const answer = await door(request('/api/v1/host/networks/', { origin: 'http://evil.example' }));
    expect(answer.status).toBe(401);
  });
});

describe('opening it', () => {
  let folder: string;
  let port: number;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fairlead-door-'));
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    ({ port } = probe.address() as AddressInfo);
    await new Promise((resolve) => probe.close(resolve));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string, mode = 0o600): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const apiListen = () => ({ host: '127.0.0.1', port });

  it('serves by TCP, plainly', async () => {
    const listeners = await openDoor({ apiListen: apiListen() }, inside, {});
    const answer = await fetch(`http://127.0.0.1:${port}/version`);
    expect(await answer.text()).toBe('inside');
    await expect(openDoor({ apiListen: apiListen() }, inside, {})).rejects.toThrow(/cannot listen/);
    await Promise.all(listeners.map((listener) => listener.close()));
    await expect(fetch(`http://127.0.0.1:${port}/version`)).rejects.toThrow('fetch failed');
  });

  it('opens none that was not asked for', async () => {
    expect(await openDoor({}, inside, {})).toEqual([]);
  });

  it.each([
    [
      'a token that everybody may read',
      { token: 'abcdefghijklmnop', mode: 0o644 },
      /may be read by everybody/,
    ],
    ['a short token', { token: 'abc', mode: 0o600 }, /holds no token/],
    ['a token of two words', { token: 'abcdefgh ijklmnop', mode: 0o600 }, /holds no token/],
    [
      'a certificate that is none',
      { token: 'abcdefghijklmnop', mode: 0o600 },
      /certificate or key do not do/,
    ],
  ])('refuses %s', async (_what, { token: text, mode }, said) => {
    const options = {
      apiListen: apiListen(),
      apiCertificate: file('cert', 'nonsense'),
      apiKey: file('key', 'nonsense'),
      apiTokenFile: file('token', `${text}\n`, mode),
    };
    const message = await openDoor(options, inside, {}).then(
      () => 'opened',
      (thrown: unknown) => asFairleadError(thrown).message,
    );
    expect(message).toMatch(said);
    const missing = { ...options, apiCertificate: join(folder, 'none') };
    await expect(openDoor(missing, inside, {})).rejects.toThrow(/cannot read .*none/);
  });
});
