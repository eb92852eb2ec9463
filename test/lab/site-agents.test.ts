/** Agents on the hosts of a site, on different runtimes: one cluster, whatever happens to a host. */
import { expect, test } from 'vitest';
import { labOfSite } from '../support/lab-site.ts';
import { SiteAgents } from '../support/site-agents.ts';
import { waitFor } from './wait.ts';

const lab = labOfSite(3);

test('agents of all hosts are one cluster, and one that lost its power comes back', async () => {
  const { host, hosts, site } = lab;
  const [one, three] = [host(1), host(3)];
  const agents = await SiteAgents.start(hosts, {
    form: ({ name }) => (name === 'h2' ? 'bun' : 'node'),
  });
  const status = async () => (await agents.run(one, ['cluster', 'status'])).stdout;
  expect(await status()).toMatch(/^h1 .*\nh2 .*\nh3 .*198\.18\.0\.3:8470/m);
  await agents.restart(one);
  await site.crash(three);
  expect(agents.of(three).isAlive()).toBe(false);
  await site.boot(three, { database: 'lost' });
  await agents.start(three);
  const heard = { what: 'h3 is heard of', timeoutMs: 20_000 };
  await waitFor(heard, async () => /^h3 .* now /m.test(await status()));
});
