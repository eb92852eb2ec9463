/** `fairlead status`: what is wrong on a host. */
import { expect, it } from 'vitest';
import type { Condition } from '../../lib/conditions.ts';
import { apiStandIn } from './api-stand-in.ts';
import { run } from './terminal.ts';

let conditions: readonly Condition[] = [];
const api = apiStandIn(() => ({ schemaVersion: 1, node: 'edge-1', conditions }));
const status = (...args: string[]) =>
  run(['status', ...args, '--run-dir', api.folder], { environment: {} });

it('says what is wrong, a line each', async () => {
  const since = '2026-01-01T00:00:00.000Z';
  conditions = [
    { code: 'OVS_DOWN', severity: 'error', touchesTraffic: true, message: 'nobody there', since },
    { code: 'DOCKER_SWARM', severity: 'warning', touchesTraffic: false, message: 'a', since },
  ];
  expect(await status()).toMatchObject({
    exitCode: 0,
    out: `edge-1:
! OVS_DOWN (error, touches traffic, since ${since}): nobody there
! DOCKER_SWARM (warning, since ${since}): a
`,
  });
  expect(JSON.parse((await status('-o', 'json')).out)).toMatchObject({ conditions });
  expect(api.asked).toEqual(['GET /v1/health', 'GET /v1/health']);
});

it('says so when nothing is', async () => {
  conditions = [];
  expect(await status()).toMatchObject({ exitCode: 0, out: 'edge-1: nothing is wrong\n' });
});
