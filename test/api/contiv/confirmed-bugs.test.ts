/**
 * Contiv's confirmed bugs, each by its name, through the REST that its own clients use: here they are not. Those of
 * its data plane, agents and store are tested where these are: `bugs-elsewhere.ts` says by which tests.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';
import { bugsElsewhere, bugsWithoutFeature, confirmedBugs } from './bugs-elsewhere.ts';
import { contivSite, contivSources, type Answer, type Asking } from './contiv-site.ts';
import { contivRoutes } from '../../../lib/api/contiv/routes.ts';
import type { RangeResult } from '../../../lib/store/port.ts';
import type { MapStore } from '../../support/map-store.ts';

let whole: MapStore;
let ask: Asking;
beforeEach(async () => {
  ({ whole, ask } = await contivSite());
  await ok('networks/default:net', { networkName: 'net', ...subnet });
});

const subnet = { encap: 'vxlan', subnet: '10.1.1.0/24', gateway: '10.1.1.254' };
const tenant = { tenantName: 'default' };
const post = (key: string, body: object): Promise<Answer> =>
  ask('POST', `/api/v1/${key}/`, { ...tenant, ...body });
const remove = (key: string): Promise<Answer> => ask('DELETE', `/api/v1/${key}/`);
async function ok(key: string, body: object): Promise<Answer> {
  const answer = await post(key, body);
  expect([key, answer.status, answer.status === 200 ? '' : answer.text]).toEqual([key, 200, '']);
  return answer;
}
const inspect = async (key: string): Promise<Readonly<Record<string, unknown>>> =>
  ((await ask('GET', `/api/v1/inspect/${key}/`)).body as { Oper?: Record<string, unknown> }).Oper ??
  {};
const keys = async (plural: string): Promise<readonly string[]> =>
  ((await ask('GET', `/api/v1/${plural}/`)).body as { key: string }[]).map(({ key }) => key);
/** A refusal has changed nothing. */
async function refused(asked: () => Promise<Answer>): Promise<string> {
  const before = [...whole.rows].filter(
    ([key]) => !key.startsWith('/guard/') && !key.startsWith('/ipam/space'),
  );
  const answer = await asked();
  const after = [...whole.rows].filter(
    ([key]) => !key.startsWith('/guard/') && !key.startsWith('/ipam/space'),
  );
  expect(after).toEqual(before);
  expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
  return `${answer.status} ${answer.text.trimEnd()}`;
}

