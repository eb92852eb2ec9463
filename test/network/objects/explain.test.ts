/** What rules say of conversations, asked of a site with containers. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  explainPolicy,
  type Explained,
  type PolicyQuestion,
} from '../../../lib/network/objects/explain.ts';
import { icmpQuestions } from '../../../lib/model/objects/icmp-types.ts';
import { planTellContainer } from '../../../lib/network/containers.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import type { Plan } from '../../../lib/store/plan.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator, type Json } from '../../support/operator.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';

let host: SiteHost;
let operator: Operator;
const id = (letter: string): string => letter.repeat(64);

async function attach(group: string, letter: string): Promise<string> {
  const { options, ipamOptions } = sharedAs('net');
  const of = group === '' ? {} : { group };
  const made = await host.createNetwork({
    id: id(letter),
    options: { ...options, ...of },
    ipamOptions: { ...ipamOptions, ...of },
  });
  const { ipv4 = '' } = await host.attach(made, id(letter));
  return ipv4.replace(/\/.*/, '');
}

/** What a host tells of a container once it runs. */
function tell(letter: string, labels: Readonly<Record<string, string>>): Promise<boolean> {
  const place = { network: { tenant: 'default', network: 'net' }, endpointId: id(letter) };
  const container = { id: id(letter), name: `/${letter}`, labels };
  return runPlan(host.store, () => planTellContainer(place, container));
}

beforeEach(async () => {
  host = new SiteHost(new MapStore(), 'one');
  operator = new Operator(host.store);
  await runPlan(host.store, planDefaultTenant);
  const subnet = { encap: 'vxlan', subnet: '10.2.2.0/24', gateway: '10.2.2.254' };
  await operator.put('network', 'default:net', subnet);
  await operator.put('policy', 'default:base');
  await operator.put('endpointGroup', 'default:web', { networkName: 'net', policies: ['base'] });
  await operator.put('endpointGroup', 'default:app', { networkName: 'net' });
});

const rule = (name: string, more: Readonly<Record<string, unknown>>) =>
  operator.put('rule', `default:base:${name}`, { direction: 'in', action: 'deny', ...more });

async function explain(from: string, to: string, more: Partial<PolicyQuestion> = {}) {
  return (await explained(from, to, more)).families;
}

async function explained(from: string, to: string, more: Partial<PolicyQuestion> = {}) {
  const question = {
    ...{ tenant: 'default', from, to, protocol: { v4: 6, v6: 6 }, port: 80 },
    ...{ icmpTypes: undefined, ...more },
  };
  const plan = function* (): Plan<Explained> {
    return { txn: undefined, answer: yield* explainPolicy(question) };
  };
  return runPlan(host.store, plan);
}

