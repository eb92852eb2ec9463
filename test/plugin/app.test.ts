/** The plugin protocol, without a socket. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import {
  callInstantMs,
  callSlowMs,
  callStoreMs,
  requestBytesMax,
  requestsInFlightMax,
} from '../../lib/limits.ts';
import { createPluginApp, type AnsweredCall } from '../../lib/plugin/app.ts';
import { callNames, HandClock, handlersThat, keptLog, type Handled } from './stub.ts';

const network = 'a'.repeat(64);
const endpoint = 'b'.repeat(64);
const both = { NetworkID: network, EndpointID: endpoint };

function makeApp(
  work: (handled: Handled) => Promise<object> = async () => ({ fine: true }),
  clock: HandClock | typeof systemClock = systemClock,
) {
  const { log, lines } = keptLog();
  const answered: AnsweredCall[] = [];
  const handled: Handled[] = [];
  const handlers = handlersThat((one) => {
    handled.push(one);
    return work(one);
  });
  const app = createPluginApp({ handlers, clock, log, onCall: (one) => answered.push(one) });
  const post = async (
    call: string,
    body?: unknown,
    init: RequestInit = {},
  ): Promise<{ status: number; type: string | null; body: Record<string, string> }> => {
    const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
    const response = await app.request(`/${call}`, { method: 'POST', body: text, ...init });
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      body: (await response.json()) as Record<string, string>,
    };
  };
  return { app, post, lines, answered, handled };
}

/** A refusal has its text under both keys and is logged once; nothing was handled. */
async function mustRefuse(
  made: ReturnType<typeof makeApp>,
  asked: ReturnType<ReturnType<typeof makeApp>['post']>,
  code: string,
  status = 200,
): Promise<string> {
  const logged = made.lines.length;
  const answer = await asked;
  expect(answer.status).toBe(status);
  expect(answer.type).toBe('application/vnd.docker.plugins.v1.2+json');
  expect(Object.keys(answer.body)).toEqual(['Err', 'Error']);
  expect(answer.body['Err']).toBe(answer.body['Error']);
  expect(answer.body['Err']).toContain(`(${code})`);
  expect(made.lines.slice(logged)).toEqual([expect.objectContaining({ msg: 'refused', code })]);
  expect(made.answered.at(-1)?.code).toBe(code);
  return answer.body['Err'] ?? '';
}

describe('answers', () => {
  test('a success is the handler’s object, never empty text, and logged at debug', async () => {
    const made = makeApp();
    const answer = await made.post('NetworkDriver.Leave', both);
    expect(answer).toEqual({
      status: 200,
      type: 'application/vnd.docker.plugins.v1.2+json',
      body: { fine: true },
    });
    expect(made.lines).toEqual([
      expect.objectContaining({ level: 'debug', call: 'NetworkDriver.Leave', network, endpoint }),
    ]);
    expect(made.answered).toEqual([
      { call: 'NetworkDriver.Leave', ms: expect.any(Number), code: undefined },
    ]);
  });

  test('Content-Type of the request does not matter', async () => {
    const { post } = makeApp();
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'x',
      'multipart/form-data',
    ]) {
      const headers = { 'content-type': type };
      expect((await post('NetworkDriver.Leave', both, { headers })).body).toEqual({ fine: true });
    }
  });

  test('a bare call takes content or none', async () => {
    const { post } = makeApp();
    expect((await post('Plugin.Activate')).body).toEqual({ fine: true });
    expect((await post('Plugin.Activate', {})).body).toEqual({ fine: true });
  });

  test('an operating error keeps its code and its fix', async () => {
    const made = makeApp(() => Promise.reject(new FairleadError('OVS_DOWN', 'no switch')));
    const text = await mustRefuse(made, made.post('NetworkDriver.Leave', both), 'OVS_DOWN');
    expect(text).toMatch(/^no switch \(OVS_DOWN\); fix: systemctl/);
    expect(made.lines[0]).toMatchObject({ level: 'warn', network, endpoint });
  });

  test('a bug is INTERNAL and logged as an error with its stack, thrown or rejected', async () => {
    for (const work of [
      () => Promise.reject(new TypeError('oops')),
      (): never => {
        throw new TypeError('oops');
      },
    ]) {
      const made = makeApp(work);
      await mustRefuse(made, made.post('NetworkDriver.Leave', both), 'INTERNAL');
      expect(made.lines[0]).toMatchObject({
        level: 'error',
        err: { cause: { stack: expect.stringContaining('app.test') } },
      });
    }
  });
});

