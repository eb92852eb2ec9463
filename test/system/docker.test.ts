import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { createDockerClient, type DockerClient } from '../../lib/docker/client.ts';
import { followDockerEvents, type DockerSignal } from '../../lib/docker/events.ts';
import type { LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';

// what the client reads is what a real engine writes: the scripted servers of the unit tests cannot show it

const lab = openLab();
const { signal } = new AbortController();
let host: LabHost;
let client: DockerClient;

beforeAll(async () => {
  await lab.up(1);
  host = lab.host(1);
  await host.image();
  client = createDockerClient(host.dockerSocket);
});

afterAll(async () => {
  await lab.down();
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.docker(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

test('the engine tells its version and an identity that a restart does not change', async () => {
  const { engine, api } = await client.version(signal);
  expect(engine).toBe(await docker('version', '--format', '{{.Server.Version}}'));
  expect(Number(api.split('.')[1])).toBeLessThanOrEqual(44);
  const identity = await client.engine(signal);
  const id = await docker('info', '--format', '{{.ID}}');
  expect(identity).toEqual({ id, inSwarm: false, isManager: false });
  await host.killDocker();
  await host.startDocker();
  expect(await client.engine(signal)).toEqual(identity);
});

test('a network is listed as it was made, and told with the endpoints in it', async () => {
  const range = [
    '--subnet',
    '10.77.0.0/24',
    '--gateway',
    '10.77.0.1',
    '--aux-address',
    'a=10.77.0.9',
  ];
  const id = await docker('network', 'create', '--internal', ...range, 'listed');
  const listed = (await client.networks(signal)).find((network) => network.id === id);
  expect(listed).toEqual({
    id,
    name: 'listed',
    driver: 'bridge',
    scope: 'local',
    internal: true,
    labels: {},
    ipamDriver: 'default',
    subnets: [{ subnet: '10.77.0.0/24', gateway: '10.77.0.1', auxiliary: ['10.77.0.9'] }],
    endpoints: [],
  });
  const mac = '02:42:0a:4d:00:05';
  const place = ['--network', 'listed', '--ip', '10.77.0.5', '--mac-address', mac];
  await docker('run', '-d', '--name', 'member', ...place, 'fairlead/box', 'sleep', '1000');
  const endpointId = await docker(
    'inspect',
    '--format',
    '{{(index .NetworkSettings.Networks "listed").EndpointID}}',
    'member',
  );
  const told = await client.network(id, signal);
  expect(told?.endpoints).toEqual([{ endpointId, mac, ipv4: '10.77.0.5/24', ipv6: '' }]);
  await docker('rm', '-f', 'member');
  await docker('network', 'rm', 'listed');
  expect(await client.network(id, signal)).toBeUndefined();
});

test('a network nobody made is unknown, not an error', async () => {
  expect(await client.network(randomBytes(32).toString('hex'), signal)).toBeUndefined();
});

test('events are followed across a kill of the engine', async () => {
  const seen: DockerSignal[] = [];
  const end = new AbortController();
  const following = followDockerEvents({
    socketPath: host.dockerSocket,
    clock: systemClock,
    signal: end.signal,
    listener: (told) => seen.push(told),
  });
  const until = (what: string, probe: (told: DockerSignal) => boolean, count = 1) =>
    waitFor({ what, timeoutMs: 20_000 }, () => seen.filter(probe).length >= count);
  const about = (action: string, id: string) => (told: DockerSignal) =>
    told.kind === 'event' && told.event.action === action && told.event.id === id;
  try {
    await until('the stream', ({ kind }) => kind === 'connected');
    const first = await docker('network', 'create', 'first');
    await until('creation of the first network', about('create', first));
    await host.killDocker();
    await until('the end of the stream', ({ kind }) => kind === 'disconnected');
    await host.startDocker();
    await until('the stream again', ({ kind }) => kind === 'connected', 2);
    await docker('network', 'rm', 'first');
    await until('removal of the first network', about('destroy', first));
  } finally {
    end.abort();
    await following;
  }
});

test('an engine that is gone is said to be down, and asked anew when it is back', async () => {
  await host.killDocker();
  await expect(client.networks(signal)).rejects.toMatchObject({ code: 'DOCKER_DOWN' });
  await host.startDocker();
  expect((await client.networks(signal)).map(({ name }) => name)).toContain('bridge');
});
