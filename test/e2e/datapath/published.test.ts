/** Published ports: who reaches a container by its host, under which address, and what becomes of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { gatewayAddress } from '../../lab/namespaces.ts';
import { addressesOf, gatewayAddress6 } from '../../lab/site/underlay.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { callTcp, serveTcp, startTcp } from '../../lab/traffic/tcp.ts';
import { listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf, outsideOf } from '../../lab/traffic/vantages.ts';
import { dockerOk, networkCommand, runCommand } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressIn, hostItself, hostListing, isAnswered, seenAs } from '../../support/passages.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(1);
const host = () => lab.host(1);
let agents: SiteAgents;
const hostAddresses = () => {
  const { ipv4, ipv6 } = addressesOf(host().place);
  return [
    [ipv4, gatewayAddress],
    [ipv6, gatewayAddress6],
  ] as const;
};
const at = (name: string): Promise<Vantage> => containerOf(host(), name);
const client = (): Vantage => outsideOf(lab.lab);
const sh = (command: string) => host().exec(['sh', '-c', command]);
/** Of the host itself where it speaks to what is behind its port. */
const hostOfBlock = ['169.254.127.254', 'fdfa:1ead:d0d:0:ffff:ffff:ffff:fffe'] as const;
const subnets = [
  ['10.50.1.0/24', '10.50.1.254'],
  ['fd50:1::/64', 'fd50:1::fe'],
] as const;

const run = async (name: string, network: string, ...options: string[]): Promise<void> =>
  runContainer(host(), { name, network, options });
const both = (address: string) => ({ tcp: [address], udp: [address] });

const answers = async (from: Vantage, to: string, port: number, name: string, listens = 80) =>
  isAnswered(from, await at(name), { to, port, listens });

/** The host's rules that are ours. */
const ourRules = async (): Promise<readonly string[]> =>
  (await hostListing(host())).filter((line) => line.includes('FAIRLEAD-'));

/** Removes containers, and waits until only those that are always there have ports: rules go in the background. */
async function remove(...names: string[]): Promise<void> {
  await dockerOk(host(), ['rm', '-f', ...names]);
  await until('the rules of the containers are gone', async () =>
    (await ourRules()).every((rule) => !rule.includes('DNAT --to') || /dport 808[01] /.test(rule)),
  );
}

/** What is refused when a container is started so. */
async function refusal(name: string, network: string, ...options: string[]): Promise<string> {
  const wish = { name, network, options, command: ['sleep', '9'] };
  const command = runCommand(await host().image(), wish);
  const outcome = await host().docker(command);
  await host().docker(['rm', '-f', name]);
  expect(outcome.code).not.toBe(0);
  return outcome.stderr;
}

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await sh('iptables -P FORWARD DROP; ip6tables -P FORWARD DROP');
  for (const tenant of ['blue', 'red']) {
    await createShared([host()], { name: 'web', tenant, subnets });
  }
  await createShared([host()], {
    ...{ name: 'shut', tenant: 'blue', options: ['outside=false'] },
    subnets: [['10.50.2.0/24', '10.50.2.254']],
  });
  const one = ['--ip', '10.50.1.1', '--ip6', 'fd50:1::1'];
  await run('blue', 'web.blue', ...one, '-p', '8080:80', '-p', '8080:80/udp');
  await run('red', 'web.red', ...one, '-p', '8081:80', '-p', '8081:80/udp');
  await untilReaches(await at('blue'), gatewayAddress);
  await untilReaches(await at('red'), gatewayAddress6);
}, 240_000);

