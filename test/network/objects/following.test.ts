/** Networks and groups that hosts have as Docker networks because the model has them. */
import { beforeEach, describe, expect, it, test } from 'vitest';
import { asFairleadError } from '../../../lib/errors.ts';
import { withoutLeaving } from '../../../lib/network/objects/leaving.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { Operator } from '../../support/operator.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { SiteHost, type MadeNetwork } from '../../support/site-hosts.ts';

let whole: MapStore;
let hosts: readonly [SiteHost, SiteHost];
let operator: Operator;

beforeEach(async () => {
  whole = new MapStore();
  hosts = [new SiteHost(whole, 'one'), new SiteHost(whole, 'two')];
  operator = new Operator(hosts[0].store);
  await runPlan(hosts[0].store, planDefaultTenant);
  await operator.put('network', 'default:net', {
    encap: 'vxlan',
    subnet: '10.1.1.0/24',
    gateway: '10.1.1.254',
    cfgdTag: 'mine',
  });
});

const soundly = () => expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
const said = (doing: Promise<unknown>): Promise<string> =>
  doing.then(
    () => 'done',
    (thrown: unknown) => {
      const { code, message } = asFairleadError(thrown);
      return `${code} ${message}`;
    },
  );
let count = 0;
const newId = () => String((count += 1)).padStart(64, '0');

/** A Docker network with options on both sides; one that follows without more. */
function make(
  host: SiteHost,
  options: Readonly<Record<string, string>> = { network: 'net', follows: 'model' },
): Promise<MadeNetwork> {
  return host.createNetwork({ id: newId(), options, ipamOptions: options });
}
const makeGroup = (host: SiteHost, group: string) =>
  make(host, { network: 'net', group, follows: 'model' });

describe('a network that hosts follow', () => {
  it('is gone for operators when it is removed, and whole when the last host has let go', async () => {
    const made = [await make(hosts[0]), await make(hosts[1])] as const;
    await operator.remove('network', 'default:net');
    expect(await operator.get('network', 'default:net')).toBeUndefined();
    expect(await operator.list('network')).toEqual([]);
    expect(await said(operator.remove('network', 'default:net'))).toBe(
      'OBJECT_UNKNOWN network not found',
    );
    soundly();
    await hosts[0].removeNetwork(made[0]);
    const again = operator.put('network', 'default:net', { encap: 'vxlan', subnet: '10.9.0.0/24' });
    expect(await said(again)).toBe(
      'OBJECT_LEAVING network default:net is being removed from its hosts',
    );
    await hosts[1].removeNetwork(made[1]);
    soundly();
    expect(
      [...whole.rows.keys()].filter((key) => /network|ipam|subnet|vni\/|use/.test(key)),
    ).toEqual(['/cursor/network']);
    await operator.put('network', 'default:net', { encap: 'vxlan', subnet: '10.9.0.0/24' });
  });

  it('takes nobody in while it is being removed', async () => {
    const [one, two] = hosts;
    const made = await make(one);
    await operator.remove('network', 'default:net');
    const leaving = 'OBJECT_LEAVING network default:net is being removed from its hosts';
    expect(await said(one.attach(made, newId()))).toBe(leaving);
    expect(await said(make(two))).toBe(leaving);
    expect(await said(make(two, { network: 'net' }))).toBe(leaving);
    expect(await said(operator.put('endpointGroup', 'default:g', { networkName: 'net' }))).toMatch(
      'REFERENCE_UNKNOWN',
    );
    soundly();
  });

  it('stays while a container is attached, or somebody has it by hand', async () => {
    const [one, two] = hosts;
    const made = await make(one);
    const endpoint = await one.attach(made, newId());
    expect(await said(operator.remove('network', 'default:net'))).toBe(
      'OBJECT_IN_USE Error: Network has active endpoints',
    );
    await one.detach(made, endpoint);
    await make(two, { network: 'net' });
    expect(await said(operator.remove('network', 'default:net'))).toMatch(
      'OBJECT_IN_USE cannot delete network net mapped to docker network',
    );
    soundly();
  });

  it('is not made by following: without it there is nothing to follow', async () => {
    await operator.remove('network', 'default:net');
    expect(await said(make(hosts[0]))).toBe(
      'REFERENCE_UNKNOWN the model has no network default:net',
    );
    expect(await operator.list('network')).toEqual([]);
  });

  it('and a container that comes at the same moment are one or the other', async () => {
    for (let round = 0; round < 20; round++) {
      const key = `default:n${round}`;
      await operator.put('network', key, { encap: 'vxlan', subnet: `10.2.${round}.0/24` });
      const made = await make(hosts[1], { network: `n${round}`, follows: 'model' });
      const [attached, removed] = await Promise.all([
        said(hosts[1].attach(made, newId())),
        said(operator.remove('network', key)),
      ]);
      expect([attached, removed].filter((one) => one === 'done')).toHaveLength(1);
      soundly();
    }
  });

  it('can be without a gateway, which engines ask for nevertheless', async () => {
    await operator.put('network', 'default:bare', { encap: 'vxlan', subnet: '10.3.0.0/24' });
    const made = await make(hosts[0], { network: 'bare', follows: 'model' });
    expect(made.gateways).toEqual(['10.3.0.0/24']);
    expect(made.network.subnets).toMatchObject([{ cidr: '10.3.0.0/24' }]);
    expect(made.network.subnets[0]).not.toHaveProperty('gateway');
    expect((await hosts[0].attach(made, newId())).ipv4).toBe('10.3.0.1/24');
    expect(await operator.get('network', 'default:bare')).not.toHaveProperty('gateway');
    soundly();
  });

  it('keeps its tenant until it has left its hosts', async () => {
    await operator.put('tenant', 'blue');
    await operator.put('network', 'blue:net', { encap: 'vxlan', subnet: '10.1.1.0/24' });
    const made = await make(hosts[0], { network: 'net', tenant: 'blue', follows: 'model' });
    await operator.remove('network', 'blue:net');
    expect(await said(operator.remove('tenant', 'blue'))).toBe(
      'OBJECT_LEAVING network blue:net is being removed from its hosts',
    );
    await hosts[0].removeNetwork(made);
    await operator.remove('tenant', 'blue');
  });
});