describe('explain', () => {
  it('names the rule that decides at each end, of containers and of who is outside', async () => {
    const web = await attach('web', 'a');
    const app = await attach('app', 'b');
    await rule('all', {});
    await rule('http', {
      action: 'allow',
      priority: 10,
      protocol: 'tcp',
      port: 80,
      fromEndpointGroup: 'app',
    });
    await rule('out', { direction: 'out', protocol: 'udp' });
    expect(await explain(id('b'), 'aaaa')).toEqual([
      {
        family: 4,
        verdict: 'allow',
        out: {
          ...{ container: id('b'), address: app, group: 'app', verdict: 'allow', rule: '' },
          ...{ default: 'nobody', audit: false },
        },
        in: {
          ...{ container: id('a'), address: web, group: 'web', verdict: 'allow' },
          ...{ rule: 'base/http', default: '', audit: false },
        },
      },
    ]);
    const [outside] = await explain('192.0.2.7', web);
    expect(outside).toMatchObject({
      verdict: 'deny',
      out: { container: '', address: '192.0.2.7', group: '', verdict: 'allow' },
      in: { group: 'web', verdict: 'deny', rule: 'base/all' },
    });
    const udp = { protocol: { v4: 17, v6: 17 } };
    expect((await explain(web, app, udp))[0]).toMatchObject({
      verdict: 'deny',
      out: { rule: 'base/out' },
      in: { verdict: 'allow', rule: '' },
    });
  });

  it('knows several ports, and what an ICMP message asks', async () => {
    const web = await attach('web', 'a');
    const decides = async (more: Partial<PolicyQuestion>) =>
      (await explain('192.0.2.7', web, more)).map((each) => each.in.rule);
    await rule('some', { protocol: 'tcp', port: 8_000, portLast: 8_099 });
    expect(await decides({ port: 7_999 })).toEqual(['']);
    expect(await decides({ port: 8_000 })).toEqual(['base/some']);
    expect(await decides({ port: 8_099 })).toEqual(['base/some']);
    expect(await decides({ port: 8_100 })).toEqual(['']);
    await rule('ping', { protocol: 'icmp', icmpType: 'echo' });
    const asked = { protocol: { v4: 1, v6: 58 }, port: 0 };
    const [echo, timestamp] = [icmpQuestions['echo'], icmpQuestions['timestamp']];
    expect(await decides({ ...asked, icmpTypes: echo })).toEqual(['base/ping']);
    expect(await decides({ ...asked, icmpTypes: timestamp })).toEqual(['']);
  });

  it('knows whose default decides, and what is only counted', async () => {
    const web = await attach('web', 'a');
    const bare = await attach('', 'c');
    const net = { encap: 'vxlan', subnet: '10.2.2.0/24' };
    const of = async (to: string) => {
      const [said] = await explain('192.0.2.7', to);
      return [said?.verdict, said?.in.default, said?.in.audit];
    };
    expect(await of(bare)).toEqual(['allow', 'nobody', false]);
    await operator.put('tenant', 'default', { defaultAction: 'deny-in' });
    expect(await of(bare)).toEqual(['deny', 'tenant', false]);
    expect(await of(web)).toEqual(['deny', 'tenant', false]);
    expect((await explain(web, '192.0.2.7'))[0]?.verdict).toBe('allow');
    await operator.put('network', 'default:net', { ...net, defaultAction: 'allow' });
    expect(await of(bare)).toEqual(['allow', 'network', false]);
    const group = { networkName: 'net', policies: ['base'] };
    await operator.put('endpointGroup', 'default:web', { ...group, defaultAction: 'deny' });
    expect(await of(web)).toEqual(['deny', 'group', false]);
    expect((await explain(web, '192.0.2.7'))[0]?.out).toMatchObject({ verdict: 'deny' });
    await operator.put('network', 'default:net', { ...net, enforcement: 'audit' });
    expect(await of(web)).toEqual(['allow', 'group', true]);
    await rule('all', {});
    expect(await of(web)).toEqual(['allow', '', true]);
    await operator.put('endpointGroup', 'default:web', { ...group, enforcement: 'enforce' });
    expect(await of(web)).toEqual(['deny', '', false]);
  });

  it('knows the group that labels choose, and none where two ask with equal right', async () => {
    const bare = await attach('', 'c');
    const groupOf = async () => {
      const [said] = await explain('192.0.2.7', bare);
      const group = said?.in.group ?? '';
      const shown =
        group === '' ? {} : { serviceName: group, endpointGroupKey: `${group}:default` };
      const { endpoints = [] } = (await operator.oper('network', 'default:net')) ?? {};
      const [first] = endpoints as readonly Json[];
      const { serviceName, endpointGroupKey } = first ?? {};
      expect({ serviceName, endpointGroupKey }).toEqual(shown);
      return [said?.in.group, said?.in.rule];
    };
    await rule('all', {});
    const asks = (selectors: readonly string[], more: Json = {}) => ({
      ...{ networkName: 'net', selectors },
      ...more,
    });
    const web = { policies: ['base'] };
    await operator.put('endpointGroup', 'default:web', asks(['app=web'], web));
    // its host has not told yet whose it is
    expect(await groupOf()).toEqual(['', '']);
    await tell('c', { app: 'web', tier: 'front' });
    expect(await groupOf()).toEqual(['web', 'base/all']);
    expect(await operator.oper('endpointGroup', 'default:web')).toMatchObject({
      numEndpoints: 1,
      endpoints: [{ endpointID: id('c'), endpointGroupKey: 'web:default', serviceName: 'web' }],
    });
    expect(await operator.oper('policy', 'default:base')).toMatchObject({ numEndpoints: 1 });
    expect(await operator.oper('tenant', 'default')).toMatchObject({
      endpointGroups: [{}, { numEndpoints: 1 }],
    });
    await operator.put('endpointGroup', 'default:app', asks(['tier=front']));
    expect(await groupOf()).toEqual(['', '']);
    await operator.put('endpointGroup', 'default:app', asks(['tier=front', 'app=web']));
    expect(await groupOf()).toEqual(['app', '']);
    // nobody was attached to it: its members go on in the next
    await operator.remove('endpointGroup', 'default:app');
    expect(await groupOf()).toEqual(['web', 'base/all']);
    // who was attached to a group stays in it
    await attach('web', 'd');
    await tell('d', { tier: 'front' });
    await operator.put('endpointGroup', 'default:app', asks(['tier=front']));
    expect(await operator.oper('endpointGroup', 'default:app')).toMatchObject({
      groupTag: 'app.default',
    });
    expect((await operator.oper('endpointGroup', 'default:app'))?.['numEndpoints']).toBe(undefined);
  });

  it('reads the model as it is now', async () => {
    const web = await attach('web', 'a');
    await rule('all', {});
    expect((await explain('192.0.2.7', web))[0]?.verdict).toBe('deny');
    await operator.remove('rule', 'default:base:all');
    expect((await explain('192.0.2.7', web))[0]?.verdict).toBe('allow');
    await rule('all', { fromNetwork: 'net' });
    expect((await explain('192.0.2.7', web))[0]?.verdict).toBe('allow');
    expect((await explain('10.2.2.77', web))[0]?.verdict).toBe('deny');
  });

  it('says what it cannot answer', async () => {
    const web = await attach('web', 'a');
    await attach('app', 'b');
    await expect(explain('192.0.2.7', 'nobody')).rejects.toThrow('endpoint not found');
    await expect(explain('192.0.2.7', '192.0.2.8')).rejects.toThrow('neither');
    await expect(explain('fd00::7', web)).rejects.toThrow('no family in common');
    await expect(explain(web, web, { tenant: 'blue' })).rejects.toThrow('tenant not found');
    await expect(explain(web, '')).rejects.toThrow('on net and');
  });
});
