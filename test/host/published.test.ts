/** Published ports of a host: what they lead to, and what a container that is started waits for. */
import { describe, expect, it } from 'vitest';
import type { EndpointPort } from '../../lib/datapath/endpoint-ports.ts';
import { placesMax } from '../../lib/datapath/pipeline/own-alias.ts';
import { FairleadError } from '../../lib/errors.ts';
import {
  hostPublishing,
  readPublications,
  type PublishingParts,
} from '../../lib/host/published.ts';
import type { Endpoint } from '../../lib/model/endpoint.ts';
import { planJoin } from '../../lib/network/endpoints.ts';
import { planPublish } from '../../lib/network/published.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { sharedAs, SiteHost } from '../support/site-hosts.ts';

const signal = new AbortController().signal;
const refused = (code: string) => expect.objectContaining({ code });
const portOf = (endpointId: string, number: number | undefined): EndpointPort => ({
  name: `fh-${endpointId}`,
  endpointId,
  number,
});
const endpoint: Endpoint = {
  ...{ id: 'a', networkId: 'n', mac: '02:00:00:00:00:01', macDerived: true, state: 'joined' },
  published: [
    { protocol: 'tcp', address: '0.0.0.0', hostPort: 8080, port: 80 },
    { protocol: 'tcp', address: '::', hostPort: 8080, port: 80 },
  ],
};

/** A host where all is well, but for what is said. */
function setUp(change: Partial<PublishingParts> = {}) {
  const done: string[] = [];
  const parts: PublishingParts = {
    links: { addresses: () => Promise.resolve([]) },
    readListeners: () => Promise.resolve([]),
    hostSwitch: { endpointPorts: () => [portOf('a', 101), portOf('b', 102)] },
    outside: { families: () => [4, 6] },
    dataPlane: {
      attached: async (_id, _signal, isSo) => {
        const open = [4 as const, 6 as const].map((family) => ({
          ...{ family, protocol: 'tcp' as const, port: 80 },
        }));
        done.push(isSo?.({ published: open } as never) === true ? 'flows' : 'other flows');
      },
    },
    loop: { settled: async () => void done.push('rules') },
    ...change,
  };
  return { publishing: hostPublishing(parts), done };
}

describe('a container whose ports are published', () => {
  it('waits for its flows, then for the rules', async () => {
    const { publishing, done } = setUp();
    await publishing.published(endpoint, signal);
    expect(done).toEqual(['flows', 'rules']);
  });

  it('is told when the packet filter does not take them, for one of its families', async () => {
    const { publishing } = setUp({ outside: { families: () => [4] } });
    await expect(publishing.published(endpoint, signal)).rejects.toEqual(refused('OUTSIDE_FAILED'));
    const only4 = { ...endpoint, published: endpoint.published?.slice(0, 1) ?? [] };
    await expect(publishing.published(only4, signal)).resolves.toBeUndefined();
  });

  it('is told when they do not come', async () => {
    const late = () => Promise.reject(new FairleadError('DEADLINE', 'too late'));
    const { publishing } = setUp({ loop: { settled: late } });
    await expect(publishing.published(endpoint, signal)).rejects.toEqual(refused('OUTSIDE_FAILED'));
  });

  it('needs an address of its own on the way', async () => {
    const shared = [portOf('a', 101), portOf('b', 101 + placesMax)];
    const { publishing } = setUp({ hostSwitch: { endpointPorts: () => shared } });
    await expect(publishing.host('a', signal)).rejects.toEqual(refused('PUBLISH_REFUSED'));
    await expect(publishing.host('c', signal)).rejects.toEqual(refused('OVS_DOWN'));
  });

  it('finds out whether there is a way out, where that is not known yet', async () => {
    const families: 4[] = [];
    const { publishing } = setUp({
      outside: { families: () => families },
      loop: { settled: async () => void families.push(4) },
    });
    expect((await publishing.host('a', signal)).families).toEqual([4]);
  });
});

describe('publications', () => {
  it('are those of attachments that are there, where the switch has them', async () => {
    const id = (text: string): string => text.padStart(64, '0');
    const host = new SiteHost(new MapStore(), 'one');
    const network = await host.createNetwork({
      ...{ id: id('1'), ...sharedAs('blue'), subnets: ['10.1.0.0/24'], gateway: '10.1.0.254' },
    });
    const networkId = network.network.id;
    for (const [at, name] of ['a', 'b', 'c'].entries()) {
      const { id: endpointId } = await host.attach(network, id(name));
      await runPlan(host.store, () => planJoin(networkId, endpointId, name));
      const ports = [{ protocol: 6, port: 80, hostAddress: '', first: 8080 + at, last: 8080 + at }];
      const side = { families: [4] as const, addresses: new Set<string>(), listeners: [] };
      await runPlan(host.store, () => planPublish({ networkId, endpointId, ports }, side));
    }
    const ports = [portOf(id('a'), 105), portOf(id('b'), undefined)];
    const [one, ...more] = await readPublications(host.store, ports);
    expect(more).toEqual([]);
    expect(one).toMatchObject({
      ...{ protocol: 'tcp', address: '0.0.0.0', hostPort: 8080, port: 80, place: 5 },
      mtu: expect.any(Number),
    });
  });
});
