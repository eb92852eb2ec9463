/** What is explained of who speaks to a service, and which texts mean whom. */
import { beforeEach, describe, expect, it } from 'vitest';
import { linkLocalOf, formatAddress } from '../../../lib/ip/ip.ts';
import { swarmServiceLabel } from '../../../lib/model/labels.ts';
import { icmpQuestions } from '../../../lib/model/objects/icmp-types.ts';
import { encodeRecord } from '../../../lib/model/record.ts';
import { siteEndpointKey, swarmVipKey } from '../../../lib/model/site-keys.ts';
import { siteEndpointSchema, type SiteEndpoint } from '../../../lib/model/site.ts';
import { parseAddress } from '../../../lib/ip/ip.ts';
import {
  planTellContainer,
  planTellFailed,
  type EngineContainer,
} from '../../../lib/network/containers.ts';
import { planAnnounceNode } from '../../../lib/network/nodes.ts';
import {
  explainPolicy,
  type Explained,
  type PolicyQuestion,
} from '../../../lib/network/objects/explain.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import type { Plan } from '../../../lib/store/plan.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator } from '../../support/operator.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';

let host: SiteHost;
let operator: Operator;
const id = (letter: string): string => letter.repeat(64);
const place = (letter: string) => ({
  network: { tenant: 'default', network: 'net' },
  endpointId: id(letter),
});

/** A container of a group on `net`, told by its host; answers its address. */
async function attach(
  group: string,
  letter: string,
  told: Partial<EngineContainer> = {},
): Promise<string> {
  const { options, ipamOptions } = sharedAs('net');
  const of = group === '' ? {} : { group };
  const made = await host.createNetwork({
    ...{ id: id(letter), options: { ...options, ...of } },
    ipamOptions: { ...ipamOptions, ...of },
  });
  const { ipv4 = '' } = await host.attach(made, id(letter));
  await tell(letter, told);
  return ipv4.replace(/\/.*/, '');
}

function tell(letter: string, told: Partial<EngineContainer> = {}): Promise<boolean> {
  const labels = { app: 'web' };
  const container = { id: id(letter), name: `/${letter}-1`, labels, ...told };
  return runPlan(host.store, () => planTellContainer(place(letter), container));
}

/** The attachment has an address of IPv6, too. */
async function giveIpv6(letter: string, ipv6: string): Promise<SiteEndpoint> {
  const { network, endpointId } = place(letter);
  const key = siteEndpointKey(network, endpointId);
  const { rows } = await host.store.range({ start: key, consistency: 'linearizable' });
  const endpoint = siteEndpointSchema.parse(JSON.parse(rows[0]?.value ?? ''));
  const value = encodeRecord({ ...endpoint, ipv6 });
  await host.store.txn({ compare: [], then: [{ op: 'put', key, value }] });
  return endpoint;
}

function explain(from: string, to: string, more: Partial<PolicyQuestion> = {}): Promise<Explained> {
  const question = {
    ...{ tenant: 'default', from, to, protocol: { v4: 6, v6: 6 }, port: 80 },
    ...{ icmpTypes: undefined, ...more },
  };
  return runPlan(host.store, function* (): Plan<Explained> {
    return { txn: undefined, answer: yield* explainPolicy(question) };
  });
}

const vip = '10.2.2.200';

beforeEach(async () => {
  host = new SiteHost(new MapStore(), 'one');
  operator = new Operator(host.store);
  await runPlan(host.store, planDefaultTenant);
  await runPlan(host.store, () =>
    planAnnounceNode({
      ...{ name: 'one', vtep: '192.0.2.1', pathMtu: 1500, bootId: 'boot', version: '1' },
    }),
  );
  await operator.put('network', 'default:net', {
    ...{ encap: 'vxlan', subnet: '10.2.2.0/24', gateway: '10.2.2.254' },
    ...{ ipv6Subnet: 'fd02::/64', ipv6Gateway: 'fd02::fe' },
  });
  await operator.put('policy', 'default:base');
  await operator.put('endpointGroup', 'default:web', { networkName: 'net', policies: ['base'] });
  await operator.put('endpointGroup', 'default:app', { networkName: 'net' });
  await operator.put('rule', 'default:base:all', { direction: 'in', action: 'deny' });
  await operator.put('rule', 'default:base:http', {
    ...{ direction: 'in', action: 'allow', priority: 10, protocol: 'tcp', port: 8080 },
  });
  await operator.put('serviceLB', 'default:front', {
    ...{ networkName: 'net', selectors: ['app=web'], ports: ['80:8080:TCP', '81:8081:TCP'] },
    ...{ ipAddress: vip, ipv6Address: 'fd02::200' },
  });
});