describe('reproduced on its binaries (h.1)', () => {
  it('2: numbers of groups came back after a restart, and with them strangers’ policies', async () => {
    await ok('endpointGroups/default:a', { groupName: 'a', networkName: 'net' });
    const numberOf = (group: string): number =>
      (
        JSON.parse(whole.rows.get(`/object/endpointGroup/default/${group}`)?.value ?? '{}') as {
          number: number;
        }
      ).number;
    const first = numberOf('a');
    expect((await remove('endpointGroups/default:a')).status).toBe(200);
    // another process on what is stored
    const app = contivRoutes(contivSources(whole));
    const answer = await app.request('/api/v1/endpointGroups/default:b/', {
      method: 'POST',
      body: JSON.stringify({ ...tenant, groupName: 'b', networkName: 'net' }),
    });
    expect(answer.status).toBe(200);
    expect(first).toBeGreaterThan(0);
    expect(numberOf('b')).not.toBe(first);
  });

  it('3: a refused removal of a network had dropped it from its tenant, which then could go', async () => {
    await ok('tenants/blue', { tenantName: 'blue' });
    await ok('networks/blue:web', { tenantName: 'blue', networkName: 'web', ...subnet });
    const host = new SiteHost(whole, 'one');
    const docker = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('web', 'blue') });
    const endpoint = await host.attach(docker, 'a'.repeat(64));
    const keepsAll = async (): Promise<void> => {
      expect(await refused(() => remove('networks/blue:web'))).toBe(
        '409 Error: Network has active endpoints',
      );
      expect((await ask('GET', '/api/v1/tenants/blue/')).body).toMatchObject({
        'link-sets': { Networks: { 'blue:web': { key: 'blue:web' } } },
      });
      expect(await refused(() => remove('tenants/blue'))).toBe(
        '409 cannot delete blue has 1 networks',
      );
    };
    await keepsAll();
    await keepsAll();
    await host.detach(docker, endpoint);
    await host.removeNetwork(docker);
    for (const key of ['networks/blue:web', 'tenants/blue']) {
      expect((await remove(key)).status).toBe(200);
    }
  });

  it('4: a network whose Docker network had gone could never be removed', async () => {
    const host = new SiteHost(whole, 'one');
    const docker = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('net') });
    await host.removeNetwork(docker);
    expect((await remove('networks/default:net')).status).toBe(200);
    expect(await refused(() => remove('networks/default:net'))).toBe('404 network not found');
  });

  it('5: an address asked for twice left a ghost, and a count of -1', async () => {
    const host = new SiteHost(whole, 'one');
    const docker = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('net') });
    const first = await host.attach(docker, 'a'.repeat(64), '10.1.1.7');
    await expect(host.attach(docker, 'b'.repeat(64), '10.1.1.7')).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
    });
    expect(await inspect('networks/default:net')).toMatchObject({
      allocatedAddressesCount: 1,
      numEndpoints: 1,
    });
    await host.detach(docker, first);
    const left = await inspect('networks/default:net');
    expect([left['allocatedAddressesCount'] ?? 0, left['numEndpoints'] ?? 0]).toEqual([0, 0]);
    await host.removeNetwork(docker);
    expect((await remove('networks/default:net')).status).toBe(200);
  });

  it('7: a service port without its target stopped the handler, and left a ghost', async () => {
    const service = { serviceName: 's', networkName: 'net', selectors: ['a=b'] };
    for (const ports of [['80'], ['80:8080'], ['80:8080:TCP', 'x']]) {
      expect(await refused(() => post('serviceLBs/default:s', { ...service, ports }))).toMatch(
        /^422 .*[Pp]ort/,
      );
    }
    expect(await keys('serviceLBs')).toEqual([]);
  });

  it('8: a group with an unknown profile left its state behind', async () => {
    const group = { groupName: 'g', networkName: 'net', netProfile: 'none' };
    expect(await refused(() => post('endpointGroups/default:g', group))).toBe(
      '422 netprofile not found',
    );
    expect(await keys('endpointGroups')).toEqual([]);
  });

  it('9: protocol 999 became any, and a port of icmp was ignored', async () => {
    await ok('policys/default:p', { policyName: 'p' });
    const rule = { policyName: 'p', ruleId: '1', direction: 'in', action: 'allow' };
    expect(await refused(() => post('rules/default:p:1', { ...rule, protocol: '999' }))).toMatch(
      /^422 protocol/,
    );
    expect(
      await refused(() => post('rules/default:p:1', { ...rule, protocol: 'icmp', port: 80 })),
    ).toMatch(/^422 .*port/);
  });

  it('10: addresses were never given back', async () => {
    const host = new SiteHost(whole, 'one');
    const docker = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('net') });
    const before = (await inspect('networks/default:net'))['availableIPAddresses'];
    for (let round = 0; round < 3; round += 1) {
      const endpoint = await host.attach(docker, `${round}`.repeat(64));
      await host.detach(docker, endpoint);
    }
    expect((await inspect('networks/default:net'))['availableIPAddresses']).toBe(before);
  });

  it('11: errors had stack traces', async () => {
    const { ask: broken } = await contivSite({
      objects: () => Promise.reject(new TypeError('x is undefined\n    at file.ts:1')),
    });
    const { status, text } = await broken('GET', '/api/v1/networks/');
    expect([status, text]).toEqual([500, 'internal error, the log says more\n']);
  });

  it('12: each network made the next one slower', async () => {
    const rowsRead = async (at: number): Promise<number> => {
      const range = vi.spyOn(whole, 'range');
      const own = { encap: 'vxlan', subnet: `10.2.${at}.0/24` };
      await ok(`networks/default:n${at}`, { networkName: `n${at}`, ...own });
      const found = range.mock.results.map(({ value }) => value as Promise<RangeResult>);
      range.mockRestore();
      return (await Promise.all(found)).reduce((sum, { rows }) => sum + rows.length, 0);
    };
    const counts: number[] = [];
    for (let at = 0; at < 60; at += 1) counts.push(await rowsRead(at));
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts.at(-1)).toBeLessThanOrEqual((counts[1] ?? 0) + 2);
  });

  it('13: the global object could be deleted, and nothing worked afterwards', async () => {
    expect((await remove('globals/global')).status).toBe(200);
    expect(await keys('globals')).toEqual(['global']);
    await ok('endpointGroups/default:g', { groupName: 'g', networkName: 'net' });
  });

  it('14: prefixes of IPv6 were refused without cause, and rules had no IPv6', async () => {
    for (const [at, length] of [108, 109, 118, 119, 127].entries()) {
      const own = {
        ...subnet,
        subnet: `10.2.${at}.0/24`,
        gateway: '',
        ipv6Subnet: `fd00:${at}::/${length}`,
      };
      await ok(`networks/default:six${at}`, { networkName: `six${at}`, ...own });
    }
    await ok('policys/default:p', { policyName: 'p' });
    const rule = { policyName: 'p', ruleId: '1', direction: 'in', action: 'allow' };
    await ok('rules/default:p:1', { ...rule, fromIpAddress: 'fd00::/64' });
  });
});

