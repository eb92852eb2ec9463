import { createServer, type RequestListener, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { createDockerClient } from '../../lib/docker/client.ts';
import { followDockerEvents, readEvents, type DockerSignal } from '../../lib/docker/events.ts';
import { hasCode } from '../../lib/errors.ts';
import { dockerEventBytesMax } from '../../lib/limits.ts';
import { until } from '../support/until.ts';

let directory: string;
let socket: string;
let server: Server | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fl-docker-'));
  socket = join(directory, 's');
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

/** Serves an engine that follows a script. */
async function engine(listener: RequestListener): Promise<void> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
}

const paths = (answers: Record<string, unknown>): RequestListener => {
  return (request, response) => {
    const answer = answers[request.url ?? ''];
    if (answer === undefined) response.writeHead(404).end('{"message":"no such thing"}');
    else response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  };
};

const version = { Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12', Os: 'linux' };
const signal = AbortSignal.timeout(30_000);
const network = {
  Id: 'n1',
  Name: 'blue',
  Driver: 'fairlead',
  Scope: 'local',
  Internal: false,
  EnableIPv6: false,
  IPAM: {
    Driver: 'fairlead',
    Options: null,
    Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1' }],
  },
  Containers: {
    c1: {
      Name: 'a',
      EndpointID: 'e1',
      MacAddress: '02:42:0a:00:00:02',
      IPv4Address: '10.0.0.2/24',
      IPv6Address: '',
    },
    'ep-e2': { Name: '', EndpointID: 'e2', MacAddress: '', IPv4Address: '', IPv6Address: '' },
  },
};

describe('the Docker client', () => {
  it('speaks the older of two API versions', async () => {
    await engine(paths({ '/version': version, '/v1.41/networks': [network] }));
    const client = createDockerClient(socket);
    expect(await client.version(signal)).toEqual({ engine: '20.10.24', api: '1.41' });
    expect(await client.networks(signal)).toMatchObject([{ id: 'n1', driver: 'fairlead' }]);
    server?.closeAllConnections();
  });

  it('never speaks a newer version than it was written against', async () => {
    await engine(
      paths({ '/version': { ...version, ApiVersion: '1.99' }, '/v1.44/info': { ID: 'E1' } }),
    );
    expect(await createDockerClient(socket).engine(signal)).toEqual({
      id: 'E1',
      inSwarm: false,
      isManager: false,
    });
  });

  it.each([
    ['1.41', '1.12', '1.41'],
    ['1.24', '', '1.24'],
    ['1.24', undefined, '1.24'],
    ['1.44', '1.24', '1.44'],
    ['1.52', '1.44', '1.44'],
    ['1.52', '1.47', '1.47'],
    ['1.60', '1.60', '1.60'],
  ])('speaks to an engine up to %s, from %s on: %s', async (ApiVersion, MinAPIVersion, api) => {
    const said = { ...version, ApiVersion, MinAPIVersion };
    await engine(paths({ '/version': said, [`/v${api}/networks`]: [network] }));
    const client = createDockerClient(socket);
    expect((await client.version(signal)).api).toBe(api);
    expect(await client.networks(signal)).toHaveLength(1);
  });

  it.each([
    ['1.23', '1.12', 'DOCKER_VERSION'],
    ['1.9', '1.9', 'DOCKER_VERSION'],
    ['1.40', '1.41', 'DOCKER_PROTOCOL'],
    ['2.0', '1.24', 'DOCKER_PROTOCOL'],
    ['1.41/../..', '1.24', 'DOCKER_PROTOCOL'],
    ['1.41', 'x', 'DOCKER_PROTOCOL'],
    ['1.041', '1.24', 'DOCKER_PROTOCOL'],
  ])('speaks to none up to %s, from %s on: %s', async (ApiVersion, MinAPIVersion, code) => {
    await engine(paths({ '/version': { ...version, ApiVersion, MinAPIVersion } }));
    await expect(createDockerClient(socket).networks(signal)).rejects.toMatchObject({ code });
  });

  it('lists services of a swarm with the addresses that they have by now', async () => {
    const info = { ID: 'E1', Swarm: { LocalNodeState: 'active', ControlAvailable: true } };
    const vips = [{ NetworkID: 'n1', Addr: '10.1.0.2/24' }, { NetworkID: 'n2' }, { Addr: '' }];
    const services = [
      { ID: 's1', Version: { Index: 12 }, Spec: { Name: 'api' }, Endpoint: { VirtualIPs: vips } },
      { ID: 's2', Version: { Index: 13 }, Spec: {}, Endpoint: { Spec: { Mode: 'dnsrr' } } },
    ];
    await engine(paths({ '/version': version, '/v1.41/info': info, '/v1.41/services': services }));
    const client = createDockerClient(socket);
    expect(await client.engine(signal)).toEqual({ id: 'E1', inSwarm: true, isManager: true });
    expect(await client.services(signal)).toEqual([
      {
        ...{ id: 's1', name: 'api', version: 12 },
        addresses: [{ networkId: 'n1', address: '10.1.0.2/24' }],
      },
      { id: 's2', name: '', version: 13, addresses: [] },
    ]);
  });

  it('lists the endpoints of a network, also those without a container', async () => {
    await engine(paths({ '/version': version, '/v1.41/networks/n1': network }));
    const read = await createDockerClient(socket).network('n1', signal);
    expect(read?.endpoints.map(({ endpointId }) => endpointId)).toEqual(['e1', 'e2']);
    expect(await createDockerClient(socket).network('gone', signal)).toBeUndefined();
  });

  it('lists containers with their labels and attachments, and which of them work', async () => {
    const of = (Id: string, more: object) => ({ Id, Names: [`/${Id}`], State: 'running', ...more });
    await engine(
      paths({
        '/version': version,
        '/v1.41/containers/json': [
          of('a', {
            Names: ['/other/link', '/a'],
            Labels: { app: 'web' },
            Status: 'Up 2 seconds',
            NetworkSettings: { Networks: { x: { EndpointID: 'e1' }, y: { EndpointID: '' } } },
          }),
          of('b', { Status: 'Up 2 minutes (healthy)', Labels: null }),
          of('c', { Status: 'Up 2 minutes (unhealthy)' }),
          of('d', { Status: 'Up 1 second (health: starting)' }),
          of('e', { Status: 'Up 2 minutes (Paused)', State: 'paused' }),
        ],
      }),
    );
    const listed = await createDockerClient(socket).containers(signal);
    expect(listed[0]).toEqual({
      id: 'a',
      name: '/a',
      labels: { app: 'web' },
      works: true,
      endpointIds: ['e1'],
    });
    expect(listed.map(({ works }) => works)).toEqual([true, true, false, false, false]);
  });

  it('tells by which other names a container is known on each of its networks', async () => {
    const Networks = {
      x: { EndpointID: 'e1', Aliases: ['db', 'a'] },
      y: { EndpointID: 'e2', Aliases: null },
      z: { EndpointID: '', Aliases: ['nowhere'] },
    };
    await engine(
      paths({
        '/version': version,
        '/v1.41/containers/a/json': { NetworkSettings: { Networks } },
        '/v1.41/containers/b/json': {},
      }),
    );
    const client = createDockerClient(socket);
    expect([...(await client.aliases('a', signal))]).toEqual([
      ['e1', ['db', 'a']],
      ['e2', []],
    ]);
    for (const id of ['b', 'gone']) expect([...(await client.aliases(id, signal))]).toEqual([]);
  });

  it('makes and removes networks, and says what the engine says against it', async () => {
    const heard: string[] = [];
    await engine((request, response) => {
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', () => {
        heard.push(`${request.method} ${request.url}`);
        if (request.url === '/version') return response.end(JSON.stringify(version));
        if (request.method === 'DELETE') {
          const status = request.url?.endsWith('/used') === true ? 403 : 404;
          return response.writeHead(status).end('{"message":"network has active endpoints"}');
        }
        const { Name, Driver, IPAM } = JSON.parse(body);
        if (Name === 'taken') return response.writeHead(409).end('{"message":"it exists"}');
        expect([Driver, IPAM]).toEqual([
          'fairlead',
          {
            Driver: 'fairlead',
            Options: { tenant: 'blue' },
            Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1' }, { Subnet: 'fd00::/64' }],
          },
        ]);
        return response.writeHead(201).end('{"Id":"n7","Warning":""}');
      });
    });
    const wish = {
      driver: 'fairlead',
      options: {},
      ipamOptions: { tenant: 'blue' },
      labels: {},
      internal: false,
      ipv6: true,
      subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1' }, { subnet: 'fd00::/64' }],
    };
    const client = createDockerClient(socket);
    expect(await client.createNetwork({ ...wish, name: 'web/blue' }, signal)).toBe('n7');
    await expect(client.createNetwork({ ...wish, name: 'taken' }, signal)).rejects.toThrow(
      'it exists',
    );
    await client.removeNetwork('gone', signal);
    await expect(client.removeNetwork('used', signal)).rejects.toSatisfy((e) =>
      hasCode(e, 'DOCKER_REFUSED'),
    );
    expect(heard.slice(0, 2)).toEqual(['GET /version', 'POST /v1.41/networks/create']);
    server?.closeAllConnections();
  });

  it('takes the null that Go writes for empty lists', async () => {
    const bare = { ...network, Containers: null, IPAM: { Driver: 'null', Config: null } };
    await engine(paths({ '/version': version, '/v1.41/networks/n1': bare }));
    const read = await createDockerClient(socket).network('n1', signal);
    expect(read).toMatchObject({ endpoints: [], subnets: [] });
  });

  it('says DOCKER_DOWN when nobody listens, and when the answer breaks off', async () => {
    const client = createDockerClient(socket);
    await expect(client.version(signal)).rejects.toSatisfy((e) => hasCode(e, 'DOCKER_DOWN'));
    await engine((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{');
      setImmediate(() => response.destroy());
    });
    await expect(client.version(signal)).rejects.toSatisfy((e) => hasCode(e, 'DOCKER_DOWN'));
  });

  it.each([
    ['no JSON', '<html>'],
    ['another shape', '{"Version":1}'],
    ['an unknown API version', JSON.stringify({ ...version, ApiVersion: 'two' })],
    ['nothing', ''],
  ])('says DOCKER_PROTOCOL for %s', async (_what, text) => {
    await engine(paths({ '/version': text }));
    const client = createDockerClient(socket);
    await expect(client.version(signal)).rejects.toSatisfy((e) => hasCode(e, 'DOCKER_PROTOCOL'));
  });

  it('gives up when it is told to', async () => {
    await engine(() => {});
    const stop = new AbortController();
    const asked = createDockerClient(socket).version(stop.signal);
    stop.abort();
    await expect(asked).rejects.toSatisfy((e) => hasCode(e, 'DOCKER_DOWN'));
  });
});

