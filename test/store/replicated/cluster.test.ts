/** Clusters of real members in one process. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StateStore } from '../../../lib/store/port.ts';
import { everything, put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { Site, type SiteHost } from './site.ts';

let site: Site;
beforeEach(() => {
  site = new Site();
});
afterEach(() => site.close());

const keysOf = async (store: StateStore): Promise<readonly string[]> =>
  (await store.range(everything)).rows.map(({ key }) => key);

async function three(): Promise<readonly [SiteHost, SiteHost, SiteHost]> {
  const a = await site.host('host-a');
  const b = await site.joined(a, 'host-b', 'voter');
  const c = await site.joined(a, 'host-c', 'voter');
  await until('three voters', () => c.node.engine.status().config.voters.length === 3);
  return [a, b, c];
}

describe('a cluster of hosts', () => {
  it('grows by tokens, and every member answers reads and writes', async () => {
    const hosts = await three();
    for (const { name, node } of hosts) await write(node.store, put(`from/${name}`));
    for (const { node } of hosts) {
      expect(await keysOf(node.store)).toEqual(['from/host-a', 'from/host-b', 'from/host-c']);
    }
    const status = await hosts[1].operations.status();
    expect(status.members.map(({ name, role }) => [name, role])).toEqual([
      ['host-a', 'voter'],
      ['host-b', 'voter'],
      ['host-c', 'voter'],
    ]);
    expect(status.problems).toEqual([]);
  });
});
