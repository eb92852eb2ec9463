/**
 * What a user of Docker sees, on a real engine and a real Open vSwitch, with the agent in each of its
 * four forms, and on an etcd in place of its own store.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { outsideAddress } from '../lab/namespaces.ts';
import type { HostProcess } from '../lab/host.ts';
import { hostEtcdUrl, startHostEtcd } from '../support/host-etcd.ts';
import { labOfOneHost } from '../support/lab-host.ts';
import { agentForms, apiGet, startAgent } from '../support/agent-process.ts';
import { dockerOk, networkCommand, removeContainers, runCommand } from '../support/docker.ts';
import { addressOf, inspectNetwork, pings } from '../support/ping.ts';
import { leftovers, portNames } from '../support/traces.ts';
import { until } from '../support/until.ts';

const one = labOfOneHost();
const readPage =
  'fetch(process.argv[1]).then((a) => a.text()).then((t) => process.stdout.write(t), () => process.exit(1))';
let image: string;

beforeAll(async () => {
  image = await one.host.image();
});

const create = (name: string, ...args: string[]): Promise<string> =>
  dockerOk(one.host, networkCommand(name, ...args));
// a name that nobody has is asked of a server that is not there
const impatient = ['--dns-option', 'timeout:1', '--dns-option', 'attempts:1'];
const run = (name: string, network: string, ...args: string[]): Promise<string> =>
  dockerOk(one.host, runCommand(image, { name, network, options: [...impatient, ...args] }));

const isEverything = process.env['FAIRLEAD_E2E'] === 'all';
const ways = [
  ...agentForms.map((form) => ({ form, store: 'its own store' }) as const),
  { form: 'binary', store: 'an etcd' } as const,
];

describe.each(ways)('with the agent as $form on $store', ({ form, store }) => {
  let agent: HostProcess;
  let etcd: HostProcess | undefined;

  beforeAll(async () => {
    if (store === 'an etcd') etcd = await startHostEtcd(one.host);
    const env = etcd === undefined ? {} : { FAIRLEAD_STORE: hostEtcdUrl };
    agent = await startAgent(one.host, form, { env });
  });
  afterAll(async () => {
    await agent.stop();
    await etcd?.stop();
  });

  afterEach(async () => {
    await removeContainers(one.host);
    const networks = await dockerOk(one.host, [
      'network',
      'ls',
      '-q',
      '--filter',
      'driver=fairlead',
    ]);
    for (const id of networks.split('\n').filter(Boolean)) {
      await dockerOk(one.host, ['network', 'rm', id]);
    }
    await until('nothing is left', async () => (await leftovers(one.host)).length === 0);
    expect((await apiGet(one.host, '/v1/host/pools')).body['pools']).toEqual([]);
  });

  it('lets containers of one network reach each other, and no others', async () => {
    await create('blue');
    await create('green');
    await Promise.all([
      run('anna', 'blue'),
      run('ben', 'blue'),
      run('carl', 'green'),
      run('dora', 'green'),
    ]);
    const ben = await addressOf(one.host, 'ben', 'blue');
    const dora = await addressOf(one.host, 'dora', 'green');
    expect(await pings(one.host, 'anna', ben)).toBe(true);
    expect(await pings(one.host, 'anna', 'ben')).toBe(true);
    expect(await pings(one.host, 'carl', 'dora')).toBe(true);
    expect(await pings(one.host, 'anna', dora)).toBe(false);
    expect(await pings(one.host, 'anna', 'dora')).toBe(false);
    expect(await portNames(one.host)).toHaveLength(4);
  });

  it('gives addresses as asked: subnet, range, gateway, kept back, fixed, both families, MAC', async () => {
    await create(
      'asked',
      '--ipv6',
      ...['--subnet', '10.90.0.0/24', '--ip-range', '10.90.0.128/25', '--gateway', '10.90.0.254'],
      ...['--aux-address', 'printer=10.90.0.128', '--aux-address', 'camera=10.90.0.129'],
      ...['--subnet', 'fd00:90::/64', '--gateway', 'fd00:90::fe'],
    );
    await run('free', 'asked');
    await run('fixed', 'asked', '--ip', '10.90.0.7', '--ip6', 'fd00:90::7');
    await run('card', 'asked', '--mac-address', '02:00:5e:10:00:01');
    expect(await addressOf(one.host, 'free', 'asked')).toBe('10.90.0.130');
    expect(await addressOf(one.host, 'fixed', 'asked')).toBe('10.90.0.7');
    expect(await inspectNetwork(one.host, 'fixed', 'asked', 'GlobalIPv6Address')).toBe(
      'fd00:90::7',
    );
    expect(await inspectNetwork(one.host, 'card', 'asked', 'MacAddress')).toBe('02:00:5e:10:00:01');
    // derived from the address: neighbours need not learn a new one when an address is used again
    expect(await inspectNetwork(one.host, 'fixed', 'asked', 'MacAddress')).toBe(
      '02:42:0a:5a:00:07',
    );
    expect(await pings(one.host, 'free', '10.90.0.7')).toBe(true);
    expect(await pings(one.host, 'free', 'fd00:90::7')).toBe(true);
    const second = await one.host.docker([
      'run',
      '--rm',
      '--network',
      'asked',
      '--ip',
      '10.90.0.7',
      image,
      'true',
    ]);
    expect(second.code).not.toBe(0);
    expect(second.stderr).toContain('ADDRESS_IN_USE');
    const overlap = await one.host.docker(networkCommand('overlap', '--subnet', '10.90.0.0/16'));
    expect(overlap.stderr).toContain('POOL_OVERLAP');
  });

  it('carries TCP, and survives stop, start and restart of containers', async () => {
    await create('work', '--subnet', '10.92.0.0/24');
    await run('one', 'work', '--ip', '10.92.0.77');
    await run('two', 'work');
    await dockerOk(one.host, [
      'exec',
      '-d',
      'two',
      'sh',
      '-c',
      'mkdir -p /www && echo tcp > /www/index.html && httpd -h /www',
    ]);
    const two = await addressOf(one.host, 'two', 'work');
    // not wget: the static busybox of Debian cannot look up names in every call
    const ask = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${two} 80`;
    await until('TCP between containers', async () => {
      const { stdout } = await one.host.docker(['exec', 'one', 'sh', '-c', ask]);
      return stdout.endsWith('tcp\n');
    });
    await dockerOk(one.host, ['stop', '-t', '0', 'two']);
    expect(await pings(one.host, 'one', 'two')).toBe(false);
    await dockerOk(one.host, ['start', 'two']);
    expect(await pings(one.host, 'one', 'two')).toBe(true);
    await dockerOk(one.host, ['restart', '-t', '0', 'one', 'two']);
    expect(await pings(one.host, 'one', 'two')).toBe(true);
  });

  // what does not depend on the form is shown for one of them; `npm run e2e:forms` shows it for all
  if (!isEverything && (form !== 'binary' || store !== 'its own store')) return;

  it('chooses subnets of both families when nobody asks for one', async () => {
    await create('chosen', '--ipv6');
    await run('one', 'chosen');
    await run('two', 'chosen');
    const ipv6 = await inspectNetwork(one.host, 'two', 'chosen', 'GlobalIPv6Address');
    expect(ipv6).toMatch(/^fdfa:1ead:d0c:/);
    expect(await addressOf(one.host, 'two', 'chosen')).toMatch(/^10\.(6[4-9]|7[0-9])\./);
    expect(await pings(one.host, 'one', ipv6)).toBe(true);
  });

  it('says so when a subnet is full, and goes on when an address is free again', async () => {
    await create('tiny', '--subnet', '10.91.0.0/29');
    for (const name of ['t1', 't2', 't3', 't4', 't5']) await run(name, 'tiny');
    const full = await one.host.docker(['run', '--rm', '--network', 'tiny', image, 'true']);
    expect(full.stderr).toContain('POOL_EXHAUSTED');
    const freed = await addressOf(one.host, 't3', 'tiny');
    await dockerOk(one.host, ['rm', '-f', 't3']);
    await run('t6', 'tiny');
    expect(await addressOf(one.host, 't6', 'tiny')).toBe(freed);
    await dockerOk(one.host, ['rm', '-f', 't6']);
  });

  it('has the way out that Docker gives, unless the network is internal', async () => {
    await create('open');
    await create('shut', '--internal');
    await run('out', 'open');
    await run('in', 'shut');
    await run('in2', 'shut');
    expect(await pings(one.host, 'out', outsideAddress)).toBe(true);
    expect(await pings(one.host, 'in', outsideAddress)).toBe(false);
    expect(await pings(one.host, 'in', 'in2')).toBe(true);
  });

  it('publishes ports', async () => {
    await create('web');
    await run('server', 'web', '-p', '8081:80');
    await dockerOk(one.host, [
      'exec',
      '-d',
      'server',
      'sh',
      '-c',
      'mkdir -p /www && echo fair > /www/index.html && httpd -h /www',
    ]);
    const url = `http://${one.host.address}:8081/`;
    const page = await until('the published port answers', async () => {
      const { code, stdout } = await one.lab.execOutside([process.execPath, '-e', readPage, url]);
      return code === 0 ? stdout : undefined;
    });
    expect(page).toBe('fair\n');
  });

  it('puts a container into several networks, each with its own names', async () => {
    await create('left');
    await create('right');
    await run('lars', 'left');
    await run('rosa', 'right');
    await run('both', 'left');
    await dockerOk(one.host, ['network', 'connect', '--alias', 'bridgehead', 'right', 'both']);
    expect(await pings(one.host, 'both', 'lars')).toBe(true);
    expect(await pings(one.host, 'both', 'rosa')).toBe(true);
    expect(await pings(one.host, 'rosa', 'bridgehead')).toBe(true);
    expect(await pings(one.host, 'lars', 'rosa')).toBe(false);
    await dockerOk(one.host, ['network', 'disconnect', 'right', 'both']);
    expect(await pings(one.host, 'both', 'rosa')).toBe(false);
    expect(await pings(one.host, 'both', 'lars')).toBe(true);
  });
});