describe('a published port', () => {
  it.each([
    ['blue', 8080],
    ['red', 8081],
  ])(
    'of %s, whose address two tenants have, leads to it, and it sees the client',
    async (name, port) => {
      for (const [to, from] of hostAddresses()) {
        const plan = { to, port, listens: 80 };
        expect(await seenAs(client(), await at(name), plan)).toEqual(both(from));
      }
    },
  );

  it('is the only way in', async () => {
    for (const [to] of hostAddresses()) {
      expect(await answers(client(), to, 80, 'blue')).toBe(false);
      expect(await answers(client(), to, 8080, 'blue', 81)).toBe(false);
      expect(await answers(client(), to, 8081, 'blue')).toBe(false);
    }
  });

  it('takes datagrams in pieces, also the first; of IPv6 once the size of the path is known', async () => {
    for (const [to] of hostAddresses()) {
      const server = await listenUdp(await at('blue'), { port: 80, echo: true });
      const plan = { to, port: 8080, sizes: [3_000], echo: true, waitMs: 1_000 };
      // routers do not cut packets of IPv6, and the container's network takes less than the underlay
      if (to.includes(':')) await sendUdp(client(), plan);
      const sent = await sendUdp(client(), plan);
      await server.stop();
      expect(sent.answeredSizes).toEqual({ '3000': 1 });
    }
  });

  it('is reached by the host itself: by its own addresses, and by 127.0.0.1', async () => {
    for (const [to] of hostAddresses()) {
      const plan = { to, port: 8080, listens: 80 };
      expect(await seenAs(hostItself(host()), await at('blue'), plan)).toEqual(both(to));
    }
    const plan = { to: '127.0.0.1', port: 8080, listens: 80 };
    expect(await seenAs(hostItself(host()), await at('blue'), plan)).toEqual(both(hostOfBlock[0]));
  });

  it('is reached by containers by the address of the host, which they are seen as', async () => {
    for (const [family, [to]] of hostAddresses().entries()) {
      for (const name of ['red', 'blue']) {
        const plan = { to, port: 8080, listens: 80 };
        const seen = await seenAs(await at(name), await at('blue'), plan);
        expect(seen).toEqual(both(hostOfBlock[family] ?? ''));
      }
    }
  });

  it("does not open the host's loopback to containers", async () => {
    const server = await serveTcp(hostItself(host()), { port: 7_000, mode: 'sink' });
    const container = await at('blue');
    const enter = ['nsenter', `--net=${container.net}`];
    await host().exec([...enter, 'sysctl', '-qw', 'net.ipv4.conf.eth0.route_localnet=1']);
    await host().exec([...enter, 'ip', 'rule', 'add', 'pref', '0', 'lookup', '99']);
    await host().exec([...enter, 'ip', 'rule', 'add', 'pref', '1', 'lookup', 'local']);
    await host().exec([...enter, 'ip', 'rule', 'del', 'pref', '0', 'lookup', 'local']);
    const way = 'ip route add 127.0.0.1/32 via 10.50.1.254 dev eth0 src 10.50.1.1 table 99';
    await host().exec([...enter, ...way.split(' ')]);
    const { confirmed } = await callTcp(container, {
      ...{ to: '127.0.0.1', port: 7_000, bytes: 1_000, connectMs: 700, waitMs: 700 },
    });
    expect(confirmed).toBe(0);
    const { connections } = await server.stop();
    expect(connections).toEqual([]);
    await host().exec([...enter, 'ip', 'route', 'flush', 'table', '99']);
  });

  it('is at the address of the host that was asked for', async () => {
    const [[ipv4], [ipv6]] = hostAddresses();
    const options = ['-p', `127.0.0.1:8082:80`, '-p', `[${ipv6}]:8083:80`];
    await run('bound', 'web.blue', ...options);
    expect(await answers(client(), ipv4, 8082, 'bound')).toBe(false);
    expect(await answers(hostItself(host()), '127.0.0.1', 8082, 'bound')).toBe(true);
    expect(await answers(client(), ipv4, 8083, 'bound')).toBe(false);
    expect(await answers(client(), ipv6, 8083, 'bound')).toBe(true);
    await remove('bound');
  });

  it('is chosen where none is named, shown, and another for the next', async () => {
    await run('any1', 'web.blue', '-p', '80');
    await run('any2', 'web.blue', '-p', '80', '-p', '9100-9101:81');
    const portOf = async (name: string, port: number): Promise<number> => {
      const shown = await agents.ok(host(), ['endpoint', 'get', name, '-o', 'json']);
      return Number(new RegExp(`0\\.0\\.0\\.0:(\\d+)->${port}/tcp`).exec(shown)?.[1]);
    };
    const [first, second] = [await portOf('any1', 80), await portOf('any2', 80)];
    expect(first).toBeGreaterThan(49_152);
    expect(second).toBe(first + 1);
    expect(await portOf('any2', 81)).toBe(9_100);
    for (const [to] of hostAddresses()) {
      expect(await answers(client(), to, first, 'any1')).toBe(true);
      expect(await answers(client(), to, second, 'any2')).toBe(true);
      expect(await answers(client(), to, 9_100, 'any2', 81)).toBe(true);
    }
    await remove('any1', 'any2');
  });

  it('is of networks of one host that have our way out, too', async () => {
    await dockerOk(host(), networkCommand('open', '-o', 'outside=true'));
    await run('open', 'open', '-p', '8084:80');
    const [[ipv4]] = hostAddresses();
    expect(await answers(client(), ipv4, 8084, 'open')).toBe(true);
    expect(await answers(hostItself(host()), '127.0.0.1', 8084, 'open')).toBe(true);
    await remove('open');
    await dockerOk(host(), ['network', 'rm', 'open']);
  });
});