describe('the event stream', () => {
  const event = (action: string, id: string): string =>
    `${JSON.stringify({ Type: 'network', Action: action, Actor: { ID: id, Attributes: {} }, time: 1 })}\n`;

  it('is read line by line, however it is cut', async () => {
    const bytes = new TextEncoder().encode(`${event('create', 'ä1')}\n${event('destroy', 'n2')}`);
    for (const size of [1, 3, 7, 1000]) {
      const read = await Array.fromAsync(
        readEvents(
          (async function* () {
            for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
          })(),
        ),
      );
      expect(read).toEqual([
        { type: 'network', action: 'create', id: 'ä1' },
        { type: 'network', action: 'destroy', id: 'n2' },
      ]);
    }
  });

  it('refuses an endless line', async () => {
    const endless = (async function* () {
      for (;;) yield new Uint8Array(dockerEventBytesMax / 2).fill(0x20);
    })();
    await expect(Array.fromAsync(readEvents(endless))).rejects.toSatisfy((e) =>
      hasCode(e, 'DOCKER_PROTOCOL'),
    );
  });

  it('comes back after it broke, and says each time that everything is to be looked at', async () => {
    let asked = 0;
    await engine((_request, response) => {
      asked++;
      response.flushHeaders();
      response.write(event('create', `n${asked}`));
      if (asked < 3) response.end();
    });
    const heard: DockerSignal[] = [];
    const stop = new AbortController();
    const following = followDockerEvents({
      socketPath: socket,
      clock: { ...systemClock, sleep: async () => {} },
      signal: stop.signal,
      listener: (one) => heard.push(one),
    });
    await until(
      'three connections',
      () => heard.filter(({ kind }) => kind === 'event').length === 3,
    );
    expect(heard.map(({ kind }) => kind)).toEqual([
      ...['connected', 'event', 'disconnected'],
      ...['connected', 'event', 'disconnected'],
      ...['connected', 'event'],
    ]);
    stop.abort();
    await following;
  });
});
