import { describe, expect, it } from 'vitest';
import { createApiApp, type ApiSources } from '../../lib/api/app.ts';
import { Conditions } from '../../lib/conditions.ts';
import { FairleadError } from '../../lib/errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { apiSources } from './api-sources.ts';

const sources = apiSources();

async function get(
  path: string,
  change: Partial<ApiSources> = {},
): Promise<{ status: number; body: unknown }> {
  const answer = await createApiApp({ ...sources, ...change }).request(path);
  return { status: answer.status, body: await answer.json() };
}

describe('the API', () => {
  it('says that it is alive whatever else is wrong', async () => {
    const gates = () => [{ name: 'store', ready: false, message: 'opening' }];
    expect(await get('/healthz', { gates })).toMatchObject({ status: 200, body: { alive: true } });
  });

  it('is ready only when every gate is, and names them', async () => {
    expect(await get('/readyz')).toMatchObject({ status: 200, body: { ready: true } });
    const gates = () => [{ name: 'store', ready: false, message: 'opening' }];
    expect(await get('/readyz', { gates })).toMatchObject({
      status: 503,
      body: { ready: false, gates: [{ name: 'store', message: 'opening' }] },
    });
  });

  it('tells how often the data plane was put right', async () => {
    expect(await get('/v1/datapath')).toMatchObject({
      status: 200,
      body: { node: 'edge-1', flows: { wanted: 7, repaired: 5 }, ports: { repaired: 3 } },
    });
  });

  it('shows what the agent has in its head, whatever of it cannot be had', async () => {
    const datapath = () => Promise.reject(new FairleadError('OVS_DOWN', 'no socket'));
    const { status, body } = await get('/debug/state', { datapath });
    expect([status, body]).toEqual([
      200,
      {
        schemaVersion: 1,
        node: 'edge-1',
        version: '1.2.3',
        gates: [{ name: 'store', ready: true, message: 'open' }],
        conditions: [],
        networks: [],
        endpoints: [],
        pools: [],
        datapath: { error: { code: 'OVS_DOWN', message: 'no socket' } },
        bandwidth: [],
        policyHits: { rules: [], defaults: [] },
        nodes: [],
        cluster: null,
      },
    ]);
    expect((await get('/debug/state/gates')).body).toEqual({
      schemaVersion: 1,
      node: 'edge-1',
      gates: [{ name: 'store', ready: true, message: 'open' }],
    });
    for (const path of ['/debug/state/constructor', '/debug/', '/debug/ofnet']) {
      expect((await get(path)).status).toBe(404);
    }
  });

  it('tells whether all agree on addresses, whatever they say', async () => {
    expect(await get('/v1/ipam/check')).toMatchObject({
      status: 200,
      body: { node: 'edge-1', host: 'edge-1', differences: [], unseen: [] },
    });
  });

  it('lists what is wrong, errors first, and forgets what was put right', async () => {
    const heard: string[] = [];
    const conditions = new Conditions(systemClock, ({ code }, raised) =>
      heard.push(`${raised ? '+' : '-'}${code}`),
    );
    conditions.raise('DOCKER_DOWN', 'no socket');
    conditions.raise('OVS_DOWN', 'no socket');
    conditions.raise('OVS_DOWN', 'no socket');
    const { body } = await get('/v1/health', { conditions: () => conditions.list() });
    expect(body).toMatchObject({
      healthy: false,
      conditions: [{ code: 'OVS_DOWN', severity: 'error' }, { code: 'DOCKER_DOWN' }],
    });
    conditions.set('OVS_DOWN', undefined);
    conditions.clear('OVS_DOWN');
    expect(conditions.list().map(({ code }) => code)).toEqual(['DOCKER_DOWN']);
    expect(heard).toEqual(['+DOCKER_DOWN', '+OVS_DOWN', '-OVS_DOWN']);
  });

  it('answers errors with code, message and fix under the right status', async () => {
    const networks = () => Promise.reject(new FairleadError('STARTING', 'the store is opening'));
    expect(await get('/v1/host/networks', { networks })).toMatchObject({
      status: 503,
      body: { error: { code: 'STARTING', fix: expect.stringContaining('try again') } },
    });
    expect(await get('/nowhere')).toMatchObject({
      status: 404,
      body: { error: { code: 'REQUEST_UNKNOWN' } },
    });
  });
});

describe('the log', () => {
  const put = async (body: unknown): Promise<Response> =>
    createApiApp(sources).request('/v1/log/level', { method: 'PUT', body: JSON.stringify(body) });

  it('has a level for each part, which can be set', async () => {
    expect(await get('/v1/log')).toMatchObject({ body: { level: 'info', syslog: null } });
    expect(await (await put({ level: 'debug', part: 'ovsdb' })).json()).toMatchObject({
      level: 'info',
      parts: expect.arrayContaining([
        { part: 'ovsdb', level: 'debug' },
        { part: 'switch', level: 'info' },
      ]),
    });
    expect(await (await put({ level: 'warn' })).json()).toMatchObject({
      level: 'warn',
      parts: expect.arrayContaining([{ part: 'ovsdb', level: 'warn' }]),
    });
  });

  it('has no other levels and parts', async () => {
    for (const body of [
      {},
      { level: 'loud' },
      { level: 'info', part: 'x' },
      { level: 'info', x: 1 },
    ]) {
      const answer = await put(body);
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { error: { code: 'REQUEST_INVALID' } },
      ]);
    }
  });
});
