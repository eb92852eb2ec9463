/**
 * What a host forwards under its own address, as Docker's bridges do, is not the host that speaks: it comes into no network
 * that only the host itself reaches.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { gatewayAddress } from '../lab/namespaces.ts';
import { labNames } from '../lab/place.ts';
import { runOk } from '../lab/run.ts';
import { addressesOf, gatewayAddress6 } from '../lab/site/underlay.ts';
import { ping, reaches, untilReaches } from '../lab/traffic/pings.ts';
import { outsideOf } from '../lab/traffic/vantages.ts';
import { dockerOk, networkCommand } from '../support/docker.ts';
import { labOfSite } from '../support/lab-site.ts';
import { hostItself } from '../support/passages.ts';
import { runContainer } from '../support/shared-networks.ts';
import { SiteAgents } from '../support/site-agents.ts';
import { until } from '../support/until.ts';

const lab = labOfSite(1);
const host = () => lab.host('h1');
let agents: SiteAgents;

/** How a host is called in each family, and by whom. */
const families = [
  { source: gatewayAddress, program: 'iptables', setting: 'net.ipv4.ip_forward=1' },
  { source: gatewayAddress6, program: 'ip6tables', setting: 'net.ipv6.conf.all.forwarding=1' },
] as const;

beforeAll(async () => {
  agents = await SiteAgents.start([host()], { form: 'binary' });
  for (const { source, program, setting } of families) {
    await onHost('sysctl', '-qw', setting);
    await onHost(program, '-t', 'mangle', '-A', 'FORWARD', '-s', source);
    await onHost(program, '-I', 'FORWARD', '-s', source, '-j', 'ACCEPT');
    await onHost(program, '-t', 'nat', '-A', 'POSTROUTING', '-s', source, '-j', 'MASQUERADE');
  }
  const { outside } = labNames(lab.lab.prefix);
  const { ipv4, ipv6 } = addressesOf(host().place);
  for (const [block, via] of [
    ['10.60.0.0/16', ipv4],
    ['fd60::/16', ipv6],
  ] as const) {
    await runOk(['ip', '-netns', outside, 'route', 'add', block, 'via', via]);
  }
}, 240_000);

async function onHost(...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host().exec(command);
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  return stdout;
}

/** Echo requests that came to a container, of both families. */
async function echoesTo(container: string): Promise<number> {
  const files = ['cat', '/proc/net/snmp', '/proc/net/snmp6'];
  const text = await dockerOk(host(), ['exec', container, ...files]);
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Icmp:'));
  const at = names.split(' ').indexOf('InEchos');
  const ipv6 = /Icmp6InEchos\s+(\d+)/.exec(text)?.[1];
  return Number(values.split(' ')[at]) + Number(ipv6);
}

/** Packets that the host has forwarded, as far as its filter, by family. */
const forwarded = (): Promise<readonly number[]> =>
  Promise.all(
    families.map(async ({ program, source }) => {
      const listed = await onHost(program, '-t', 'mangle', '-nvxL', 'FORWARD');
      const line = listed.split('\n').find((each) => each.includes(source)) ?? '';
      return Number(line.trim().split(/\s+/)[0]);
    }),
  );

/** Of pings that the host forwards to a container none comes, of its own all. */
async function expectHostOnly(container: string, addresses: readonly string[]): Promise<void> {
  for (const to of addresses) await untilReaches(hostItself(host()), to, 60_000);
  const [echoes, counts] = [await echoesTo(container), await forwarded()];
  for (const to of addresses) {
    const { received } = await ping(outsideOf(lab.lab), { to, waitMs: 300 });
    expect([to, received]).toEqual([to, 0]);
  }
  await until('all of them are forwarded', async () =>
    (await forwarded()).every((count, at) => count >= (counts[at] ?? 0) + 3),
  );
  expect(await echoesTo(container)).toBe(echoes);
  for (const to of addresses)
    expect([to, await reaches(hostItself(host()), to)]).toEqual([to, true]);
  expect(await echoesTo(container)).toBeGreaterThan(echoes);
}

describe('what a host forwards under its own address', () => {
  it('does not come into a network of that host', async () => {
    const subnets = ['--subnet', '10.60.1.0/24', '--ipv6', '--subnet', 'fd60:1::/64'];
    await dockerOk(host(), networkCommand('own', ...subnets));
    const options = ['--ip', '10.60.1.9', '--ip6', 'fd60:1::9'];
    await runContainer(host(), { name: 'own', network: 'own', options });
    await expectHostOnly('own', ['10.60.1.9', 'fd60:1::9']);
  });

  it('does not come into a network that allows the host’s access', async () => {
    for (const words of [
      'hosts --nw-type infra --subnet 10.60.3.0/24 --gateway 10.60.3.254 --ipv6-subnet fd60:3::/64 --ipv6-gateway fd60:3::fe',
      'led --subnet 10.60.2.0/24 --gateway 10.60.2.254 --ipv6-subnet fd60:2::/64 --ipv6-gateway fd60:2::fe --host-access allow',
    ]) {
      await agents.ok(host(), ['network', 'create', ...words.split(' ')]);
    }
    await until('Docker knows it', async () =>
      (await dockerOk(host(), ['network', 'ls', '--format', '{{.Name}}'])).includes('led'),
    );
    const options = ['--ip', '10.60.2.9', '--ip6', 'fd60:2::9'];
    await runContainer(host(), { name: 'led', network: 'led', options });
    await expectHostOnly('led', ['10.60.2.9', 'fd60:2::9']);
  });
});
