/** The way out under restarts and other people's hands; what is left of it; hosts without iptables. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { gatewayAddress } from '../../lab/namespaces.ts';
import { addressesOf, gatewayAddress6 } from '../../lab/site/underlay.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { lostOf, reaches, startPings, untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf, outsideOf } from '../../lab/traffic/vantages.ts';
import { waitFor } from '../../lab/wait.ts';
import { agentReady, binaryPath } from '../../support/agent-process.ts';
import { untilClear, untilCondition } from '../../support/conditions.ts';
import { dockerOk, networkCommand } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressIn, hostItself, hostListing, isAnswered, seenAs } from '../../support/passages.ts';
import { associate, sctpCaller } from '../../support/sctp.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(1);
const host = () => lab.host(1);
let agents: SiteAgents;
let before: readonly string[];
/** Every half minute the agent looks at what is there. */
const lookMs = 60_000;
const targets = [gatewayAddress, gatewayAddress6];
const subnets = [
  ['10.50.1.0/24', '10.50.1.254'],
  ['fd50:1::/64', 'fd50:1::fe'],
] as const;
const web = (): Promise<Vantage> => containerOf(host(), 'web');
const sh = (command: string) => host().exec(['sh', '-c', command]);

async function build(): Promise<void> {
  await createShared([host()], { name: 'web', tenant: 'blue', subnets });
  await runContainer(host(), { name: 'web', network: 'web.blue' });
}

async function demolish(): Promise<void> {
  await host().docker(['rm', '-f', 'web']);
  await host().docker(['network', 'rm', 'web.blue']);
}

async function untilHostPortIsGone(): Promise<void> {
  await waitFor(
    { what: 'end of fl-host', timeoutMs: lookMs },
    async () => (await sh('ip link show fl-host')).code !== 0,
  );
}

async function worksAgain(timeoutMs = lookMs): Promise<void> {
  for (const to of targets) await untilReaches(await web(), to, timeoutMs);
}

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await sh('iptables -P FORWARD DROP; iptables -I DOCKER-USER -s 10.1.2.3 -j DROP');
  // links that are new to the kernel have addresses and routes of their own in a moment (RFC 4862 section 5.4)
  await until('addresses are no more tentative', async () => {
    const { stdout } = await sh('ip -6 address show tentative');
    return stdout === '';
  });
  before = await hostListing(host());
  await build();
  await worksAgain();
}, 240_000);

describe('what is left', () => {
  it('is nothing: rules, routes, addresses and settings are those of before', async () => {
    await demolish();
    await untilHostPortIsGone();
    const differences = async (): Promise<readonly string[]> => {
      const now = await hostListing(host());
      const missing = before.filter((line) => !now.includes(line));
      const left = now.filter((line) => /fl-host|FAIRLEAD|proto 250/.test(line));
      return [...missing.map((line) => `missing: ${line}`), ...left];
    };
    await until(
      'the host is as it was',
      async () => {
        const found = await differences();
        if (found.length > 0) throw new Error(found.join('\n'));
        return true;
      },
      { timeoutMs: lookMs },
    );
    const ofLinks = (line: string) => !/veth|docker|fh-|fc-/.test(line);
    expect((await hostListing(host())).filter(ofLinks)).toEqual(before.filter(ofLinks));
    await build();
    await worksAgain();
  });
});

describe('the way out', () => {
  it('loses no packet when the agent is killed and started again', async () => {
    for (const to of targets) {
      const pings = await startPings(await web(), { to, everyMs: 10 });
      await agents.restart(host());
      await until('it was pinged before and after', async () => (await pings.ask()).sent > 100);
      const result = await pings.stop();
      expect(result.sent).toBeGreaterThan(50);
      expect(lostOf(result)).toBe(0);
    }
  });

  it('goes on without the agent', async () => {
    await agents.kill(host());
    for (const to of targets) expect(await reaches(await web(), to)).toBe(true);
    await agents.start(host());
  });

  it('comes back after ovs-vswitchd was killed and started', async () => {
    await host().killOvs('vswitchd');
    await host().startOvs('vswitchd');
    await worksAgain(20_000);
  });

  it('comes back when its port is removed', async () => {
    await host().ovsVsctl(['del-port', 'br-fairlead', 'fl-host']);
    await worksAgain(10_000);
    await sh('ip link delete fl-host');
    await worksAgain();
  });

  it('comes back when link, filter and settings are other than they were made', async () => {
    await sh(
      'ip address flush dev fl-host; ip neigh flush nud permanent dev fl-host; ip route flush proto 250',
    );
    await sh(
      'iptables -F FORWARD; iptables -t nat -F; ip6tables -F; ip6tables -t nat -F; ip6tables -t nat -X',
    );
    await sh(
      'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding; echo 0 >/proc/sys/net/ipv4/conf/fl-host/forwarding',
    );
    for (const to of targets) expect(await reaches(await web(), to).catch(() => false)).toBe(false);
    await worksAgain();
    // Docker's own rules are Docker's matter
    await sh('iptables -I FORWARD -j DOCKER-USER');
  });

  it('is closed by what an operator says in DOCKER-USER', async () => {
    await sh(`iptables -I DOCKER-USER -i fl-host -d ${gatewayAddress} -j DROP`);
    expect(await reaches(await web(), gatewayAddress)).toBe(false);
    expect(await reaches(await web(), gatewayAddress6)).toBe(true);
    await sh(`iptables -D DOCKER-USER -i fl-host -d ${gatewayAddress} -j DROP`);
    expect(await reaches(await web(), gatewayAddress)).toBe(true);
  });

  it('gives way to a route of the host to the same addresses, says so, and comes back', async () => {
    await sh('ip route add 169.254.70.0/24 dev br-phy');
    expect(await untilCondition(host(), 'HOST_BLOCK_CONFLICT', lookMs)).toContain(
      '169.254.70.0/24',
    );
    await waitFor(
      { what: 'end of the way out', timeoutMs: 5_000 },
      async () => !(await reaches(await web(), gatewayAddress)),
    );
    expect(await reaches(await web(), gatewayAddress6)).toBe(true);
    await sh('ip route delete 169.254.70.0/24 dev br-phy');
    await untilClear(host(), 'HOST_BLOCK_CONFLICT', lookMs);
    await worksAgain();
  });

  it('is whole after the agent was killed anywhere while it was made and removed', async () => {
    for (const afterMs of [0, 60, 150, 300, 500]) {
      await demolish();
      const building = build().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await agents.restart(host());
      await building;
      await demolish();
      await build();
      await worksAgain();
    }
  });
});