describe('refused, with nothing changed, is', () => {
  it('a port that another container has', async () => {
    const before = await ourRules();
    const options = ['-p', '8090:80', '-p', '8080:80'];
    expect(await refusal('late', 'web.red', ...options)).toMatch(/port 8080\/tcp .*PORT_IN_USE/s);
    expect(await ourRules()).toEqual(before);
    const [[ipv4]] = hostAddresses();
    expect(await answers(client(), ipv4, 8080, 'blue')).toBe(true);
  });

  it('a port that a process of the host listens on', async () => {
    const before = await ourRules();
    const server = await serveTcp(hostItself(host()), { port: 8_091 });
    expect(await refusal('late', 'web.red', '-p', '8091:80')).toMatch(/8091.*PORT_IN_USE/s);
    await server.stop();
    expect(await ourRules()).toEqual(before);
    await run('late', 'web.red', '-p', '8091:80');
    await remove('late');
  });

  it('a network without a way out, and an address that the host does not have', async () => {
    expect(await refusal('in', 'shut.blue', '-p', '8092:80')).toContain('PUBLISH_REFUSED');
    expect(await refusal('in', 'web.blue', '-p', '192.0.2.1:8092:80')).toContain('PUBLISH_REFUSED');
  });
});

describe('published ports', () => {
  it('go on while there is no agent, and through its restart', async () => {
    const server = await serveTcp(await at('blue'), { port: 80, mode: 'sink' });
    const [[ipv4, seen]] = hostAddresses();
    const plan = { to: ipv4, port: 8080, kilobitsPerSecond: 2_000, durationMs: 60_000 };
    const talk = await startTcp(client(), plan);
    await agents.kill(host());
    const calls = { bytes: 1_000, connectMs: 700, waitMs: 700 };
    const call = async () =>
      (await callTcp(client(), { to: ipv4, port: 8080, ...calls })).confirmed;
    expect(await call()).toBe(1_000);
    const rules = await ourRules();
    await agents.start(host());
    for (let times = 0; times < 20; times += 1) expect(await call()).toBe(1_000);
    expect(await ourRules()).toEqual(rules);
    const { flow } = await talk.stop();
    expect(flow.error).toBe('');
    const { connections } = await server.stop();
    expect(new Set(connections.map(({ peer }) => peer))).toEqual(new Set([seen]));
    expect(connections).toHaveLength(22);
  });

  it('come back when the packet filter was flushed, and the rules of others stay', async () => {
    const before = await ourRules();
    await sh('iptables -t nat -A PREROUTING -p tcp --dport 7777 -j REDIRECT --to-ports 7778');
    await agents.kill(host());
    await sh('iptables -t nat -F FAIRLEAD-PREROUTING; ip6tables -t nat -F; iptables -F FORWARD');
    for (const [to] of hostAddresses()) {
      expect(await answers(client(), to, 8080, 'blue')).toBe(false);
    }
    await agents.start(host());
    await until('the rules are there again', async () => {
      const rules = await ourRules();
      return before.every((rule) => rules.includes(rule));
    });
    for (const [to] of hostAddresses()) {
      expect(await answers(client(), to, 8080, 'blue')).toBe(true);
    }
    expect((await hostListing(host())).join('\n')).toContain('--dport 7777');
    await sh('iptables -I FORWARD -j DOCKER-USER');
  });

  it('come back when ovs-vswitchd was killed', async () => {
    await host().killOvs('vswitchd');
    await host().startOvs('vswitchd');
    for (const [to] of hostAddresses()) {
      await until('it is reached again', () => answers(client(), to, 8080, 'blue'), {
        timeoutMs: 30_000,
      });
    }
  });

  it('are judged as what comes from outside', async () => {
    const [[ipv4]] = hostAddresses();
    const blue = ['--tenant', 'blue'];
    const rule = ['closed', '1', ...blue];
    await agents.ok(host(), ['policy', 'create', 'closed', ...blue]);
    await agents.ok(host(), [
      ...['rule', 'create', ...rule, '--direction', 'in', '--action', 'deny'],
      ...['--protocol', 'tcp', '--port', '80'],
    ]);
    await agents.ok(host(), [
      ...['group', 'create', 'guarded', ...blue, '--network', 'web', '--policies', 'closed'],
      ...['--selectors', 'is=guarded'],
    ]);
    await run('guarded', 'web.blue', '--label', 'is=guarded', '-p', '8093:80', '-p', '8094:81');
    const isOpen = () => answers(client(), ipv4, 8093, 'guarded');
    await until('it is closed', async () => !(await isOpen()));
    expect(await answers(client(), ipv4, 8094, 'guarded', 81)).toBe(true);
    expect(await answers(client(), ipv4, 8080, 'blue')).toBe(true);
    await agents.ok(host(), ['rule', 'set', ...rule, '--action', 'allow']);
    await until('it is open', isOpen);
    // so is who calls from a container: a rule about its group is not for it by this way, one about the host's address is
    await agents.ok(host(), [
      ...['group', 'create', 'callers', ...blue, '--network', 'web', '--selectors', 'is=caller'],
    ]);
    await run('caller', 'web.blue', '--label', 'is=caller');
    const [caller, own] = [await at('caller'), await addressIn(host(), 'guarded', 'web.blue')];
    const denies = async (name: string, ...from: string[]) =>
      agents.ok(host(), [
        ...['rule', 'create', 'closed', name, ...blue, '--direction', 'in', '--action', 'deny'],
        ...['--protocol', 'tcp', '--port', '80', '--priority', '50', ...from],
      ]);
    const byPort = () => answers(caller, ipv4, 8093, 'guarded');
    await untilReaches(caller, own);
    expect(await answers(caller, own, 80, 'guarded')).toBe(true);
    await denies('2', '--from-group', 'callers');
    await until('its group is denied', async () => !(await answers(caller, own, 80, 'guarded')));
    expect(await byPort()).toBe(true);
    await denies('3', '--from-ip-address', hostOfBlock[0]);
    await until('the way by the host is denied', async () => !(await byPort()));
    expect(await isOpen()).toBe(true);
    await dockerOk(host(), ['rm', '-f', 'caller']);
    for (const name of ['2', '3']) await agents.ok(host(), ['rule', 'rm', 'closed', name, ...blue]);
    // the client's own address is what rules see
    await agents.ok(host(), ['group', 'set', 'guarded', ...blue, '--default-action', 'deny']);
    await agents.ok(host(), ['rule', 'set', ...rule, '--from-ip-address', gatewayAddress]);
    expect(await isOpen()).toBe(true);
    await agents.ok(host(), ['rule', 'set', ...rule, '--from-ip-address', '192.0.2.0/24']);
    await until('it is closed', async () => !(await isOpen()));
    await remove('guarded');
  });

  it('go with their containers, and leave nothing', async () => {
    expect((await ourRules()).join('\n')).toContain('FAIRLEAD-PREROUTING');
    await remove('blue', 'red');
    await until('the rules are gone', async () => {
      const rules = (await ourRules()).join('\n');
      return !/FAIRLEAD-(?:PREROUTING|OUTPUT)|DNAT/.test(rules);
    });
    expect((await sh('cat /proc/sys/net/ipv4/conf/fl-host/route_localnet')).stdout.trim()).toBe(
      '0',
    );
    const [[ipv4]] = hostAddresses();
    await run('blue', 'web.blue', '-p', '8080:80');
    expect(await answers(client(), ipv4, 8080, 'blue')).toBe(true);
  });
});
