/** Infra networks and host access on three hosts: links, addresses, routes, real packets, and what is left of them. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { LabHost } from '../../lab/host.ts';
import { lostOf, reaches, startPings, untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { conditionsOf, untilClear, untilCondition } from '../../support/conditions.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { ipOk } from '../../support/nics.ts';
import { hostItself } from '../../support/passages.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
let agents: SiteAgents;
const networks = ['infra-a', 'infra-b', 'infra-c'] as const;
/** Every half minute an agent looks at what nobody tells it of. */
const lookMs = 60_000;
const first = () => lab.host(1);
const typed = (words: string) => agents.ok(first(), words.split(' '));

/** Links of infra networks, what they have, and routes of ours, without indexes. */
async function listing(host: LabHost): Promise<readonly string[]> {
  const commands =
    'ip -o address; ip route show table all; ip -6 route show table all; ip -br link';
  const { stdout } = await host.exec(['sh', '-c', commands]);
  return stdout
    .split('\n')
    .map((line) => line.replace(/^\d+: /, '').trim())
    .filter((line) => /infra-|contivh1|fi-|proto 250|fh-/.test(line));
}

/** The addresses of a host's link, IPv4 first; as texts with their length. */
async function addressesAt(host: LabHost, link: string): Promise<readonly string[]> {
  const { stdout } = await host.exec(['ip', '-o', 'address', 'show', 'dev', link]);
  return [...stdout.matchAll(/inet6? (\S+)/g)]
    .map(([, text = '']) => text)
    .filter((text) => !text.startsWith('fe80'));
}

async function untilAddresses(host: LabHost, link: string, count: number) {
  return until(`addresses of ${link} on ${host.name}`, async () => {
    const found = await addressesAt(host, link);
    return found.length === count && found;
  });
}

const plain = (text: string): string => text.replace(/\/.*/, '');

async function routeTo(host: LabHost, block: string): Promise<string> {
  const family = block.includes(':') ? ['-6'] : [];
  const { stdout } = await host.exec(['ip', ...family, 'route', 'show', 'exact', block]);
  return stdout.trim();
}

const untilRoute = (host: LabHost, block: string, isThere: boolean) =>
  until(`${isThere ? 'a' : 'no'} route to ${block} on ${host.name}`, async () => {
    return ((await routeTo(host, block)) !== '') === isThere;
  });

beforeAll(async () => {
  for (const host of lab.hosts) await ipOk(host, 'link set eth1 down');
  agents = await SiteAgents.start(lab.hosts, {
    form: 'binary',
    environment: () => ({ FAIRLEAD_UPLINKS: 'eth1' }),
  });
}, 240_000);