describe('refusals before a handler is asked', () => {
  test.each(callNames.filter((name) => !/Plugin|GetCap|GetDefault/.test(name)))(
    '%s without content is what a broken connection leaves of it',
    async (name) => {
      const made = makeApp();
      await mustRefuse(made, made.post(name), 'REQUEST_EMPTY');
      expect(made.handled).toEqual([]);
    },
  );

  test.each([
    ['{', 'REQUEST_INVALID', 'not JSON'],
    ['null', 'REQUEST_INVALID', 'not an object'],
    ['[]', 'REQUEST_INVALID', 'not an object'],
    ['"x"', 'REQUEST_INVALID', 'not an object'],
    [`{"NetworkID":"${network}"}{}`, 'REQUEST_INVALID', 'not JSON'],
    ['['.repeat(200_000), 'REQUEST_INVALID', 'not JSON'],
  ])('content %#', async (body, code, words) => {
    const made = makeApp();
    const text = await mustRefuse(made, made.post('NetworkDriver.Leave', body), code);
    expect(text).toContain(words);
    expect(made.handled).toEqual([]);
  });

  test('content that is not UTF-8', async () => {
    const made = makeApp();
    const body = Uint8Array.of(0x7b, 0xff, 0x7d);
    await mustRefuse(made, made.post('NetworkDriver.Leave', '', { body }), 'REQUEST_INVALID');
  });

  test('content that breaks off', async () => {
    const made = makeApp();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Uint8Array.of(0x7b)),
      pull: (controller) => controller.error(new Error('gone')),
    });
    const init = { body, duplex: 'half' } as RequestInit;
    await mustRefuse(made, made.post('NetworkDriver.Leave', '', init), 'REQUEST_INVALID');
  });

  test('too much content, announced or not, is not read to its end', async () => {
    const made = makeApp();
    const headers = { 'content-length': String(requestBytesMax + 1) };
    await mustRefuse(
      made,
      made.post('NetworkDriver.Leave', '{}', { headers }),
      'REQUEST_TOO_LARGE',
    );
    let pulled = 0;
    const part = new Uint8Array(1024 * 1024).fill(0x20);
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(part);
      },
    });
    const init = { body, duplex: 'half' } as RequestInit;
    await mustRefuse(made, made.post('NetworkDriver.Leave', '', init), 'REQUEST_TOO_LARGE');
    expect(pulled).toBeLessThanOrEqual(requestBytesMax / part.length + 3);
  });

  test('as much content as is allowed is taken', async () => {
    const { post } = makeApp();
    const text = JSON.stringify(both);
    const answer = await post(
      'NetworkDriver.Leave',
      text + ' '.repeat(requestBytesMax - text.length),
    );
    expect(answer.body).toEqual({ fine: true });
  });

  test('a container may publish every TCP port', async () => {
    const { post } = makeApp();
    const ports = Array.from({ length: 65_535 }, (_, index) => ({ Proto: 6, Port: index + 1 }));
    const published = ports.map((port) => ({
      ...port,
      IP: '',
      HostIP: '',
      HostPort: port.Port,
      HostPortEnd: port.Port,
    }));
    const Options = {
      'com.docker.network.endpoint.exposedports': ports,
      'com.docker.network.portmap': published,
    };
    const answer = await post('NetworkDriver.CreateEndpoint', {
      ...both,
      Interface: null,
      Options,
    });
    expect(answer.body).toEqual({ fine: true });
  });

  test('another method', async () => {
    const made = makeApp();
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      const init = method === 'GET' ? { method, body: null } : { method };
      await mustRefuse(made, made.post('NetworkDriver.Leave', both, init), 'REQUEST_METHOD');
    }
    expect(made.handled).toEqual([]);
  });

  test('a call that does not exist is the one 404', async () => {
    const made = makeApp();
    for (const call of [
      '',
      'Nope',
      'VolumeDriver.Create',
      'networkdriver.leave',
      'constructor',
      '__proto__',
      'NetworkDriver.Leave/',
    ]) {
      await mustRefuse(made, made.post(call, both), 'REQUEST_UNKNOWN', 404);
    }
    const text = await mustRefuse(made, made.post('x'.repeat(10_000)), 'REQUEST_UNKNOWN', 404);
    expect(text.length).toBeLessThan(200);
  });
});