describe('who speaks to a service', () => {
  it('is judged by the containers behind it, with the port that they listen to', async () => {
    const app = await attach('app', 'c', { labels: {} });
    const web = await attach('web', 'a');
    const said = await explain('c-1', vip);
    expect(said).toEqual({
      families: [
        {
          ...{ family: 4, verdict: 'allow' },
          out: {
            ...{ container: 'c-1', address: app, group: 'app', verdict: 'allow', rule: '' },
            ...{ default: 'nobody', audit: false },
          },
          in: {
            ...{ container: 'a-1', address: web, group: 'web', verdict: 'allow' },
            ...{ rule: 'base/http', default: '', audit: false },
          },
          behind: { port: 8080, containers: [{ container: 'a-1', address: web }] },
        },
      ],
      service: {
        name: 'front',
        addresses: [{ family: 4, address: vip, outcome: 'judged', reason: '' }],
      },
    });
    expect((await explain('c-1', 'front')).families).toEqual(said.families);
    expect((await explain('c-1', vip, { port: 81 })).families).toMatchObject([
      { verdict: 'deny', in: { rule: 'base/all' }, behind: { port: 8081 } },
    ]);
  });

  it('hears of containers of which the same is said together, of others by themselves', async () => {
    await attach('app', 'c', { labels: {} });
    const [one, two, other] = [
      await attach('web', 'a'),
      await attach('web', 'b'),
      await attach('app', 'd'),
    ];
    const { families } = await explain('c-1', 'front', { port: 81 });
    const found = families.map(({ verdict, in: { group }, behind }) => [verdict, group, behind]);
    expect(found).toEqual([
      [
        ...['deny', 'web'],
        {
          port: 8081,
          containers: [
            { container: 'a-1', address: one },
            { container: 'b-1', address: two },
          ],
        },
      ],
      ['allow', 'app', { port: 8081, containers: [{ container: 'd-1', address: other }] }],
    ]);
  });

  it('has each family of the service that he has, and of its containers those that have it', async () => {
    await attach('app', 'c', { labels: {} });
    await attach('web', 'a');
    await attach('web', 'b');
    expect((await explain('c-1', 'front')).service?.addresses).toHaveLength(1);
    await expect(explain('c-1', 'fd02::200')).rejects.toThrow('no family in common');
    await giveIpv6('c', 'fd02::c');
    expect((await explain('c-1', 'fd02::200')).service?.addresses).toMatchObject([
      { family: 6, outcome: 'unreachable', reason: 'nobody is ready behind it' },
    ]);
    await giveIpv6('b', 'fd02::b');
    const said = await explain('c-1', 'front');
    expect(said.service?.addresses.map(({ address }) => address)).toEqual([vip, 'fd02::200']);
    expect(said.families.map(({ family, behind }) => [family, behind?.containers.length])).toEqual([
      [4, 2],
      [6, 1],
    ]);
  });

  it('hears what is unreachable, and why', async () => {
    await attach('app', 'c', { labels: {} });
    const outcome = async (from: string, more: Partial<PolicyQuestion> = {}) => {
      const { families, service } = await explain(from, vip, more);
      const [at] = service?.addresses ?? [];
      return [families.length, at?.outcome, at?.reason];
    };
    const unreachable = (reason: string) => [0, 'unreachable', reason];
    expect(await outcome('c-1')).toEqual(unreachable('nobody is ready behind it'));
    await attach('web', 'a', { state: 'failing' });
    expect(await outcome('c-1')).toEqual(unreachable('nobody is ready behind it'));
    await tell('a');
    expect(await outcome('c-1')).toEqual([1, 'judged', '']);
    expect(await outcome('c-1', { port: 8080 })).toEqual(unreachable('it has no such port'));
    const udp = { protocol: { v4: 17, v6: 17 } };
    expect(await outcome('c-1', udp)).toEqual(unreachable('it has no such port'));
    const gre = { protocol: { v4: 47, v6: 47 }, port: 0 };
    expect(await outcome('c-1', gre)).toEqual(unreachable('it has ports only'));
    expect(await outcome('192.0.2.7')).toEqual(
      unreachable('only containers of its tenant reach a service'),
    );
    const icmp = { protocol: { v4: 1, v6: 58 }, port: 0 };
    const echo = { ...icmp, icmpTypes: icmpQuestions['echo'] };
    expect(await outcome('c-1', echo)).toEqual([0, 'answered', '']);
    const timestamp = { ...icmp, icmpTypes: icmpQuestions['timestamp'] };
    expect(await outcome('c-1', timestamp)).toEqual(unreachable('it has ports only'));
    await expect(explain(vip, 'c-1')).rejects.toThrow('begins no conversations');
  });

  it('passes by whose check by the service fails, and whose host nobody knows', async () => {
    await attach('app', 'c', { labels: {} });
    await attach('web', 'a');
    await runPlan(host.store, () => planTellFailed(place('a'), ['front']));
    expect((await explain('c-1', vip)).families).toHaveLength(1);
    await operator.put('serviceLB', 'default:front', {
      ...{ networkName: 'net', selectors: ['app=web'], ports: ['80:8080:TCP'], check: 'tcp' },
      ...{ ipAddress: vip, checkInterval: 5, checkTimeout: 1, checkFailures: 3 },
    });
    expect((await explain('c-1', vip)).families).toEqual([]);
    await runPlan(host.store, () => planTellFailed(place('a'), []));
    await host.store.txn({ compare: [], then: [{ op: 'delete', start: '/node/one' }] });
    expect((await explain('c-1', vip)).families).toEqual([]);
  });

  it('of a swarm gets its tasks in that network, each port as it is', async () => {
    await attach('app', 'c', { labels: {} });
    const web = await attach('web', 'a', { labels: { [swarmServiceLabel]: 's1' } });
    await attach('web', 'b', { labels: { [swarmServiceLabel]: 's2' } });
    const row = { tenant: 'default', network: 'net', service: 's1', name: 'api', version: 1 };
    // attachments of a scene are each of a Docker network of their own
    const key = swarmVipKey(id('a'), parseAddress('10.2.2.210'));
    const value = encodeRecord(row);
    await host.store.txn({ compare: [], then: [{ op: 'put', key, value }] });
    for (const to of ['api', '10.2.2.210']) {
      expect((await explain('c-1', to, { port: 8080 })).families).toMatchObject([
        {
          ...{ verdict: 'allow', in: { rule: 'base/http' } },
          behind: { port: 8080, containers: [{ container: 'a-1', address: web }] },
        },
      ]);
    }
  });
});

