/** How large packets may be: links of containers, routes to smaller networks, smaller paths between hosts. */
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { captureAll } from '../../lab/traffic/capture.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { ping, untilReaches } from '../../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../../lab/traffic/tcp.ts';
import { listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { runOk } from '../../lab/run.ts';
import { conditionsOf, untilClear, untilCondition } from '../../support/conditions.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';

const lab = labOfSite(3);
const mtuOption = 'com.docker.network.driver.mtu';
/** Underlay 1500, less VXLAN over IPv4. */
const large = 1450;
const small = 1300;
/** Every half minute a host looks at its links, and at what it has. */
const lookMs = 75_000;

const containers = [
  { host: 1, name: 'large1', network: 'large.blue', block: 1 },
  { host: 1, name: 'small1', network: 'small.blue', block: 2 },
  { host: 2, name: 'small2', network: 'small.blue', block: 2 },
  { host: 3, name: 'fixed3', network: 'fixed.green', block: 3 },
] as const;
const at = (name: string): Promise<Vantage> => {
  const found = containers.find((each) => each.name === name);
  return containerOf(lab.host(found?.host ?? 1), name);
};

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
  const blocks = (block: number) =>
    [
      [`10.60.${block}.0/24`, `10.60.${block}.254`],
      [`fd60:${block}::/64`, `fd60:${block}::fe`],
    ] as const;
  const fixed = (mtu: number) => ({ options: [`${mtuOption}=${mtu}`] });
  const { hosts } = lab;
  await createShared(hosts, { name: 'large', tenant: 'blue', subnets: blocks(1) });
  await createShared(hosts, { name: 'small', tenant: 'blue', subnets: blocks(2), ...fixed(small) });
  await createShared(hosts, {
    name: 'fixed',
    tenant: 'green',
    subnets: blocks(3),
    ...fixed(large),
  });
  for (const { host, name, network, block } of containers) {
    const number = name.slice(-1);
    const options = ['--ip', `10.60.${block}.${number}`, '--ip6', `fd60:${block}::${number}`];
    await runContainer(lab.host(host), { name, network, options });
  }
}, 240_000);

it('a container begins with the MTU of its network', async () => {
  for (const [network, mtu] of [
    ['large.blue', large],
    ['small.blue', small],
  ] as const) {
    const image = await lab.host(2).image();
    const show = ['run', '--rm', '--network', network, image, 'cat', '/sys/class/net/eth0/mtu'];
    expect(await dockerOk(lab.host(2), show)).toBe(String(mtu));
  }
});

describe.for([
  ['IPv4', '10.60.1.254', (n: number) => `10.60.2.${n}`, 28, { type: 3, code: 4 }],
  ['IPv6', 'fd60:1::fe', (n: number) => `fd60:2::${n}`, 48, { type: 2, code: 0 }],
] as const)('%s to a network of smaller packets', ([, gateway, addressOf, headers, tooBig]) => {
  it.for([1, 2])('TCP adapts, since its sender is told, to small%i', async (n) => {
    const [from, to] = [await at('large1'), await at(`small${n}`)];
    // so that the other side does not say by itself how small its packets are
    await runOk(['nsenter', `--net=${to.net}`, 'ip', 'link', 'set', 'eth0', 'mtu', String(large)]);
    await untilReaches(from, addressOf(n));
    const sink = await serveTcp(to, { port: 5001 });
    const bytes = 2_000_000;
    const seen = await captureAll([from], async () => {
      const call = await callTcp(from, { to: addressOf(n), port: 5001, bytes });
      expect(call).toMatchObject({ isConfirmed: true, confirmed: bytes, flow: { error: '' } });
      expect(call.flow.segmentMax).toBeLessThanOrEqual(small - headers - 12);
      expect(call.flow.segmentMax).toBeGreaterThan(small - headers - 32);
      expect(call.flow.silenceUs).toBeLessThan(1_000_000);
    });
    await sink.stop();
    await runOk(['nsenter', `--net=${to.net}`, 'ip', 'link', 'set', 'eth0', 'mtu', String(small)]);
    const told = seen.filter(({ direction, says }) => direction === 'in' && says?.icmp?.mtu);
    expect(told.length).toBeGreaterThan(0);
    expect(told[0]?.says).toMatchObject({
      icmp: { ...tooBig, mtu: small },
      ip: { source: gateway },
      isSound: true,
    });
  });

  it.for([1, 2])(
    'pings and datagrams that may not be cut come back as errors, to small%i',
    async (n) => {
      const from = await at('large1');
      const plan = { to: addressOf(n), size: small - headers + 1, count: 3, waitMs: 500 };
      const { received, errors } = await ping(from, { ...plan, fragments: 'never' });
      expect(received).toBe(0);
      const error = { error: 'EMSGSIZE', ...tooBig, mtu: small, from: gateway, count: 3 };
      expect(errors).toMatchObject([error]);
      const fits = await ping(from, { ...plan, size: small - headers, fragments: 'never' });
      expect(fits).toMatchObject({ sent: 3, received: 3, errors: [] });
    },
  );

  it.for([1, 2])('datagrams that may be cut arrive, to small%i', async (n) => {
    const listener = await listenUdp(await at(`small${n}`), { port: 6000, echo: true });
    const plan = { to: addressOf(n), port: 6000, sizes: [1000, 1400, 9000], count: 4, echo: true };
    const sent = await sendUdp(await at('large1'), { ...plan, everyMs: 10, waitMs: 2_000 });
    expect(sent).toMatchObject({ sent: 12, answered: 12, damaged: 0 });
    await listener.stop();
  });
});

