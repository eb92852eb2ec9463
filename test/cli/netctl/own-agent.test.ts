/** netctl at the door of an agent: TLS, a token, and no users. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { contivRoutes } from '../../../lib/api/contiv/routes.ts';
import { openDoor } from '../../../lib/api/door.ts';
import { netctl } from '../../../lib/cli/netctl/netctl.ts';
import { systemClock } from '../../../lib/clock.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import type { Listener } from '../../../lib/runtime/listen.ts';
import { makeAuthority } from '../../../lib/store/peer/authority.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { contivSources } from '../../api/contiv/contiv-site.ts';
import { freePort } from '../../support/free-port.ts';
import { MapStore } from '../../support/map-store.ts';
import { SiteHost } from '../../support/site-hosts.ts';

const token = 'abcdefghijklmnop';
let folder: string;
let listeners: readonly Listener[];
let out: string;
let error: string;
let ask: (words: string, typed?: string) => Promise<number>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-door-'));
  const path = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const whole = new MapStore();
  await runPlan(new SiteHost(whole, 'one').store, planDefaultTenant);
  const certificate = makeAuthority('0'.repeat(32), Date.now());
  const port = await freePort();
  listeners = await openDoor(
    {
      apiListen: { host: '127.0.0.1', port },
      apiCertificate: path('cert.pem', certificate.certificate),
      apiKey: path('key.pem', certificate.privateKey),
      apiTokenFile: path('token', `${token}\n`),
    },
    contivRoutes(contivSources(whole)).fetch,
    {},
  );
  ask = (words, typed = '') => {
    const input = new PassThrough();
    input.end(typed);
    out = '';
    error = '';
    return netctl(['--insecure', ...words.split(' ')], {
      environment: { HOME: folder, NETMASTER: `https://127.0.0.1:${port}` },
      stderrIsTty: false,
      writeOut: (text) => void (out += text),
      writeError: (text) => void (error += text),
      agentSocket: '/nowhere',
      clock: systemClock,
      openInput: () => input,
    });
  };
});
afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  rmSync(folder, { recursive: true });
});

it('cannot log in, and is told where the token goes', async () => {
  expect(await ask('login', 'ann\nsesame\n')).toBe(3);
  expect(out).toContain('Login failed: unexpected response code (404)');
  expect(error).toContain('write its token to ~/.netctl/config.json, as {"token":"…"}');
  expect(await ask('tenant ls -q')).toBe(3);
});

it('comes in with the token in its file', async () => {
  mkdirSync(join(folder, '.netctl'));
  writeFileSync(join(folder, '.netctl', 'config.json'), `{"token":"${token}"}\n`);
  expect([await ask('tenant ls -q'), out, error]).toEqual([0, 'default\n', '']);
});
