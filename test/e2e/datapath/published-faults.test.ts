/** Published ports of SCTP, and over restarts of the engine: the rules, and who is behind them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { gatewayAddress } from '../../lab/namespaces.ts';
import { addressesOf, gatewayAddress6 } from '../../lab/site/underlay.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { serveTcp, startTcp } from '../../lab/traffic/tcp.ts';
import { containerOf, outsideOf } from '../../lab/traffic/vantages.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { hostListing, isAnswered } from '../../support/passages.ts';
import { associate, sctpCaller } from '../../support/sctp.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(1);
const host = () => lab.host(1);
const at = (name: string): Promise<Vantage> => containerOf(host(), name);
const client = (): Vantage => outsideOf(lab.lab);
const ways = () => {
  const { ipv4, ipv6 } = addressesOf(host().place);
  return [
    { to: ipv4, from: gatewayAddress },
    { to: ipv6, from: gatewayAddress6 },
  ] as const;
};
const isOpen = async (to: string): Promise<boolean> =>
  isAnswered(client(), await at('web'), { to, port: 8080, listens: 80 });

/** What leads from ports of the host to containers. */
const leading = async (): Promise<readonly string[]> =>
  (await hostListing(host())).filter((line) => line.includes('DNAT --to'));

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
  await host().exec(['sh', '-c', 'iptables -P FORWARD DROP; ip6tables -P FORWARD DROP']);
  await createShared([host()], {
    ...{ name: 'web', tenant: 'blue' },
    subnets: [
      ['10.50.1.0/24', '10.50.1.254'],
      ['fd50:1::/64', 'fd50:1::fe'],
    ],
  });
  const ports = ['-p', '8080:80', '-p', '8080:80/sctp', '-p', '8081:81/sctp'];
  await runContainer(host(), {
    ...{ name: 'web', network: 'web.blue' },
    options: ['--restart', 'always', ...ports],
  });
  await untilReaches(await at('web'), gatewayAddress);
  await untilReaches(await at('web'), gatewayAddress6);
}, 240_000);

describe('a published port of SCTP', () => {
  it('leads to its container, who sees the client, and answers it; several clients and ports at once', async () => {
    for (const { to, from } of ways()) {
      expect(await isOpen(to)).toBe(true);
      const caller = await sctpCaller(lab.lab, { to, address: from });
      for (const [port, own, clientPort] of [
        [8080, 80, 40_000],
        [8081, 81, 40_000],
        [8080, 80, 40_001],
      ] as const) {
        const server = { at: await at('web'), link: 'eth0' };
        const seen = await associate(caller, server, { to, port, from: clientPort });
        expect(seen.server).toMatchObject({
          ...{ source: from, sourcePort: clientPort, destinationPort: own },
        });
        expect(seen.client).toMatchObject({
          ...{ source: to, sourcePort: port, destination: from, destinationPort: clientPort },
        });
      }
    }
  });

  it('is the only way in', async () => {
    const [{ to, from }] = ways();
    const caller = await sctpCaller(lab.lab, { to, address: from });
    const server = { at: await at('web'), link: 'eth0' };
    for (const port of [80, 8082]) {
      await expect(associate(caller, server, { to, port })).rejects.toThrow(/init/);
    }
  });
});

describe('published ports of a container that always runs', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'lead to it again when the engine was ended by %s and started',
    async (signal) => {
      const before = await leading();
      await host().killDocker(signal);
      await host().startDocker();
      for (const { to } of ways()) {
        await until('it is reached again', () => isOpen(to), { timeoutMs: 60_000 });
      }
      // nothing leads to who was there before
      await until('the rules are as many', async () => (await leading()).length === before.length);
    },
  );

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'and its connections go on while the engine is ended by %s and started with live-restore',
    async (signal) => {
      // dockerd keeps containers over its own restart only when it was started so
      await host().killDocker();
      await host().startDocker(['--live-restore']);
      for (const { to } of ways()) {
        await until('it is reached again', () => isOpen(to), { timeoutMs: 60_000 });
      }
      const before = await leading();
      const server = await serveTcp(await at('web'), { port: 80, mode: 'sink' });
      const plan = { port: 8080, kilobitsPerSecond: 2_000, durationMs: 120_000 };
      const talks = await Promise.all(ways().map(({ to }) => startTcp(client(), { to, ...plan })));
      await host().killDocker(signal);
      expect(await leading()).toEqual(before);
      await host().startDocker(['--live-restore']);
      expect(await leading()).toEqual(before);
      const arrived = async () => (await server.ask()).connections.map(({ received }) => received);
      const then = await arrived();
      expect(then).toHaveLength(2);
      await until('both go on', async () =>
        (await arrived()).every((bytes, index) => bytes > (then[index] ?? 0)),
      );
      for (const talk of talks) expect((await talk.stop()).flow.error).toBe('');
      const { connections } = await server.stop();
      expect(new Set(connections.map(({ peer }) => peer))).toEqual(
        new Set([gatewayAddress, gatewayAddress6]),
      );
    },
  );
});
