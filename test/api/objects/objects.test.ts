/** Our API for objects: looked at, declared, tried, listed page by page. */
import { beforeEach, describe, expect, it, test, vi } from 'vitest';
import { apiPageObjectsMax } from '../../../lib/limits.ts';
import { documentKinds } from '../../../lib/model/objects/document.ts';
import type { RangeResult } from '../../../lib/store/port.ts';
import { anotherHost, objectSite, type ObjectSite } from './object-site.ts';

let site: ObjectSite;
let ask: ObjectSite['ask'];
beforeEach(async () => {
  site = await objectSite();
  ({ ask } = site);
});

const spec = { encap: 'vxlan', subnet: '10.1.1.0/24', gateway: '10.1.1.254' };
const web = '/v1/networks/default/web';
const group = '/v1/endpointGroups/default/app';

const code = (body: unknown): unknown => (body as { error?: { code?: string } }).error?.code;

describe('an object', () => {
  it('is created, looked at, left alone when it is that already, and removed', async () => {
    const made = await ask('PUT', web, { spec });
    expect([made.status, made.body['outcome']]).toEqual([201, 'created']);
    const seen = await ask('GET', web);
    expect(seen.body).toEqual({
      apiVersion: 'fairlead/v1',
      kind: 'network',
      metadata: { tenant: 'default', name: 'web', revision: expect.any(Number) },
      spec: { ...spec, nwType: 'data' },
    });
    expect(seen.headers.get('etag')).toBe(
      `"${(seen.body['metadata'] as { revision: number }).revision}"`,
    );
    const { revision } = site.whole;
    // Contiv refused what it had itself said
    const again = await ask('PUT', web, seen.body);
    expect([again.status, again.body['outcome']]).toEqual([200, 'unchanged']);
    expect(site.whole.revision).toBe(revision);
    expect(code((await ask('PUT', web, { spec: { ...spec, encap: 'vlan' } })).body)).toBe(
      'OBJECT_FIXED',
    );
    expect((await ask('DELETE', web)).body['outcome']).toBe('removed');
    expect([(await ask('GET', web)).status, (await ask('DELETE', web)).status]).toEqual([404, 404]);
  });

  it('is changed in part, as it is at that moment', async () => {
    await ask('PUT', web, { spec });
    await ask('PUT', '/v1/policys/default/p', {});
    await ask('PUT', group, {
      spec: { networkName: 'web', policies: ['p'], ipPool: '10.1.1.9-10.1.1.9' },
    });
    const patched = await ask('PATCH', group, { spec: { policies: null } });
    expect(patched.body).toMatchObject({
      outcome: 'changed',
      object: { spec: { networkName: 'web', ipPool: '10.1.1.9-10.1.1.9' } },
    });
    expect((patched.body['object'] as { spec: object }).spec).not.toHaveProperty('policies');
    expect((await ask('PATCH', '/v1/policys/default/none', { spec: {} })).status).toBe(404);
    expect(code((await ask('PATCH', group, { spec: { networkName: null } })).body)).toBe(
      'OBJECT_INVALID',
    );
  });

  it('is changed only as it was seen, when that is said', async () => {
    const seen = await ask('PUT', '/v1/netprofiles/default/slow', {
      spec: { bandwidth: '1 mbps' },
    });
    const etag = seen.headers.get('etag') ?? '';
    const slower = { spec: { bandwidth: '2 mbps' } };
    expect(
      (await ask('PUT', '/v1/netprofiles/default/slow', slower, { 'if-match': etag })).status,
    ).toBe(200);
    const late = await ask(
      'PUT',
      '/v1/netprofiles/default/slow',
      { spec: {} },
      { 'if-match': etag },
    );
    expect([late.status, code(late.body)]).toEqual([412, 'OBJECT_CHANGED']);
    const said = { metadata: { revision: Number(etag.slice(1, -1)) }, spec: {} };
    expect((await ask('PUT', '/v1/netprofiles/default/slow', said)).status).toBe(412);
    expect(
      (await ask('PUT', '/v1/netprofiles/default/slow', slower, { 'if-none-match': '*' })).status,
    ).toBe(412);
    expect(
      (await ask('DELETE', '/v1/netprofiles/default/slow', undefined, { 'if-match': etag })).status,
    ).toBe(412);
    const now = (await ask('GET', '/v1/netprofiles/default/slow')).headers.get('etag') ?? '';
    expect(
      (await ask('GET', '/v1/netprofiles/default/slow', undefined, { 'if-none-match': now }))
        .status,
    ).toBe(304);
  });

  it('has a status when it is asked for', async () => {
    await ask('PUT', web, { spec });
    const { body } = await ask('GET', `${web}?status=true`);
    expect(body['status']).toMatchObject({
      networkTag: 'web.default',
      availableIPAddresses: expect.any(String),
    });
  });

  it('with odd characters in its name has a path', async () => {
    const path = `/v1/netprofiles/default/${encodeURIComponent('a/b:c %')}`;
    expect((await ask('PUT', path, { spec: { DSCP: 3 } })).status).toBe(201);
    expect((await ask('GET', path)).body['metadata']).toMatchObject({ name: 'a/b:c %' });
  });

  test.each([
    [
      'a field that there is not',
      { spec: { ...spec, gatway: '10.1.1.1' } },
      'OBJECT_INVALID',
      /gatway.*gateway/,
    ],
    ['a field beside', { spec, status: {} }, 'OBJECT_INVALID', /status/],
    ['a name that is another', { metadata: { name: 'db' }, spec }, 'REQUEST_INVALID', /path/],
    ['a tenant that is another', { metadata: { tenant: 'blue' }, spec }, 'REQUEST_INVALID', /path/],
    ['a kind that is another', { kind: 'policy', spec }, 'REQUEST_INVALID', /policy/],
    ['a version that is another', { apiVersion: 'v9', spec }, 'REQUEST_INVALID', /fairlead\/v1/],
    ['a value that does not do', { spec: { ...spec, subnet: 'x' } }, 'OBJECT_INVALID', /subnet/],
    [
      'a value of another type',
      { spec: { ...spec, pktTag: '5' } },
      'REQUEST_INVALID',
      /whole number/,
    ],
    ['no object', [], 'REQUEST_INVALID', /object/],
    ['no JSON', '{', 'REQUEST_INVALID', /JSON/],
  ])('is refused with %s, and nothing has changed', async (_, body, expected, message) => {
    const { revision } = site.whole;
    const answer = await ask('PUT', web, body);
    expect(answer.body).toMatchObject({
      schemaVersion: 1,
      error: { code: expected, message: expect.stringMatching(message) },
    });
    expect(site.whole.revision).toBe(revision);
  });

  test.each([
    ['GET', '/v1/networks/default', 404],
    ['GET', '/v1/networks/default/web/more', 404],
    ['GET', '/v1/networks/default/', 404],
    ['GET', '/v1/networks/%ff/web', 400],
    ['GET', '/v1/globals/other', 404],
    ['POST', '/v1/networks', 405],
    ['POST', web, 405],
    ['GET', '/v1/networks?limit=0', 400],
    ['GET', '/v1/networks?selektor=a', 400],
    ['GET', '/v1/networks?selector=nothing=1', 400],
    ['GET', '/v1/networks?since=1', 400],
    ['GET', '/v1/networks?limit=1&limit=2', 400],
    ['DELETE', `${web}?dryRun=yes`, 400],
  ])('%s %s is %i', async (method, path, status) => {
    expect((await ask(method, path)).status).toBe(status);
  });
});

