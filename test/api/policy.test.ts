/** `/v1/policy/explain`: what may be asked, and what is refused. */
import { beforeEach, expect, it } from 'vitest';
import { policyRoutes } from '../../lib/api/policy.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { SiteHost, sharedAs } from '../support/site-hosts.ts';
import { Operator } from '../support/operator.ts';
import { contivSources } from './contiv/contiv-site.ts';

let whole: MapStore;
beforeEach(async () => {
  whole = new MapStore();
  const host = new SiteHost(whole, 'one');
  await runPlan(host.store, planDefaultTenant);
  const network = { encap: 'vxlan', subnet: '10.2.2.0/24', gateway: '10.2.2.254' };
  await new Operator(host.store).put('network', 'default:net', network);
  const made = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('net') });
  await host.attach(made, 'e'.repeat(64), '10.2.2.9');
});

const ask = async (query: string) => {
  const app = policyRoutes(contivSources(whole), { node: 'edge-1' });
  const answer = await app.request(`/explain?${query}`);
  const body: unknown = await answer.json();
  return { status: answer.status, body };
};

it('says what both ends say', async () => {
  expect(await ask('from=192.0.2.7&to=10.2.2.9&port=443')).toMatchObject({
    status: 200,
    body: { node: 'edge-1', families: [{ family: 4, verdict: 'allow', in: { rule: '' } }] },
  });
  for (const protocol of ['icmp', 'icmp&icmpType=timestamp', '47']) {
    expect(await ask(`from=eeee&to=192.0.2.7&protocol=${protocol}`)).toMatchObject({ status: 200 });
  }
});

it.each([
  'from=192.0.2.7&to=10.2.2.9',
  'from=192.0.2.7&to=10.2.2.9&port=0',
  'from=192.0.2.7&to=10.2.2.9&port=65536',
  'from=192.0.2.7&to=10.2.2.9&port=-1',
  'from=192.0.2.7&to=10.2.2.9&port=443&protocol=icmp',
  'from=192.0.2.7&to=10.2.2.9&port=443&protocol=256',
  'from=192.0.2.7&to=10.2.2.9&port=443&protocol=TCP',
  'from=192.0.2.7&to=10.2.2.9&port=443&icmpType=echo',
  'from=192.0.2.7&to=10.2.2.9&protocol=icmp&icmpType=8',
  'from=192.0.2.7&port=443',
  'from=192.0.2.7&to=10.2.2.9&port=443&ports=443',
  'from=192.0.2.7&to=10.2.2.9&port=443&port=444',
])('refuses %s', async (query) => {
  expect(await ask(query)).toMatchObject({
    status: 400,
    body: { error: { code: 'REQUEST_INVALID' } },
  });
});

it('says that nobody is meant', async () => {
  expect(await ask('from=nobody&to=10.2.2.9&port=443')).toMatchObject({
    body: { error: { code: 'OBJECT_UNKNOWN' } },
  });
});