describe('a path between hosts that is smaller than their links say', () => {
  it('is found and shown by both ends, and forgotten when it is well again', async () => {
    const [one, , three] = lab.hosts;
    if (one === undefined || three === undefined) throw new Error('no hosts');
    for (const name of ['large1', 'small2']) await at(name);
    // the third host takes part in the tenant
    await runContainer(three, { name: 'large3', network: 'large.blue' });
    await untilClear(one, 'PEER_UNREACHABLE', 20_000);
    expect((await conditionsOf(one)).has('PATH_MTU_SMALL')).toBe(false);
    const beginMs = systemClock.monotonicMs();
    await lab.site.setPathMtu(three, 1400);
    const message = await untilCondition(one, 'PATH_MTU_SMALL', 30_000);
    const tookMs = systemClock.monotonicMs() - beginMs;
    expect(message).toBe(`host h3 is not reached by packets of ${large} bytes, only by small ones`);
    expect(await untilCondition(three, 'PATH_MTU_SMALL', 30_000)).toContain('h1');
    expect((await conditionsOf(one)).has('PEER_UNREACHABLE')).toBe(false);
    await lab.site.setPathMtu(three, 1500);
    const healedMs = systemClock.monotonicMs();
    for (const host of [one, three]) await untilClear(host, 'PATH_MTU_SMALL', 30_000);
    const clearMs = systemClock.monotonicMs() - healedMs;
    process.stdout.write(
      `path of 1400 found after ${Math.round(tookMs)} ms, forgotten after ${Math.round(clearMs)} ms\n`,
    );
  });
});

describe('a host whose link is smaller than networks need', () => {
  const setMtu = async (mtu: number) => {
    const set = ['set', 'interface', 'br-phy', `mtu_request=${mtu}`];
    expect((await lab.host(3).ovsVsctl(set)).code).toBe(0);
  };

  it('says so, and networks whose MTU nobody fixed become smaller', async () => {
    const [one, , three] = lab.hosts;
    if (one === undefined || three === undefined) throw new Error('no hosts');
    await setMtu(1400);
    expect(await untilCondition(three, 'HOST_MTU_SMALL', lookMs)).toBe(
      'networks here have packets of up to 1450 bytes; the link of 198.18.0.3 to other hosts (MTU 1400) carries 1350',
    );
    expect(await untilCondition(one, 'ENDPOINT_MTU', lookMs)).toMatch(
      /^1 endpoints have another MTU .*: 1450, network: 1350\); restart their containers$/,
    );
    await runContainer(one, { name: 'later1', network: 'large.blue' });
    expect((await linkOf(await containerOf(one, 'later1'))).mtu).toBe(1350);
    expect((await linkOf(await containerOf(one, 'large1'))).mtu).toBe(1450);
    await dockerOk(one, ['restart', '-t', '0', 'large1']);
    expect((await linkOf(await containerOf(one, 'large1'))).mtu).toBe(1350);
    await untilClear(one, 'ENDPOINT_MTU', lookMs);
    await setMtu(1500);
    await untilClear(three, 'HOST_MTU_SMALL', lookMs);
  });
});
