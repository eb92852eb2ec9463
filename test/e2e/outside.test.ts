/** The way out by the host's address, and the host's way to the containers of its own networks. */
import { beforeAll, expect, it } from 'vitest';
import { gatewayAddress } from '../lab/namespaces.ts';
import { labNames } from '../lab/place.ts';
import { runOk } from '../lab/run.ts';
import { addressesOf, gatewayAddress6 } from '../lab/site/underlay.ts';
import { reaches, untilReaches } from '../lab/traffic/pings.ts';
import { containerOf, outsideOf } from '../lab/traffic/vantages.ts';
import { dockerOk, networkCommand } from '../support/docker.ts';
import { labOfSite } from '../support/lab-site.ts';
import { addressIn, hostItself, seenAs } from '../support/passages.ts';
import { createShared, runContainer } from '../support/shared-networks.ts';
import { SiteAgents } from '../support/site-agents.ts';

const lab = labOfSite(1);
const at = (name: string) => containerOf(lab.host('h1'), name);

beforeAll(async () => {
  const host = lab.host('h1');
  await SiteAgents.start([host], { form: 'binary' });
  // as Docker leaves a host on which it has begun to forward
  await host.exec(['iptables', '-P', 'FORWARD', 'DROP']);
  for (const tenant of ['blue', 'red']) {
    const subnets = [
      ['10.50.1.0/24', '10.50.1.254'],
      ['fd50:1::/64', 'fd50:1::fe'],
    ] as const;
    await createShared([host], { name: 'web', tenant, subnets });
    const options = ['--ip', '10.50.1.1', '--ip6', 'fd50:1::1'];
    await runContainer(host, { name: tenant, network: `web.${tenant}`, options });
  }
  await dockerOk(host, networkCommand('own'));
  await runContainer(host, { name: 'own', network: 'own' });
}, 240_000);

it('leads tenants with the same addresses outside at once, by the address of the host', async () => {
  const { ipv4, ipv6 } = addressesOf(lab.host('h1').place);
  for (const tenant of ['blue', 'red']) {
    const from = await at(tenant);
    await untilReaches(from, gatewayAddress);
    await untilReaches(from, gatewayAddress6);
  }
  const outside = outsideOf(lab.lab);
  const [blue, red] = await Promise.all(['blue', 'red'].map(at));
  if (blue === undefined || red === undefined) throw new Error('no container');
  expect(
    await Promise.all([
      seenAs(blue, outside, { to: gatewayAddress, port: 5001 }),
      seenAs(red, outside, { to: gatewayAddress6, port: 5002 }),
    ]),
  ).toEqual([
    { tcp: [ipv4], udp: [ipv4] },
    { tcp: [ipv6], udp: [ipv6] },
  ]);
});

it('leads to the host, and the host to containers of its own networks', async () => {
  const host = lab.host('h1');
  const itself = hostItself(host);
  const address = await addressIn(host, 'own', 'own');
  await untilReaches(itself, address);
  const gateway = address.replace(/\d+$/, '1');
  const [from, to] = [await at('blue'), await at('own')];
  expect(await seenAs(itself, to, { to: address, port: 5003 })).toEqual({
    tcp: [gateway],
    udp: [gateway],
  });
  const { tcp } = await seenAs(from, itself, { to: host.address, port: 5004 });
  expect(tcp).toHaveLength(1);
  // nobody else gets in, and tenants do not meet by way of the host
  expect(await reaches(from, address)).toBe(false);
  const { outside } = labNames(lab.lab.prefix);
  await runOk(['ip', '-netns', outside, 'route', 'add', '10.0.0.0/8', 'via', host.address]);
  await runOk(['ip', '-netns', outside, 'route', 'add', '169.254.64.0/18', 'via', host.address]);
  for (const target of [address, '10.50.1.1', '169.254.64.1', '169.254.64.2']) {
    expect(await reaches(outsideOf(lab.lab), target)).toBe(false);
  }
});
