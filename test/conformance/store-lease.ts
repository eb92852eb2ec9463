/**
 * The part of the StateStore suite about leases. Time is the real one: what is waited for is the end of a
 * lease, seen by a watch, never a number of milliseconds.
 */
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { storeLeaseTtlMaxMs, storeLeaseTtlMinMs } from '../../lib/limits.ts';
import type { KeyRange, Operation, StateStore, WatchBatch } from '../../lib/store/port.ts';
import { everything, expectStill, put, write, type OpenStore } from './open-store.ts';

const leased = (key: string, lease: string, value = 'v'): Operation => ({
  op: 'put',
  key,
  value,
  lease,
});

const keysOf = async (store: StateStore): Promise<readonly string[]> =>
  (await store.range(everything)).rows.map((row) => row.key);

/** The next batch of a range after `revision`. */
async function next(store: StateStore, range: KeyRange, revision: number): Promise<WatchBatch> {
  for await (const batch of store.watch({ ...range, fromRevision: revision + 1 })) return batch;
  throw new Error('the watch ended');
}

/** The lease part of the suite. */
export function describeLeases(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;
  describeLeaseEnds(store);
  describeLeaseRows(store);
  describeLeaseRefusals(opened);

  it('knows leases and what goes with them when opened again', async () => {
    const { id } = await store().grantLease(storeLeaseTtlMaxMs);
    await write(store(), leased('a', id), put('b'));
    const again = await opened().reopen?.();
    if (again === undefined) return;
    expect((await again.range({ start: 'a' })).rows[0]).toMatchObject({ lease: id });
    expect(await again.keepLease(id)).toEqual({ id, ttlMs: storeLeaseTtlMaxMs });
    await again.revokeLease(id);
    expect(await keysOf(again)).toEqual(['b']);
  });
}

function describeLeaseEnds(store: () => StateStore): void {
  it('deletes the keys of a lease when it ends, at one revision and not before its time', async () => {
    const begin = performance.now();
    const { id, ttlMs } = await store().grantLease(storeLeaseTtlMinMs);
    expect(ttlMs).toBeGreaterThanOrEqual(storeLeaseTtlMinMs);
    const { revision } = await write(store(), leased('b', id, '1'), put('c'), leased('a', id, '2'));
    const { events } = await next(store(), everything, revision);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(ttlMs);
    const seen = events.map(({ type, previous }) => `${type} ${previous?.key} ${previous?.lease}`);
    expect(new Set(seen)).toEqual(new Set([`delete a ${id}`, `delete b ${id}`]));
    expect(seen).toHaveLength(2);
    expect(await keysOf(store())).toEqual(['c']);
    await expect(store().keepLease(id)).rejects.toMatchObject({ code: 'LEASE_UNKNOWN' });
  });

  it('does not end a lease that is kept alive', async () => {
    const kept = await store().grantLease(storeLeaseTtlMinMs);
    const longer = await store().grantLease(storeLeaseTtlMinMs * 1.5);
    const { revision } = await write(store(), leased('kept', kept.id), leased('lost', longer.id));
    const loss = next(store(), { start: 'lost' }, revision);
    for (;;) {
      expect(await store().keepLease(kept.id)).toEqual(kept);
      // as often as the store answers, without keeping it from its own work
      if (await Promise.race([loss, setImmediate()])) break;
    }
    expect(await keysOf(store())).toEqual(['kept']);
    // kept until now, and no longer
    await next(store(), { start: 'kept' }, revision);
    expect(await keysOf(store())).toEqual([]);
  });

  it('deletes the keys of a lease that is revoked, at one revision', async () => {
    const { id } = await store().grantLease(storeLeaseTtlMaxMs);
    const { revision } = await write(store(), leased('a', id), leased('b', id), put('c'));
    await store().revokeLease(id);
    expect(await keysOf(store())).toEqual(['c']);
    const { events } = await next(store(), everything, revision);
    expect(events.map((event) => event.type)).toEqual(['delete', 'delete']);
  });
}

function describeLeaseRows(store: () => StateStore): void {
  it('shows the lease of a row, and no lease of a row that has none', async () => {
    const { id } = await store().grantLease(storeLeaseTtlMaxMs);
    await write(store(), leased('a', id), put('b'));
    const [a, b] = (await store().range(everything)).rows;
    expect(a).toMatchObject({ key: 'a', lease: id });
    expect(b).not.toHaveProperty('lease');
  });

  it('takes a key off its lease when it is put without it or with another', async () => {
    const [first, second] = [
      await store().grantLease(storeLeaseTtlMaxMs),
      await store().grantLease(storeLeaseTtlMaxMs),
    ];
    expect(first.id).not.toBe(second.id);
    await write(store(), leased('a', first.id), leased('b', first.id), leased('c', first.id));
    await write(store(), put('a'), leased('b', second.id));
    expect((await store().range({ start: 'a' })).rows[0]).not.toHaveProperty('lease');
    await store().revokeLease(first.id);
    expect(await keysOf(store())).toEqual(['a', 'b']);
    await store().revokeLease(second.id);
    expect(await keysOf(store())).toEqual(['a']);
  });

  it('lets go of a key that was deleted and made again', async () => {
    const { id } = await store().grantLease(storeLeaseTtlMaxMs);
    await write(store(), leased('a', id));
    await write(store(), { op: 'delete', start: 'a' });
    await write(store(), put('a'));
    await store().revokeLease(id);
    expect(await keysOf(store())).toEqual(['a']);
  });
}

function describeLeaseRefusals(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('refuses a lease that is not there, and changes nothing', async () => {
    const { id } = await store().grantLease(storeLeaseTtlMaxMs);
    await store().revokeLease(id);
    const { revision } = await write(store(), put('a'));
    const unknown = { code: 'LEASE_UNKNOWN' };
    await expect(store().keepLease(id)).rejects.toMatchObject(unknown);
    await expect(store().revokeLease(id)).rejects.toMatchObject(unknown);
    const attempt = write(store(), put('b'), leased('c', id));
    await expect(attempt).rejects.toMatchObject(unknown);
    expect(await keysOf(store())).toEqual(['a']);
    expectStill(opened(), revision, (await store().range(everything)).revision);
  });

  it('refuses times that are no lease', async () => {
    const times = [0, -1, storeLeaseTtlMinMs - 1, storeLeaseTtlMaxMs + 1, 1_000.5, Number.NaN];
    for (const ttlMs of times) {
      await expect(store().grantLease(ttlMs)).rejects.toMatchObject({ code: 'STORE_LIMIT' });
    }
  });
}