describe('a dry run', () => {
  it('checks all and changes nothing', async () => {
    const before = new Map(site.whole.rows);
    const tried = await ask('PUT', `${web}?dryRun=true`, { spec });
    expect([tried.status, tried.body['outcome'], tried.body['dryRun']]).toEqual([
      201,
      'created',
      true,
    ]);
    expect(tried.headers.get('etag')).toBeNull();
    expect(site.whole.rows).toEqual(before);
    const refused = await ask('PUT', `${group}?dryRun=true`, { spec: { networkName: 'web' } });
    expect([refused.status, code(refused.body)]).toEqual([422, 'REFERENCE_UNKNOWN']);
  });

  it('of a removal refuses what the removal would', async () => {
    await ask('PUT', web, { spec });
    await ask('PUT', group, { spec: { networkName: 'web' } });
    const before = new Map(site.whole.rows);
    expect(code((await ask('DELETE', `${web}?dryRun=true`)).body)).toBe('OBJECT_IN_USE');
    expect((await ask('DELETE', `${group}?dryRun=true`)).body).toMatchObject({
      outcome: 'removed',
      dryRun: true,
    });
    expect(site.whole.rows).toEqual(before);
  });
});

describe('lists', () => {
  const names = (body: unknown): readonly string[] =>
    (body as { items: { metadata: { name: string } }[] }).items.map(
      ({ metadata }) => metadata.name,
    );

  test.each(documentKinds.map(({ plural }) => plural))('of %s', async (plural) => {
    const { status, body } = await ask('GET', `/v1/${plural}`);
    expect([status, Array.isArray(body['items']), body['revision']]).toEqual([
      200,
      true,
      site.whole.revision,
    ]);
  });

  it('are of one revision through all pages, in the order of keys', async () => {
    const all = ['a', 'b', 'c', 'd', 'e'];
    for (const name of all.toReversed()) await ask('PUT', `/v1/policys/default/${name}`, {});
    const first = await ask('GET', '/v1/policys?limit=2');
    await ask('DELETE', '/v1/policys/default/d');
    await ask('PUT', '/v1/policys/default/bb', {});
    const seen = [...names(first.body)];
    let last = first;
    while (typeof last.body['continue'] === 'string') {
      last = await ask('GET', `/v1/policys?limit=2&continue=${last.body['continue']}`);
      expect(last.body['revision']).toBe(first.body['revision']);
      seen.push(...names(last.body));
    }
    expect(seen).toEqual(all);
    expect(names((await ask('GET', '/v1/policys')).body)).toEqual(['a', 'b', 'bb', 'c', 'e']);
  });

  it('go on at any host, at the cost of a page', async () => {
    const all = Array.from({ length: 40 }, (_, n) => `p${String(n).padStart(2, '0')}`);
    for (const name of all) await ask('PUT', `/v1/policys/default/${name}`, {});
    const other = anotherHost(site.whole);
    const first = await ask('GET', '/v1/policys?limit=20');
    const range = vi.spyOn(site.whole, 'range');
    const second = await other(`/v1/policys?limit=5&continue=${String(first.body['continue'])}`);
    expect(names(second)).toEqual(all.slice(20, 25));
    const rows = await Promise.all(
      range.mock.results.map(({ value }) => value as Promise<RangeResult>),
    );
    range.mockRestore();
    expect(rows.map((answer) => answer.rows.length)).toEqual([6]);
  });

  it('that history does not reach are 410, and another list’s token is refused', async () => {
    for (const name of ['a', 'b', 'c']) await ask('PUT', `/v1/policys/default/${name}`, {});
    const first = await ask('GET', '/v1/policys?limit=1');
    const token = String(first.body['continue']);
    expect(names((await ask('GET', `/v1/policys?limit=1&continue=${token}`)).body)).toEqual(['b']);
    const refusals = [
      `/v1/tenants?continue=${token}`,
      `/v1/policys?selector=name=b&continue=${token}`,
    ];
    const said = (...parts: readonly unknown[]): string =>
      Buffer.from(JSON.stringify(parts)).toString('base64url');
    const forged = [
      'x',
      '',
      said(),
      said('policys', '', -1, 'default', 'a'),
      said('policys', '', 1),
    ];
    const more = [
      said('policys', '', 1, 'default', '\ud800'),
      said('policys', '', 1, 'default', 1),
    ];
    const ofBlue = said('policys', 'tenant=blue', 1, 'default', 'a');
    refusals.push(`/v1/policys?selector=tenant=blue&continue=${ofBlue}`);
    for (const text of [...forged, ...more]) refusals.push(`/v1/policys?continue=${text}`);
    for (const path of refusals) {
      const { status, body } = await ask('GET', path);
      expect([path, status, code(body)]).toEqual([path, 400, 'REQUEST_INVALID']);
    }
    const never = said('policys', '', site.whole.revision + 9, 'default', 'a');
    expect((await ask('GET', `/v1/policys?continue=${never}`)).status).toBe(410);
    site.whole.forget();
    expect((await ask('GET', `/v1/policys?limit=1&continue=${token}`)).status).toBe(200);
    await ask('DELETE', '/v1/policys/default/c');
    site.whole.forget();
    const late = await ask('GET', `/v1/policys?limit=1&continue=${token}`);
    expect([late.status, code(late.body)]).toEqual([410, 'STORE_COMPACTED']);
    expect((await ask('GET', `/v1/policys?limit=${apiPageObjectsMax + 1}`)).status).toBe(400);
  });

  it('are of what is selected', async () => {
    await ask('PUT', '/v1/tenants/blue', {});
    await ask('PUT', web, { spec });
    await ask('PUT', '/v1/networks/blue/db', { spec: { encap: 'vlan', subnet: '10.1.1.0/24' } });
    await ask('PUT', '/v1/policys/default/p', {});
    await ask('PUT', group, { spec: { networkName: 'web', policies: ['p'] } });
    const of = async (path: string) => names((await ask('GET', path)).body);
    expect(await of('/v1/networks?selector=tenant=blue')).toEqual(['db']);
    expect(await of('/v1/networks?selector=tenant=blue,tenant=default')).toEqual([]);
    expect(await of('/v1/networks?selector=tenant!=blue')).toEqual(['web']);
    expect(await of('/v1/networks?limit=1&selector=gateway=')).toEqual(['db']);
    expect(await of('/v1/networks?selector=encap=vxlan')).toEqual(['web']);
    expect(await of('/v1/networks?selector=tenant=default,encap!=vxlan')).toEqual([]);
    expect(await of('/v1/networks?selector=gateway=')).toEqual(['db']);
    expect(await of('/v1/endpointGroups?selector=policies=p')).toEqual(['app']);
  });
});