describe('a text', () => {
  it('that is the name of a service and of a container says so', async () => {
    await attach('app', 'c', { labels: {} });
    await attach('web', 'a', { name: '/front' });
    await expect(explain('c-1', 'front')).rejects.toThrow(
      `front is service front (${vip}, fd02::200) and front on net`,
    );
    // the beginning of a name is less than a name
    await tell('a', { name: '/front-end' });
    expect((await explain('c-1', 'front')).service?.name).toBe('front');
    expect((await explain('c-1', 'front-')).service).toBe(undefined);
  });

  it('that is the link-local address of a container means the container', async () => {
    await attach('app', 'c', { labels: {} });
    await attach('web', 'a');
    const client = formatAddress(linkLocalOf((await giveIpv6('c', 'fd02::c')).mac));
    const server = formatAddress(linkLocalOf((await giveIpv6('a', 'fd02::a')).mac));
    for (const from of ['c-1', client]) {
      const said = await explain(from, server);
      expect(said.families).toMatchObject([
        {
          ...{ family: 6, verdict: 'deny' },
          out: { container: 'c-1', address: client, group: 'app' },
          in: { container: 'a-1', address: server, group: 'web', rule: 'base/all' },
        },
      ]);
    }
    // rules about the network are about its link-local addresses, too
    await operator.put('rule', 'default:base:near', {
      ...{ direction: 'in', action: 'allow', priority: 20, fromNetwork: 'net' },
    });
    expect((await explain('c-1', server)).families).toMatchObject([{ verdict: 'allow' }]);
  });
});
