/** What operators may do with objects, in which order, and what is said when they may not. */
import { beforeEach, describe, expect, it, test } from 'vitest';
import { asFairleadError, errorTable } from '../../../lib/errors.ts';
import type { KindName } from '../../../lib/model/objects/kind.ts';
import { serviceEarlierMax } from '../../../lib/limits.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { Operator, type Json } from '../../support/operator.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';

let whole: MapStore;
let host: SiteHost;
let operator: Operator;

beforeEach(async () => {
  whole = new MapStore();
  host = new SiteHost(whole, 'one');
  operator = new Operator(host.store);
  await runPlan(host.store, planDefaultTenant);
});

/** What is said to a command, without what it may have changed: a refusal changes nothing. */
async function said(command: Promise<unknown>): Promise<string> {
  const before = JSON.stringify([...whole.rows]);
  let answer = 'done';
  try {
    await command;
  } catch (thrown) {
    const { code, message } = asFairleadError(thrown);
    const withoutGuards = (rows: string): string => rows.replace(/\["\/ipam\/space.*?\}\],?/g, '');
    expect(withoutGuards(JSON.stringify([...whole.rows]))).toBe(withoutGuards(before));
    answer = `${errorTable[code].httpStatus} ${message}`;
  }
  expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
  return answer;
}
const put = (kind: KindName, key: string, body?: Json) => said(operator.put(kind, key, body));
const remove = (kind: KindName, key: string) => said(operator.remove(kind, key));

const net = (subnet = '10.1.1.0/24', more: Json = {}) => ({ encap: 'vxlan', subnet, ...more });
const group = (networkName = 'net', more: Json = {}) => ({ networkName, ...more });
const rule = (more: Json = {}) => ({ direction: 'in', action: 'allow', ...more });

describe('settings of policies', () => {
  const shown = async (kind: KindName, key: string) => {
    const { defaultAction, enforcement } = (await operator.get(kind, key)) ?? {};
    return [defaultAction, enforcement];
  };

  it.each([
    ['tenant', 'blue', {}],
    ['network', 'blue:net', net()],
    ['endpointGroup', 'blue:g', group()],
  ] as const)('of a %s change while it is there', async (kind, key, base) => {
    await operator.put('tenant', 'blue');
    await operator.put('network', 'blue:net', net());
    await operator.put('endpointGroup', 'blue:g', group());
    expect(await put(kind, key, { ...base, defaultAction: 'deny-in' })).toBe('done');
    expect(await shown(kind, key)).toEqual(['deny-in', undefined]);
    // what is not given stays: Contiv's clients give none
    expect(await put(kind, key, { ...base, enforcement: 'audit' })).toBe('done');
    expect(await shown(kind, key)).toEqual(['deny-in', 'audit']);
    expect(await put(kind, key, { ...base, enforcement: 'audit' })).toBe('done');
    expect(await put(kind, key, { ...base, defaultAction: 'inherit' })).toBe('done');
    expect(await shown(kind, key)).toEqual([undefined, 'audit']);
    expect(await put(kind, key, { ...base, defaultAction: 'reject' })).toMatch(
      /^422 .*inherit or allow/,
    );
  });

  it('do not let anything else of a tenant or network change', async () => {
    const settings = { enforcement: 'audit' };
    await operator.put('tenant', 'blue', { defaultNetwork: 'net', defaultAction: 'deny' });
    expect(await shown('tenant', 'blue')).toEqual(['deny', undefined]);
    await operator.put('network', 'blue:net', net('10.1.1.0/24', { ...settings, pktTag: 7 }));
    expect(await shown('network', 'blue:net')).toEqual([undefined, 'audit']);
    expect(await put('tenant', 'blue', { ...settings, defaultNetwork: 'other' })).toMatch(
      /^409 Cant/,
    );
    expect(await put('tenant', 'blue', { ...settings, defaultNetwork: 'net' })).toBe('done');
    expect(await put('network', 'blue:net', net('10.1.2.0/24', settings))).toMatch(/^409 Cant/);
    expect(
      await put('network', 'blue:net', net('10.1.1.0/24', { ...settings, pktTag: 8 })),
    ).toMatch(/^409 Cant/);
    expect(await put('network', 'blue:net', net('10.1.1.0/24', { enforcement: 'enforce' }))).toBe(
      'done',
    );
  });

  it('stay when a group is made again by who knows none', async () => {
    await operator.put('network', 'default:net', net());
    await operator.put('policy', 'default:p');
    await operator.put('endpointGroup', 'default:g', group('net', { defaultAction: 'deny' }));
    expect(await put('endpointGroup', 'default:g', group('net', { policies: ['p'] }))).toBe('done');
    expect(await shown('endpointGroup', 'default:g')).toEqual(['deny', undefined]);
  });
});

describe('host access', () => {
  const shown = async () => (await operator.get('network', 'default:net'))?.['hostAccess'];
  const ask = (hostAccess?: string, more: Json = {}) =>
    put(
      'network',
      'default:net',
      net('10.1.1.0/24', { ...(hostAccess && { hostAccess }), ...more }),
    );

  it('of a network changes while it is there, and stays when it is not given', async () => {
    expect(await ask('allow')).toBe('done');
    expect(await shown()).toBe('allow');
    expect(await ask(undefined, { enforcement: 'audit' })).toBe('done');
    expect(await shown()).toBe('allow');
    expect(await ask('deny')).toBe('done');
    expect(await shown()).toBe('deny');
    expect(await ask('default')).toBe('done');
    expect(await shown()).toBeUndefined();
    expect(await ask()).toMatch(/^409 Cant/);
    expect(await ask('perhaps')).toMatch(/^422 .*default or allow or deny|^422 .*allow/);
    expect(await ask('allow', { pktTag: 9 })).toMatch(/^409 Cant/);
    expect(await shown()).toBeUndefined();
  });

  it('is for data networks that we route', async () => {
    expect(await ask('allow', { nwType: 'infra' })).toMatch(/^422 hostAccess is for data networks/);
    expect(await ask('allow', { encap: 'vlan' })).toMatch(/^422 hostAccess needs a network that/);
    expect(await ask('deny', { encap: 'vlan' })).toBe('done');
    expect(await ask('allow', { encap: 'vlan' })).toMatch(/^422 hostAccess needs a network that/);
  });
});

describe('labels that a group asks for', () => {
  const asked = async () => (await operator.get('endpointGroup', 'default:g'))?.['selectors'];
  const ask = (selectors?: readonly string[], more: Json = {}) =>
    put('endpointGroup', 'default:g', group('net', { ...(selectors && { selectors }), ...more }));

  it('change while it is there, stay when they are not given, and are taken back by a word', async () => {
    await operator.put('network', 'default:net', net());
    await operator.put('policy', 'default:p');
    expect(await ask()).toBe('done');
    // Contiv's clients never see them
    expect(await operator.get('endpointGroup', 'default:g')).not.toHaveProperty('selectors');
    expect(await ask(['app=web', 'release=2', 'app=web'])).toBe('done');
    expect(await asked()).toEqual(['app=web', 'release=2']);
    expect(await ask(undefined, { policies: ['p'] })).toBe('done');
    expect(await asked()).toEqual(['app=web', 'release=2']);
    expect(await ask([])).toBe('done');
    expect(await asked()).toEqual(['app=web', 'release=2']);
    expect(await ask(['none'])).toBe('done');
    expect(await operator.get('endpointGroup', 'default:g')).not.toHaveProperty('selectors');
  });

  it.each([
    [['web'], /^422 selectors string invalid format, expected KEY=VALUE, or none alone$/],
    [['app='], /^422 .*KEY=VALUE/],
    [['=web'], /^422 .*KEY=VALUE/],
    [['a b=c'], /^422 .*KEY=VALUE/],
    [['none', 'app=web'], /^422 .*none alone$/],
    [[`app=${'x'.repeat(512)}`], /^422 selectors string too long$/],
    [Array.from({ length: 65 }, (_, n) => `k${n}=1`), /^422 selectors has 65 entries, .* 64$/],
  ])('are refused as %j', async (selectors, refusal) => {
    await operator.put('network', 'default:net', net());
    await operator.put('endpointGroup', 'default:g', group('net', { selectors: ['app=web'] }));
    expect(await ask(selectors)).toMatch(refusal);
    expect(await asked()).toEqual(['app=web']);
  });
});

describe('tenants', () => {
  it('are made once, and removed when nothing is in them, in Contiv’s order of looking', async () => {
    expect(await put('tenant', 'blue')).toBe('done');
    expect(await put('tenant', 'blue')).toBe('409 Cant change tenant parameters after its created');
    await operator.put('network', 'blue:net', net());
    await operator.put('policy', 'blue:p');
    await operator.put('netprofile', 'blue:n');
    await operator.put('extContractsGroup', 'blue:x', {
      contractsType: 'provided',
      contracts: ['c'],
    });
    await operator.put('endpointGroup', 'blue:g', group());
    await operator.put('appProfile', 'blue:a', { endpointGroups: ['g'] });
    await operator.put('serviceLB', 'blue:s', {
      networkName: 'net',
      selectors: ['a=b'],
      ports: ['1:2:TCP'],
    });
    const steps: readonly (readonly [KindName, string, string])[] = [
      ['appProfile', 'blue:a', '409 cannot delete blue, has 1 app profiles'],
      ['endpointGroup', 'blue:g', '409 cannot delete blue has 1 endpoint groups'],
      ['policy', 'blue:p', '409 cannot delete blue has 1 policies'],
      ['netprofile', 'blue:n', '409 Cannot delete blue has 1 netprofiles'],
      // contiv.md h.2: services were not looked at
      ['serviceLB', 'blue:s', '409 cannot delete blue has 1 networks'],
      ['network', 'blue:net', '409 cannot delete blue has 1 networks'],
      ['extContractsGroup', 'blue:x', '409 cannot delete blue has 1 external contracts groups'],
    ];
    for (const [kind, key, refusal] of steps) {
      expect(await remove('tenant', 'blue')).toBe(refusal);
      expect(await remove(kind, key)).toBe('done');
    }
    expect(await remove('tenant', 'blue')).toBe('done');
    expect(await remove('tenant', 'blue')).toBe('404 tenant not found');
  });

  it('default is always there (contiv.md a.4: it could be deleted)', async () => {
    expect(await remove('tenant', 'default')).toBe('409 cannot delete default, it is always there');
    expect(await runPlan(host.store, planDefaultTenant)).toBe(false);
    const fresh = new Operator(new SiteHost(new MapStore(), 'one').store);
    expect(await fresh.put('policy', 'default:p')).toBe(true);
  });

  it('that Docker’s calls made are shown, and not removed under a host that is about to use them', async () => {
    const { poolId } = await host.requestPool('10.9.0.0/24', sharedAs('n', 'red'));
    expect(await operator.get('tenant', 'red')).toMatchObject({ key: 'red' });
    expect(await remove('tenant', 'red')).toBe(
      '409 cannot delete red, a host is about to make a network in it',
    );
    await host.releasePool(poolId);
    expect(await remove('tenant', 'red')).toBe('done');
  });

  it('keep the name of a network for Contiv through whatever comes to them', async () => {
    await operator.put('tenant', 'blue', { defaultNetwork: 'n' });
    await operator.put('policy', 'blue:p');
    await host.requestPool('10.9.0.0/24', sharedAs('n', 'blue'));
    expect(await operator.get('tenant', 'blue')).toMatchObject({ defaultNetwork: 'n' });
  });
});

describe('networks', () => {
  it('show what was typed, and find out the rest', async () => {
    await operator.put(
      'network',
      'default:net',
      net('10.1.1.9/24', { gateway: '10.1.1.254', cfgdTag: 'web' }),
    );
    expect(await operator.get('network', 'default:net')).toEqual({
      key: 'default:net',
      cfgdTag: 'web',
      encap: 'vxlan',
      gateway: '10.1.1.254',
      networkName: 'net',
      nwType: 'data',
      subnet: '10.1.1.9/24',
      tenantName: 'default',
      'link-sets': {},
      links: { Tenant: { type: 'tenant', key: 'default' } },
    });
    expect(await operator.oper('network', 'default:net')).toEqual({
      allocatedIPAddresses: '10.1.1.254',
      availableIPAddresses: '10.1.1.1-10.1.1.253',
      externalPktTag: 1,
      networkTag: 'web',
      pktTag: 1,
    });
    expect(await operator.oper('global', 'global')).toEqual({
      clusterMode: 'docker',
      numNetworks: 1,
      vxlansInUse: '1',
    });
  });

  test.each([
    [{ subnet: '10.1.2.0/7' }, '422 subnet length 7 not supported, expected 8 to 31'],
    [{ gateway: '10.2.0.1' }, '422 hostIP 10.2.0.1 is exceeding beyond subnet 10.1.1.0/24'],
    [
      { gateway: '10.1.1.255' },
      '422 hostIP 10.1.1.255 is not an address that a host of 10.1.1.0/24 may have',
    ],
    [
      { subnet: '10.1.1.9-10.1.1.5/24' },
      '422 Network subnet format not valid: 10.1.1.9-10.1.1.5 is no range of addresses of 10.1.1.0/24',
    ],
    [
      { subnet: '10.1.1.9-10.1.2.5/24' },
      '422 Network subnet format not valid: 10.1.1.9-10.1.2.5 is no range of addresses of 10.1.1.0/24',
    ],
    [
      { subnet: '127.0.0.0/24' },
      '422 subnet: subnet "127.0.0.0/24" contains loopback addresses, 127.0.0.0/8, expected unicast such as 10.1.2.0/24',
    ],
    [{ ipv6Gateway: 'fd00::1' }, '422 ipv6Gateway needs ipv6Subnet'],
    [
      { ipv6Subnet: 'fd00::/64', ipv6Gateway: 'fd01::1' },
      '422 hostIP fd01::1 is exceeding beyond subnet fd00::/64',
    ],
    [
      { pktTag: 10_001 },
      '409 requested vxlan is out of range, the range of new networks is 1-10000',
    ],
    [
      { encap: 'vlan', pktTag: 4_095 },
      '409 requested vlan not available - vlan:4095, the range of new networks is 1-4094',
    ],
  ])('%j is refused', async (more, refusal) => {
    expect(await put('network', 'default:net', net('10.1.1.0/24', more))).toBe(refusal);
  });

  it('have tags, subnets and names that no other has', async () => {
    await operator.put('tenant', 'blue');
    await operator.put(
      'network',
      'default:a',
      net('10.1.1.0/24', { pktTag: 7, ipv6Subnet: 'fd00::/64', cfgdTag: 'web' }),
    );
    const another = (subnet: string, more: Json = {}) =>
      put('network', 'default:b', net(subnet, more));
    expect(await put('network', 'default:a', net())).toBe(
      '409 Cant change network parameters after its created',
    );
    expect(await put('network', 'none:a', net())).toBe('422 Tenant not found');
    expect(await another('10.1.0.0/16')).toBe('409 network a conflicts with subnet 10.1.0.0/16');
    expect(await another('10.1.1.5-10.1.1.9/24')).toBe(
      '409 network a conflicts with subnet 10.1.1.5-10.1.1.9/24',
    );
    expect(await another('10.2.0.0/16', { ipv6Subnet: 'fd00::/48' })).toBe(
      '409 network a conflicts with subnetv6  fd00::/48',
    );
    expect(await another('10.2.0.0/16', { pktTag: 7 })).toBe(
      '409 requested vxlan not available: VNI 7 belongs to network default:a',
    );
    expect(await another('10.2.0.0/16', { cfgdTag: 'web' })).toBe(
      '409 tag web belongs to network default:a',
    );
    expect(await put('network', 'blue:b', net())).toBe('done');
    await operator.put('endpointGroup', 'default:g', group('a'));
    expect(await put('network', 'default:g', net('10.5.0.0/16'))).toBe(
      '409 EndpointGroup g conflicts with the network name',
    );
    expect(
      await put('network', 'default:v', net('10.6.0.0/16', { encap: 'vlan', pktTag: 9 })),
    ).toBe('done');
    expect(
      await put('network', 'default:w', net('10.7.0.0/16', { encap: 'vlan', pktTag: 9 })),
    ).toBe('409 requested vlan not available - vlan:9: VLAN 9 belongs to network default:v');
  });

  it('have both families at once, and the prefixes that Contiv refused', async () => {
    expect(
      await put(
        'network',
        'default:a',
        net('10.1.1.0/24', { ipv6Subnet: 'fd00::5/108', ipv6Gateway: 'fd00::1' }),
      ),
    ).toBe('done');
    expect(
      await put('network', 'default:b', net('10.1.2.0/31', { ipv6Subnet: 'fd01::7/128' })),
    ).toBe('done');
    expect(await remove('network', 'default:a')).toBe('done');
    expect(await remove('network', 'default:b')).toBe('done');
    expect(
      [...whole.rows.keys()].filter((key) => !/^\/(?:cursor|tenant|number\/tenant)\//.test(key)),
    ).toEqual([]);
  });

  it('go when nothing uses them, whole', async () => {
    await operator.put('network', 'default:net', net());
    await operator.put('endpointGroup', 'default:g', group());
    await operator.put('serviceLB', 'default:s', {
      networkName: 'net',
      selectors: ['a=b'],
      ports: ['1:2:TCP'],
    });
    expect(await remove('network', 'default:net')).toBe(
      '409 cannot delete net has 1 endpoint groups',
    );
    await operator.remove('endpointGroup', 'default:g');
    expect(await remove('network', 'default:net')).toBe('409 cannot delete net has 1 services');
    await operator.remove('serviceLB', 'default:s');
    const options = sharedAs('net');
    const made = await host
      .createNetwork({ id: 'd'.repeat(64), ...options, gateway: '10.1.1.1' })
      .catch((thrown: unknown) => asFairleadError(thrown).message);
    // a network without a gateway has none for Docker either
    expect(made).toBe(
      'network default:net is there with gateway of 10.1.1.0/24 none, not 10.1.1.1',
    );
    await operator.remove('network', 'default:net');
    await operator.put('network', 'default:net', net('10.1.1.0/24', { gateway: '10.1.1.254' }));
    const docker = await host.createNetwork({ id: 'd'.repeat(64), ...options });
    const endpoint = await host.attach(docker, 'e'.repeat(64));
    expect(endpoint.ipv4).toBe('10.1.1.1/24');
    // contiv.md h.1.3: the refused removal had dropped it from its tenant
    expect(await remove('network', 'default:net')).toBe('409 Error: Network has active endpoints');
    expect(await operator.get('tenant', 'default')).toMatchObject({
      'link-sets': { Networks: { 'default:net': {} } },
    });
    await host.detach(docker, endpoint);
    expect(await remove('network', 'default:net')).toBe(
      `409 cannot delete network net mapped to docker network ${'d'.repeat(64)} of host one`,
    );
    await host.removeNetwork(docker);
    expect(await remove('network', 'default:net')).toBe('done');
    expect(await remove('network', 'default:net')).toBe('404 network not found');
    // contiv.md h.1.4: no second thought about what is gone
    expect(await operator.list('network')).toEqual([]);
  });

  it('of Docker’s calls show, and stay once an operator builds on them', async () => {
    const made = await host.createNetwork({
      id: 'd'.repeat(64),
      ...sharedAs('net'),
      subnets: ['10.1.1.0/24'],
    });
    expect(await operator.get('network', 'default:net')).toMatchObject({
      subnet: '10.1.1.0/24',
      gateway: '10.1.1.1',
      encap: 'vxlan',
    });
    await operator.put('endpointGroup', 'default:g', group());
    await host.removeNetwork(made);
    expect(await operator.get('network', 'default:net')).toBeDefined();
    await operator.remove('endpointGroup', 'default:g');
    expect(await remove('network', 'default:net')).toBe('done');
    expect(await remove('network', 'default:net')).toBe('404 network not found');
  });
});

describe('groups', () => {
  beforeEach(async () => {
    await operator.put('network', 'default:net', net());
    await operator.put('network', 'default:other', net('10.2.0.0/16'));
    await operator.put('policy', 'default:p');
    await operator.put('netprofile', 'default:n', { bandwidth: '10mbps' });
    await operator.put('extContractsGroup', 'default:x', {
      contractsType: 'consumed',
      contracts: ['c'],
    });
  });

  test.each([
    [{ networkName: 'none' }, '422 Network none not found'],
    [{ policies: ['p', 'none'] }, '422 Policy not found'],
    // contiv.md h.1.8: it left a group and a Docker network behind
    [{ netProfile: 'none' }, '422 netprofile not found'],
    [{ extContractsGrps: ['none'] }, '422 External contracts group none not found'],
    [
      { ipPool: '10.1.2.1-10.1.2.9' },
      '422 bad ip-pool 10.1.2.1-10.1.2.9, EPG ip-pool must be a subset of network 10.1.1.0/24',
    ],
    [
      { ipPool: '10.1.1.1-19.1.1.21' },
      '422 bad ip-pool 10.1.1.1-19.1.1.21, EPG ip-pool must be a subset of network 10.1.1.0/24',
    ],
    [
      { ipPool: '10.1.1.9-10.1.1.5' },
      '422 invalid ip-pool 10.1.1.9-10.1.1.5, its end is before its start',
    ],
    [{ ipPool: '10.1.1.0-10.1.1.20' }, '409 ip address 10.1.1.0 is not available'],
    [{ ipPool: '10.1.1.254-10.1.1.255' }, '409 ip address 10.1.1.255 is not available'],
  ])('%j is refused', async (more, refusal) => {
    expect(await put('endpointGroup', 'default:g', { ...group(), ...more })).toBe(refusal);
  });

  it('have a name that no network has, and are of a tenant that is there', async () => {
    expect(await put('endpointGroup', 'default:other', group())).toBe(
      '409 Network other conflicts with the endpointGroup name',
    );
    expect(await put('endpointGroup', 'none:g', group())).toBe('422 Tenant not found');
  });

  it('change policies, profile and contracts while in use, and nothing else', async () => {
    const all = group('net', {
      policies: ['p'],
      netProfile: 'n',
      extContractsGrps: ['x'],
      ipPool: '10.1.1.10-10.1.1.20',
      cfgdTag: 'web',
    });
    expect(await put('endpointGroup', 'default:g', all)).toBe('done');
    expect(await remove('policy', 'default:p')).toBe('409 Policy is being used');
    expect(await remove('netprofile', 'default:n')).toBe('409 NetProfile is being used');
    expect(await remove('extContractsGroup', 'default:x')).toBe(
      '409 External contracts group is in-use',
    );
    const changed = (more: Json) => put('endpointGroup', 'default:g', { ...all, ...more });
    expect(await changed({ networkName: 'other' })).toBe(
      '409 Cannot change network association after epg is created.',
    );
    expect(await changed({ ipPool: '' })).toBe('409 Cannot change IP pool after epg is created.');
    expect(await changed({ cfgdTag: 'other' })).toBe(
      '409 Cannot change group tag after epg is created.',
    );
    const revision = await operator.revision('endpointGroup', 'default:g');
    expect(await changed({ cfgdTag: '' })).toBe('done');
    expect(await operator.revision('endpointGroup', 'default:g')).toBe(revision);
    expect(await changed({ policies: [], netProfile: '', extContractsGrps: [] })).toBe('done');
    for (const [kind, key] of [
      ['policy', 'default:p'],
      ['netprofile', 'default:n'],
      ['extContractsGroup', 'default:x'],
    ] as const) {
      expect(await remove(kind, key)).toBe('done');
    }
  });

  it('are locked by an application profile', async () => {
    await operator.put('endpointGroup', 'default:g', group());
    expect(await put('appProfile', 'default:a', { endpointGroups: ['g', 'h'] })).toBe(
      '422 EndpointGroup default:h not found',
    );
    expect(await put('appProfile', 'none:a', { endpointGroups: [] })).toBe(
      '422 Tenant none not found',
    );
    expect(await put('appProfile', 'default:a', { endpointGroups: ['g'] })).toBe('done');
    expect(await operator.get('endpointGroup', 'default:g')).toMatchObject({
      links: { AppProfile: { type: 'appProfile', key: 'default:a' } },
    });
    expect(await remove('endpointGroup', 'default:g')).toBe(
      '409 Cannot delete g, associated to appProfile default:a',
    );
    expect(await put('appProfile', 'default:a', { endpointGroups: [] })).toBe('done');
    expect(await remove('endpointGroup', 'default:g')).toBe('done');
  });

  it('have numbers that do not come back (contiv.md h.1.2: they did, and with them others’ policies)', async () => {
    await operator.put('endpointGroup', 'default:g', group());
    await operator.put('endpointGroup', 'default:h', group());
    await operator.remove('endpointGroup', 'default:g');
    // another leader, or the same after a restart, knows what the rows say
    const later = new MapStore(whole);
    await new Operator(new SiteHost(later, 'two').store).put('endpointGroup', 'default:i', group());
    expect([...later.rows.keys()].filter((key) => key.startsWith('/number/group/'))).toEqual([
      '/number/group/00002',
      '/number/group/00003',
    ]);
  });
});

describe('policies and rules', () => {
  beforeEach(async () => {
    await operator.put('network', 'default:net', net());
    await operator.put('endpointGroup', 'default:g', group());
    await operator.put('policy', 'default:p');
  });

  test.each([
    [{ toNetwork: 'net' }, "422 can not specify 'to' parameters in incoming rule"],
    [{ toEndpointGroup: 'g' }, "422 can not specify 'to' parameters in incoming rule"],
    [
      { direction: 'out', fromNetwork: 'net' },
      "422 can not specify 'from' parameters in outgoing rule",
    ],
    [
      { fromNetwork: 'net', fromIpAddress: '10.0.0.1' },
      '422 can not specify both from network and from ip address',
    ],
    [
      { fromNetwork: 'net', fromEndpointGroup: 'g' },
      '422 can not specify both from network and from EndpointGroup',
    ],
    [
      { direction: 'out', toNetwork: 'net', toIpAddress: '10.0.0.1' },
      '422 can not specify both to-network and to-ip address',
    ],
    [
      { direction: 'out', toNetwork: 'net', toEndpointGroup: 'g' },
      '422 can not specify both to-network and to-EndpointGroup',
    ],
    [{ fromEndpointGroup: 'none' }, '422 endpoint group not found'],
    [{ fromNetwork: 'none' }, '422 from Network not found'],
    [{ direction: 'out', toNetwork: 'none' }, '422 to Network not found'],
    // contiv.md h.1.9: the port was taken and ignored
    [
      { protocol: 'icmp', port: 80 },
      '422 can not specify port for protocol icmp, expected protocol tcp or udp',
    ],
    [
      { port: 80 },
      '422 can not specify port for a rule for all protocols, expected protocol tcp or udp',
    ],
    [
      { protocol: 'tcp', portLast: 80 },
      '422 can not specify portLast 80 without port, the first of the ports',
    ],
    [
      { protocol: 'tcp', port: 81, portLast: 80 },
      '422 portLast 80 is before port 81, expected the last of the ports',
    ],
    [
      { protocol: '1', icmpType: 'echo' },
      '422 can not specify icmpType for protocol 1, expected protocol icmp',
    ],
    [
      { icmpType: 'echo' },
      '422 can not specify icmpType for a rule for all protocols, expected protocol icmp',
    ],
  ])('%j is refused', async (more, refusal) => {
    expect(await put('rule', 'default:p:1', rule(more))).toBe(refusal);
  });

  it('need their policy, and go with it', async () => {
    expect(await put('rule', 'default:none:1', rule())).toBe('422 Policy not found');
    expect(
      await put('rule', 'default:p:1', rule({ fromEndpointGroup: 'g', protocol: 'tcp', port: 80 })),
    ).toBe('done');
    expect(await put('rule', 'default:p:2', rule({ fromEndpointGroup: 'g' }))).toBe('done');
    expect(await put('policy', 'default:p')).toBe('done');
    expect(await operator.get('policy', 'default:p')).toMatchObject({
      'link-sets': { Rules: { 'default:p:1': {}, 'default:p:2': {} } },
    });
    expect(await operator.get('endpointGroup', 'default:g')).toMatchObject({
      'link-sets': { MatchRules: { 'default:p:1': {}, 'default:p:2': {} } },
    });
    expect(await remove('policy', 'default:p')).toBe('done');
    expect(await operator.list('rule')).toEqual([]);
    expect(await remove('rule', 'default:p:1')).toBe('404 rule not found');
  });

  it('change at any time', async () => {
    await operator.put('rule', 'default:p:1', rule({ fromEndpointGroup: 'g' }));
    expect(await put('rule', 'default:p:1', rule({ action: 'deny', priority: 7 }))).toBe('done');
    expect(await operator.get('rule', 'default:p:1')).toMatchObject({
      action: 'deny',
      priority: 7,
      links: { MatchEndpointGroup: {} },
    });
  });

  it('that name a network have its subnet, also when they are sent back as they are shown', async () => {
    await operator.put('rule', 'default:p:1', rule({ fromNetwork: 'net' }));
    const shown = await operator.get('rule', 'default:p:1');
    expect(shown).toMatchObject({ fromNetwork: 'net', fromIpAddress: '10.1.1.0/24' });
    expect(await put('rule', 'default:p:1', shown)).toBe('done');
  });

  it('that name a group mean whoever has the name', async () => {
    await operator.put('rule', 'default:p:1', rule({ fromEndpointGroup: 'g' }));
    expect(await remove('endpointGroup', 'default:g')).toBe('done');
    expect(await put('endpointGroup', 'default:g', group())).toBe('done');
    expect(await operator.get('endpointGroup', 'default:g')).toMatchObject({
      'link-sets': { MatchRules: { 'default:p:1': {} } },
    });
    expect(await remove('rule', 'default:p:1')).toBe('done');
  });

  it('of many groups do not go all at once', async () => {
    for (let n = 0; n < 101; n++) {
      await operator.put('endpointGroup', `default:g${n}`, group());
      await operator.put('rule', `default:p:${n}`, rule({ fromEndpointGroup: `g${n}` }));
    }
    expect(await remove('policy', 'default:p')).toMatch(
      /^409 cannot delete policy p with 101 rules that name 101 groups/,
    );
    await operator.remove('rule', 'default:p:0');
    expect(await remove('policy', 'default:p')).toBe('done');
  });
});

describe('the others', () => {
  it('profiles have a burst that means something', async () => {
    expect(await put('netprofile', 'default:n', { burst: 1 })).toBe(
      '422 Invalid Burst size. burst size > 1500 bytes',
    );
    expect(await put('netprofile', 'default:a name/with: all', { burst: 2 })).toBe('done');
    expect(await operator.list('netprofile')).toMatchObject([{ key: 'default:a name/with: all' }]);
  });

  it('groups of contracts do not change', async () => {
    await operator.put('extContractsGroup', 'default:x', {
      contractsType: 'provided',
      contracts: ['c'],
    });
    expect(await put('extContractsGroup', 'default:x', { contractsType: 'provided' })).toBe(
      '409 external contracts update not supported',
    );
  });

  it('the gateway to ACI goes after application profiles', async () => {
    expect(await put('aciGw', 'aciGw', {})).toBe('done');
    expect(await operator.get('aciGw', 'aciGw')).toEqual({
      key: 'aciGw',
      enforcePolicies: 'yes',
      includeCommonTenant: 'no',
      name: 'aciGw',
    });
    await operator.put('appProfile', 'default:a');
    expect(await operator.oper('aciGw', 'aciGw')).toEqual({ numAppProfiles: 1 });
    expect(await remove('aciGw', 'aciGw')).toBe('409 1 App-Profiles found. Delete them first');
    await operator.remove('appProfile', 'default:a');
    expect(await remove('aciGw', 'aciGw')).toBe('done');
  });

  it('BGP neighbours are one for each host', async () => {
    const body = {
      routerip: '50.1.1.1/24',
      as: '65001',
      'neighbor-as': '65002',
      neighbor: '50.1.1.200',
    };
    expect(await put('Bgp', 'host1', body)).toBe('done');
    expect(await put('Bgp', 'host1', { ...body, neighbor: '50.1.1.201' })).toBe('done');
    expect(await operator.get('Bgp', 'host1')).toEqual({
      key: 'host1',
      hostname: 'host1',
      ...body,
      neighbor: '50.1.1.201',
    });
  });

  it('volumes cannot be made', async () => {
    expect(await put('volume', 'default:v')).toBe('422 Invalid object type');
    expect(await operator.list('volume')).toEqual([]);
  });
});

describe('services', () => {
  const service = (more: Json = {}) => ({
    networkName: 'net',
    selectors: ['a=b'],
    ports: ['80:8080:TCP'],
    ...more,
  });
  beforeEach(async () => {
    await operator.put('network', 'default:net', net('10.1.1.0/29'));
    await operator.put('network', 'default:other', net('10.2.0.0/16'));
  });

  test.each([
    [{ selectors: [] }, '422 Invalid selector options, expected KEY=VALUE'],
    [{ selectors: ['a'] }, '422 Invalid selector a. selector format is key1=value1'],
    // contiv.md h.1.7: it stopped the handler and left a ghost; h.2: only the first was looked at
    [{ ports: ['80'] }, '422 Invalid Port maping 80 . Port format is - Port:TargetPort:Protocol'],
    [
      { ports: ['1:2:TCP', '80'] },
      '422 Invalid Port maping 80 . Port format is - Port:TargetPort:Protocol',
    ],
    [{ ports: [] }, '422 Invalid Port maping . Port format is - Port:TargetPort:Protocol'],
    [{ networkName: 'none' }, '422 Network none not found'],
    [
      { ipAddress: '10.9.0.1' },
      '422 ipAddress 10.9.0.1 is not an address that a host of 10.1.1.0/29 may have',
    ],
    [{ check: 'http' }, '422 check string invalid format, expected tcp'],
    [{ check: 'tcp', ports: ['53:53:UDP'] }, '422 check tcp asks TCP ports: the service has none'],
    [
      { check: 'tcp', checkInterval: 2, checkTimeout: 3 },
      '422 checkTimeout is more than checkInterval: a check ends before the next',
    ],
    [{ check: 'tcp', checkInterval: 3_601 }, '422 checkInterval Value Out of bound'],
    [{ check: 'tcp', checkTimeout: -1 }, '422 checkTimeout Value Out of bound'],
    [{ check: 'tcp', checkFailures: 101 }, '422 checkFailures Value Out of bound'],
    [{ checkFailures: 2 }, '422 checkFailures is about a check: set check to tcp, too'],
  ])('%j is refused', async (more, refusal) => {
    expect(await put('serviceLB', 'default:s', service(more))).toBe(refusal);
    expect(await operator.list('serviceLB')).toEqual([]);
  });

  interface StoredService {
    readonly address6?: string;
    readonly earlier?: readonly Json[];
  }
  const storedService = (name: string): StoredService =>
    JSON.parse(whole.rows.get(`/object/serviceLB/${name}`)?.value ?? '{}') as StoredService;

  it('remember how they were, for connections from then, while they keep their address', async () => {
    const wereBefore = () => storedService('default/s').earlier?.map(({ selectors }) => selectors);
    await operator.put('serviceLB', 'default:s', service());
    expect(wereBefore()).toBeUndefined();
    await put('serviceLB', 'default:s', service({ affinity: 'client' }));
    expect(wereBefore()).toBeUndefined();
    await put('serviceLB', 'default:s', service({ ports: ['80:80:TCP'] }));
    expect(storedService('default/s').earlier).toEqual([
      { selectors: ['a=b'], ports: ['80:8080:TCP'] },
    ]);
    for (const to of ['c', 'c', 'b', 'c', 'd']) {
      await put('serviceLB', 'default:s', service({ selectors: [`a=${to}`] }));
    }
    // each way it was once, the latest first; not how it is
    expect(wereBefore()).toEqual([['a=c'], ['a=b'], ['a=b']]);
    for (let n = 0; n < 2 * serviceEarlierMax; n += 1) {
      await put('serviceLB', 'default:s', service({ selectors: [`a=${n}`] }));
    }
    expect(wereBefore()).toEqual([['a=6'], ['a=5'], ['a=4'], ['a=3']]);
    await put('serviceLB', 'default:s', service({ ipAddress: '10.1.1.6' }));
    expect(wereBefore()).toBeUndefined();
  });

  it('have a check that says all it goes by, and lose it whole', async () => {
    const stored = () => {
      const { config = {} } = storedService('default/s') as { readonly config?: Json };
      const all = Object.entries(config).filter(([name]) => name.startsWith('check'));
      return Object.fromEntries(all);
    };
    await operator.put('serviceLB', 'default:s', service());
    expect(stored()).toEqual({});
    expect(await put('serviceLB', 'default:s', service({ check: 'tcp' }))).toBe('done');
    const unsaid = { check: 'tcp', checkInterval: 5, checkTimeout: 1, checkFailures: 3 };
    expect(stored()).toEqual(unsaid);
    const given = { check: 'tcp', checkInterval: 9, checkTimeout: 9, checkFailures: 1 };
    expect(await put('serviceLB', 'default:s', service(given))).toBe('done');
    expect(stored()).toEqual(given);
    // what `set --check ""` declares: all as it was, but for the check
    await operator.declare('serviceLB', 'default:s', service({ ...given, check: '' }));
    expect(stored()).toEqual({});
  });

  it('have an IPv6 address of a network that has such, too, chosen or asked for', async () => {
    const both = { ipv6Subnet: 'fd00:5::/64', ipv6Gateway: 'fd00:5::1' };
    await operator.put('network', 'default:both', net('10.5.0.0/24', both));
    await operator.put(
      'network',
      'default:more',
      net('10.6.0.0/24', { ipv6Subnet: 'fd00:6::/64' }),
    );
    const at = (more: Json = {}) => service({ networkName: 'both', ...more });
    const vips = async (name: string) => {
      const oper = await operator.oper('serviceLB', `default:${name}`);
      return [oper?.['serviceVip'], oper?.['serviceVip6']];
    };
    expect(await put('serviceLB', 'default:s', at())).toBe('done');
    expect(await vips('s')).toEqual(['10.5.0.1', 'fd00:5::2']);
    // whichever way it is written
    expect(await put('serviceLB', 'default:t', at({ ipv6Address: 'FD00:5:0:0::9' }))).toBe('done');
    expect(await vips('t')).toEqual(['10.5.0.2', 'fd00:5::9']);
    expect(await put('serviceLB', 'default:t', at({ ipv6Address: 'fd00:5::9' }))).toBe('done');
    expect(await put('serviceLB', 'default:u', at({ ipv6Address: 'fd00:5::9' }))).toBe(
      '409 ip address fd00:5::9 is in use',
    );
    for (const [ipv6Address, why] of [
      ['fd00:5::1', '409 ip address fd00:5::1 is in use'],
      [
        'fd00:6::1',
        '422 ipv6Address fd00:6::1 is not an address that a host of fd00:5::/64 may have',
      ],
      [
        'fd00:5::',
        '422 ipv6Address fd00:5:: is not an address that a host of fd00:5::/64 may have',
      ],
      [
        '10.5.0.9',
        '422 ipv6Address string invalid format, expected an IPv6 address such as fd00::1',
      ],
    ] as const) {
      expect(await put('serviceLB', 'default:u', at({ ipv6Address }))).toBe(why);
    }
    expect(await put('serviceLB', 'default:u', service({ ipv6Address: 'fd00:5::7' }))).toBe(
      '422 Network net has no IPv6 subnet',
    );

    // each stays while it may; the other may change, and what is open goes on
    expect(await put('serviceLB', 'default:t', at({ ipv6Address: 'fd00:5::a' }))).toBe('done');
    expect(await vips('t')).toEqual(['10.5.0.2', 'fd00:5::a']);
    expect(await put('serviceLB', 'default:t', at({ selectors: ['a=c'] }))).toBe('done');
    expect(await vips('t')).toEqual(['10.5.0.2', 'fd00:5::a']);
    expect(await put('serviceLB', 'default:t', at({ ipAddress: '10.5.0.7' }))).toBe('done');
    expect(await vips('t')).toEqual(['10.5.0.7', 'fd00:5::a']);
    expect(storedService('default/t').earlier).toHaveLength(1);
    expect(await put('serviceLB', 'default:t', at({ networkName: 'more' }))).toBe('done');
    expect(await vips('t')).toEqual(['10.6.0.1', 'fd00:6::1']);
    expect(await put('serviceLB', 'default:t', at({ networkName: 'net' }))).toBe('done');
    expect(await vips('t')).toEqual(['10.1.1.1', undefined]);
    for (const name of ['s', 't']) await operator.remove('serviceLB', `default:${name}`);
    expect(await put('serviceLB', 'default:u', at({ ipv6Address: 'fd00:5::a' }))).toBe('done');
  });

  it('of before, which have no IPv6 address, get one when they are written again', async () => {
    await operator.put(
      'network',
      'default:both',
      net('10.5.0.0/24', { ipv6Subnet: 'fd00:5::/64' }),
    );
    await operator.put('serviceLB', 'default:s', service({ networkName: 'both' }));
    const key = '/object/serviceLB/default/s';
    const { address6, ...rest } = storedService('default/s');
    expect(address6).toBe('fd00:5::1');
    const pool = '/ipam/address/default:both/fd00:5::/64/';
    const held = [...whole.rows.keys()].filter((each) => each.startsWith(pool));
    await whole.txn({
      compare: [],
      then: [
        { op: 'put', key, value: JSON.stringify(rest) },
        ...held.map((start) => ({ op: 'delete', start }) as const),
      ],
    });
    expect(await operator.oper('serviceLB', 'default:s')).toEqual({ serviceVip: '10.5.0.1' });
    await operator.put('serviceLB', 'default:s', service({ networkName: 'both' }));
    expect(await operator.oper('serviceLB', 'default:s')).toEqual({
      serviceVip: '10.5.0.1',
      serviceVip6: 'fd00:5::1',
    });
  });

  it('have an address of their network as long as they are there', async () => {
    await operator.put('serviceLB', 'default:s', service());
    await operator.put('serviceLB', 'default:t', service({ ipAddress: '10.1.1.6' }));
    expect(await operator.oper('serviceLB', 'default:s')).toEqual({ serviceVip: '10.1.1.1' });
    expect(await operator.oper('network', 'default:net')).toMatchObject({
      allocatedAddressesCount: 2,
      allocatedIPAddresses: '10.1.1.1, 10.1.1.6',
      availableIPAddresses: '10.1.1.2-10.1.1.5',
    });
    expect(await put('serviceLB', 'default:u', service({ ipAddress: '10.1.1.6' }))).toBe(
      '409 ip address 10.1.1.6 is in use',
    );
    expect(await put('serviceLB', 'default:t', service({ selectors: ['a=c'] }))).toBe('done');
    expect(await operator.oper('serviceLB', 'default:t')).toEqual({ serviceVip: '10.1.1.6' });
    expect(await put('serviceLB', 'default:t', service({ networkName: 'other' }))).toBe('done');
    expect(await operator.oper('serviceLB', 'default:t')).toEqual({ serviceVip: '10.2.0.1' });
    expect(storedService('default/t').earlier).toBeUndefined();
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await operator.put('serviceLB', `default:${name}`, service());
    expect(await put('serviceLB', 'default:f', service())).toMatch(
      /^409 subnet 10.1.1.0\/29 has no free address/,
    );
    for (const name of ['a', 'b', 'c', 'd', 'e', 's', 't'])
      await operator.remove('serviceLB', `default:${name}`);
    expect(await operator.oper('network', 'default:net')).toMatchObject({
      availableIPAddresses: '10.1.1.1-10.1.1.6',
    });
  });
});

describe('settings of the cluster', () => {
  it('are there before anybody set them, and after', async () => {
    const defaults = {
      key: 'global',
      arpMode: 'proxy',
      name: 'global',
      networkInfraType: 'default',
      pvtSubnet: '172.19.0.0/16',
      vlans: '1-4094',
      vxlans: '1-10000',
    };
    expect(await operator.list('global')).toEqual([defaults]);
    expect(
      await put('global', 'global', {
        ...defaults,
        vxlans: '5000-16777215',
        fwdMode: 'bridge',
        arpMode: 'flood',
      }),
    ).toBe('done');
    await operator.put('network', 'default:net', net());
    expect(JSON.parse(whole.rows.get('/network/default/net')?.value ?? '')).toMatchObject({
      encapsulation: { kind: 'vxlan', vni: 5000 },
      mode: 'bridge',
      arp: 'flood',
    });
    // contiv.md h.2: a restart put them back; h.1.13: DELETE broke the cluster
    expect(
      await new Operator(new SiteHost(new MapStore(whole), 'two').store).list('global'),
    ).toMatchObject([{ vxlans: '5000-16777215', arpMode: 'flood' }]);
    expect(await remove('global', 'global')).toBe(
      '409 Unable to update forwarding mode due to existing 0 vlans and 1 vxlans',
    );
    await operator.remove('network', 'default:net');
    expect(await remove('global', 'global')).toBe('done');
    expect(await remove('global', 'global')).toBe('done');
    expect(await operator.list('global')).toEqual([defaults]);
  });

  it('keep what networks have', async () => {
    await operator.put('network', 'default:a', net('10.1.0.0/24', { pktTag: 20 }));
    await operator.put('network', 'default:b', net('10.2.0.0/24', { encap: 'vlan', pktTag: 30 }));
    const set = (more: Json) => put('global', 'global', more);
    expect(await set({ vlans: '31-40' })).toBe(
      '409 cannot update the vlan range due to existing vlans 30',
    );
    expect(await set({ vxlans: '1-19' })).toBe(
      '409 cannot update the vxlan range due to existing vxlans 20',
    );
    expect(await set({ fwdMode: 'routing' })).toBe(
      '409 Unable to update forwarding mode due to existing 1 vlans and 1 vxlans',
    );
    expect(await set({ pvtSubnet: '172.20.0.0/16' })).toBe(
      '409 Unable to update private subnet due to existing 1 vlans and 1 vxlans',
    );
    expect(await set({ vlans: '30-30', vxlans: '20-16777215' })).toBe('done');
    expect(await put('network', 'default:c', net('10.3.0.0/24', { encap: 'vlan' }))).toBe(
      '409 no vlans available: there are 1 VLAN networks, more have no number',
    );
  });
});

describe('a condition', () => {
  it('is kept, or refused with nothing changed', async () => {
    await operator.put('policy', 'default:p');
    await operator.put('rule', 'default:p:1', rule());
    const revision = await operator.revision('rule', 'default:p:1');
    const change = (revisions: readonly number[] | 'any') =>
      said(operator.put('rule', 'default:p:1', rule({ action: 'deny' }), { revisions }));
    expect(await change([7_000])).toBe('412 rule default:p:1 was changed in the meantime');
    expect(await change([7_000, revision ?? 0])).toBe('done');
    expect(await change([revision ?? 0])).toBe('412 rule default:p:1 was changed in the meantime');
    expect(await said(operator.put('rule', 'default:p:2', rule(), { revisions: 'any' }))).toBe(
      '412 rule default:p:2 is not there',
    );
    expect(await said(operator.put('rule', 'default:p:1', rule(), { absent: true }))).toBe(
      '412 rule default:p:1 is there already',
    );
    expect(await said(operator.remove('rule', 'default:p:1', { revisions: [revision ?? 0] }))).toBe(
      '412 rule default:p:1 was changed in the meantime',
    );
  });

  it('on a tenant does not fail for what comes to it', async () => {
    await operator.put('tenant', 'blue');
    const revision = (await operator.revision('tenant', 'blue')) ?? 0;
    await operator.put('policy', 'blue:p');
    await operator.remove('policy', 'blue:p');
    expect(await said(operator.remove('tenant', 'blue', { revisions: [revision] }))).toBe('done');
  });

  it('on a tenant fails for what was changed of it, and for another of its name', async () => {
    const settings = { defaultAction: 'deny' };
    await operator.put('tenant', 'blue');
    const revisions = [(await operator.revision('tenant', 'blue')) ?? 0];
    const asSeen = (body: Json) => said(operator.put('tenant', 'blue', body, { revisions }));
    await operator.put('tenant', 'blue', settings, { revisions });
    expect(await asSeen({ enforcement: 'audit' })).toBe(
      '412 tenant blue was changed in the meantime',
    );
    // what is asked for again changes nothing
    const changed = await operator.revision('tenant', 'blue');
    await operator.put('tenant', 'blue', settings);
    expect(await operator.revision('tenant', 'blue')).toBe(changed);
    await operator.put('tenant', 'blue', { defaultAction: 'allow' });
    revisions.push(changed ?? 0, (await operator.revision('tenant', 'blue')) ?? 0);
    expect(new Set(revisions).size).toBe(3);
    await operator.remove('tenant', 'blue');
    await operator.put('tenant', 'blue');
    expect(await asSeen(settings)).toBe('412 tenant blue was changed in the meantime');
  });
});
