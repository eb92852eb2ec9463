import { describe, expect, it } from 'vitest';
import { clusterRoutes } from '../../lib/api/cluster.ts';
import { createApiApp } from '../../lib/api/app.ts';
import { FairleadError } from '../../lib/errors.ts';
import type { ClusterOperations } from '../../lib/store/replicated/cluster.ts';
import { apiSources } from './api-sources.ts';

/** Writes down what it is asked, and answers with it. */
function recording(calls: unknown[]): ClusterOperations {
  const answer =
    (name: string) =>
    (...args: unknown[]) => {
      calls.push([name, ...args]);
      return Promise.resolve({ did: name });
    };
  return new Proxy({} as ClusterOperations, {
    get: (_, name) => {
      if (name === 'then') return undefined;
      if (name === 'snapshot') {
        return async function* () {
          yield 'one';
          yield 'two';
        };
      }
      if (name === 'restore') {
        return async (lines: AsyncIterable<string>) => {
          const read: string[] = [];
          for await (const line of lines) read.push(line);
          calls.push(['restore', read]);
          return { did: 'restore' };
        };
      }
      return answer(String(name));
    },
  });
}

describe('the cluster routes', () => {
  it.each([
    ['/init', { listen: '0.0.0.0:1' }, ['init', { listen: '0.0.0.0:1' }]],
    [
      '/token',
      { role: 'voter', ttlMs: 60_000, uses: 1 },
      ['token', { role: 'voter', ttlMs: 60_000, uses: 1 }],
    ],
    ['/join', { token: 'x' }, ['join', { token: 'x' }]],
    ['/join/request', {}, ['joinRequest', {}]],
    ['/join/answer', { text: 'x', role: 'voter' }, ['joinAnswer', 'x', 'voter']],
    ['/join/accept', { text: 'x', pin: 'y' }, ['joinAccept', 'x', 'y']],
    ['/members/a%2Fb/promote', {}, ['promote', 'a/b']],
    ['/members/b/demote', {}, ['demote', 'b']],
    ['/members/b/remove', { force: true }, ['remove', 'b', true]],
    ['/leave', {}, ['leave']],
    ['/transfer', {}, ['transfer', undefined]],
    ['/transfer', { to: 'b' }, ['transfer', 'b']],
    ['/rotate', {}, ['rotate']],
    ['/recover', { stopped: ['b'], dryRun: true }, ['recover', ['b'], true]],
  ])('POST %s %j', async (path, body, call) => {
    const calls: unknown[] = [];
    const app = clusterRoutes(() => Promise.resolve(recording(calls)));
    const answer = await app.request(path, { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    expect(calls).toEqual([call]);
  });

  it('GET / is the status, GET /snapshot lines, POST /snapshot takes them back', async () => {
    const calls: unknown[] = [];
    const app = clusterRoutes(() => Promise.resolve(recording(calls)));
    expect(await (await app.request('/')).json()).toEqual({ did: 'status' });
    expect(await (await app.request('/snapshot')).text()).toBe('one\ntwo\n');
    await app.request('/snapshot', { method: 'POST', body: 'a\nbc\nd' });
    expect(calls.at(-1)).toEqual(['restore', ['a', 'bc', 'd']]);
  });

  it.each([
    ['/token', '{"role":"boss","ttlMs":60000,"uses":1}'],
    ['/token', '{"role":"voter","ttlMs":1,"uses":1}'],
    ['/join', '{}'],
    ['/join', '{"token":"x","more":1}'],
    ['/join', 'nonsense'],
  ])('refuses POST %s %s', async (path, body) => {
    const calls: unknown[] = [];
    const sources = { ...apiSources(), cluster: () => Promise.resolve(recording(calls)) };
    const app = createApiApp(sources);
    const answer = await app.request(`/v1/cluster${path}`, { method: 'POST', body });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'REQUEST_INVALID' } });
    expect(calls).toEqual([]);
  });

  it('says so when the store is not ours', async () => {
    const app = clusterRoutes(() => Promise.resolve(undefined));
    app.onError((thrown, context) =>
      context.json({ code: thrown instanceof FairleadError ? thrown.code : '' }, 409),
    );
    expect(await (await app.request('/')).json()).toEqual({ code: 'CLUSTER_EXTERNAL' });
  });
});