describe('containers of a group', () => {
  beforeEach(async () => {
    await operator.put('policy', 'default:p');
    await operator.put('endpointGroup', 'default:db', {
      networkName: 'net',
      ipPool: '10.1.1.100-10.1.1.103',
      policies: ['p'],
    });
    await operator.put('endpointGroup', 'default:web', { networkName: 'net' });
  });

  it('are its members, with addresses of its pool', async () => {
    const [one, two] = hosts;
    const [db, far, web] = [
      await makeGroup(one, 'db'),
      await makeGroup(two, 'db'),
      await makeGroup(one, 'web'),
    ];
    const members = [await one.attach(db, newId()), await two.attach(far, newId())];
    expect(members.map(({ ipv4 }) => ipv4)).toEqual(['10.1.1.100/24', '10.1.1.101/24']);
    expect((await one.attach(web, newId())).ipv4).toBe('10.1.1.1/24');
    soundly();
    expect(await operator.oper('endpointGroup', 'default:db')).toMatchObject({
      allocatedIPAddresses: '10.1.1.100-10.1.1.101',
      numEndpoints: 2,
      endpoints: members.map(({ id }) => ({
        endpointID: id,
        serviceName: 'db',
        endpointGroupKey: 'db:default',
        endpointGroupId: 1,
      })),
    });
    expect(await operator.oper('policy', 'default:p')).toMatchObject({ numEndpoints: 2 });
    expect(await operator.oper('network', 'default:net')).toMatchObject({ numEndpoints: 3 });
  });

  it('have no others, and nobody else has those', async () => {
    const [one] = hosts;
    const [db, web] = [await makeGroup(one, 'db'), await makeGroup(one, 'web')];
    expect(await said(one.attach(db, newId(), '10.1.1.7'))).toBe(
      'ADDRESS_OUTSIDE_POOL 10.1.1.7 is not in 10.1.1.100-10.1.1.103, the pool of group db',
    );
    expect(await said(one.attach(web, newId(), '10.1.1.101'))).toMatch('ADDRESS_IN_USE');
    for (let n = 0; n < 4; n++) await one.attach(db, newId());
    expect(await said(one.attach(db, newId()))).toMatch('POOL_EXHAUSTED');
    soundly();
  });

  it('keep it from being removed; once it is, its Docker network takes nobody', async () => {
    const [one] = hosts;
    const web = await makeGroup(one, 'web');
    const endpoint = await one.attach(web, newId());
    expect(await said(operator.remove('endpointGroup', 'default:web'))).toBe(
      'OBJECT_IN_USE Error: EPG web has active endpoints',
    );
    await one.detach(web, endpoint);
    await operator.remove('endpointGroup', 'default:web');
    expect(await said(one.attach(web, newId()))).toBe(
      'REFERENCE_UNKNOWN group default:web of this Docker network is gone',
    );
    await one.removeNetwork(web);
    soundly();
  });

  it('and the removal of the group at the same moment are one or the other', async () => {
    for (let round = 0; round < 20; round++) {
      const group = `g${round}`;
      await operator.put('endpointGroup', `default:${group}`, { networkName: 'net' });
      const made = await makeGroup(hosts[1], group);
      const [attached, removed] = await Promise.all([
        said(hosts[1].attach(made, newId())),
        said(operator.remove('endpointGroup', `default:${group}`)),
      ]);
      expect([attached, removed].filter((one) => one === 'done')).toHaveLength(1);
      soundly();
    }
  });
});

