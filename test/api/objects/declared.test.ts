/** What an object is declared to be, it is: what is not said has its default, or is refused by name. */
import { beforeEach, describe, expect, it } from 'vitest';
import { objectSite, type Answer, type ObjectSite } from './object-site.ts';

let site: ObjectSite;
let ask: ObjectSite['ask'];
beforeEach(async () => {
  site = await objectSite();
  ({ ask } = site);
});

const network = { encap: 'vxlan', subnet: '10.1.1.0/24', gateway: '10.1.1.254' };
const group = { networkName: 'web' };
const service = { networkName: 'web', selectors: ['app=web'], ports: ['80:8080:TCP'] };

const specOf = async (path: string): Promise<unknown> => (await ask('GET', path)).body['spec'];
const outcome = ({ status, body }: Answer): unknown => body['outcome'] ?? [status, body['error']];

/** Objects, how they are without what Contiv's clients cannot know, and with it. */
const plain = { encap: 'vxlan', nwType: 'data', subnet: '10.1.1.0/24', gateway: '10.1.1.254' };
const denying = { defaultAction: 'deny', enforcement: 'audit' };
const settable: readonly (readonly [string, object, object])[] = [
  ['/v1/tenants/blue', {}, { ...denying, defaultNetwork: 'web' }],
  ['/v1/networks/default/web', plain, { ...plain, ...denying, hostAccess: 'allow' }],
  ['/v1/endpointGroups/default/g', group, { ...group, ...denying, selectors: ['app=web'] }],
  ['/v1/netprofiles/default/n', {}, { bandwidthIn: '1 mbps', burstIn: 9, DSCPIn: 7 }],
  ['/v1/serviceLBs/default/s', service, { ...service, check: 'tcp', affinity: 'client' }],
];

describe('what is not said any more', () => {
  it.each(settable)('of %s has its default', async (path, less, more) => {
    await ask('PUT', '/v1/networks/default/web', { spec: network });
    await ask('PUT', path, { spec: less });
    expect(await specOf(path)).toEqual(less);
    expect(outcome(await ask('PUT', path, { spec: more }))).toBe('changed');
    expect(await specOf(path)).toMatchObject(more);

    // by a file from which it was taken, first tried
    const [, plural, ...names] = path.split('/').slice(1);
    const kind = (await ask('GET', path)).body['kind'];
    const metadata = plural === 'tenants' ? { name: 'blue' } : { tenant: names[0], name: names[1] };
    const documents = [{ apiVersion: 'fairlead/v1', kind, metadata, spec: less }];
    const tried = await ask('POST', '/v1/apply?dryRun=true', { action: 'apply', documents });
    expect(JSON.parse(tried.text.split('\n')[0] ?? '')).toMatchObject({
      outcome: 'changed',
      after: less,
    });
    expect(outcome(await ask('PUT', path, { spec: less }))).toBe('changed');
    expect(await specOf(path)).toEqual(less);

    // and field by field
    await ask('PUT', path, { spec: more });
    const gone = Object.keys(more).filter((field) => !(field in less));
    const spec = Object.fromEntries(gone.map((field) => [field, null]));
    expect(outcome(await ask('PATCH', path, { spec }))).toBe('changed');
    expect(await specOf(path)).toEqual(less);
    expect(outcome(await ask('PUT', path, { spec: less }))).toBe('unchanged');
  });

  it('is what the words say that take it back', async () => {
    await ask('PUT', '/v1/networks/default/web', { spec: { ...network, ...denying } });
    const words = { defaultAction: 'inherit', enforcement: 'inherit', hostAccess: 'default' };
    const spec = { ...network, ...words };
    expect(outcome(await ask('PUT', '/v1/networks/default/web', { spec }))).toBe('changed');
    expect(await specOf('/v1/networks/default/web')).toEqual(plain);
    expect(outcome(await ask('PUT', '/v1/networks/default/web', { spec }))).toBe('unchanged');
    const none = { spec: { ...group, selectors: ['none'] } };
    await ask('PUT', '/v1/endpointGroups/default/g', { spec: { ...group, selectors: ['a=b'] } });
    expect(outcome(await ask('PUT', '/v1/endpointGroups/default/g', none))).toBe('changed');
    expect(await specOf('/v1/endpointGroups/default/g')).toEqual(group);
  });

  it('is refused by name where it cannot change', async () => {
    await ask('PUT', '/v1/networks/default/web', { spec: { ...network, cfgdTag: 'w' } });
    const { gateway: _gateway, ...less } = network;
    const refusal = await ask('PUT', '/v1/networks/default/web', {
      spec: { ...less, defaultAction: 'deny' },
    });
    expect(outcome(refusal)).toEqual([
      409,
      expect.objectContaining({
        code: 'OBJECT_FIXED',
        message: 'Cant change network parameters after its created: cfgdTag, gateway',
      }),
    ]);
    expect(await specOf('/v1/networks/default/web')).toEqual({ ...plain, cfgdTag: 'w' });
    await ask('PUT', '/v1/endpointGroups/default/g', { spec: { ...group, cfgdTag: 'g' } });
    for (const cfgdTag of [null, '']) {
      const answer = await ask('PATCH', '/v1/endpointGroups/default/g', { spec: { cfgdTag } });
      expect(outcome(answer)).toEqual([
        409,
        expect.objectContaining({ message: 'Cannot change group tag after epg is created.' }),
      ]);
    }
  });
});

it('two operators who change the settings of a tenant do not write over one another', async () => {
  const path = '/v1/tenants/blue';
  const seen = (await ask('PUT', path, {})).headers.get('etag') ?? '';
  const conditional = { 'if-none-match': seen };
  expect((await ask('GET', path, undefined, conditional)).status).toBe(304);
  await ask('PUT', '/v1/networks/blue/web', { spec: network });
  expect((await ask('GET', path, undefined, conditional)).status).toBe(304);
  const deny = { spec: { defaultAction: 'deny' } };
  const changed = await ask('PUT', path, deny, { 'if-match': seen });
  expect(changed.status).toBe(200);
  const late = { spec: { enforcement: 'audit' } };
  expect((await ask('PUT', path, late, { 'if-match': seen })).status).toBe(412);
  const now = await ask('GET', path, undefined, conditional);
  expect([now.status, now.headers.get('etag')]).toEqual([200, changed.headers.get('etag')]);
  expect(now.body).toMatchObject(deny);
});
