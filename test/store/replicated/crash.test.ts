/**
 * Hosts that die between the steps of a change of who they are. Each test stops a host at a step, takes its
 * disk as it is then, and starts a host on that: it has to finish what was begun, or to be able to begin
 * again, and nothing that was acknowledged may be gone.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { freeAddress, keysOf, siteOf, type SiteHost } from './site.ts';

const namesOf = ({ node }: SiteHost): readonly string[] =>
  node.rows
    .members()
    .map(({ name }) => name)
    .toSorted();

describe.concurrent('a host that dies', () => {
  it.for([
    'join: let in',
    'join: peer file written',
    'join: store put aside',
    'join: store made',
    'join: store vouched for',
  ])('while it joins (%s) is a member or can be, once', async (step, context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await write(a.node.store, put('shared'));
    const token = await site.token(a, 'observer');
    const b = await site.host('host-b');
    const listen = await freeAddress();
    const copy = await site.crashAt(step, b, () => b.operations.join({ token, listen }));
    const again = await site.hostIn(copy, 'host-b');
    if (step === 'join: let in') {
      expect(again.operations.isAlone()).toBe(true);
      // the token is used up, by this host
      await again.operations.join({ token, listen });
    }
    await until('it has what the others have', async () => {
      return (await keysOf(again.node.store)).includes('shared');
    });
    expect(namesOf(a)).toEqual(['host-a', 'host-b']);
    expect(await readdir(copy)).not.toContain('joining.json');
    await again.node.close();
    await site.start(again);
    await write(again.node.store, put('by/b'));
    expect(await keysOf(a.node.store)).toEqual(['by/b', 'shared']);
  });

  it.for([
    'leave: let go',
    'leave: marked',
    'leave: store put aside',
    'leave: peer file removed',
    'leave: forgotten',
  ])('while it leaves (%s) has left, and can join again', async (step, context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await write(a.node.store, put('shared'));
    const b = await site.joined(a, 'host-b', 'observer');
    const copy = await site.crashAt(step, b, () => b.operations.leave());
    const again = await site.hostIn(copy, 'host-b');
    if (step === 'leave: let go') {
      await until('it was told', () => again.node.engine.retired?.code === 'MEMBER_REMOVED');
      await again.operations.leave();
    }
    expect(again.operations.isAlone()).toBe(true);
    expect(again.node.identity.clusterId).not.toBe(a.node.identity.clusterId);
    expect(await readdir(copy)).not.toContain('peer.json');
    expect(await readdir(copy)).not.toContain('leaving');
    await write(again.node.store, put('own'));
    expect(namesOf(a)).toEqual(['host-a']);
    await site.join(a, again, 'observer');
    expect(await keysOf(again.node.store)).toEqual(['shared']);
  });

  it.for(['recover: content staged', 'recover: content in place'])(
    'while it is recovered (%s) is recovered or can be (hazard 25)',
    async (step, context) => {
      const site = siteOf(context);
      const a = await site.host('host-a');
      const o = await site.joined(a, 'host-o', 'observer');
      await write(a.node.store, put('shared'));
      await until('it is here', async () => (await keysOf(o.node.store, 'local')).length === 1);
      await site.kill(a);
      await until('it is missed', () => o.node.engine.status().leader === undefined);
      await until('it does not answer', () => o.node.connected().length === 0);
      const copy = await site.crashAt(step, o, () => o.operations.recover(['host-a'], false));
      const again = await site.hostIn(copy, 'host-o');
      if (step === 'recover: content staged') {
        expect(again.node.identity.epoch).toBe(0);
        await again.operations.recover(['host-a'], false);
      }
      expect(again.node.identity.epoch).toBe(1);
      await write(again.node.store, put('after'));
      expect(await keysOf(again.node.store)).toEqual(['after', 'shared']);
      expect(namesOf(again)).toEqual(['host-o']);
      await until('it lets others in', () => again.node.file?.sealKey !== undefined);
      const b = await site.joined(again, 'host-b', 'voter');
      expect(await keysOf(b.node.store)).toEqual(['after', 'shared']);
    },
  );

  it.for(['recover: content staged', 'recover: content in place'])(
    'while a snapshot is restored (%s) has what it had, or all of the snapshot',
    async (step, context) => {
      const site = siteOf(context);
      const a = await site.host('host-a');
      await write(a.node.store, put('k1'), put('k2'));
      const b = await site.host('host-b');
      await write(b.node.store, put('own'));
      const copy = await site.crashAt(step, b, () => b.operations.restore(a.operations.snapshot()));
      const again = await site.hostIn(copy, 'host-b');
      const isStaged = step === 'recover: content staged';
      expect(await keysOf(again.node.store)).toEqual(isStaged ? ['own'] : ['k1', 'k2']);
      if (isStaged) await again.operations.restore(a.operations.snapshot());
      await write(again.node.store, put('k3'));
      expect(await keysOf(again.node.store)).toEqual(['k1', 'k2', 'k3']);
      expect(namesOf(again)).toEqual(['host-b']);
    },
  );

  it.for(['rejoin: key kept', 'rejoin: let in', 'rejoin: peer file written'])(
    'while it comes back without its data (%s) is let in once (hazard 32)',
    async (step, context) => {
      const site = siteOf(context);
      const a = await site.host('host-a');
      await write(a.node.store, put('shared'));
      const b = await site.joined(a, 'host-b', 'observer');
      const { memberId } = b.node.identity;
      await b.node.close();
      await rm(join(b.directory, 'store'), { recursive: true });
      const copy = await site.crashAt(step, b, () => site.start(b));
      const again = await site.hostIn(copy, 'host-b');
      await until('it has what the others have', async () => {
        return (await keysOf(again.node.store)).includes('shared');
      });
      await until('the lost one is gone', () => a.node.rows.members().length === 2);
      expect(namesOf(a)).toEqual(['host-a', 'host-b']);
      expect(again.node.identity.memberId).not.toBe(memberId);
      expect(a.node.rows.isRemoved(memberId)).toBe(true);
    },
  );
});
