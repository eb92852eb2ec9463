/**
 * While a host is cut off, so that whatever is sent to it gets no answer and no error, the others lack nothing:
 * containers come and go, networks and groups are made, and rules take effect. Each host is the one in its turn, so
 * that the one that leads the store is among them.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { LabHost } from '../../lab/host.ts';
import { reaches, untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { untilClear, untilCondition } from '../../support/conditions.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { slowness } from '../../support/slowness.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
/** Most that anything may take, an election among it. */
const mostMs = 15_000 * slowness;
const addressOf = (n: number): string => `10.72.1.${n}`;
const told: string[] = [];

beforeAll(async () => {
  const agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await agents.allVote();
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no hosts');
  for (const words of [
    'tenant create blue',
    'network create -t blue -s 10.72.1.0/24 -g 10.72.1.254 web',
    'policy create -t blue shut',
    'group create -t blue -p shut web front',
  ]) {
    await netctlOk(first, words);
  }
  for (const n of [1, 2, 3]) await start(lab.host(n), `c${n}`, n);
  const from = await containerOf(first, 'c1');
  for (const n of [2, 3]) await untilReaches(from, addressOf(n));
}, 300_000);

afterEach(() => lab.site.setCuts([]));
afterAll(() => void process.stdout.write(`\n${told.join('\n')}\n`));

const start = (host: LabHost, name: string, n: number) =>
  runContainer(host, { name, network: 'front/blue', options: ['--ip', addressOf(n)] });

/** Does it, in the time that there is. */
async function soon(what: string, work: () => Promise<unknown>): Promise<void> {
  const fromMs = performance.now();
  await work();
  const ms = Math.round(performance.now() - fromMs);
  told.push(`${what}: ${ms} ms`);
  expect(ms, what).toBeLessThan(mostMs);
}

it.for([1, 2, 3])(
  'while h%i is cut off, containers come and go and rules are made on the others',
  async (n) => {
    const far = lab.host(n);
    const others = [1, 2, 3].filter((other) => other !== n);
    await lab.site.isolate(far);
    for (const here of others) {
      const near = lab.host(here);
      const neighbour = addressOf(others.find((other) => other !== here) ?? 0);
      const say = (what: string) => `h${n} cut off, on h${here}: ${what}`;
      const typed = (words: string) => soon(say(words), () => netctlOk(near, words));
      await soon(say('docker run'), () => start(near, 'new', 10 + here));
      const from = await containerOf(near, 'new');
      await untilReaches(from, neighbour);
      const rule = '-t blue shut 1';
      await typed(`policy rule-add -d in -l icmp -j deny ${rule}`);
      await soon(say('the rule takes effect'), () =>
        until('nobody answers', async () => !(await reaches(from, neighbour))),
      );
      await typed(`policy rule-rm ${rule}`);
      await untilReaches(from, neighbour);
      await soon(say('docker rm'), () => dockerOk(near, ['rm', '-f', 'new']));
      await typed('network create -t blue -s 10.72.9.0/24 more');
      await typed('group create -t blue more others');
      await typed('group rm -t blue others');
      await typed('network rm -t blue more');
    }
    // it was one that is missed, all the time
    const missed = await untilCondition(lab.host(others[0] ?? 0), 'PEER_UNREACHABLE', 75_000);
    expect(missed).toContain(far.name);
    await lab.site.setCuts([]);
    for (const host of lab.hosts) await untilClear(host, 'PEER_UNREACHABLE', 75_000);
  },
);