describe('fields', () => {
  const create = {
    NetworkID: network,
    Options: { 'com.docker.network.generic': {}, 'com.docker.network.enable_ipv6': false },
    IPv4Data: [{ AddressSpace: 's', Pool: '10.0.0.0/24', Gateway: '10.0.0.1/24' }],
    IPv6Data: [],
  };
  const createEndpoint = {
    ...both,
    Interface: { Address: '10.0.0.2/24', AddressIPv6: '', MacAddress: '' },
    Options: {},
  };
  const optionsOf = (key: string, value: unknown): object => ({ Options: { [key]: value } });

  test.each([
    ['NetworkDriver.Leave', { NetworkID: network }, 'EndpointID'],
    ['NetworkDriver.Leave', { ...both, EndpointID: 7 }, 'EndpointID'],
    ['NetworkDriver.Leave', { ...both, EndpointID: null }, 'EndpointID'],
    ['NetworkDriver.Leave', { ...both, EndpointID: 'b'.repeat(63) }, 'EndpointID'],
    ['NetworkDriver.Leave', { ...both, EndpointID: '../'.repeat(22) }, 'EndpointID'],
    ['NetworkDriver.Leave', { ...both, NetworkID: '' }, 'NetworkID'],
    ['NetworkDriver.Leave', { ...both, NetworkID: 'A'.repeat(64) }, 'NetworkID'],
    ['NetworkDriver.CreateNetwork', { ...create, IPv4Data: {} }, 'IPv4Data'],
    ['NetworkDriver.CreateNetwork', { ...create, IPv4Data: [{ Pool: 7 }] }, 'IPv4Data[0].Pool'],
    ['NetworkDriver.CreateNetwork', { ...create, IPv4Data: [{}] }, 'IPv4Data[0].Pool'],
    [
      'NetworkDriver.CreateNetwork',
      { ...create, IPv4Data: Array.from({ length: 65 }, () => ({ Pool: 'x' })) },
      'IPv4Data',
    ],
    ['NetworkDriver.CreateNetwork', { ...create, Options: 'x' }, 'Options'],
    [
      'NetworkDriver.CreateNetwork',
      { ...create, ...optionsOf('com.docker.network.generic', { x: true }) },
      'Options.com.docker.network.generic.x',
    ],
    [
      'NetworkDriver.CreateNetwork',
      { ...create, ...optionsOf('com.docker.network.internal', 'true') },
      'Options.com.docker.network.internal',
    ],
    [
      'NetworkDriver.CreateEndpoint',
      { ...createEndpoint, Interface: { Address: [] } },
      'Interface.Address',
    ],
    [
      'NetworkDriver.CreateEndpoint',
      { ...createEndpoint, ...optionsOf('com.docker.network.endpoint.macaddress', 'AAAA') },
      'Options.com.docker.network.endpoint.macaddress',
    ],
    [
      'NetworkDriver.CreateEndpoint',
      { ...createEndpoint, ...optionsOf('com.docker.network.endpoint.dnsservers', ['1', 2]) },
      'Options.com.docker.network.endpoint.dnsservers[1]',
    ],
    [
      'NetworkDriver.Join',
      {
        ...both,
        SandboxKey: '/x',
        ...optionsOf('com.docker.network.portmap', [{ Proto: 6, Port: 65_536 }]),
      },
      'Options.com.docker.network.portmap[0].Port',
    ],
    [
      'NetworkDriver.Join',
      {
        ...both,
        SandboxKey: '/x',
        ...optionsOf('com.docker.network.endpoint.exposedports', [{ Proto: '6' }]),
      },
      'Options.com.docker.network.endpoint.exposedports[0].Proto',
    ],
    ['NetworkDriver.DiscoverNew', { DiscoveryType: 'node' }, 'DiscoveryType'],
    [
      'NetworkDriver.DiscoverNew',
      { DiscoveryType: 1, DiscoveryData: { Self: 1 } },
      'DiscoveryData.Self',
    ],
    ['IpamDriver.RequestPool', { AddressSpace: 's', V6: 'no' }, 'V6'],
    ['IpamDriver.RequestPool', { AddressSpace: 'x'.repeat(5_000) }, 'AddressSpace'],
    ['IpamDriver.RequestAddress', { PoolID: 'p', Options: { a: 1 } }, 'Options.a'],
    ['IpamDriver.ReleasePool', {}, 'PoolID'],
  ])('%s refuses %j and names %s', async (call, body, place) => {
    const made = makeApp();
    const text = await mustRefuse(made, made.post(call, body), 'REQUEST_INVALID');
    expect(text).toContain(`${call}: ${place}: `);
    expect(made.handled).toEqual([]);
  });

  test('fields of newer engines pass, of any type', async () => {
    const { post } = makeApp();
    const extra = { New: { deep: [1] }, Options: { 'com.docker.network.new': 7, x: null } };
    for (const [call, body] of [
      ['NetworkDriver.CreateNetwork', create],
      ['NetworkDriver.CreateEndpoint', createEndpoint],
      ['NetworkDriver.Join', { ...both, SandboxKey: '/x' }],
      ['NetworkDriver.GwAllocCheck', {}],
    ] as const) {
      expect((await post(call, { ...body, ...extra })).body).toEqual({ fine: true });
    }
    expect(
      (await post('NetworkDriver.DiscoverNew', { DiscoveryType: 3, DiscoveryData: 7 })).body,
    ).toEqual({
      fine: true,
    });
  });

  test('null is the same as absent', async () => {
    const { post, handled } = makeApp();
    const empty = { NetworkID: network, Options: null, IPv4Data: null, IPv6Data: null };
    await post('NetworkDriver.CreateNetwork', empty);
    await post('NetworkDriver.CreateNetwork', { NetworkID: network });
    expect(handled[0]?.request).toEqual(handled[1]?.request);
    expect(handled[0]?.request).toMatchObject({
      Options: { 'com.docker.network.generic': {}, 'com.docker.network.internal': false },
      IPv4Data: [],
      IPv6Data: [],
    });
  });
});

