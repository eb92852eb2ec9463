/** Contiv's REST: paths, shapes, statuses, conditions and bounds. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it, test } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { apiBodyBytesMax, apiHeadersMax, apiRequestsMax } from '../../../lib/limits.ts';
import { allKinds } from '../../../lib/model/objects/kinds.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import type { MapStore } from '../../support/map-store.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { contivSite, contivSources, type Asking } from './contiv-site.ts';

let whole: MapStore;
let ask: Asking;
beforeEach(async () => {
  ({ whole, ask } = await contivSite());
});

const network = {
  tenantName: 'default',
  networkName: 'net',
  encap: 'vxlan',
  subnet: '10.1.1.0/24',
  gateway: '10.1.1.254',
};
/** As Contiv's clients are: Go's, without a word of what they accept. */
const asContiv = { 'user-agent': 'Go-http-client/1.1' };

describe('paths', () => {
  test.each(allKinds.filter(({ access }) => access !== 'inspect').map(({ plural }) => plural))(
    '/api/v1/%s/ lists, with or without the last slash',
    async (plural) => {
      for (const path of [`/api/v1/${plural}/`, `/api/v1/${plural}`]) {
        const { status, body, headers, text } = await ask('GET', path);
        expect([status, Array.isArray(body), headers.get('content-type')]).toEqual([
          200,
          true,
          'application/json',
        ]);
        expect(text).toMatch(/\]\n$/);
      }
    },
  );

  test.each([
    ['GET', '/api/v1/', 404],
    ['GET', '/api/v1/pods/', 404],
    ['GET', '/api/v1/endpoints/', 404],
    ['GET', '/api/v1/networks/a:b/c', 404],
    ['GET', '/api/v1/networks//', 404],
    ['GET', '/api/v1/inspect/networks/', 404],
    ['GET', '/api/v1/inspect/endpoints/none/', 404],
    ['GET', '/api/v1/networks/%ff/', 400],
    ['POST', '/api/v1/networks/', 405],
    ['PATCH', '/api/v1/networks/default:net/', 405],
    ['DELETE', '/api/v1/inspect/networks/default:net/', 405],
    ['GET', '/api/v1/networks/?consistency=other', 400],
    ['GET', '/api/v1/networks/?selector=colour=red', 400],
  ])('%s %s is %i, one line', async (method, path, status) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(/^[^\n]+\n$/);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  it('beside objects say what runs and who leads', async () => {
    expect((await ask('GET', '/version')).body).toEqual({
      GitCommit: 'unknown',
      Version: '1.2.3',
      BuildTime: 'unknown',
    });
    expect((await ask('GET', '/info/')).body).toEqual({ 'current-state': 'leader' });
  });
});

describe('objects', () => {
  it('are made, shown, inspected and removed', async () => {
    const made = await ask('POST', '/api/v1/networks/default:net/', {
      ...network,
      key: 'default:net',
      'link-sets': {},
      unknown: 1,
    });
    const shape = {
      key: 'default:net',
      ...network,
      nwType: 'data',
      'link-sets': {},
      links: { Tenant: { type: 'tenant', key: 'default' } },
    };
    expect([made.status, made.body]).toEqual([200, shape]);
    expect((await ask('GET', '/api/v1/networks/default:net')).body).toEqual(shape);
    expect((await ask('HEAD', '/api/v1/networks/default:net')).status).toBe(200);
    expect((await ask('GET', '/api/v1/networks/')).body).toEqual([shape]);
    expect((await ask('GET', '/api/v1/inspect/networks/default:net/')).body).toEqual({
      Config: shape,
      Oper: {
        allocatedIPAddresses: '10.1.1.254',
        availableIPAddresses: '10.1.1.1-10.1.1.253',
        externalPktTag: 1,
        networkTag: 'net.default',
        pktTag: 1,
      },
    });
    const gone = await ask('DELETE', '/api/v1/networks/default:net/');
    expect([gone.status, gone.text]).toEqual([200, '"default:net"\n']);
    expect((await ask('GET', '/api/v1/networks/')).text).toBe('[]\n');
  });

  it('are listed in the order of their keys', async () => {
    for (const name of ['c', 'a', 'b'])
      await ask('PUT', `/api/v1/policys/default:${name}/`, {
        tenantName: 'default',
        policyName: name,
      });
    const { body } = await ask('GET', '/api/v1/policys/');
    expect(body).toMatchObject([{ key: 'default:a' }, { key: 'default:b' }, { key: 'default:c' }]);
    expect((await ask('GET', '/api/v1/inspect/policys/default:a')).body).toHaveProperty('Oper', {});
    expect((await ask('GET', '/api/v1/inspect/netprofiles/default:a')).text).toBe(
      'netprofile not found\n',
    );
  });

  it('are listed by their fields, those of their keys by the names that documents have', async () => {
    await ask('POST', '/api/v1/networks/default:net/', network);
    await ask('POST', '/api/v1/policys/default:p/', { tenantName: 'default', policyName: 'p' });
    const listed = async (asked: string): Promise<unknown> =>
      ((await ask('GET', `/api/v1/${asked}`)).body as { key: string }[]).map(({ key }) => key);
    expect(await listed('networks/?selector=encap=vxlan,name=net')).toEqual(['default:net']);
    expect(await listed('networks/?selector=encap!=vxlan')).toEqual([]);
    expect(await listed('policys?selector=tenant=default')).toEqual(['default:p']);
  });

  it('with any name have a path', async () => {
    const path = `/api/v1/netprofiles/${encodeURIComponent('default:a/b c')}/`;
    expect((await ask('POST', path, { tenantName: 'default', profileName: 'a/b c' })).status).toBe(
      200,
    );
    expect((await ask('GET', path)).body).toMatchObject({ profileName: 'a/b c' });
  });

  it('that cannot be made are refused', async () => {
    expect(await ask('POST', '/api/v1/volumes/default:v/', {})).toMatchObject({
      status: 422,
      text: 'Invalid object type\n',
    });
    expect(await ask('GET', '/api/v1/volumes/default:v/')).toMatchObject({
      status: 404,
      text: 'volume not found\n',
    });
  });
});

