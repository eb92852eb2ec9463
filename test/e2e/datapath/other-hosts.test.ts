/**
 * What happens to other hosts: they get other addresses, are cut off, lose their power, come back, and are removed.
 * In this order, on one site.
 */
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { LabHost } from '../../lab/host.ts';
import { runOk } from '../../lab/run.ts';
import { ping, reaches, startPings, untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { startAgent } from '../../support/agent-process.ts';
import { untilClear, untilCondition } from '../../support/conditions.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
let agents: SiteAgents;
/** What is looked at every half minute. */
const lookMs = 75_000;
const web = { name: 'web', tenant: 'blue', subnets: [['10.71.1.0/24', '10.71.1.254']] } as const;
const addressOf = (n: number): string => `10.71.1.${n}`;
const at = (n: number) => containerOf(lab.host(n), `c${n}`);
const start = (host: LabHost, name: string, n: number) =>
  runContainer(host, { name, network: 'web.blue', options: ['--ip', addressOf(n)] });

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await agents.allVote();
  await createShared(lab.hosts, web);
  for (const n of [1, 2, 3]) await start(lab.host(n), `c${n}`, n);
  for (const n of [2, 3]) await untilReaches(await at(1), addressOf(n));
}, 300_000);

afterEach(() => lab.site.setCuts([]));

/** What the bridge of a host has about an address. */
async function flowsAbout(host: LabHost, address: string): Promise<readonly string[]> {
  const { stdout } = await host.ovsAppctl(['bridge/dump-flows', 'br-fairlead']);
  return stdout.split('\n').filter((line) => new RegExp(`=${address}[,\\s]`).test(line));
}

