/** Members whose data is lost, damaged, old or doubled. */
import { cp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { freeAddress, keysOf, refusalOf, Site, siteOf, votersOf, type SiteHost } from './site.ts';

const storeOf = ({ directory }: SiteHost): string => join(directory, 'store');

async function three(site: Site): Promise<readonly [SiteHost, SiteHost, SiteHost]> {
  const [a, b, c] = await site.voters(3);
  if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
  await write(a.node.store, put('before'));
  return [a, b, c];
}

/** The host is a member by its name, with another identity than before, and votes. */
async function expectReplaced(host: SiteHost, before: string, hosts: readonly SiteHost[]) {
  const { memberId } = host.node.identity;
  expect(memberId).not.toBe(before);
  const others = hosts.filter((each) => each !== host);
  for (const each of others) {
    await until('the new one votes, the old one is gone', () => {
      const voters = votersOf(each);
      return (
        voters.length === hosts.length && voters.includes(memberId) && !voters.includes(before)
      );
    });
  }
  await write(host.node.store, put('after'));
  const keys = await keysOf(host.node.store);
  expect(keys).toContain('before');
  expect(keys).toContain('after');
  const names = hosts.map(({ name }) => name).toSorted();
  await until('the lost one is forgotten', () => {
    const members = host.node.rows.members().map(({ name }) => name);
    return members.toSorted().join() === names.join();
  });
  const kept = (await readdir(host.directory)).filter((name) => name.includes('quarantined'));
  return Promise.all(
    kept.map((name) => readFile(join(host.directory, name, 'quarantine'), 'utf8')),
  );
}

/** Flips a byte in the middle of the largest file of the database. */
async function damage(host: SiteHost): Promise<void> {
  const folder = join(storeOf(host), 'db');
  const names = (await readdir(folder)).filter((name) => /\.(log|ldb)$/.test(name));
  for (const name of names) {
    const file = await open(join(folder, name), 'r+');
    const { size } = await file.stat();
    const at = Math.floor(size / 2);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    if (size > 0) await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0x55]), 0, 1, at);
    await file.close();
  }
}

describe.concurrent('a member without its data', () => {
  it('comes back as another: the directory removed (hazard 32)', async (context) => {
    const site = siteOf(context);
    const hosts = await three(site);
    const [, b] = hosts;
    const { memberId } = b.node.identity;
    await site.kill(b);
    await rm(storeOf(b), { recursive: true });
    await site.start(b);
    await expectReplaced(b, memberId, hosts);
    // the old identity does not count any more
    const [a] = hosts;
    await until('it is remembered as removed', () => a.node.rows.isRemoved(memberId));
  });

  it('comes back as another: a damaged store, which is kept (hazard 30)', async (context) => {
    const site = siteOf(context);
    const hosts = await three(site);
    const [, , c] = hosts;
    const { memberId } = c.node.identity;
    await c.node.close();
    await damage(c);
    await site.start(c);
    const reasons = await expectReplaced(c, memberId, hosts);
    // beside the one from before it joined
    const own = reasons.filter((reason) => reason.includes(c.node.identity.memberId));
    expect(own).toHaveLength(1);
  });

  it('that was an observer is fed from the beginning', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const o = await site.joined(a, 'host-o', 'observer');
    await write(a.node.store, put('before'));
    await o.node.close();
    await damage(o);
    await site.start(o);
    await until('it is here', async () => (await keysOf(o.node.store, 'local')).length === 1);
    const { members } = await a.operations.status();
    await until('only the new one is left', () => a.node.rows.members().length === 2);
    expect(members.some(({ name, role }) => name === 'host-o' && role === 'observer')).toBe(true);
  });

  it('and without anybody who has it is refused, and says what to do (hazard 32)', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await site.joined(a, 'host-o', 'observer');
    await a.node.close();
    await rm(storeOf(a), { recursive: true });
    const error = await site.start(a).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'STORE_LOST', fix: expect.stringContaining('backup') });
    // nothing was made in its place
    await expect(site.start(a)).rejects.toMatchObject({ code: 'STORE_LOST' });
  });

  it('and without its peer file is refused, were it the only voter', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await site.joined(a, 'host-o', 'observer');
    await a.node.close();
    await rm(join(a.directory, 'peer.json'));
    await expect(site.start(a)).rejects.toMatchObject({ code: 'STORE_LOST' });
  });
});

