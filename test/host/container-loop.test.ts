/** What a host tells the others of its containers: names of every one on a network that hosts share. */
import { expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import type { DockerClient, DockerContainer } from '../../lib/docker/client.ts';
import { startContainerLoop } from '../../lib/host/container-loop.ts';
import { containerAliasesMax, containerStoppingMs } from '../../lib/limits.ts';
import { silentLogger } from '../../lib/log.ts';
import { planTellContainer, toldAliases } from '../../lib/network/containers.ts';
import { findEndpoint } from '../../lib/network/objects/endpoint-oper.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { sharedAs, SiteHost } from '../support/site-hosts.ts';

const hex = (digit: string): string => digit.repeat(64);

/** An engine with these containers; `asked` are those whose other names were asked for. */
class Engine implements Pick<DockerClient, 'containers' | 'aliases'> {
  listed: readonly DockerContainer[] = [];
  readonly asked: string[] = [];

  async containers() {
    return this.listed;
  }

  async aliases(id: string) {
    this.asked.push(id);
    return new Map([[hex('e'), ['db', id.slice(0, 12), 'db']]]);
  }
}

const container = (name: string, endpointIds: readonly string[]): DockerContainer => ({
  id: hex(name.slice(-1)),
  name: `/${name}`,
  labels: { app: 'web' },
  works: true,
  endpointIds,
});

async function scene(clock = systemClock) {
  const whole = new MapStore();
  const host = new SiteHost(whole, 'one');
  const made = await host.createNetwork({
    ...sharedAs('web'),
    id: hex('1'),
    subnets: ['10.1.0.0/24'],
  });
  const poolId = made.pools[0]?.poolId ?? '';
  const address = await host.requestAddress(poolId);
  await host.createEndpoint(made.network.id, hex('e'), address);
  const engine = new Engine();
  const loop = startContainerLoop({
    store: host.store,
    docker: engine as unknown as DockerClient,
    dockerSocket: '/nowhere/docker.sock',
    clock,
    log: silentLogger(),
  });
  const settled = () => loop.settled(AbortSignal.timeout(20_000));
  const shown = (text: string) =>
    runPlan(host.store, function* () {
      return { txn: undefined, answer: yield* findEndpoint(text) };
    });
  /** What was told of the one attachment. */
  const told = () => {
    const key = [...whole.rows.keys()].find((each) => each.startsWith('/endpoint/'));
    return JSON.parse(whole.rows.get(key ?? '')?.value ?? '{}') as { container?: object };
  };
  return { engine, host, loop, settled, shown, told };
}

test('names of containers are told without any service, and asked about once', async () => {
  const { engine, loop, settled, shown, told } = await scene();
  await settled();
  expect(await shown('web-a')).toBeUndefined();
  engine.listed = [container('web-a', [hex('e')]), container('alone-b', [hex('9')])];
  await settled();
  expect(await shown('web-a')).toMatchObject({
    containerID: hex('a'),
    containerName: '/web-a',
    endpointID: hex('e'),
  });
  expect(told().container).toMatchObject({ name: '/web-a', aliases: ['db'] });
  engine.listed = [{ ...container('named-a', [hex('e')]), works: false }];
  await settled();
  expect(told().container).toMatchObject({ name: '/named-a', aliases: ['db'], state: 'failing' });
  expect(engine.asked).toEqual([hex('a')]);
  await loop.close();
});

test('an engine that has the container no more takes nothing back', async () => {
  const { engine, loop, settled, shown } = await scene();
  engine.listed = [container('web-a', [hex('e')])];
  await settled();
  engine.listed = [];
  await settled();
  expect(await shown('web-a')).toBeDefined();
  await loop.close();
});

/** As an agent before this one was told. */
const stoppedBefore = (host: SiteHost, id = hex('a')) =>
  runPlan(host.store, () =>
    planTellContainer(
      { network: { tenant: 'default', network: 'web' }, endpointId: hex('e') },
      { id, name: '/web-a', labels: { app: 'web' }, state: 'stopping' },
    ),
  );

test('who was being stopped when the agent was begun anew still is, for as long as the bound', async () => {
  let nowMs = 1_000;
  const { engine, host, loop, settled, told } = await scene({
    ...systemClock,
    monotonicMs: () => nowMs,
  });
  await stoppedBefore(host);
  engine.listed = [container('web-a', [hex('e')])];
  await settled();
  expect(told().container).toMatchObject({ aliases: ['db'], state: 'stopping' });
  nowMs += containerStoppingMs - 1;
  await settled();
  expect(told().container).toMatchObject({ state: 'stopping' });
  nowMs += 1;
  await settled();
  expect(told().container).not.toHaveProperty('state');
  await loop.close();
});

test('another container than the one that was being stopped is ready', async () => {
  const { engine, host, loop, settled, told } = await scene();
  await stoppedBefore(host, hex('b'));
  engine.listed = [container('web-a', [hex('e')])];
  await settled();
  expect(told().container).not.toHaveProperty('state');
  await loop.close();
});

test('other names are those that say something new, in order, and not too many', () => {
  const one = { id: hex('a'), name: '/web-a' };
  const many = Array.from({ length: containerAliasesMax + 1 }, (_, at) => `n${at + 10}`);
  expect(toldAliases(['db', 'a'.repeat(12), 'web-a', '', 'c'.repeat(254), 'b'], one)).toEqual([
    'b',
    'db',
  ]);
  expect(toldAliases(many.toReversed(), one)).toEqual(many.slice(0, containerAliasesMax));
});