describe('refusals', () => {
  const cases: readonly (readonly [string, string, unknown, number, string])[] = [
    ['GET', 'networks/default:net', undefined, 404, 'network not found'],
    ['GET', 'networks/nonsense', undefined, 404, 'network not found'],
    ['DELETE', 'Bgps/host1', undefined, 404, 'Bgp not found'],
    ['DELETE', 'globals/other', undefined, 404, 'global not found'],
    ['POST', 'networks/default:net', '{', 400, 'the request is not JSON'],
    ['POST', 'networks/default:net', [], 400, 'the request is not a JSON object'],
    [
      'POST',
      'networks/default:net',
      { ...network, pktTag: '7' },
      400,
      'pktTag is not a whole number',
    ],
    ['POST', 'networks/default:other', network, 422, 'Invalid Key'],
    [
      'POST',
      'networks/default:net',
      { ...network, encap: 'gre' },
      422,
      'encap string invalid format, expected vlan or vxlan',
    ],
    ['POST', 'networks/blue:net', { ...network, tenantName: 'blue' }, 422, 'Tenant not found'],
    [
      'POST',
      'tenants/default',
      { tenantName: 'default' },
      409,
      'Cant change tenant parameters after its created',
    ],
  ];

  test.each(cases)('%s %s %j is %i', async (method, path, body, status, said) => {
    const before = [...whole.rows];
    const answer = await ask(method, `/api/v1/${path}/`, body);
    expect([answer.status, answer.text]).toEqual([status, `${said}\n`]);
    expect(answer.headers.get('x-fairlead-code')).toMatch(/^[A-Z_]+$/);
    expect([...whole.rows]).toEqual(before);
    // a 404 to a DELETE is a success for Contiv's clients, and other bodies are not shown
    const contiv = await ask(method, `/api/v1/${path}/`, body, asContiv);
    expect([contiv.status, contiv.text]).toEqual([500, `${said}\n`]);
    const other = await ask(method, `/api/v1/${path}/`, body, {
      ...asContiv,
      accept: 'application/json',
    });
    expect(other.status).toBe(status);
  });

  it('of the store are 503, and say when to come again', async () => {
    const site = await contivSite({
      objects: async () => {
        throw new FairleadError('QUORUM_LOST', 'no quorum');
      },
    });
    const answer = await site.ask('POST', '/api/v1/policys/default:p/', {
      tenantName: 'default',
      policyName: 'p',
    });
    expect([answer.status, answer.text, answer.headers.get('retry-after')]).toEqual([
      503,
      'no quorum\n',
      '1',
    ]);
  });

  it('that are bugs say nothing of the inside (contiv.md h.1.11: stack traces)', async () => {
    const site = await contivSite({
      objects: async () => {
        throw new TypeError('undefined is not a function at /some/file.ts:1');
      },
    });
    const answer = await site.ask('GET', '/api/v1/policys/');
    expect([answer.status, answer.text]).toEqual([500, 'internal error, the log says more\n']);
  });
});

describe('conditions', () => {
  it('are ETags as they were given', async () => {
    const path = '/api/v1/netprofiles/default:n/';
    const body = { tenantName: 'default', profileName: 'n' };
    const put = (more: object, headers: Readonly<Record<string, string>>) =>
      ask('PUT', path, { ...body, ...more }, headers);
    expect((await put({}, { 'if-match': '*' })).status).toBe(412);
    const made = await put({}, { 'if-none-match': '*' });
    expect(made.status).toBe(200);
    expect((await put({}, { 'if-none-match': '*' })).status).toBe(412);
    const etag = made.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[0-9]+"$/);
    expect((await ask('GET', path)).headers.get('etag')).toBe(etag);
    expect((await ask('GET', path.replace('v1', 'v1/inspect'))).headers.get('etag')).toBe(etag);
    const changed = await put({ DSCP: 5 }, { 'if-match': `"1", ${etag}` });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
    expect((await put({ DSCP: 6 }, { 'if-match': etag })).text).toBe(
      'netprofile default:n was changed in the meantime\n',
    );
    expect((await ask('DELETE', path, undefined, { 'if-match': etag })).status).toBe(412);
    for (const wrong of ['5', 'W/"5"', '"x"', '']) {
      expect((await put({}, { 'if-match': wrong })).status).toBe(400);
    }
    expect((await put({}, { 'if-none-match': etag })).status).toBe(400);
    const last = (await ask('GET', path)).headers.get('etag') ?? '';
    expect((await ask('DELETE', path, undefined, { 'if-match': last })).status).toBe(200);
  });
});

