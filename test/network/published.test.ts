/** Published ports in the store: given, kept and taken away with their attachment. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../lib/model/endpoint.ts';
import { describePublished } from '../../lib/model/published.ts';
import { planJoin, planLeave } from '../../lib/network/endpoints.ts';
import type { PortRequest } from '../../lib/network/host-ports.ts';
import {
  planPublish,
  planUnpublish,
  planWhoPublishes,
  type PublishingHost,
} from '../../lib/network/published.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { sharedAs, SiteHost, type MadeNetwork, type NetworkCreate } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const refused = (code: string) => expect.objectContaining({ code });
const hostSide: PublishingHost = { families: [4], addresses: new Set(), listeners: [] };
const port = (change: Partial<PortRequest> = {}): PortRequest => ({
  ...{ protocol: 6, port: 80, hostAddress: '', first: 8080, last: 8080 },
  ...change,
});
const any = port({ first: 0, last: 0 });
const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'], gateway: '10.1.0.254' };

let whole: MapStore;
let host: SiteHost;
let network: MadeNetwork;
beforeEach(async () => {
  whole = new MapStore();
  host = new SiteHost(whole, 'one');
  network = await host.createNetwork({ id: id(1), ...blue });
});

async function attach(name: string, sandbox = name, at = network): Promise<Endpoint> {
  const endpoint = await host.attach(at, id(name));
  await runPlan(host.store, () => planJoin(at.network.id, endpoint.id, sandbox));
  return endpoint;
}
const publish = (
  { networkId, id: endpointId }: Endpoint,
  ports: readonly PortRequest[],
  around = hostSide,
): Promise<Endpoint> =>
  runPlan(host.store, () => planPublish({ networkId, endpointId, ports }, around));
const shown = ({ published = [] }: Pick<Endpoint, 'published'>) => published.map(describePublished);
const inSite = (endpoint: Endpoint): unknown =>
  JSON.parse(whole.rows.get(`/endpoint/default/blue/${endpoint.id}`)?.value ?? 'null');
const ports = async (endpoint: Endpoint) => {
  const key = `host/one/endpoint/${endpoint.networkId}/${endpoint.id}`;
  return shown(JSON.parse(whole.rows.get(key)?.value ?? '{}') as Endpoint);
};

describe('ports', () => {
  it('are in the row of the attachment, and seen by all hosts', async () => {
    const one = await attach('a');
    expect(shown(await publish(one, [port(), any]))).toEqual([
      '0.0.0.0:8080->80/tcp',
      '0.0.0.0:49153->80/tcp',
    ]);
    expect(await ports(one)).toHaveLength(2);
    expect(inSite(one)).toMatchObject({ published: [{ hostPort: 8080 }, { hostPort: 49_153 }] });
  });

  it('stay as they are when they are asked for again, and without a transaction', async () => {
    const one = await attach('a');
    await publish(one, [port(), any]);
    const { revision } = whole;
    expect(shown(await publish(one, [port(), any]))).toEqual(await ports(one));
    expect(whole.revision).toBe(revision);
  });

  it('are had by one: of many that come at once all get their own', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const all: Endpoint[] = [];
    for (const name of names) all.push(await attach(name));
    const given = await Promise.all(all.map((one) => publish(one, [any])));
    expect(new Set(given.flatMap(shown)).size).toBe(names.length);
    const [one, two] = all;
    if (one === undefined || two === undefined) throw new Error('nobody');
    const both = await Promise.allSettled([publish(one, [port()]), publish(two, [port()])]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('are free again when the attachment lets go of them, leaves, or is no more', async () => {
    const ways = [
      (one: Endpoint) => runPlan(host.store, () => planUnpublish(one.networkId, one.id)),
      (one: Endpoint) => runPlan(host.store, () => planLeave(one.networkId, one.id)),
      async (one: Endpoint) => {
        await host.detach(network, one);
        return true;
      },
    ];
    for (const [at, end] of ways.entries()) {
      const one = await attach(`a${at}`);
      await publish(one, [port()]);
      expect(await end(one)).toBe(true);
      expect(await ports(one)).toEqual([]);
      expect(JSON.stringify(inSite(one))).not.toContain('published');
      const next = await attach(`b${at}`);
      expect(shown(await publish(next, [port()]))).toEqual(['0.0.0.0:8080->80/tcp']);
      await host.detach(network, next);
    }
  });

  it('say nothing when there were none', async () => {
    const one = await attach('a');
    expect(await runPlan(host.store, () => planUnpublish(one.networkId, one.id))).toBe(false);
    expect(await runPlan(host.store, () => planLeave(one.networkId, one.id))).toBe(false);
  });

  it('stay with that attachment of a container that has them', async () => {
    const other = await host.createNetwork({
      ...blue,
      ...sharedAs('green'),
      id: id(2),
      subnets: ['10.2.0.0/24'],
      gateway: '10.2.0.254',
    });
    const first = await attach('a', 'same');
    const second = await attach('b', 'same', other);
    await publish(first, [port()]);
    expect(shown(await publish(second, [port()]))).toEqual([]);
    await runPlan(host.store, () => planUnpublish(first.networkId, first.id));
    expect(shown(await publish(second, [port()]))).toHaveLength(1);
  });

  it('are refused where this host has no way out now', async () => {
    const one = await attach('a');
    await expect(publish(one, [port()], { ...hostSide, families: [6] })).rejects.toEqual(
      refused('OUTSIDE_FAILED'),
    );
    expect(await ports(one)).toEqual([]);
  });
});

describe('who publishes', () => {
  const made = (create: Partial<NetworkCreate>): Promise<MadeNetwork> =>
    host.createNetwork({ id: id(9), subnets: ['10.9.0.0/24'], gateway: '10.9.0.254', ...create });
  const who = async (create: Partial<NetworkCreate>): Promise<boolean> => {
    const { network: one } = await made(create);
    return runPlan(host.store, () => planWhoPublishes(one.id));
  };

  it('is Docker for networks of one host, unless they have our way out', async () => {
    expect(await who({})).toBe(false);
    await host.deleteNetwork(id(9));
    expect(
      await who({ options: { outside: 'true' }, subnets: ['10.8.0.0/24'], gateway: '10.8.0.254' }),
    ).toBe(true);
  });

  it.each<[string, Partial<NetworkCreate>]>([
    ['of one host without a way out', { options: { outside: 'false' } }],
    ['of one host that is internal', { internal: true }],
    ['that hosts share without a way out', { options: { network: 'n', outside: 'false' } }],
    ['that hosts share and is internal', { options: { network: 'n' }, internal: true }],
    ['on a VLAN', { options: { network: 'n', encap: 'vlan', mode: 'bridge' } }],
  ])('is nobody for a network %s', async (_, create) => {
    const ipamOptions = create.options?.['network'] === undefined ? {} : { network: 'n' };
    await expect(who({ ...create, ipamOptions })).rejects.toEqual(refused('PUBLISH_REFUSED'));
  });
});
