/** A machine that is copied whole, its agent's data with it: only one of the two is the host. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startAgent } from '../../support/agent-process.ts';
import { conditionsOf, untilCondition } from '../../support/conditions.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);

it('the copy is refused by name and changes nothing, while the other is there', async () => {
  const [first, original, copied] = [lab.host(1), lab.host(2), lab.host(3)];
  const agents = await SiteAgents.start([first, original], { form: 'binary' });
  await agents.stop(original);
  const data = join(copied.directory, 'copied');
  cpSync(join(original.directory, 'agent', 'data'), data, { recursive: true });
  await agents.start(original);
  await until('the original is listed', async () =>
    (await agents.ok(first, ['node', 'list'])).includes(lab.site.addressesOf(original).ipv4),
  );
  const before = await agents.ok(first, ['node', 'list']);
  const env = { FAIRLEAD_NAME: original.name, FAIRLEAD_DATA_DIR: data };
  const copy = await startAgent(copied, 'binary', { env, until: 'answering' });
  expect(await untilCondition(copied, 'HOST_COPIED', 60_000)).toContain('MEMBER_EXISTS');
  const { stdout } = await agents.run(copied, ['cluster', 'status']);
  expect(stdout).toContain('! MEMBER_EXISTS: ');
  expect(await agents.ok(first, ['node', 'list'])).toBe(before);
  expect((await conditionsOf(original)).has('STORE_UNAVAILABLE')).toBe(false);
  await copy.stop();
});