/** A published port leads to its container, who sees the client; also when its rules were gone. */
async function publishes(): Promise<void> {
  const options = ['tcp', 'udp', 'sctp'].flatMap((each) => ['-p', `8080:80/${each}`]);
  await runContainer(host(), { name: 'open', network: 'web.blue', options });
  const [client, server] = [outsideOf(lab.lab), await containerOf(host(), 'open')];
  const { ipv4, ipv6 } = addressesOf(host().place);
  const plan = { port: 8080, listens: 80 };
  const both = (seen: string) => ({ tcp: [seen], udp: [seen] });
  const ways = [
    [ipv4, gatewayAddress],
    [ipv6, gatewayAddress6],
  ] as const;
  for (const [to, from] of ways) {
    expect(await seenAs(client, server, { to, ...plan })).toEqual(both(from));
    expect(await seenAs(hostItself(host()), server, { to, ...plan })).toEqual(both(to));
    const { server: seen } = await associate(
      await sctpCaller(lab.lab, { to, address: from }),
      { at: server, link: 'eth0' },
      { to, port: 8080 },
    );
    expect(seen).toMatchObject({ source: from, destinationPort: 80 });
  }
  const loopback = await seenAs(hostItself(host()), server, { to: '127.0.0.1', ...plan });
  expect(loopback).toEqual(both('169.254.127.254'));
  await sh('nft delete table ip fairlead; nft delete table ip6 fairlead');
  for (const [to] of ways) expect(await isAnswered(client, server, { to, ...plan })).toBe(false);
  for (const [to] of ways) {
    const again = () => isAnswered(client, server, { to, ...plan });
    await until('it is reached again', again, { timeoutMs: lookMs });
  }
  await dockerOk(host(), ['rm', '-f', 'open']);
  await until(
    'its rules are gone',
    async () => !(await sh('nft list ruleset')).stdout.includes('8080'),
  );
}

describe('without iptables', () => {
  it('there are a way out and published ports by nft, and its tables go with them', async () => {
    // the rules of iptables go with the last network
    await demolish();
    await untilHostPortIsGone();
    await agents.stop(host());
    const programs = join(host().directory, 'sbin');
    mkdirSync(programs);
    cpSync('/usr/sbin/nft', join(programs, 'nft'));
    await sh('iptables -P FORWARD ACCEPT');
    const script = 'mount --bind "$1" /usr/sbin; shift; exec "$@"';
    const command = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', programs];
    await host().spawnInHost('unshare', [...command, binaryPath, 'agent'], {
      name: 'agent',
      env: { ...host().agentEnvironment(), FAIRLEAD_LOG_LEVEL: 'debug' },
    });
    await agentReady(host());
    await build();
    await worksAgain();
    const tables = async () => (await sh('nft list tables')).stdout;
    expect(await tables()).toMatch(
      /table ip fairlead\n[^]*table ip6 fairlead\n|table ip6 fairlead\n[^]*table ip fairlead\n/,
    );
    await dockerOk(host(), networkCommand('own'));
    await runContainer(host(), { name: 'own', network: 'own' });
    await untilReaches(hostItself(host()), await addressIn(host(), 'own', 'own'));
    await publishes();
    await demolish();
    await waitFor(
      { what: 'end of the tables', timeoutMs: lookMs },
      async () => !(await tables()).includes('fairlead'),
    );
  });
});