describe('infra networks', () => {
  it('give every host a link with addresses of its own, by which all reach all', async () => {
    for (const host of lab.hosts) expect(await listing(host)).toEqual([]);
    const create = 'net create -n infra';
    await netctlOk(
      first(),
      `${create} -s 10.91.0.0/24 -g 10.91.0.254 --s6 fd91::/64 --g6 fd91::fe infra-a`,
    );
    await netctlOk(first(), `${create} -s 10.91.1.0/24 -g 10.91.1.254 infra-b`);
    await netctlOk(first(), `${create} -e vlan -p 77 -s 10.91.2.0/24 --s6 fd91:2::/64 infra-c`);
    const all = new Set<string>();
    for (const link of networks) {
      for (const host of lab.hosts) {
        const found = await untilAddresses(host, link, link === 'infra-b' ? 1 : 2);
        for (const one of found) all.add(one);
      }
    }
    expect(all.size).toBe(15);
    for (const link of networks) {
      for (const from of lab.hosts) {
        for (const to of lab.hosts) {
          if (from === to) continue;
          for (const address of await addressesAt(to, link)) {
            await untilReaches(hostItself(from), plain(address), 30_000);
          }
        }
      }
    }
    for (const host of lab.hosts) {
      expect([host.name, ...(await conditionsOf(host))]).toEqual([host.name]);
    }
  });

  it('are no Docker networks, and show the hosts by their names', async () => {
    const words = ['network', 'ls', '--filter', 'driver=fairlead', '-q'];
    expect(await dockerOk(first(), words)).toBe('');
    const { Oper } = JSON.parse(await netctlOk(lab.host(2), 'net inspect infra-a'));
    expect(Oper).toMatchObject({ numEndpoints: 3, allocatedAddressesCount: 3 });
    const shown = Oper.endpoints.map((one: Record<string, unknown>) => [
      one['homingHost'],
      one['containerName'],
      one['intfName'],
      one['containerID'],
    ]);
    const wanted = lab.hosts.map(({ name }) => [name, `/${name}`, 'infra-a', undefined]);
    expect(shown.toSorted()).toEqual(wanted);
    for (const host of lab.hosts) {
      const { code, stdout } = await agents.run(host, ['ipam', 'check']);
      expect([code, stdout]).toEqual([0, expect.anything()]);
    }
  });

  it('put right what somebody changes, with the same addresses', async () => {
    const host = lab.host(2);
    const before = await addressesAt(host, 'infra-a');
    const target = hostItself(lab.host(3));
    for (const harm of [
      'link del infra-a',
      'link set infra-a down',
      'address flush dev infra-a',
      'link set infra-a address 02:00:00:00:00:77',
      'link set infra-a mtu 1280',
    ]) {
      await ipOk(host, harm);
      await until(
        `infra-a is as it was after ${harm}`,
        async () => (await addressesAt(host, 'infra-a')).join() === before.join(),
        { timeoutMs: lookMs },
      );
      for (const address of before) await untilReaches(target, plain(address), lookMs);
    }
  });

  it('go on while an agent is away, killed and started', async () => {
    const host = lab.host(2);
    const [address = ''] = await addressesAt(host, 'infra-a');
    const pings = await startPings(hostItself(lab.host(3)), { to: plain(address), everyMs: 20 });
    await agents.kill(host);
    expect(await reaches(hostItself(lab.host(1)), plain(address))).toBe(true);
    await agents.start(host);
    await agents.restart(lab.host(3), 'SIGTERM');
    expect(await addressesAt(host, 'infra-a')).toContain(address);
    await until('it was pinged before and after', async () => (await pings.ask()).sent > 100);
    expect(lostOf(await pings.stop())).toBe(0);
  });

  it('have the same addresses after Open vSwitch was started again', async () => {
    const host = lab.host(2);
    const before = await addressesAt(host, 'infra-a');
    await host.killOvs('vswitchd');
    await host.startOvs('vswitchd');
    for (const address of before)
      await untilReaches(hostItself(lab.host(3)), plain(address), lookMs);
    expect(await addressesAt(host, 'infra-a')).toEqual(before);
  });

  it('leave a link and a network of the host as they are, and say so', async () => {
    const host = lab.host(3);
    await ipOk(host, 'link add taken type bridge');
    await ipOk(host, 'link add lan type bridge');
    await ipOk(host, 'address add 10.93.0.1/24 dev lan');
    await ipOk(host, 'link set lan up');
    await netctlOk(first(), 'net create -n infra -s 10.92.0.0/24 taken');
    await netctlOk(first(), 'net create -n infra -s 10.93.0.0/16 overlaps');
    expect(await untilCondition(host, 'INFRA_LINK_TAKEN', lookMs)).toContain(
      'default:taken: taken is a bridge of this host',
    );
    expect(await untilCondition(host, 'INFRA_SUBNET_TAKEN', lookMs)).toContain(
      'default:overlaps: 10.93.0.0/16: there is a route to 10.93.0.0/24 by lan',
    );
    expect(await addressesAt(host, 'taken')).toEqual([]);
    await untilAddresses(lab.host(1), 'taken', 1);
    await untilAddresses(lab.host(1), 'overlaps', 1);
    await ipOk(host, 'link del taken');
    await ipOk(host, 'link del lan');
    await untilAddresses(host, 'taken', 1);
    await untilAddresses(host, 'overlaps', 1);
    await untilClear(host, 'INFRA_LINK_TAKEN', lookMs);
    await untilClear(host, 'INFRA_SUBNET_TAKEN', lookMs);
    for (const name of ['taken', 'overlaps']) await netctlOk(first(), `net rm ${name}`);
  });
});

