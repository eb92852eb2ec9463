/**
 * Links against the real kernel, on every runtime, in network namespaces of the test's own. What was
 * done is looked at with `ip` and `ethtool`, not with the code under test.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  Link,
  LinkAddress,
  LinkEvent,
  NicSettings,
  Route,
} from '../../lib/datapath/link/links.ts';
import { linkGroup } from '../../lib/datapath/link/veth.ts';
import { until } from '../support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const childFile = fileURLToPath(new URL('link-child.ts', import.meta.url));
const runtimes = [
  ['node', ['node']],
  ['bun', ['bun']],
  ['deno', ['deno', 'run', '-A']],
] as const;

interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly detail?: unknown };
}

/** The code under test, in a process and a namespace of its own. */
class Child {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  /** `drop` is what takes rights from it. */
  constructor(
    namespace: string,
    [program = '', ...rest]: readonly string[],
    drop: readonly string[] = [],
  ) {
    const bin = `${root}node_modules/.bin/${program}`;
    const argv = ['netns', 'exec', namespace, ...drop, bin, ...rest, childFile];
    this.process = spawn('ip', argv, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.process;
    if (stdout === null) throw new Error('the child has no output');
    this.#reader = createInterface({ input: stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async ask(call: object): Promise<Answer> {
    this.process.stdin?.write(`${JSON.stringify(call)}\n`);
    const next = await this.#lines.next();
    if (next.done === true) throw new Error('the child ended without an answer');
    return JSON.parse(next.value) as Answer;
  }

  async value<T>(call: object): Promise<T> {
    const { value, error } = await this.ask(call);
    if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
    return value as T;
  }

  /** Closes its input and gives the exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const exited = once(this.process, 'exit');
    this.process.stdin?.end();
    await exited;
    this.#reader.close();
    return this.process.exitCode;
  }
}

interface Seen {
  readonly ifindex: number;
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly inet6_addr_gen_mode?: string;
  readonly group: string;
}

const run = promisify(execFile);
const ip = async (...argv: string[]) => (await run('ip', argv)).stdout;
const seen = async (space: string): Promise<ReadonlyMap<string, Seen>> => {
  const text = await ip('-d', '-j', '-n', space, 'link', 'show');
  return new Map((JSON.parse(text) as Seen[]).map((link) => [link.ifname, link]));
};

const wish = (id: string, more: object = {}) => ({
  host: `fh-${id}`,
  peer: `fc-${id}`,
  mtu: 1450,
  peerMac: '02:42:0a:01:02:03',
  alias: `fairlead:${id}`,
  ...more,
});

describe.each(runtimes)('on %s', (runtime, argv) => {
  const space = `fl-link-${process.pid}-${runtime}`;
  const container = `${space}-c`;
  let child: Child;

  beforeEach(async () => {
    await ip('netns', 'add', space);
    await ip('netns', 'add', container);
    await ip('-n', space, 'link', 'set', 'lo', 'up');
    child = new Child(space, argv);
  });

  afterEach(async () => {
    await child.end();
    for (const name of [space, container]) await ip('netns', 'del', name);
  });

  test('a pair comes up marked, without address, with its MAC and MTU, and goes away', async () => {
    await child.value({ method: 'create', request: wish('1', { txChecksumOff: true }) });
    const links = await seen(space);
    expect(links.get('fh-1')).toMatchObject({
      mtu: 1450,
      ifalias: 'fairlead:1',
      inet6_addr_gen_mode: 'none',
      flags: expect.arrayContaining(['UP']),
    });
    expect(links.get('fc-1')).toMatchObject({
      mtu: 1450,
      ifalias: 'fairlead:1',
      address: '02:42:0a:01:02:03',
      flags: expect.not.arrayContaining(['UP']),
    });
    const offloads = async (name: string) =>
      (await run('ip', ['netns', 'exec', space, 'ethtool', '-k', name])).stdout;
    expect(await offloads('fc-1')).toContain('tx-checksumming: off');
    expect(await offloads('fh-1')).toContain('tx-checksumming: on');
    expect(await child.value({ method: 'transmitChecksum', name: 'fc-1' })).toBe(false);
    expect(await child.value({ method: 'transmitChecksum', name: 'fh-1' })).toBe(true);

    // the other end up gives carrier, which is when the kernel would choose an address
    await ip('-n', space, 'link', 'set', 'fc-1', 'up');
    await until('carrier', async () => {
      const link = await child.value<Link>({ method: 'get', name: 'fh-1' });
      return link.running;
    });
    expect(await ip('-n', space, '-6', 'addr', 'show', 'dev', 'fh-1')).toBe('');

    expect(await child.value({ method: 'remove', name: 'fh-1', alias: 'fairlead:1' })).toBe(true);
    expect(await child.value({ method: 'remove', name: 'fh-1', alias: 'fairlead:1' })).toBe(false);
    expect([...(await seen(space)).keys()]).toEqual(['lo']);
  });

  test('what is listed is what ip shows, also for many links', async () => {
    const requests = Array.from({ length: 60 }, (_, index) => wish(`${index}`));
    await child.value({ method: 'createMany', requests });
    const listed = await child.value<Link[]>({ method: 'list' });
    const shown = await seen(space);
    expect(listed).toHaveLength(shown.size);
    for (const link of listed) {
      const other = shown.get(link.name);
      expect([link.index, link.mac, link.mtu, link.alias, link.up]).toEqual([
        other?.ifindex,
        other?.address,
        other?.mtu,
        other?.ifalias,
        other?.flags.includes('UP'),
      ]);
    }
    const host = listed.find(({ name }) => name === 'fh-3');
    const peer = listed.find(({ name }) => name === 'fc-3');
    expect([host?.kind, host?.peerIndex, peer?.peerIndex]).toEqual([
      'veth',
      peer?.index,
      host?.index,
    ]);
  });

  test('the same pair again is corrected, not made again', async () => {
    await child.value({ method: 'create', request: wish('1') });
    const before = (await seen(space)).get('fh-1')?.ifindex;
    await ip('-n', space, 'link', 'set', 'fh-1', 'down', 'mtu', '900');
    const again = wish('1', { mtu: 1400, peerMac: '02:42:0a:01:02:09', txChecksumOff: true });
    await child.value({ method: 'create', request: again });
    const links = await seen(space);
    expect(links.get('fh-1')).toMatchObject({
      ifindex: before,
      mtu: 1400,
      flags: expect.arrayContaining(['UP']),
    });
    expect(links.get('fc-1')).toMatchObject({ mtu: 1400, address: '02:42:0a:01:02:09' });
    expect(await child.value({ method: 'transmitChecksum', name: 'fc-1' })).toBe(false);
  });

  test('a pair whose maker was killed before it was marked is finished, and can be removed', async () => {
    const group = `${linkGroup}`;
    const born = ['group', group, 'type', 'veth', 'peer', 'name', 'fc-1', 'group', group];
    await ip('-n', space, 'link', 'add', 'fh-1', ...born);
    await child.value({ method: 'create', request: wish('1') });
    expect((await seen(space)).get('fh-1')).toMatchObject({ ifalias: 'fairlead:1', mtu: 1450 });
    expect((await seen(space)).get('fc-1')).toMatchObject({ ifalias: 'fairlead:1', mtu: 1450 });
  });

  test('foreign links are refused and stay as they are', async () => {
    await ip('-n', space, 'link', 'add', 'fh-1', 'type', 'veth', 'peer', 'name', 'other');
    await ip('-n', space, 'link', 'add', 'fc-2', 'type', 'veth', 'peer', 'name', 'more');
    await ip('-n', space, 'link', 'set', 'fc-2', 'alias', 'somebody');
    const before = await ip('-d', '-n', space, 'link', 'show');
    for (const call of [
      { method: 'create', request: wish('1') },
      { method: 'create', request: wish('2') },
      { method: 'remove', name: 'fh-1', alias: 'fairlead:1' },
      { method: 'remove', name: 'fc-2', alias: 'fairlead:2' },
      { method: 'configure', name: 'fh-1', alias: 'fairlead:1', mtu: 1000 },
    ]) {
      expect(await child.ask(call)).toMatchObject({ error: { code: 'LINK_NOT_OURS' } });
    }
    expect(await ip('-d', '-n', space, 'link', 'show')).toBe(before);
  });

  test('a host end whose other end is in a container is known, configured and removed', async () => {
    await child.value({ method: 'create', request: wish('1') });
    await ip('-n', space, 'link', 'set', 'fc-1', 'netns', container);
    await ip('-n', container, 'link', 'set', 'fc-1', 'name', 'eth0');
    const link = await child.value<Link>({ method: 'get', name: 'fh-1' });
    expect(link.peerNamespace).toBeTypeOf('number');
    expect(await child.ask({ method: 'create', request: wish('1') })).toMatchObject({
      error: { code: 'LINK_IN_USE' },
    });
    await ip('-n', space, 'link', 'set', 'fh-1', 'down');
    await child.value({ method: 'configure', name: 'fh-1', alias: 'fairlead:1', mtu: 1300 });
    expect((await seen(space)).get('fh-1')).toMatchObject({
      mtu: 1300,
      flags: expect.arrayContaining(['UP']),
    });
    expect(await child.value({ method: 'remove', name: 'fh-1', alias: 'fairlead:1' })).toBe(true);
    expect((await seen(container)).has('eth0')).toBe(false);
  });

  test('what the kernel refuses names the errno and leaves nothing', async () => {
    await ip('-n', space, 'link', 'add', 'fc-1', 'type', 'veth', 'peer', 'name', 'other');
    await ip('-n', space, 'link', 'set', 'fc-1', 'alias', 'fairlead:1');
    // ours, but no pair: the host end must not be left behind
    expect(await child.ask({ method: 'create', request: wish('1') })).toMatchObject({
      error: { code: 'LINK_IN_USE' },
    });
    expect(await child.ask({ method: 'transmitChecksum', name: 'nobody' })).toMatchObject({
      error: { code: 'LINK_FAILED', detail: { errno: 'ENODEV' } },
    });
    for (const bad of [{ host: 'sixteen-letters-' }, { host: 'a/b' }, { peer: '' }, { mtu: 67 }]) {
      const answer = await child.ask({ method: 'create', request: wish('9', bad) });
      expect(answer).toMatchObject({ error: { code: 'REQUEST_INVALID' } });
    }
    const refused = await child.ask({ method: 'create', request: wish('9', { peerMac: 'x' }) });
    expect(refused).toMatchObject({ error: { code: 'ADDRESS_INVALID' } });
    expect([...(await seen(space)).keys()].toSorted()).toEqual(['fc-1', 'lo', 'other']);
  });

  test('an MTU too small for IPv6 is no obstacle', async () => {
    await child.value({ method: 'create', request: wish('1', { mtu: 1000 }) });
    expect((await seen(space)).get('fh-1')).toMatchObject({ mtu: 1000, ifalias: 'fairlead:1' });
  });

  test('addresses and routes are those of the host', async () => {
    await child.value({ method: 'create', request: wish('1') });
    await ip('-n', space, 'link', 'set', 'fc-1', 'up');
    await ip('-n', space, 'addr', 'add', '10.9.8.7/20', 'dev', 'fh-1');
    await ip('-n', space, 'addr', 'add', 'fd00:1::7/64', 'dev', 'fh-1', 'nodad');
    await ip('-n', space, 'addr', 'add', '10.9.8.8', 'dev', 'fh-1', 'scope', 'link');
    const deprecated = ['nodad', 'preferred_lft', '0'];
    await ip('-n', space, 'addr', 'add', 'fd00:1::8', 'dev', 'fh-1', ...deprecated);
    await ip('-n', space, 'route', 'add', '192.0.2.0/24', 'via', '10.9.0.1', 'table', '1000');
    await ip('-n', space, 'route', 'add', 'default', 'via', '10.9.0.1');
    await ip('-n', space, 'route', 'add', 'blackhole', '198.51.100.0/24');
    const index = (await seen(space)).get('fh-1')?.ifindex;
    const addresses = await child.value<LinkAddress[]>({ method: 'addresses' });
    expect(addresses).toContainEqual({ index, family: 4, address: '10.9.8.7', prefixLength: 20 });
    expect(addresses).toContainEqual({ index, family: 6, address: 'fd00:1::7', prefixLength: 64 });
    const unchosen = { index, unchosen: true };
    expect(addresses).toContainEqual({
      ...{ ...unchosen, family: 4, address: '10.9.8.8', prefixLength: 32 },
    });
    expect(addresses).toContainEqual({
      ...{ ...unchosen, family: 6, address: 'fd00:1::8', prefixLength: 128 },
    });
    const routes = await child.value<Route[]>({ method: 'routes' });
    const unicast = { family: 4, type: 1, outIndex: index };
    expect(routes).toContainEqual({ ...unicast, destination: '10.9.0.0/20', table: 254 });
    const routed = { ...unicast, gateway: '10.9.0.1' };
    expect(routes).toContainEqual({ ...routed, destination: '192.0.2.0/24', table: 1000 });
    expect(routes).toContainEqual({ ...routed, destination: '0.0.0.0/0', table: 254 });
    expect(routes).toContainEqual({
      family: 4,
      destination: '198.51.100.0/24',
      table: 254,
      type: 6,
    });
    expect(routes).toContainEqual({
      family: 6,
      destination: 'fd00:1::/64',
      table: 254,
      type: 1,
      outIndex: index,
    });
  });

  test('a watch tells of links that come, change and go, and does not keep the process', async () => {
    await child.value({ method: 'watch' });
    await ip('-n', space, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two');
    await ip('-n', space, 'link', 'del', 'one');
    const events: LinkEvent[] = [];
    await until('both events', async () => {
      events.push(...(await child.value<LinkEvent[]>({ method: 'events' })));
      const told = (kind: string) =>
        events.some((event) => event.kind === kind && 'link' in event && event.link.name === 'one');
      return told('changed') && told('removed');
    });
    expect(await child.end()).toBe(0);
  });

  test('a NIC is read, made silent and put back', async () => {
    await ip('-n', space, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'eth2');
    await ip('-n', space, 'link', 'set', 'eth2', 'up');
    const inSpace = async (...command: string[]) =>
      (await run('ip', ['netns', 'exec', space, ...command])).stdout.trim();
    await inSpace('sysctl', '-w', 'net.ipv4.conf.eth1.rp_filter=2');
    const found = await child.value<NicSettings>({ method: 'nic', name: 'eth1' });
    expect(found).toMatchObject({ up: false, promiscuous: false });
    expect(found.kernel).toMatchObject({ ipv4ReversePath: '2', ipv6Disabled: '0' });
    const kernel = {
      ipv4Forwarding: '0',
      ipv4ReversePath: '1',
      ipv4ArpIgnore: '8',
      ipv6Disabled: '1',
    };
    const merging = { gro: found.merging.gro !== true };
    const wanted = { up: true, promiscuous: true, kernel, merging };
    await child.value({ method: 'setNic', name: 'eth1', wanted });
    const silent = await child.value<NicSettings>({ method: 'nic', name: 'eth1' });
    expect(silent).toMatchObject({ up: true, promiscuous: true, kernel, merging });
    const names = ['ipv4.conf.eth1.arp_ignore', 'ipv6.conf.eth1.disable_ipv6'];
    const shown = await inSpace('sysctl', '-n', ...names.map((name) => `net.${name}`));
    expect(shown).toBe('8\n1');
    expect(await inSpace('ethtool', '-k', 'eth1')).toContain(
      `generic-receive-offload: ${merging.gro ? 'on' : 'off'}`,
    );
    expect((await seen(space)).get('eth1')?.flags).toEqual(
      expect.arrayContaining(['UP', 'PROMISC']),
    );
    expect(await ip('-n', space, '-6', 'addr', 'show', 'dev', 'eth1')).toBe('');
    await child.value({ method: 'setNic', name: 'eth1', wanted: found });
    expect(await child.value({ method: 'nic', name: 'eth1' })).toEqual(found);
    expect((await child.ask({ method: 'nic', name: 'eth7' })).error?.code).toBe('LINK_FAILED');
  });

  test('addresses that connections over IPv6 come from are known', async () => {
    expect(await child.value({ method: 'connected' })).toEqual([]);
    const talk = `const { createServer, connect } = require('node:net');
      createServer(() => {}).listen(7000, '::1', () => connect(7000, '::1'));`;
    const talking = spawn('ip', ['netns', 'exec', space, process.execPath, '-e', talk]);
    try {
      await until('a connection', async () => {
        const addresses = await child.value<string[]>({ method: 'connected' });
        return addresses.join() === '::1';
      });
    } finally {
      const ended = once(talking, 'exit');
      talking.kill('SIGKILL');
      await ended;
    }
  });

  test('the event loop turns while links are removed', async () => {
    const requests = ['1', '2', '3', '4', '5'].map((id) => wish(id, { alias: 'fairlead:all' }));
    await child.value({ method: 'createMany', requests });
    const names = requests.map(({ host }) => host);
    const call = { method: 'stallDuring', names, alias: 'fairlead:all' };
    const { turns, ms } = await child.value<{ turns: number; ms: number }>(call);
    // a blocked loop would turn once per removal (16 ms), a free one once per millisecond
    expect(turns).toBeGreaterThan(ms / 8);
  });

  test('closing is final and leaves the links', async () => {
    await child.value({ method: 'create', request: wish('1') });
    await child.value({ method: 'close' });
    expect(await child.ask({ method: 'list' })).toMatchObject({ error: { code: 'STOPPING' } });
    expect((await seen(space)).has('fh-1')).toBe(true);
  });
});

test('without the capability the error says who may', async () => {
  const space = `fl-link-${process.pid}-plain`;
  await ip('netns', 'add', space);
  // of the same user: another might not be let into the folder of this checkout
  const child = new Child(space, ['node'], ['setpriv', '--bounding-set=-all', '--inh-caps=-all']);
  try {
    expect(await child.value<Link[]>({ method: 'list' })).toHaveLength(1);
    expect(await child.ask({ method: 'create', request: wish('1') })).toMatchObject({
      error: { code: 'LINK_FAILED', detail: { errno: 'EPERM' } },
    });
  } finally {
    await child.end();
    await ip('netns', 'del', space);
  }
});
