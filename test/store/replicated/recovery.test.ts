/** Snapshots, and going on after the majority is lost for good. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recoveryRevisionStep } from '../../../lib/limits.ts';
import { everything, put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import {
  expectRefused,
  keysOf,
  siteOf,
  soundStatus,
  votersOf,
  type Site,
  type SiteHost,
} from './site.ts';

async function linesOf(host: SiteHost): Promise<readonly string[]> {
  return Array.fromAsync(host.operations.snapshot());
}

async function* lines(all: readonly string[]): AsyncGenerator<string, void> {
  yield* all;
}

/** A host whose voter is gone for good. */
async function orphan(site: Site): Promise<readonly [SiteHost, SiteHost, SiteHost]> {
  const a = await site.host('host-a');
  const o = await site.joined(a, 'host-o', 'observer');
  const p = await site.joined(a, 'host-p', 'observer');
  await write(a.node.store, put('work/1'));
  for (const { node } of [o, p]) {
    await until('it is here', async () => (await keysOf(node.store, 'local')).length === 1);
  }
  await site.kill(a);
  await until('it is missed', () => o.node.engine.status().leader === undefined);
  return [a, o, p];
}

describe.concurrent('a snapshot', () => {
  it('is restored on a fresh host: revisions jump, watchers list again', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await write(a.node.store, put('k1'), put('k2'));
    const { revision } = await write(a.node.store, put('k3'));
    const saved = await linesOf(a);
    const b = await site.host('host-b');
    await write(b.node.store, put('other'));
    const { clusterId, epoch } = await b.operations.status();
    const watching = b.node.store.watch({ ...everything, fromRevision: 2 })[Symbol.asyncIterator]();
    const next = watching.next().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const restored = await b.operations.restore(lines(saved));
    expect(restored).toMatchObject({ clusterId, epoch: epoch + 1 });
    // what it had is kept
    const kept = join(dirname(b.node.storeDirectory), `before-epoch-${epoch + 1}.snapshot`);
    expect(await readFile(kept, 'utf8')).toContain('"other"');
    const after = revision + recoveryRevisionStep;
    expect(restored.revision).toBe(after);
    expect(await next).toMatchObject({ code: 'STORE_COMPACTED', detail: { revision: after + 1 } });
    expect(await keysOf(b.node.store)).toEqual(['k1', 'k2', 'k3']);
    expect(restored.members.map(({ name }) => name)).toEqual(['host-b']);
    expect((await write(b.node.store, put('k4'))).revision).toBe(after + 1);
    // it is on the disk, and others can join
    await b.node.close();
    await site.start(b);
    const c = await site.joined(b, 'host-c', 'voter');
    expect(await keysOf(c.node.store)).toEqual(['k1', 'k2', 'k3', 'k4']);
  });

  it('that is cut, changed or none is refused, and nothing has changed', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await write(a.node.store, put('k1', 'value'));
    const saved = await linesOf(a);
    const b = await site.host('host-b');
    await write(b.node.store, put('own'));
    const wrong = [
      [],
      saved.slice(0, -1),
      saved.slice(1),
      ['{}', ...saved.slice(1)],
      saved.map((line) => line.replace('value', 'eulav')),
      [...saved, saved.at(-1) ?? ''],
    ];
    for (const each of wrong) {
      await expectRefused('SNAPSHOT_INVALID', [b], () => b.operations.restore(lines(each)));
    }
    expect(await keysOf(b.node.store)).toEqual(['own']);
  });
});