describe('the list', () => {
  const read = (path: string): string =>
    readFileSync(join(import.meta.dirname, '../../..', path), 'utf8');

  it('has a test for every bug, here or where it can be shown', () => {
    const own = read('test/api/contiv/confirmed-bugs.test.ts');
    const parts = own.split(/^describe\('.*\((h\.[1-3])\)'/m);
    const here = parts.flatMap((part, at) =>
      at % 2 === 0
        ? []
        : [...(parts[at + 1] ?? '').matchAll(/\bit\('([0-9]+): /g)].map(([, n]) => `${part} ${n}`),
    );
    const named = [
      ...here,
      ...bugsElsewhere.flatMap(({ bugs }) => bugs),
      ...bugsWithoutFeature.map(([bug]) => bug),
    ];
    expect(new Set(named)).toEqual(new Set(confirmedBugs));
  });

  it.each(bugsElsewhere.flatMap(({ shownBy }) => shownBy))('%s has "%s"', (file, title) => {
    const text = read(file);
    // the whole of it, before the function that shows it
    expect(text).toMatch(new RegExp(`['"\`]${RegExp.escape(title)}['"\`],\\s*(?:async )?\\(`));
    expect(text).not.toMatch(/\.(?:skip|todo|fails)\b/);
  });
});

describe('seen in its code (h.2)', () => {
  it('4: only the first port of a service was looked at, and lower case was lost on the way', async () => {
    const service = { serviceName: 's', networkName: 'net', selectors: ['a=b'] };
    await ok('serviceLBs/default:s', { ...service, ports: ['80:8080:tcp', '53:53:udp'] });
  });

  it('5: what REST took of a rule’s address, the agent refused without a word', async () => {
    await ok('policys/default:p', { policyName: 'p' });
    const rule = { policyName: 'p', ruleId: '1', direction: 'in', action: 'allow' };
    await ok('rules/default:p:1', { ...rule, fromIpAddress: '10.1.1.5-10' });
    expect(
      await refused(() =>
        post('rules/default:p:2', { ...rule, ruleId: '2', fromIpAddress: '10.1.1.5-10/24' }),
      ),
    ).toMatch(/^422 fromIpAddress/);
  });

  it('6: settings were back to flags after a restart', async () => {
    await ok('globals/global', { name: 'global', vlans: '10-20', arpMode: 'flood' });
    const app = contivRoutes(contivSources(whole));
    const [shown] = (await (await app.request('/api/v1/globals/')).json()) as readonly object[];
    expect(shown).toMatchObject({ vlans: '10-20', arpMode: 'flood' });
  });

  it('7: a write that failed left phantom objects in memory', async () => {
    whole.beforeTxn = () => {
      throw new FairleadError('QUORUM_LOST', 'no majority');
    };
    expect(await refused(() => post('policys/default:p', { policyName: 'p' }))).toBe(
      '503 no majority',
    );
    whole.beforeTxn = undefined;
    expect(await keys('policys')).toEqual([]);
  });

  it('8: services did not keep their tenant', async () => {
    expect((await ask('POST', '/api/v1/tenants/blue/', { tenantName: 'blue' })).status).toBe(200);
    const blue = { tenantName: 'blue' };
    await ok('networks/blue:n', { ...blue, networkName: 'n', ...subnet });
    const service = { serviceName: 's', networkName: 'n', selectors: ['a=b'], ports: ['1:2:TCP'] };
    await ok('serviceLBs/blue:s', { ...blue, ...service });
    expect(await refused(() => remove('networks/blue:n'))).toBe(
      '409 cannot delete n has 1 services',
    );
    // also where its network is lost, which would be asked about first
    whole.rows.delete('/network/blue/n');
    const { status, text } = await remove('tenants/blue');
    expect([status, text]).toEqual([409, 'cannot delete blue has 1 services\n']);
  });

  it('9: giving back an address took no lock: of two at the same time one was lost', async () => {
    const hosts = ['one', 'two'].map((name) => new SiteHost(whole, name));
    const made = await Promise.all(
      hosts.map((host, at) => host.createNetwork({ id: `${at}`.repeat(64), ...sharedAs('net') })),
    );
    const before = (await inspect('networks/default:net'))['availableIPAddresses'];
    const poolOf = (at: number): string => made[at]?.pools[0]?.poolId ?? '';
    const taken = await Promise.all(hosts.map((host, at) => host.requestAddress(poolOf(at))));
    expect(new Set(taken).size).toBe(2);
    await Promise.all(hosts.map((host, at) => host.releaseAddress(poolOf(at), taken[at] ?? '')));
    expect((await inspect('networks/default:net'))['availableIPAddresses']).toBe(before);
  });
});

describe('reported (h.3)', () => {
  it('368: a network was deleted while groups remained', async () => {
    await ok('endpointGroups/default:g', { groupName: 'g', networkName: 'net' });
    expect(await refused(() => remove('networks/default:net'))).toMatch(/^409 /);
  });

  it('901: an endpoint whose container was gone kept the network for ever', async () => {
    const host = new SiteHost(whole, 'one');
    const docker = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('net') });
    const endpoint = await host.attach(docker, 'e'.repeat(64));
    expect(await refused(() => remove('networks/default:net'))).toBe(
      '409 Error: Network has active endpoints',
    );
    await host.detach(docker, endpoint);
    await host.removeNetwork(docker);
    expect((await remove('networks/default:net')).status).toBe(200);
  });
});
