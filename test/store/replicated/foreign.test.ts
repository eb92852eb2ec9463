/** Peer files in the wrong place: nobody else loses a membership by them. */
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { Site, type SiteHost } from './site.ts';

let site: Site;
let a: SiteHost;
let b: SiteHost;

beforeEach(async () => {
  site = new Site();
  a = await site.host('host-a');
  b = await site.joined(a, 'host-b', 'observer');
  await write(a.node.store, put('before'));
});
afterEach(() => site.close());

const peerFile = ({ directory }: SiteHost): string => join(directory, 'peer.json');
const names = (): readonly string[] => a.node.rows.members().map(({ name }) => name);

it('hazard 32: a peer file of another member beside a store is refused, and nobody is replaced', async () => {
  await b.node.close();
  const own = join(b.directory, 'kept.json');
  await copyFile(peerFile(b), own);
  await copyFile(peerFile(a), peerFile(b));
  await expect(site.start(b)).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
  expect(names().toSorted()).toEqual(['host-a', 'host-b']);
  await copyFile(own, peerFile(b));
  await site.start(b);
  await write(a.node.store, put('after'));
  await until(
    'the host is back',
    async () =>
      (await b.node.store.range({ start: 'after', consistency: 'local' })).rows.length === 1,
  );
});

it('hazard 32: a peer file of a member at work beside no store does not take its place', async () => {
  const c = await site.joined(a, 'host-c', 'observer');
  await until('both are connected', () => a.node.connected().length === 2);
  await c.node.close();
  await rm(join(c.directory, 'store'), { recursive: true });
  await copyFile(peerFile(b), peerFile(c));
  await expect(site.start(c)).rejects.toMatchObject({ code: 'STORE_LOST' });
  expect(names().toSorted()).toEqual(['host-a', 'host-b', 'host-c']);
  expect(b.node.engine.retired).toBeUndefined();
});