describe('bounds', () => {
  it('of a body, said or not', async () => {
    const large = 'x'.repeat(apiBodyBytesMax + 1);
    expect((await ask('POST', '/api/v1/policys/default:p/', large)).status).toBe(413);
    expect(
      (await ask('POST', '/api/v1/policys/default:p/', '{}', { 'content-length': '999999999' }))
        .status,
    ).toBe(413);
    const fits = JSON.stringify({
      tenantName: 'default',
      policyName: 'p',
      more: 'x'.repeat(apiBodyBytesMax - 100),
    });
    expect((await ask('POST', '/api/v1/policys/default:p/', fits)).status).toBe(200);
  });

  it('of headers', async () => {
    const headers = Object.fromEntries(
      Array.from({ length: apiHeadersMax + 1 }, (_, n) => [`x-${n}`, 'y']),
    );
    expect((await ask('GET', '/api/v1/policys/', undefined, headers)).status).toBe(413);
  });

  it('of requests at the same time, of which changes keep no look out', async () => {
    const held = Promise.withResolvers<void>();
    const sources = contivSources();
    const site = await contivSite({
      objects: async () => {
        await held.promise;
        return sources.objects();
      },
    });
    const first = Array.from({ length: apiRequestsMax }, () => site.ask('GET', '/api/v1/policys/'));
    expect(await site.ask('GET', '/api/v1/policys/')).toMatchObject({ status: 503 });
    const remove = () => site.ask('DELETE', '/api/v1/policys/default:none/');
    const removals = Array.from({ length: apiRequestsMax }, remove);
    expect(await remove()).toMatchObject({ status: 503 });
    held.resolve();
    expect((await Promise.all(first)).every(({ status }) => status === 200)).toBe(true);
    expect((await Promise.all(removals)).every(({ status }) => status === 404)).toBe(true);
    expect((await site.ask('GET', '/api/v1/policys/')).status).toBe(200);
  });
});

it('whatever is asked, the answer is ours and nothing breaks', async () => {
  const plural = fc.constantFrom(...allKinds.map((kind) => kind.plural), 'inspect', 'pods', '');
  const part = fc.oneof(
    fc.constantFrom(
      'default',
      'default:net',
      'default:p:1',
      'global',
      '%',
      '%00',
      '..',
      '%2e%2e',
      '%ed%a0%80',
    ),
    fc
      .string({ unit: 'binary', maxLength: 30 })
      .map((text) => encodeURIComponent(text.toWellFormed())),
  );
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      'default',
      'net',
      'p',
      '1',
      'in',
      'allow',
      'vxlan',
      '10.1.1.0/24',
      '',
      7,
      -1,
    ),
    fc.jsonValue(),
  );
  const body = fc.oneof(
    fc
      .dictionary(
        fc.constantFrom(
          'tenantName',
          'networkName',
          'policyName',
          'ruleId',
          'direction',
          'action',
          'encap',
          'subnet',
          'name',
          'key',
          '__proto__',
        ),
        value,
      )
      .map((json) => JSON.stringify(json)),
    fc.jsonValue().map((json) => JSON.stringify(json)),
    fc.string({ unit: 'binary' }),
    fc.constant('['.repeat(100_000)),
  );
  const header = fc.dictionary(
    fc.constantFrom('if-match', 'if-none-match', 'user-agent', 'accept', 'content-type'),
    fc.oneof(
      fc.constantFrom('*', '"1"', 'W/"1"'),
      fc
        .string({ minLength: 1, maxLength: 20 })
        .map((text) => text.replaceAll(/[^\x21-\x7e]/g, 'x')),
    ),
    { maxKeys: 3 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
      fc.array(fc.oneof(plural, part), { minLength: 1, maxLength: 4 }),
      body,
      header,
      async (method, parts, sent, headers) => {
        const before = JSON.stringify([...whole.rows]);
        const withBody = method !== 'GET' && method !== 'OPTIONS';
        const path = `/api/v1/${parts.join('/')}`;
        const answer = await ask(method, path, withBody ? sent : undefined, headers);
        if (!new URL(path, 'http://x').pathname.startsWith('/api/v1/')) return;
        expect([200, 400, 404, 405, 409, 412, 413, 422]).toContain(answer.status);
        if (answer.status !== 200) {
          expect(answer.text).toMatch(/^[^\p{Cc}]+\n$/u);
          expect(answer.headers.get('x-fairlead-code')).not.toBe('INTERNAL');
          expect(JSON.stringify([...whole.rows])).toBe(before);
        }
        expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
      },
    ),
    { numRuns: 800 },
  );
});
