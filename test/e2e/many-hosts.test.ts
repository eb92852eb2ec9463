/** Networks that three hosts share: real engines, real Open vSwitch, one cluster of agents. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import { ping, reaches, untilReaches } from '../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../lab/traffic/tcp.ts';
import { containerOf } from '../lab/traffic/vantages.ts';
import { dockerOk } from '../support/docker.ts';
import { labOfSite } from '../support/lab-site.ts';
import { SiteAgents } from '../support/site-agents.ts';

const lab = labOfSite(3);
let agents: SiteAgents;

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
});

interface NetworkWish {
  readonly name: string;
  readonly tenant: string;
  readonly subnets: readonly (readonly [cidr: string, gateway: string])[];
  readonly options?: readonly string[];
}

/** The same network, made on every host as an operator would. */
async function createEverywhere({
  name,
  tenant,
  subnets,
  options = [],
}: NetworkWish): Promise<void> {
  for (const host of lab.hosts) {
    await dockerOk(host, [
      ...['network', 'create', '-d', 'fairlead', '--ipam-driver', 'fairlead'],
      ...subnets.flatMap(([cidr, gateway]) => ['--subnet', cidr, '--gateway', gateway]),
      ...(subnets.some(([cidr]) => cidr.includes(':')) ? ['--ipv6'] : []),
      ...['-o', `network=${name}`, '-o', `tenant=${tenant}`],
      ...['--ipam-opt', `network=${name}`, '--ipam-opt', `tenant=${tenant}`],
      ...options.flatMap((option) => ['-o', option]),
      `${name}.${tenant}`,
    ]);
  }
}

async function run(host: LabHost, name: string, network: string, ...more: string[]): Promise<void> {
  const image = await host.image();
  const start = ['run', '-d', '--name', name, '--network', network, ...more, image];
  await dockerOk(host, [...start, 'sleep', '1000000']);
}

describe('a network that three hosts share', () => {
  beforeAll(async () => {
    await createEverywhere({
      name: 'web',
      tenant: 'blue',
      subnets: [
        ['10.50.1.0/24', '10.50.1.254'],
        ['fd50:1::/64', 'fd50:1::fe'],
      ],
    });
    await createEverywhere({
      name: 'web',
      tenant: 'red',
      subnets: [['10.50.1.0/24', '10.50.1.254']],
    });
    await createEverywhere({
      name: 'db',
      tenant: 'blue',
      subnets: [['10.50.2.0/24', '10.50.2.254']],
    });
    for (const [index, host] of lab.hosts.entries()) {
      const at = index + 1;
      await run(host, `web${at}`, 'web.blue', '--ip', `10.50.1.${at}`, '--ip6', `fd50:1::${at}`);
      await run(host, `red${at}`, 'web.red', '--ip', `10.50.1.${at}`);
      await run(host, `db${at}`, 'db.blue', '--ip', `10.50.2.${at}`);
    }
  });

  const at = (name: string) => containerOf(lab.host(name.slice(-1)), name);

  it.each(['10.50.1.1', '10.50.1.2', '10.50.1.3', 'fd50:1::1', 'fd50:1::2', 'fd50:1::3'])(
    'carries packets between all containers: to %s from every host',
    async (address) => {
      for (const name of ['web1', 'web2', 'web3']) await untilReaches(await at(name), address);
    },
  );

  it('routes between the networks of a tenant, one hop', async () => {
    for (const from of ['web1', 'web2', 'web3']) {
      for (const to of ['10.50.2.1', '10.50.2.2', '10.50.2.3']) {
        await untilReaches(await at(from), to);
      }
    }
    const { received } = await ping(await at('web1'), { to: '10.50.2.2', count: 3 });
    expect(received).toBe(3);
  });

  it('answers pings of the gateway on every host', async () => {
    for (const from of ['web1', 'web2', 'web3']) {
      for (const gateway of ['10.50.1.254', 'fd50:1::fe']) {
        expect(await reaches(await at(from), gateway)).toBe(true);
      }
    }
  });

  it('carries TCP to other hosts, in both directions and both families', async () => {
    const server = await serveTcp(await at('web2'), { port: 5001, mode: 'sink' });
    for (const to of ['10.50.1.2', 'fd50:1::2']) {
      const client = await callTcp(await at('web1'), { to, port: 5001, bytes: 2_000_000 });
      expect(client).toMatchObject({ isConfirmed: true, confirmed: 2_000_000 });
    }
    await server.stop();
  });

  it('keeps tenants apart that have the same addresses', async () => {
    // red2 has the address of web2; who answers red1 is red2, and nobody of the other tenant's networks
    expect(await reaches(await at('red1'), '10.50.1.2')).toBe(true);
    expect(await reaches(await at('red1'), '10.50.2.2')).toBe(false);
    await dockerOk(lab.host(2), ['rm', '-f', 'red2']);
    expect(await reaches(await at('red1'), '10.50.1.2')).toBe(false);
    expect(await reaches(await at('web1'), '10.50.1.2')).toBe(true);
  });

  it('is told by every agent to be well', async () => {
    for (const host of lab.hosts) expect(agents.of(host).isAlive()).toBe(true);
  });
});