describe('host access', () => {
  const block = '10.94.0.0/24';
  const block6 = 'fd94::/64';

  it('is there for networks that allow it, as long as they do', async () => {
    await typed(
      `network create web --subnet ${block} --gateway 10.94.0.254 --ipv6-subnet ${block6} --ipv6-gateway fd94::fe`,
    );
    for (const host of lab.hosts) expect(await routeTo(host, block)).toBe('');
    await typed('network set web --host-access allow');
    for (const host of lab.hosts) {
      await untilRoute(host, block, true);
      expect(await routeTo(host, block)).toMatch(/via 10\.91\.0\.254 dev infra-a proto 250 src/);
      expect(await routeTo(host, block6)).toMatch(/via fd91::fe dev infra-a proto 250 src/);
    }
    await typed('network set web --host-access default');
    for (const host of lab.hosts) await untilRoute(host, block, false);
    await typed('network set web --host-access allow');
    for (const host of lab.hosts) await untilRoute(host, block, true);
  });

  it('leads from every host to every container, and back', async () => {
    for (const host of lab.hosts) {
      await until(`web on ${host.name}`, async () =>
        (await dockerOk(host, ['network', 'ls', '--format', '{{.Name}}'])).includes('web'),
      );
    }
    const options = ['--ip', '10.94.0.99', '--ip6', 'fd94::99'];
    await runContainer(lab.host(1), { name: 'web', network: 'web', options });
    const web = await containerOf(lab.host(1), 'web');
    for (const host of lab.hosts) {
      for (const to of ['10.94.0.99', 'fd94::99']) {
        await untilReaches(hostItself(host), to, 30_000);
      }
      for (const address of await addressesAt(host, 'infra-a')) {
        await untilReaches(web, plain(address), 30_000);
      }
    }
  });

  it('is subject to policies as from any endpoint', async () => {
    await typed('policy create shut');
    await typed('rule create shut 1 --direction in --action deny --from-network infra-a');
    await typed('group create closed --network web --policies shut');
    await until('closed', async () =>
      (await dockerOk(lab.host(2), ['network', 'ls', '--format', '{{.Name}}'])).includes('closed'),
    );
    const options = ['--ip', '10.94.0.98'];
    await runContainer(lab.host(2), { name: 'closed', network: 'closed', options });
    const web = await containerOf(lab.host(1), 'web');
    await untilReaches(web, '10.94.0.98');
    for (const host of lab.hosts) {
      expect(await reaches(hostItself(host), '10.94.0.98')).toBe(false);
      expect(await reaches(hostItself(host), '10.94.0.99')).toBe(true);
    }
    await dockerOk(lab.host(2), ['rm', '-f', 'closed']);
    for (const what of ['group rm closed', 'policy rm shut']) await netctlOk(first(), what);
  });

  it('never takes a destination that the host has a route to', async () => {
    const host = lab.host(2);
    await typed('network set web --host-access deny');
    await untilRoute(host, block, false);
    await ipOk(host, 'route add 10.94.0.0/16 dev eth0');
    await typed('network set web --host-access allow');
    expect(await untilCondition(host, 'HOST_ACCESS_FAILED', lookMs)).toContain(
      'default:web: 10.94.0.0/24 is in use on this host: there is a route to 10.94.0.0/16 by eth0',
    );
    await untilRoute(lab.host(1), block, true);
    expect(await routeTo(host, block)).toBe('');
    await ipOk(host, 'route del 10.94.0.0/16 dev eth0');
    await until('the route', async () => (await routeTo(host, block)) !== '', {
      timeoutMs: lookMs,
    });
    await untilClear(host, 'HOST_ACCESS_FAILED', lookMs);
  });

  it('comes with a network contivh1 for all that say nothing, as Contiv had it', async () => {
    await typed('network set web --host-access default');
    for (const host of lab.hosts) await untilRoute(host, block, false);
    await netctlOk(first(), 'net create -n infra -s 10.96.0.0/24 -g 10.96.0.254 contivh1');
    for (const host of lab.hosts) {
      await untilRoute(host, block, true);
      expect(await routeTo(host, block)).toMatch(/via 10\.96\.0\.254 dev contivh1 /);
      await untilReaches(hostItself(host), '10.94.0.99', 30_000);
    }
    await netctlOk(first(), 'net create -s 10.97.0.0/24 -g 10.97.0.254 more');
    await netctlOk(first(), 'net create -e vlan -s 10.98.0.0/24 -g 10.98.0.254 bridged');
    for (const host of lab.hosts) await untilRoute(host, '10.97.0.0/24', true);
    for (const host of lab.hosts) expect(await routeTo(host, '10.98.0.0/24')).toBe('');
    await netctlOk(first(), 'net rm more');
    await netctlOk(first(), 'net rm bridged');
    for (const host of lab.hosts) await untilRoute(host, '10.97.0.0/24', false);
    await netctlOk(first(), 'net rm contivh1');
    for (const host of lab.hosts) await untilRoute(host, block, false);
  });
});

describe('what is left', () => {
  it('is nothing once the networks are removed, and their names are free at once', async () => {
    await dockerOk(first(), ['rm', '-f', 'web']);
    await netctlOk(first(), 'net rm web');
    for (const name of networks) await netctlOk(lab.host(2), `net rm ${name}`);
    for (const host of lab.hosts) {
      await until(`${host.name} is as it was`, async () => {
        expect(await listing(host)).toEqual([]);
        return true;
      });
      const { code, stdout } = await agents.run(host, ['ipam', 'check']);
      expect([code, stdout]).toEqual([0, expect.anything()]);
    }
    for (const name of networks) {
      await netctlOk(first(), 'net create -n infra -s 10.91.0.0/24 '.concat(name));
      await untilAddresses(lab.host(3), name, 1);
      await netctlOk(first(), `net rm ${name}`);
    }
    for (const host of lab.hosts) {
      await until(`${host.name} is as it was`, async () => (await listing(host)).length === 0);
    }
  });
});
