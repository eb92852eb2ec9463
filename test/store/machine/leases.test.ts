import { describe, expect, it } from 'vitest';
import type { Command } from '../../../lib/store/machine/command.ts';
import type { Operation } from '../../../lib/store/port.ts';
import { put } from '../../conformance/open-store.ts';
import { ask, feed, newMachine, result, rowsOf, write } from './feeding.ts';

const grant = (lease: string, ttlMs = 5_000): Command => ({ do: 'grantLease', lease, ttlMs });
const revoke = (lease: string): Command => ({ do: 'revokeLease', lease });
const expire = (lease: string, generation: number, decidedIn: number): Command => ({
  do: 'revokeLease',
  lease,
  expired: { generation, decidedIn },
});
const leased = (key: string, lease: string, value = 'v'): Operation => ({
  op: 'put',
  key,
  value,
  lease,
});

describe('a lease', () => {
  it('is granted once under an id, for a time within bounds', () => {
    const machine = newMachine({ storeLeasesMax: 2 });
    const limit = { ok: false, code: 'STORE_LIMIT' };
    expect(ask(machine, grant('1', 999))).toMatchObject(limit);
    expect(ask(machine, grant('1', 86_400_001))).toMatchObject(limit);
    for (const id of ['', '0', '01', '-1', 'a', '1'.repeat(20)]) {
      expect(ask(machine, grant(id))).toMatchObject(limit);
    }
    expect(ask(machine, grant('1'))).toEqual({ ok: true, result: undefined });
    expect(ask(machine, grant('1'))).toMatchObject({ ok: false, code: 'STORE_CONFLICT' });
    expect(ask(machine, grant('2'))).toMatchObject({ ok: true });
    expect(ask(machine, grant('3'))).toMatchObject(limit);
    expect(machine.leases()).toEqual([
      { id: '1', ttlMs: 5_000, generation: 1 },
      { id: '2', ttlMs: 5_000, generation: 1 },
    ]);
    expect(machine.lease('1')).toEqual({ id: '1', ttlMs: 5_000, generation: 1 });
    expect(machine.lease('3')).toBeUndefined();
    expect(machine.revision).toBe(0);
  });

  it('that is not there refuses whoever names it', () => {
    const machine = newMachine();
    const unknown = { ok: false, code: 'LEASE_UNKNOWN' };
    const naming: readonly Command[] = [
      write(put('a'), leased('b', '1')),
      revoke('1'),
      expire('1', 1, 1),
      { do: 'renewLease', lease: '1' },
    ];
    for (const command of naming) expect(ask(machine, command)).toMatchObject(unknown);
    expect(rowsOf(machine)).toEqual([]);
  });

  it('is shown by the rows that go with it, until they are put without it', () => {
    const machine = newMachine();
    ask(machine, grant('1'));
    ask(machine, grant('2'));
    const leaseOf = () => machine.range({ start: 'a' }).rows[0];
    ask(machine, write(leased('a', '1')));
    expect(leaseOf()).toMatchObject({ lease: '1' });
    ask(machine, write(leased('a', '2')));
    expect(leaseOf()).toMatchObject({ lease: '2' });
    ask(machine, write(put('a')));
    expect(leaseOf()).not.toHaveProperty('lease');
    for (const id of ['1', '2']) expect(result(machine, revoke(id)).revision).toBe(3);
    expect(rowsOf(machine)).toEqual([['a', 'v']]);
  });

  it('takes all of its keys with it, at one revision and in key order', () => {
    const machine = newMachine();
    ask(machine, grant('1'));
    ask(machine, write(leased('c', '1'), leased('a', '1'), put('b')));
    ask(machine, write(leased('b', '1')));
    const { change, reply } = feed(machine, revoke('1'));
    expect(change?.revision).toBe(3);
    expect(change?.events.map((event) => [event.type, event.previous?.key])).toEqual([
      ['delete', 'a'],
      ['delete', 'b'],
      ['delete', 'c'],
    ]);
    expect(reply).toMatchObject({
      ok: true,
      result: { succeeded: true, revision: 3, results: [{ op: 'delete', deleted: 3 }] },
    });
    expect(machine.leases()).toEqual([]);
    expect(machine.head().count).toBe(0);
  });

  it('without keys ends without a revision', () => {
    const machine = newMachine();
    ask(machine, grant('1'));
    expect(result(machine, revoke('1'))).toMatchObject({ succeeded: true, revision: 0 });
  });

  it('lets go of keys that are deleted', () => {
    const machine = newMachine();
    ask(machine, grant('1'));
    ask(machine, write(leased('a', '1')));
    ask(machine, write({ op: 'delete', start: 'a' }));
    ask(machine, write(put('a')));
    expect(result(machine, revoke('1')).revision).toBe(3);
    expect(rowsOf(machine)).toEqual([['a', 'v']]);
  });
});

describe('an expiry', () => {
  it('counts in the term it was decided in only: a replaced leader ends nothing (hazard 23)', () => {
    const machine = newMachine();
    ask(machine, grant('1'), { term: 3 });
    ask(machine, write(leased('a', '1')));
    for (const [decidedIn, term] of [
      [2, 3],
      [4, 3],
      [3, 4],
    ] as const) {
      const reply = ask(machine, expire('1', 1, decidedIn), { term });
      expect(reply).toMatchObject({ ok: true, result: { succeeded: false, revision: 1 } });
    }
    expect(rowsOf(machine)).toEqual([['a', 'v']]);
    expect(result(machine, expire('1', 1, 4), { term: 4 }).succeeded).toBe(true);
    expect(rowsOf(machine)).toEqual([]);
  });

  it('does not count when the lease was renewed after it was decided (hazard 23)', () => {
    const machine = newMachine();
    ask(machine, grant('1'));
    ask(machine, { do: 'renewLease', lease: '1' });
    expect(machine.lease('1')?.generation).toBe(2);
    expect(result(machine, expire('1', 1, 1)).succeeded).toBe(false);
    expect(result(machine, expire('1', 2, 1)).succeeded).toBe(true);
  });
});

describe('what goes with one lease', () => {
  it('has a bound in keys and bytes, so that it can end in one change', () => {
    const machine = newMachine({ storeLeaseKeysMax: 2, storeChangeBytesMax: 1_000 });
    ask(machine, grant('1'));
    ask(machine, grant('2'));
    const limit = { ok: false, code: 'STORE_LIMIT' };
    ask(machine, write(leased('a', '1'), leased('b', '1')));
    expect(ask(machine, write(leased('c', '1')))).toMatchObject(limit);
    expect(ask(machine, write(leased('a', '1', 'new')))).toMatchObject({ ok: true });
    const instead = write({ op: 'delete', start: 'a' }, leased('c', '1'));
    expect(ask(machine, instead)).toMatchObject({ ok: true });
    expect(ask(machine, write(leased('d', '2', 'x'.repeat(600))))).toMatchObject({ ok: true });
    expect(ask(machine, write(leased('e', '2', 'x'.repeat(600))))).toMatchObject(limit);
    expect(ask(machine, write(leased('e', '2', 'x'.repeat(300))))).toMatchObject({ ok: true });
    for (const id of ['1', '2']) expect(ask(machine, revoke(id))).toMatchObject({ ok: true });
    expect(rowsOf(machine)).toEqual([]);
  });
});
