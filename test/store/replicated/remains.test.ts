/** What a member had is asked to be taken back before it is forgotten, whoever leads by then. */
import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import type { MemberRemains } from '../../../lib/store/replicated/node-options.ts';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { keysOf, siteOf, type Site } from './site.ts';

/** Notes in the store whom it was asked about, and is refused it as often as a test says. */
class Remains implements MemberRemains {
  /** Names, with whether the member was there still. */
  readonly asked: string[] = [];
  readonly waited: string[] = [];
  refusals = 0;
  members: () => readonly { readonly name: string }[] = () => [];

  async note(store: StateStore, name: string): Promise<void> {
    const isThere = this.members().some((member) => member.name === name);
    this.asked.push(`${name} ${isThere ? 'there' : 'gone'}`);
    this.refusals -= 1;
    if (this.refusals >= 0) throw new FairleadError('BUSY', 'not now');
    await write(store, put(`remains/${name}`));
  }

  async gone(store: StateStore, name: string): Promise<void> {
    this.waited.push(`${name} ${(await keysOf(store)).join()}`);
  }
}

/** A voter with two observers. */
async function three(site: Site, remains: Remains) {
  const a = await site.host('host-a', { remains });
  const b = await site.joined(a, 'host-b', 'observer', { remains });
  const c = await site.joined(a, 'host-c', 'observer', { remains });
  remains.members = () => a.node.rows.members();
  await until('all are there', () => a.node.connected().length === 2);
  return { a, b, c };
}

describe.concurrent('what a removed member had', () => {
  it('is noted before the member is forgotten, and waited for where it was asked', async (context) => {
    const remains = new Remains();
    const { c } = await three(siteOf(context), remains);
    await c.operations.remove('host-b', false);
    expect(remains.asked).toEqual(['host-b there']);
    expect(remains.waited).toEqual(['host-b remains/host-b']);
  });

  it('is noted again until that is done: the member stays as long', async (context) => {
    const remains = new Remains();
    const { a, b } = await three(siteOf(context), remains);
    remains.refusals = 3;
    await b.operations.leave();
    expect(remains.asked).toEqual(Array.from({ length: 4 }, () => 'host-b there'));
    expect(await keysOf(a.node.store)).toEqual(['remains/host-b']);
    expect(b.operations.isAlone()).toBe(true);
  });

  it('stays with a member that comes back without its data', async (context) => {
    const site = siteOf(context);
    const remains = new Remains();
    const { a, c } = await three(site, remains);
    for (const name of ['host-b', 'host-c']) await a.operations.promote(name);
    const before = c.node.identity.memberId;
    await c.node.close();
    await rm(`${c.directory}/store`, { recursive: true });
    await site.start(c);
    expect(c.node.identity.memberId).not.toBe(before);
    await until('the lost one is forgotten', () =>
      a.node.rows.members().every(({ id }) => id !== before),
    );
    expect(remains.asked).toEqual([]);
  });
});
