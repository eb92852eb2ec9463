/** An agent whose state is in an etcd: what goes on without it, and what comes back with it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostProcess } from '../lab/host.ts';
import { apiGet, startAgent } from '../support/agent-process.ts';
import { dockerOk, networkCommand } from '../support/docker.ts';
import { startHostEtcd } from '../support/host-etcd.ts';
import { labOfOneHost } from '../support/lab-host.ts';
import { pings } from '../support/ping.ts';
import { until } from '../support/until.ts';

const one = labOfOneHost();
// as Contiv's users have it in their files
const env = { FAIRLEAD_ETCD_ENDPOINTS: 'http://127.0.0.1:2379' };
let etcd: HostProcess;
let agent: HostProcess;

beforeAll(async () => {
  const image = await one.host.image();
  etcd = await startHostEtcd(one.host);
  agent = await startAgent(one.host, 'binary', { env });
  await dockerOk(one.host, networkCommand('shop'));
  for (const name of ['till1', 'till2']) {
    const settings = ['--name', name, '--stop-timeout', '1', '--network', 'shop'];
    await dockerOk(one.host, ['run', '-d', ...settings, image, 'sleep', '1000000']);
  }
});
afterAll(async () => {
  await agent.stop();
  await etcd.stop();
});

const conditions = async (): Promise<string> =>
  JSON.stringify((await apiGet(one.host, '/v1/health')).body['conditions']);

it('goes on without its etcd: containers talk, changes are refused in words', async () => {
  expect(await pings(one.host, 'till1', 'till2')).toBe(true);
  await etcd.stop('SIGKILL');
  expect(await pings(one.host, 'till1', 'till2')).toBe(true);
  const began = performance.now();
  const refused = await one.host.docker(networkCommand('more'), { timeoutMs: 60_000 });
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/\((?:STORE_UNREACHABLE|QUORUM_LOST)\)/);
  // far below what the engine waits
  expect(performance.now() - began).toBeLessThan(30_000);
  await until('the condition is raised', async () =>
    (await conditions()).includes('STORE_UNAVAILABLE'),
  );
});

it('goes on with it when it is back, and after a restart of its own', async () => {
  etcd = await startHostEtcd(one.host);
  await until('the condition is gone', async () => !(await conditions()).includes('STORE_'));
  await dockerOk(one.host, networkCommand('more'));
  await agent.stop('SIGKILL');
  agent = await startAgent(one.host, 'binary', { env });
  const { body } = await apiGet(one.host, '/v1/host/networks');
  expect(body['networks']).toHaveLength(2);
  expect(await pings(one.host, 'till1', 'till2')).toBe(true);
});

it('has no cluster of its own, and says so', async () => {
  expect(await apiGet(one.host, '/v1/cluster')).toMatchObject({
    status: 409,
    body: { error: { code: 'CLUSTER_EXTERNAL' } },
  });
});