describe.concurrent('recovering', () => {
  it('is refused while a leader is there, a named host answers, or a voter is not named', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b, c] = hosts;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    const all = ['host-b', 'host-c'];
    await expectRefused('CLUSTER_MAJORITY', hosts, () => a.operations.recover(all, false));
    await site.kill(c);
    // nobody can be elected as long as b's store is dead, though it still answers
    b.node.engine.driver.stop();
    await until('the quorum is lost', () => a.node.engine.status().leader === undefined);
    await expectRefused('MEMBER_UNKNOWN', [a], () => a.operations.recover(['host-x'], false));
    await expectRefused('CLUSTER_MAJORITY', [a], () => a.operations.recover(['host-c'], false));
    await expectRefused('CLUSTER_MAJORITY', [a], () => a.operations.recover(all, false));
    await site.kill(b);
    await until('host-b is missed', () => a.node.connected().length === 0);
    await expectRefused('CLUSTER_MAJORITY', [a], () => a.operations.recover([], false));
    expect(await a.operations.recover(all, true)).toMatchObject({ epoch: 1, leftBehind: all });
    expect(a.node.identity.epoch).toBe(0);
    // without a copy nothing is replaced
    const inTheWay = join(dirname(a.node.storeDirectory), 'before-epoch-1.snapshot');
    await mkdir(inTheWay);
    await expectRefused('STORE_FAILED', [a], () => a.operations.recover(all, false));
    expect(a.node.identity.epoch).toBe(0);
  });

  it('makes an observer the cluster; the others join it with a token', async (context) => {
    const site = siteOf(context);
    const [a, o, p] = await orphan(site);
    const report = await o.operations.recover(['host-a'], false);
    expect(report).toMatchObject({ epoch: 1, leftBehind: ['host-a', 'host-p'] });
    // the state as it was is kept, and can be restored elsewhere
    const kept = (await readFile(report.copy ?? '', 'utf8')).split('\n').slice(0, -1);
    const fresh = await site.host('host-f');
    expect(await fresh.operations.restore(lines(kept))).toMatchObject({ epoch: 1 });
    expect(await keysOf(fresh.node.store)).toEqual(['work/1']);
    expect(report.revision).toBeGreaterThan(recoveryRevisionStep);
    const { members } = await until('nothing is wrong', () => soundStatus(o));
    expect(members.map(({ name, role }) => [name, role])).toEqual([['host-o', 'voter']]);
    await write(o.node.store, put('work/2'));
    await until('it has an authority of its own', () => o.node.file?.sealKey !== undefined);
    // who was left behind joins again, the old voter too, though it leads what it was
    await site.join(o, p, 'observer');
    await site.start(a);
    await site.join(o, a, 'voter');
    await until('it votes', () => votersOf(o).length === 2);
    expect(await keysOf(a.node.store)).toEqual(['work/1', 'work/2']);
    expect(
      o.node.rows
        .members()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([...['host-a', 'host-o', 'host-p']]);
    await a.operations.leave();
    // and a restart changes nothing
    await o.node.close();
    await site.start(o);
    expect(await keysOf(o.node.store)).toEqual(['work/1', 'work/2']);
    const b = await site.joined(o, 'host-b', 'voter');
    expect(await keysOf(b.node.store)).toEqual(['work/1', 'work/2']);
  });

  it('on a voter leaves the others behind: told so, they join again (CLUSTER_EPOCH)', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b, c] = hosts;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    await write(a.node.store, put('before'));
    await until('a has it', async () => (await keysOf(a.node.store, 'local')).length === 1);
    await site.kill(b);
    await site.kill(c);
    await until('the quorum is lost', () => a.node.engine.status().leader === undefined);
    await until('nobody answers', () => a.node.connected().length === 0);
    await a.operations.recover(['host-b', 'host-c'], false);
    await write(a.node.store, put('after'));
    await site.start(b);
    await until('b was told', () => b.node.engine.retired?.code === 'CLUSTER_EPOCH');
    await expectRefused('CLUSTER_CHANGE', [b], () =>
      b.operations.recover(['host-a', 'host-c'], false),
    );
    await site.join(a, b, 'voter');
    await until('b votes', () => a.node.engine.status().config.voters.length === 2);
    expect(await keysOf(b.node.store)).toEqual(['after', 'before']);
    // what the recovered host had may be restored on a recovered one, too
    await b.operations.leave();
    const saved = await linesOf(a);
    await a.operations.restore(lines(saved));
    expect(await keysOf(a.node.store)).toEqual(['after', 'before']);
    expect(a.node.identity.epoch).toBe(2);
  });
});
