/** Addresses of a swarm's services, as agents on its managers tell them to the site. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import type { DockerClient, DockerService } from '../../lib/docker/client.ts';
import { FairleadError } from '../../lib/errors.ts';
import type { Loop } from '../../lib/host/loop.ts';
import { startSwarmVipLoop } from '../../lib/host/swarm-vip-loop.ts';
import { silentLogger } from '../../lib/log.ts';
import { swarmVipRange } from '../../lib/model/site-keys.ts';
import { planAllocateNetwork } from '../../lib/network/swarm-networks.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { SiteHost } from '../support/site-hosts.ts';
import { until } from '../support/until.ts';

const networkId = 'cnk07edi8rw4o4jztrnl8l6ik';
const ingress = 'ziqkazjcj9v8f1yc0f2gde2o0';

/** The engine of one node, which may be a manager. */
class Engine implements Pick<DockerClient, 'engine' | 'services' | 'networks'> {
  isManager = true;
  leaderless = false;
  listed: readonly DockerService[] = [];
  readonly asked: string[] = [];

  async engine() {
    return { id: 'E', inSwarm: true, isManager: this.isManager };
  }

  async services() {
    this.asked.push('services');
    if (this.leaderless) throw new FairleadError('DOCKER_PROTOCOL', 'Docker answered 503');
    return this.listed;
  }

  async networks() {
    const about = { driver: 'net:1', scope: 'swarm', internal: false, labels: {} };
    return [networkId, ingress].map((id) => ({
      ...{ id, name: id, ...about, ipamDriver: 'net:1', subnets: [], endpoints: [] },
    }));
  }
}

const service = (id: string, version: number, ...ends: readonly number[]): DockerService => ({
  ...{ id, name: `api-${id}`, version },
  addresses: [
    { networkId: ingress, address: '10.0.0.5/24' },
    ...ends.map((end) => ({ networkId, address: `10.1.0.${end}/24` })),
  ],
});

let engine: Engine;
let loop: Loop;
let host: SiteHost;
beforeEach(async () => {
  host = new SiteHost(new MapStore(), 'one');
  const subnets = [
    { addressSpace: '', pool: '10.1.0.0/24', gateway: '10.1.0.254/24', auxiliary: {} },
  ];
  await runPlan(host.store, () => planAllocateNetwork({ id: networkId, options: {}, subnets }));
  engine = new Engine();
  loop = start(engine);
});
afterEach(() => loop.close());

const start = (docker: Engine): Loop =>
  startSwarmVipLoop({
    store: host.store,
    docker: docker as unknown as DockerClient,
    dockerSocket: '/nowhere/docker.sock',
    clock: systemClock,
    log: silentLogger(),
  });
const settled = (of = loop) => of.settled(AbortSignal.timeout(20_000));
const shown = async () =>
  (await host.store.range(swarmVipRange)).rows.map(({ key, value }) => {
    const { service: id } = JSON.parse(value) as { readonly service: string };
    return `${key.split('/').at(-1)} ${id}`;
  });

test('are there as soon as a manager lists them, and only those in networks of ours', async () => {
  await settled();
  expect(await shown()).toEqual([]);
  engine.listed = [service('a', 5, 3), service('b', 6)];
  await settled();
  expect(await shown()).toEqual(['0a010003 a']);
  // given up for another one, by the same service
  engine.listed = [service('a', 9, 4), service('b', 8, 7)];
  await settled();
  expect(await shown()).toEqual(['0a010004 a', '0a010007 b']);
});

test('are written once by managers that all know', async () => {
  const others = [new Engine(), new Engine()];
  const loops = others.map(start);
  for (const one of [engine, ...others]) one.listed = [service('a', 5, 3)];
  await Promise.all([loop, ...loops].map((each) => settled(each)));
  expect(await shown()).toEqual(['0a010003 a']);
  const { revision } = await host.store.range(swarmVipRange);
  await Promise.all([loop, ...loops].map((each) => settled(each)));
  expect((await host.store.range(swarmVipRange)).revision).toBe(revision);
  await Promise.all(loops.map((each) => each.close()));
});

test('stay while no manager can be asked, or the node is none any more', async () => {
  engine.listed = [service('a', 5, 3)];
  await settled();
  engine.listed = [];
  engine.leaderless = true;
  const before = engine.asked.length;
  loop.kick();
  await until('it was asked', () => engine.asked.length > before);
  expect(await shown()).toEqual(['0a010003 a']);
  engine.leaderless = false;
  engine.isManager = false;
  await settled();
  expect(await shown()).toEqual(['0a010003 a']);
});

test('stay when one list lacks a service', async () => {
  engine.listed = [service('a', 5, 3)];
  await settled();
  engine.listed = [];
  await settled();
  await settled();
  expect(await shown()).toEqual(['0a010003 a']);
});

test('that no subnet has lead nowhere, and disturb no others', async () => {
  const odd = { networkId, address: '10.9.9.9/24' };
  engine.listed = [{ ...service('a', 5), addresses: [odd] }, service('b', 6, 7)];
  await settled();
  expect(await shown()).toEqual(['0a010007 b']);
});
