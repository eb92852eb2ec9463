/** Roles of members, and how they change. */
import { describe, expect, it } from 'vitest';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import {
  but,
  expectRefused,
  freeAddress,
  keysOf,
  leaderOf,
  siteOf,
  soundStatus,
  votersOf,
} from './site.ts';

describe.concurrent('a cluster of hosts', () => {
  it('grows by tokens, and every member answers reads and writes', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    for (const { name, node } of hosts) await write(node.store, put(`from/${name}`));
    for (const { node } of hosts) {
      expect(await keysOf(node.store)).toEqual(['from/host-a', 'from/host-b', 'from/host-c']);
    }
    const { members } = await until('nothing is wrong', () => soundStatus(hosts[1]));
    expect(members.map(({ name, role }) => [name, role])).toEqual([
      ['host-a', 'voter'],
      ['host-b', 'voter'],
      ['host-c', 'voter'],
    ]);
  });

  it('takes voters out and in again, one at a time, whoever is asked (hazard 14, hazard 16)', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b, c] = hosts;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    await c.operations.demote('host-b');
    await until('host-b follows', () => b.node.engine.status().role === 'observer');
    await write(b.node.store, put('by/observer'));
    expect(await keysOf(a.node.store)).toEqual(['by/observer']);
    await until('it is here too', async () => (await keysOf(b.node.store, 'local')).length === 1);
    const ofItself = async () => (await b.operations.status()).members.find(({ self }) => self);
    // members write by and by what they know of themselves
    await until('it has all', async () => (await ofItself())?.lagEntries === 0);
    expect((await ofItself())?.standing).toBe('observer');
    expect(b.node.file?.sealKey).toBeUndefined();
    await a.operations.promote('host-b');
    expect(votersOf(a)).toHaveLength(3);
    await until('host-b has the key again', () => b.node.file?.sealKey !== undefined);
    expect(b.node.file?.sealKey).toBe(a.node.file?.sealKey);
  });

  it('refuses what cannot be, and has changed nothing', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const o = await site.joined(a, 'host-o', 'observer');
    await until('host-o is known to be there', () => a.node.connected().length === 1);
    const hosts = [a, o];
    await expectRefused('MEMBER_UNKNOWN', hosts, () => a.operations.promote('host-x'));
    await expectRefused('MEMBER_UNKNOWN', hosts, () => o.operations.demote('host-x'));
    await expectRefused('MEMBER_UNKNOWN', hosts, () => a.operations.remove('host-x', false));
    await expectRefused('MEMBER_UNKNOWN', hosts, () => a.operations.transfer('host-x'));
    // the last voter that keeps state
    await expectRefused('CLUSTER_CHANGE', hosts, () => o.operations.demote('host-a'));
    await expectRefused('CLUSTER_CHANGE', hosts, () => o.operations.remove('host-a', true));
    await expectRefused('CLUSTER_CHANGE', hosts, () => a.operations.leave());
    // itself
    await expectRefused('CLUSTER_CHANGE', hosts, () => o.operations.remove('host-o', false));
    // an observer cannot lead, and there is nobody else (hazard 18)
    await expectRefused('CLUSTER_CHANGE', hosts, () => a.operations.transfer('host-o'));
    await expectRefused('CLUSTER_CHANGE', hosts, () => a.operations.transfer(undefined));
    await expectRefused('CLUSTER_MAJORITY', hosts, () => a.operations.recover([], false));
    await expectRefused('PEER_REFUSED', hosts, () => o.operations.rotate());
    await expectRefused('CLUSTER_CHANGE', hosts, () =>
      a.operations.restore(o.operations.snapshot()),
    );
  });

  it('hands leadership to whom it is told to, or to the one that is furthest', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const first = await leaderOf(hosts);
    const [next, other] = but(hosts, first);
    if (next === undefined || other === undefined) throw new Error('three hosts');
    await other.operations.transfer(next.name);
    expect((await leaderOf(hosts)).name).toBe(next.name);
    await next.operations.transfer(undefined);
    expect((await leaderOf(hosts)).name).not.toBe(next.name);
    const led = await leaderOf(hosts);
    expect((await led.operations.transfer(led.name)).leader).toBe(led.node.identity.memberId);
  });

  it('does not lose a write when the leader is stopped, nor wait for an election', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const led = await leaderOf(hosts);
    const [other] = but(hosts, led);
    if (other === undefined) throw new Error('three hosts');
    const { term } = led.node.engine.status();
    await led.node.close();
    await write(other.node.store, put('after'));
    // handed over: the next term, not one of a failed election
    expect(other.node.engine.status().term).toBe(term + 1);
  });

  it('removes members, dead or alive, but no living voter that the others could not do without', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b, c] = hosts;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    await a.operations.transfer('host-a');
    await site.kill(c);
    await until('host-c is missed', async () => {
      const { members } = await a.operations.status();
      return members.some(({ name, connected }) => name === 'host-c' && !connected);
    });
    await expectRefused('CLUSTER_MAJORITY', [a, b], () => a.operations.remove('host-b', false));
    await expectRefused('CLUSTER_MAJORITY', [a, b], () => b.operations.leave());
    // by force it is let go as soon as that is possible
    const forced = a.operations.remove('host-b', true);
    await until('it waits, and says for what', async () => {
      const { problems } = await a.operations.status();
      return problems.some(({ code }) => code === 'CHANGE_WAITS');
    });
    await a.operations.remove('host-c', false);
    await forced;
    expect(votersOf(a)).toEqual([a.node.identity.memberId]);
    await until('host-b was told', () => b.node.engine.retired?.code === 'MEMBER_REMOVED');
    await write(a.node.store, put('alone'));
  });

  it('lets leader, follower and observer go; each is then alone and works (hazard 17)', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const o = await site.joined(hosts[0] ?? (await site.host('never')), 'host-o', 'observer');
    await write(o.node.store, put('shared'));
    const leader = await leaderOf(hosts);
    const follower = but(hosts, leader)[0];
    const last = but(hosts, leader)[1];
    if (follower === undefined || last === undefined) throw new Error('three hosts');
    for (const host of [follower, leader, o]) {
      const { clusterId } = host.node.identity;
      const status = await host.operations.leave();
      expect(status.members.map(({ name, role }) => [name, role])).toEqual([[host.name, 'voter']]);
      expect(status.clusterId).not.toBe(clusterId);
      expect(host.operations.isAlone()).toBe(true);
      expect(await keysOf(host.node.store)).toEqual([]);
      await write(host.node.store, put('own'));
      await expectRefused('CLUSTER_CHANGE', [host], () => host.operations.leave());
    }
    const left = await last.operations.status();
    expect(left.members.map(({ name }) => name)).toEqual([last.name]);
    expect(await keysOf(last.node.store)).toEqual(['shared']);
    await site.join(last, leader, 'voter');
    expect(await keysOf(leader.node.store)).toEqual(['shared']);
  });

  it('tells a removed member that comes back, and takes it in again with a token (hazard 13)', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b, c] = hosts;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    await c.node.close();
    await until('host-c is missed', () => !a.node.connected().includes(c.node.identity.memberId));
    await a.operations.remove('host-c', false);
    const { term } = a.node.engine.status();
    await site.start(c);
    await until('it was told', () => c.node.engine.retired?.code === 'MEMBER_REMOVED');
    const { problems } = await c.operations.status();
    expect(problems).toContainEqual(expect.objectContaining({ code: 'MEMBER_REMOVED' }));
    // it did not unsettle the others, and what it has may still be read
    expect(a.node.engine.status().term).toBe(term);
    expect(await keysOf(c.node.store, 'local')).toEqual([]);
    await expect(write(c.node.store, put('no'))).rejects.toMatchObject({ code: 'MEMBER_REMOVED' });
    await site.join(a, c, 'voter');
    await until('it votes again', () => votersOf(a).length === 3);
    await write(c.node.store, put('yes'));
    expect(await keysOf(b.node.store)).toEqual(['yes']);
  });

  it('moves a listener, and the others find it', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b] = hosts;
    if (a === undefined || b === undefined) throw new Error('hosts');
    const listen = await freeAddress();
    const status = await b.operations.init({ listen });
    expect(status.listen).toBe(listen);
    await until('a reaches it there', () =>
      a.node.peers
        ?.states()
        .some(({ connection }) => connection?.address === listen || connection?.dialled === false),
    );
    await write(b.node.store, put('moved'));
    // one that is taken is refused, and all is as before
    const taken = a.node.file?.listen ?? '';
    await expectRefused('SOCKET_IN_USE', [b], () => b.operations.init({ listen: taken }));
    await write(b.node.store, put('still/here'));
  });
});
