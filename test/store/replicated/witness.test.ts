/** Members without state, and members without a vote. */
import { describe, expect, it } from 'vitest';
import { everything, put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { expectRefused, keysOf, leaderOf, siteOf, votersOf } from './site.ts';

describe.concurrent('a witness', () => {
  it('lets two voters survive the loss of one, keeps no state and does not lead', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const b = await site.joined(a, 'host-b', 'voter');
    const w = await site.joined(a, 'host-w', 'witness');
    const hosts = [a, b, w];
    await until('all vote', () => hosts.every((host) => votersOf(host).length === 3));
    expect(a.node.engine.status().config.witnesses).toEqual([w.node.identity.memberId]);
    await write(a.node.store, put('before'));
    // what it has is nothing, and it says so rather than that there is nothing
    const stateless = { code: 'CLUSTER_WITNESS' };
    await expect(w.node.store.range(everything)).rejects.toMatchObject(stateless);
    const watching = w.node.store.watch({ ...everything, fromRevision: 1 });
    await expect(watching.next()).rejects.toMatchObject(stateless);
    await expect(w.operations.snapshot()[Symbol.asyncIterator]().next()).rejects.toMatchObject(
      stateless,
    );
    await expectRefused('CLUSTER_CHANGE', hosts, () =>
      w.operations.recover(['host-a', 'host-b'], false),
    );
    await expectRefused('CLUSTER_CHANGE', hosts, () => a.operations.demote('host-w'));
    await expectRefused('CLUSTER_CHANGE', hosts, () => a.operations.transfer('host-w'));
    // operations may be asked of it
    const status = await w.operations.status();
    expect(status.members.map(({ name, role }) => [name, role])).toEqual([
      ['host-a', 'voter'],
      ['host-b', 'voter'],
      ['host-w', 'witness'],
    ]);
    const leader = await leaderOf([a, b]);
    await site.kill(leader);
    const other = leader === a ? b : a;
    await until('writes go on', () => write(other.node.store, put('after')));
    expect(await keysOf(other.node.store)).toEqual(['after', 'before']);
    expect(other.node.engine.status().role).toBe('leader');
    expect(w.node.engine.revision()).toBe(0);
  });

  it('gets new certificates like others, takes orders and goes', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const b = await site.joined(a, 'host-b', 'voter');
    const w = await site.joined(a, 'host-w', 'witness');
    await until('all vote', () => votersOf(w).length === 3);
    const { certificate } = w.node.file ?? {};
    await a.operations.rotate();
    await until('w has a new one', () => w.node.file?.certificate !== certificate);
    await until('the old is forgotten', () => w.node.file?.authorities.length === 1);
    expect(w.node.file?.sealKey).toBeUndefined();
    const token = await site.token(w, 'observer');
    const o = await site.host('host-o');
    await o.operations.join({ token });
    await w.operations.demote('host-b');
    await until('host-b is none', () => votersOf(w).length === 2);
    await w.operations.promote('host-b');
    await until('host-b votes', () => votersOf(w).length === 3);
    await w.operations.leave();
    expect(w.operations.isAlone()).toBe(true);
    await write(w.node.store, put('own'));
    await until('two are left', () => votersOf(b).length === 2);
    await write(o.node.store, put('x'));
  });
});

describe.concurrent('an observer', () => {
  it('follows, reads locally, forwards writes, and becomes a voter and an observer again', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const o = await site.joined(a, 'host-o', 'observer');
    expect(votersOf(o)).toEqual([a.node.identity.memberId]);
    const watching = o.node.store.watch({ ...everything, fromRevision: 1 });
    const { revision } = await write(o.node.store, put('x'));
    const row = await o.node.store.range({
      start: 'x',
      consistency: 'local',
      minRevision: revision,
    });
    expect(row.rows.map(({ key }) => key)).toEqual(['x']);
    expect((await watching.next()).value).toMatchObject({ revision });
    const lease = await o.node.store.grantLease(60_000);
    expect(await o.node.store.keepLease(lease.id)).toEqual(lease);
    for (let round = 0; round < 2; round += 1) {
      await a.operations.promote('host-o');
      await until('it votes', () => votersOf(o).length === 2);
      await o.operations.demote('host-o');
      await until('it does not', () => votersOf(o).length === 1 && votersOf(a).length === 1);
      await write(o.node.store, put(`round/${round}`));
    }
    expect((await watching.next()).value).toMatchObject({ revision: revision + 1 });
    await a.node.close();
    await until('it is missed', () => o.node.engine.status().leader === undefined);
    expect(await keysOf(o.node.store, 'local')).toEqual(['round/0', 'round/1', 'x']);
    await site.start(a);
    await write(o.node.store, put('y'));
    await watching.return?.();
  });
});