describe.concurrent('an old copy of a data directory', () => {
  it('is found out by the leader; the member comes back as another (hazard 31)', async (context) => {
    const site = siteOf(context);
    const hosts = await three(site);
    const [a, b] = hosts;
    await a.operations.transfer('host-a');
    const { memberId } = b.node.identity;
    await b.node.close();
    const copy = await site.copyOf(b.directory);
    await site.start(b);
    for (let n = 0; n < 20; n += 1) await write(a.node.store, put('before', `${n}`));
    await until('b has it all', () => {
      const { progress, last } = a.node.engine.status();
      return progress.every(({ matched }) => matched === last.index);
    });
    await b.node.close();
    await rm(b.directory, { recursive: true });
    await cp(copy, b.directory, { recursive: true });
    await site.start(b);
    await until('it is another', () => b.node.identity.memberId !== memberId);
    await expectReplaced(b, memberId, hosts);
  });

  it('is told from entries that another leader replaced: whoever knows a later term is believed', async (context) => {
    const site = siteOf(context);
    const [a, b] = await three(site);
    await a.operations.transfer('host-a');
    await until('b has it all', () => {
      const { progress, last } = a.node.engine.status();
      return progress.every(({ matched }) => matched === last.index);
    });
    const { file, identity } = b.node;
    if (file === undefined) throw new Error('a member has a peer file');
    await b.node.close();
    await until('b is missed', () => !a.node.connected().includes(identity.memberId));
    const said = (term: number) => ({
      position: { term, last: { index: 1, term: 1 }, applied: 1 },
    });
    expect(await refusalOf(a, { file, identity, said: said(1) })).toBe('MEMBER_DATA_LOST');
    expect(await refusalOf(a, { file, identity, said: said(1_000) })).toBe('none');
  });

  it('of the only voter is found out by an observer: it serves no more (hazard 33)', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const o = await site.joined(a, 'host-o', 'observer');
    await write(a.node.store, put('before'));
    await until('it is here', async () => (await keysOf(o.node.store, 'local')).length === 1);
    await a.node.close();
    const copy = await site.copyOf(a.directory);
    await site.start(a);
    for (let n = 0; n < 20; n += 1) await write(a.node.store, put('after', `${n}`));
    await until('o has it', async () => (await keysOf(o.node.store, 'local')).length === 2);
    await a.node.close();
    await rm(a.directory, { recursive: true });
    await cp(copy, a.directory, { recursive: true });
    await site.start(a);
    await until('it serves no more', () => a.node.engine.retired?.code === 'STORE_ROLLED_BACK');
    expect(a.node.engine.retired?.message).toMatch(/entries up to \d+, .* has applied \d+/);
    await expect(write(a.node.store, put('no'))).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
    });
    await expect(a.operations.leave()).rejects.toMatchObject({ code: 'STORE_ROLLED_BACK' });
    // nor at its next start, whoever is there
    await until('that is written down', async () =>
      (await readdir(a.directory)).includes('out-of-service'),
    );
    await o.node.close();
    await a.node.close();
    await site.start(a);
    expect(a.node.engine.retired?.code).toBe('STORE_ROLLED_BACK');
    // the operator decides for what is here
    await a.operations.recover([], false);
    await write(a.node.store, put('again'));
    expect(await keysOf(a.node.store)).toEqual(['again', 'before']);
    await site.start(o);
    await until('o is left behind', () => o.node.engine.retired?.code === 'CLUSTER_EPOCH');
  });

  it('started on a second host is refused while the first is there (MEMBER_EXISTS)', async (context) => {
    const site = siteOf(context);
    const [a, b, c] = await three(site);
    await b.node.close();
    const copy = await site.copyOf(b.directory);
    await site.start(b);
    await until(
      'b is back',
      () => a.node.connected().length === 2 && c.node.connected().length === 2,
    );
    const { runs } = a.node;
    const run = runs.get(b.node.identity.memberId);
    // it cannot listen where the first does, as on another host it could
    const file = JSON.parse(await readFile(join(copy, 'peer.json'), 'utf8')) as object;
    await writeFile(
      join(copy, 'peer.json'),
      JSON.stringify({ ...file, listen: await freeAddress() }),
    );
    const twin = await site.hostIn(copy, 'host-b');
    await until('it was refused', () =>
      twin.node.peers?.states().every(({ lastError }) => lastError?.code === 'MEMBER_EXISTS'),
    );
    expect(twin.node.connected()).toEqual([]);
    expect(runs.get(b.node.identity.memberId)).toBe(run);
    await write(b.node.store, put('still/works'));
  });
});