describe('bounds', () => {
  const never = (): Promise<object> => new Promise(() => undefined);

  test.each([
    ['IpamDriver.GetCapabilities', {}, callInstantMs],
    ['NetworkDriver.DeleteEndpoint', both, callStoreMs],
    ['NetworkDriver.Join', { ...both, SandboxKey: '/x' }, callSlowMs],
  ])('%s is over after its time, and its handler is told', async (call, body, boundMs) => {
    const clock = new HandClock();
    const made = makeApp(never, clock);
    const asked = made.post(call, body);
    await expect.poll(() => clock.sleeping).toBe(1);
    clock.advance(boundMs - 1);
    const [one] = made.handled;
    expect(one?.signal?.aborted ?? false).toBe(false);
    clock.advance(1);
    await mustRefuse(made, asked, 'DEADLINE');
    if (one?.signal !== undefined) expect(one.signal.reason).toMatchObject({ code: 'DEADLINE' });
  });

  test('a call in time leaves no timer, and what is thrown too late is nobody’s', async () => {
    const clock = new HandClock();
    const late = Promise.withResolvers<object>();
    const made = makeApp(() => late.promise, clock);
    const asked = made.post('NetworkDriver.Leave', both);
    await expect.poll(() => clock.sleeping).toBe(1);
    clock.advance(callStoreMs);
    await mustRefuse(made, asked, 'DEADLINE');
    late.reject(new Error('too late'));
    const fine = makeApp(undefined, clock);
    await fine.post('NetworkDriver.Leave', both);
    expect(clock.sleeping).toBe(0);
  });

  test('too many calls in work, late ones included, are BUSY, and room comes back', async () => {
    const clock = new HandClock();
    const work = Promise.withResolvers<object>();
    const made = makeApp(() => work.promise, clock);
    const asked = Array.from({ length: requestsInFlightMax }, () =>
      made.post('NetworkDriver.Leave', both),
    );
    await expect.poll(() => made.handled.length).toBe(requestsInFlightMax);
    clock.advance(callStoreMs);
    for (const one of asked) expect((await one).body['Err']).toContain('DEADLINE');
    await mustRefuse(made, made.post('NetworkDriver.Leave', both), 'BUSY');
    work.resolve({ fine: true });
    await expect
      .poll(async () => (await made.post('NetworkDriver.Leave', both)).body)
      .toEqual({ fine: true });
  });
});
