import { describe, expect, it } from 'vitest';
import { prefixRange, type RangeRequest, type StateStore } from '../../lib/store/port.ts';
import { prefixed } from '../../lib/store/prefixed.ts';
import { readYourWrites } from '../../lib/store/read-your-writes.ts';
import { everything, put, write } from '../conformance/open-store.ts';
import { openMachineStore } from './machine/machine-store.ts';

/** A store with keys of others around the part. */
async function shared(): Promise<{ readonly whole: StateStore; readonly part: StateStore }> {
  const { store: whole } = await openMachineStore();
  await write(whole, put('host/a'), put('host/b/x'), put('host/c/x'), put('zzz'));
  return { whole, part: prefixed(whole, 'host/b/') };
}

describe('a part of a store', () => {
  it('shows and changes its own keys only, without the prefix', async () => {
    const { whole, part } = await shared();
    expect((await part.range(everything)).rows.map(({ key }) => key)).toEqual(['x']);
    await write(part, put('y', '1'), { op: 'delete', ...everything, end: 'y' });
    expect((await part.range(everything)).rows.map(({ key }) => key)).toEqual(['y']);
    const keys = (await whole.range(everything)).rows.map(({ key }) => key);
    expect(keys).toEqual(['host/a', 'host/b/y', 'host/c/x', 'zzz']);
  });

  it('compares, answers ranges and watches without the prefix', async () => {
    const { part } = await shared();
    const { revision } = await part.range({ start: 'x' });
    const done = await part.txn({
      compare: [{ key: 'x', target: 'value', operator: '=', value: 'v' }],
      then: [put('x', 'w'), { op: 'range', ...everything }],
    });
    expect(done.succeeded).toBe(true);
    expect(done.results[1]).toMatchObject({ rows: [{ key: 'x', value: 'w' }] });
    for await (const batch of part.watch({ ...everything, fromRevision: revision + 1 })) {
      expect(batch.events).toMatchObject([
        { type: 'put', row: { key: 'x', value: 'w' }, previous: { key: 'x', value: 'v' } },
      ]);
      break;
    }
  });
});

describe('keys that all parts share', () => {
  it('are the same in each part and in the whole, and one transaction changes both kinds', async () => {
    const { whole, part } = await shared();
    const other = prefixed(whole, 'host/c/');
    await write(part, put('/tenant/t', '1'), put('y', '2'));
    expect((await other.range({ start: '/tenant/t' })).rows).toMatchObject([{ value: '1' }]);
    expect((await whole.range({ start: '/tenant/t' })).rows).toMatchObject([{ value: '1' }]);
    const done = await other.txn({
      compare: [{ key: '/tenant/t', target: 'value', operator: '=', value: '1' }],
      then: [put('/tenant/t', '3'), put('/tenant/u'), { op: 'delete', ...prefixRange('/x') }],
    });
    expect(done.succeeded).toBe(true);
    const { rows } = await part.range(prefixRange('/tenant/'));
    expect(rows.map(({ key }) => key)).toEqual(['/tenant/t', '/tenant/u']);
    expect((await part.range(everything)).rows.map(({ key }) => key)).toEqual(['x', 'y']);
  });

  it('are watched under their own names', async () => {
    const { part } = await shared();
    const { revision } = await part.range({ start: 'x' });
    await write(part, put('y'), put('/node/a'));
    await write(part, { op: 'delete', start: '/node/a' });
    const batches = [];
    for await (const batch of part.watch({ ...prefixRange('/'), fromRevision: revision + 1 })) {
      batches.push(batch.events);
      if (batches.length === 2) break;
    }
    expect(batches).toMatchObject([
      [{ type: 'put', row: { key: '/node/a' } }],
      [{ type: 'delete', key: '/node/a' }],
    ]);
  });

  it('are in no range with others', async () => {
    const { part } = await shared();
    await expect(part.range({ start: '/a', end: '1' })).rejects.toMatchObject({
      code: 'STORE_LIMIT',
    });
  });
});

describe('an empty key', () => {
  it('is refused as by the whole, although it would be a key with the prefix', async () => {
    const { part } = await shared();
    const refused = { code: 'STORE_LIMIT' };
    await expect(part.range({ start: '' })).rejects.toMatchObject(refused);
    await expect(write(part, put(''))).rejects.toMatchObject(refused);
    const watch = part.watch({ start: '', fromRevision: 1 })[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toMatchObject(refused);
  });
});

describe('reading what was written', () => {
  it('asks for the revision of the last own write in local reads, and in no others', async () => {
    const whole = (await openMachineStore()).store;
    const asked: RangeRequest[] = [];
    const store = readYourWrites({
      ...pass(whole),
      range(request) {
        asked.push(request);
        return whole.range(request);
      },
    });
    await store.range({ start: 'a', consistency: 'local' });
    const { revision } = await write(store, put('a'));
    await store.range({ start: 'a', consistency: 'local' });
    await store.range({ start: 'a' });
    expect(asked.map(({ minRevision }) => minRevision)).toEqual([0, revision, undefined]);
  });
});

function pass(store: StateStore): StateStore {
  return {
    range: (request) => store.range(request),
    txn: (txn) => store.txn(txn),
    watch: (request) => store.watch(request),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    keepLease: (id) => store.keepLease(id),
    revokeLease: (id) => store.revokeLease(id),
    close: () => store.close(),
  };
}