describe('a tag', () => {
  const tagged = (host: SiteHost, tag: string, more: Readonly<Record<string, string>> = {}) =>
    make(host, { 'contiv-tag': tag, ...more });

  it('names a network or a group, by its own or by default', async () => {
    const [one] = hosts;
    await operator.put('endpointGroup', 'default:db', { networkName: 'net', cfgdTag: 'theirs' });
    const site = { tenant: 'default', network: 'net' };
    expect((await tagged(one, 'mine')).network).toMatchObject({ site });
    expect((await tagged(one, 'net.default')).network).toMatchObject({ site });
    expect((await tagged(one, 'theirs')).network).toMatchObject({ site, group: 'db' });
    expect((await tagged(one, 'db.default')).network).toMatchObject({ site, group: 'db' });
    soundly();
  });

  it('that nothing has is refused, and so is one beside a name', async () => {
    const [one] = hosts;
    expect(await said(tagged(one, 'nothing'))).toBe(
      'REFERENCE_UNKNOWN no group or network has tag "nothing"',
    );
    expect(await said(tagged(one, 'mine', { tenant: 'blue' }))).toBe(
      'REFERENCE_UNKNOWN no group or network of tenant "blue" has tag "mine"',
    );
    expect(await said(tagged(one, 'mine', { network: 'net' }))).toMatch('REQUEST_INVALID');
  });
});

test('whoever watches sees a network go when it begins to leave, and nothing more of it', () => {
  const row = (leaving: boolean, modRevision: number) => ({
    key: '/network/default/net',
    value: JSON.stringify({
      ...{ tenant: 'default', name: 'net', number: 1, encapsulation: { kind: 'vxlan', vni: 1 } },
      ...{ subnets: [], internal: false, outside: true, mode: 'routing', arp: 'proxy' },
      ...{ options: {}, createdBy: 'operator', ...(leaving ? { leaving } : {}) },
    }),
    ...{ createRevision: 1, modRevision, version: modRevision },
  });
  const [there, going] = [row(false, 1), row(true, 2)];
  const come = { type: 'put', row: there, previous: undefined } as const;
  const mark = { type: 'put', row: going, previous: there } as const;
  const gone = { type: 'delete', key: there.key, previous: going } as const;
  const seen = [come, mark, gone].map((event, n) =>
    withoutLeaving('network', { revision: n + 1, events: [event] }),
  );
  expect(seen).toEqual([
    { revision: 1, events: [come] },
    { revision: 2, events: [{ type: 'delete', key: there.key, previous: there }] },
    undefined,
  ]);
});