/** How long it takes, ms. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await work();
  return Math.round(performance.now() - fromMs);
}

const told: string[] = [];
const tell = (what: string, ms: number): void => void told.push(`${what}: ${ms} ms`);

it('a host that is renumbered under traffic is followed', async () => {
  const pings = await startPings(await at(1), { to: addressOf(2), everyMs: 10 });
  const here = lab.host(2);
  await lab.site.renumber(here, { ipv4: '198.18.0.102', ipv6: 'fd00:198:18::102' });
  await until(
    'pings go on',
    async () => (await ping(await at(1), { to: addressOf(2) })).received === 3,
  );
  // so that what came before is no longer the end of the series
  await until(
    'ten in a row',
    async () => (await ping(await at(1), { to: addressOf(2), count: 10 })).received === 10,
  );
  const { silenceUs } = await pings.stop();
  tell('renumbered: silence', Math.round(silenceUs / 1_000));
  expect(silenceUs).toBeLessThan(10_000_000);
  expect((await flowsAbout(lab.host(1), '198.18.0.102')).length).toBeGreaterThan(0);
  await untilReaches(await at(3), addressOf(2));
  expect(await agents.ok(here, ['node', 'list'])).toContain('198.18.0.102');
});

it('a host that loses its address says so, and is back with it', async () => {
  const here = lab.host(2);
  const flush = ['address', 'flush', 'dev', 'br-phy', 'scope', 'global'];
  await runOk(['ip', '-netns', here.namespace, ...flush]);
  expect(await untilCondition(here, 'VTEP_UNUSABLE', lookMs)).toContain('198.18.0.102');
  await lab.site.renumber(here, { ipv4: '198.18.0.2', ipv6: 'fd00:198:18::2' });
  await untilClear(here, 'VTEP_UNUSABLE', lookMs);
  await untilReaches(await at(1), addressOf(2), 30_000);
  for (const host of lab.hosts) await untilClear(host, 'PEER_UNREACHABLE', lookMs);
});

it('a host that is cut off is named by both sides, and learns afterwards what it missed', async () => {
  const [near, far] = [lab.host(1), lab.host(3)];
  await lab.site.isolate(far);
  const ms = await timed(async () => {
    expect(await untilCondition(near, 'PEER_UNREACHABLE', lookMs)).toContain('h3');
  });
  tell('cut off: seen by the others', ms);
  await untilCondition(far, 'PEER_UNREACHABLE', lookMs);
  await untilCondition(far, 'STORE_UNAVAILABLE', lookMs);
  await start(near, 'c4', 4);
  await dockerOk(lab.host(2), ['rm', '-f', 'c2']);
  expect((await flowsAbout(far, addressOf(2))).length).toBeGreaterThan(0);
  await lab.site.setCuts([]);
  tell(
    'back: reaches what came meanwhile',
    await timed(async () => untilReaches(await at(3), addressOf(4), 30_000)),
  );
  await until('what went is gone', async () => (await flowsAbout(far, addressOf(2))).length === 0);
  for (const host of [near, far]) await untilClear(host, 'PEER_UNREACHABLE', lookMs);
  await start(lab.host(2), 'c2', 2);
});

it('of a host that was booted, the others drop what it had, before its Docker is there', async () => {
  const [near, far] = [lab.host(1), lab.host(3)];
  await lab.site.crash(far);
  expect((await flowsAbout(near, addressOf(3))).length).toBeGreaterThan(0);
  await lab.site.boot(far, { database: 'kept' });
  await far.stopDocker();
  const ms = await timed(async () => {
    await startAgent(far, 'binary', { until: 'answering' });
    await until(
      'the others drop it',
      async () => (await flowsAbout(near, addressOf(3))).length === 0,
    );
  });
  tell('booted: dropped by the others after the start of its agent', ms);
  expect(ms).toBeLessThan(20_000);
  await far.spawned('agent')?.stop();
  await agents.start(far);
  await far.startDocker();
  await dockerOk(far, ['rm', '-f', 'c3']);
  await start(far, 'c3', 3);
  await untilReaches(await at(1), addressOf(3));
});

it('a dead host is removed, and its addresses are had by others', async () => {
  const [near, far] = [lab.host(1), lab.host(3)];
  await lab.site.crash(far);
  await expect(start(near, 'heir', 3)).rejects.toThrow('ADDRESS_IN_USE');
  await dockerOk(near, ['rm', '-f', 'heir']);
  tell('removed', await timed(() => agents.ok(near, ['cluster', 'remove', 'h3'])));
  expect(await agents.ok(near, ['node', 'list'])).not.toContain('h3');
  await start(near, 'heir', 3);
  await untilReaches(await at(2), addressOf(3));
});

it('a host that was removed and comes back unaware is told, and disturbs nobody', async () => {
  const [near, far] = [lab.host(1), lab.host(3)];
  await lab.site.boot(far, { database: 'kept' });
  await agents.start(far);
  expect(await untilCondition(far, 'HOST_REMOVED', lookMs)).toContain('MEMBER_REMOVED');
  const { code } = await far.docker(['start', 'c3']);
  expect(code).not.toBe(0);
  expect(await flowsAbout(far, addressOf(2))).toEqual([]);
  expect(await reaches(await at(2), addressOf(3))).toBe(true);
  expect(await agents.ok(near, ['node', 'list'])).not.toContain('h3');
});

it('and is let in again as a new one', async () => {
  const [near, far] = [lab.host(1), lab.host(3)];
  const line = await agents.ok(near, ['cluster', 'token', '--role', 'voter']);
  const token = /fairlead1\.[\w-]+/.exec(line)?.[0] ?? '';
  const advertise = ['--advertise', `${lab.site.addressesOf(far).ipv4}:8470`];
  await agents.ok(far, ['cluster', 'join', token, ...advertise]);
  await untilClear(far, 'HOST_REMOVED', lookMs);
  await dockerOk(far, ['rm', '-f', 'c3']);
  await dockerOk(far, ['network', 'rm', 'web.blue']);
  await createShared([far], web);
  await start(far, 'c3', 33);
  await untilReaches(await at(1), addressOf(33));
});

it('a host that is removed while it runs forwards nothing of what hosts share any more', async () => {
  const [near, here] = [lab.host(1), lab.host(2)];
  const from = await at(2);
  await untilReaches(from, addressOf(4));
  await agents.ok(near, ['cluster', 'remove', 'h2', '--force']);
  expect(await reaches(await at(1), addressOf(2))).toBe(false);
  await untilCondition(here, 'HOST_REMOVED', lookMs);
  await until(
    'its containers are on their own',
    async () => (await flowsAbout(here, addressOf(2))).length === 0,
  );
  await start(near, 'second', 2);
  await untilReaches(await at(3), addressOf(2));
});

it('says how long each of that took', () => {
  process.stdout.write(`${told.join('\n')}\n`);
  expect(told).toHaveLength(5);
});
