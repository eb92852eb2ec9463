import { describe, expect, it } from 'vitest';
import { AssertionFailure } from '../../../lib/assert.ts';
import type { Command } from '../../../lib/store/machine/command.ts';
import { Machine, noSpacePrefix } from '../../../lib/store/machine/machine.ts';
import type { Entry } from '../../../lib/store/raft/entry.ts';
import { put } from '../../conformance/open-store.ts';
import {
  ask,
  clientId,
  feed,
  newMachine,
  options,
  result,
  rowsOf,
  systemWrite,
  write,
} from './feeding.ts';

const entry = (index: number, more: Partial<Entry> = {}): Entry => ({
  index,
  term: 1,
  kind: 'noop',
  data: '',
  ...more,
});

describe('entries', () => {
  it('are taken in order only: a gap, a repetition or a falling term is a bug', () => {
    const machine = newMachine();
    machine.apply(entry(1, { term: 2 }));
    for (const wrong of [entry(1, { term: 2 }), entry(3, { term: 2 }), entry(2, { term: 1 })]) {
      expect(() => machine.apply(wrong)).toThrow(AssertionFailure);
    }
    expect(machine.applied).toEqual({ index: 1, term: 2 });
  });

  it('without a command move the place and nothing else', () => {
    const machine = newMachine();
    feed(machine, write(put('a')));
    machine.takeDelta();
    const { applied, ...before } = machine.head();
    expect(machine.apply(entry(2))).toEqual({});
    expect(machine.apply(entry(3, { kind: 'config', data: '{}', term: 4 }))).toEqual({});
    const { applied: after, ...same } = machine.head();
    expect([applied, after]).toEqual([
      { index: 1, term: 1 },
      { index: 3, term: 4 },
    ]);
    expect(same).toEqual(before);
    expect(machine.takeDelta()).toMatchObject({ rows: [], records: [], changes: [] });
    expect(machine.takeDelta()).toBeUndefined();
  });

  it('of an unknown kind or with an unknown command stop the member, and change nothing (hazard 37)', () => {
    const machine = newMachine();
    feed(machine, write(put('a')));
    const before = machine.head();
    const unknown: readonly Partial<Entry>[] = [
      { kind: 'spell' as Entry['kind'] },
      { kind: 'command', data: '' },
      { kind: 'command', data: '{"command":{"do":"fly"},"wallMs":1}' },
      {
        kind: 'command',
        data: '{"command":{"do":"renewLease","lease":"1","softly":true},"wallMs":1}',
      },
    ];
    for (const strange of unknown) {
      expect(() => machine.apply(entry(2, strange))).toThrow(
        expect.objectContaining({ code: 'STORE_TOO_NEW' }),
      );
      expect(machine.head()).toEqual(before);
    }
  });
});

describe('machine time', () => {
  const timeAfter = (...wallTimes: readonly number[]): readonly number[] => {
    const machine = newMachine({ machineTimeStepMs: 100 });
    return wallTimes.map((wallMs) => {
      feed(machine, write(), { wallMs });
      return machine.head().timeMs;
    });
  };

  it('follows the proposer, rises with each command, and never by much (hazard 21)', () => {
    expect(timeAfter(50, 60, 60, 10, 200, 1e15, 0)).toEqual([50, 60, 61, 62, 162, 262, 263]);
  });

  it('takes a clock from before 1970', () => {
    expect(timeAfter(-5, -5)).toEqual([1, 2]);
  });
});

describe('rows of users and of the system', () => {
  it('are apart: keys, revisions, changes', () => {
    const machine = newMachine();
    expect(feed(machine, systemWrite(put('a', 'system'))).change).toBeUndefined();
    expect(feed(machine, write(put('a', 'user'))).change).toMatchObject({ revision: 1 });
    expect(result(machine, systemWrite(put('b')))).toMatchObject({ revision: 2 });
    expect([machine.revision, machine.systemRevision]).toEqual([1, 2]);
    expect(rowsOf(machine)).toEqual([['a', 'user']]);
    const system = machine.systemRange({ start: '!', end: '\x7f' });
    expect(system.rows.map(({ key, value }) => [key, value])).toEqual([
      ['a', 'system'],
      ['b', 'v'],
    ]);
    expect(machine.takeDelta()?.changes.map(({ revision }) => revision)).toEqual([1]);
  });

  it('refuse a request that may not be, and change nothing', () => {
    const machine = newMachine();
    const wrong: readonly Command[] = [
      write(put('a'), put('')),
      write(put('a'), put('b', '\ud800')),
      write(put('a'), put('a')),
      systemWrite(put('a'), { op: 'put', key: 'b', value: '', lease: '1' }),
      write(put('a'), { op: 'put', key: 'b', value: '', lease: 'x' }),
    ];
    for (const command of wrong) {
      expect(ask(machine, command)).toMatchObject({ ok: false, code: 'STORE_LIMIT' });
    }
    expect(machine.head()).toMatchObject({ revision: 0, systemRevision: 0, count: 0 });
  });

  it('give every proposer of a session the same: a command on the system is numbered, too', () => {
    const machine = newMachine();
    const session = { client: clientId(1), sequence: 1, acknowledged: 0 };
    ask(machine, { do: 'openSession' }, { session });
    const first = ask(machine, systemWrite(put('a')), { session });
    expect(ask(machine, systemWrite(put('a')), { session })).toEqual(first);
    expect(machine.systemRevision).toBe(1);
  });
});

describe('a transaction', () => {
  const all = { op: 'delete', start: 'k', end: 'l' } as const;
  const limit = { ok: false, code: 'STORE_LIMIT' };
  const ten = write(...Array.from({ length: 10 }, (_, n) => put(`k${n}`, 'x'.repeat(98))));

  it('changes a bounded number of bytes, before and after together', () => {
    const machine = newMachine({ storeChangeBytesMax: 1_000 });
    expect(ask(machine, ten)).toMatchObject({ ok: true });
    expect(ask(machine, ten)).toMatchObject(limit);
    expect(ask(machine, write(all, put('more')))).toMatchObject(limit);
    expect(ask(machine, write(all))).toMatchObject({ ok: true });
  });

  it('deletes a bounded number of keys at once, and touches a bounded number of rows', () => {
    const machine = newMachine({ storeDeleteRangeMax: 9, storeTxnRowsMax: 12 });
    ask(machine, ten);
    const range = { op: 'range', start: 'k', end: 'l' } as const;
    expect(ask(machine, write(all))).toMatchObject(limit);
    expect(ask(machine, write(range, range))).toMatchObject(limit);
    expect(ask(machine, write({ ...range, limit: 6 }, range))).toMatchObject(limit);
    expect(ask(machine, write({ ...range, limit: 6 }, { ...range, limit: 6 }))).toMatchObject({
      ok: true,
    });
    expect(rowsOf(machine)).toHaveLength(10);
    expect(ask(machine, write({ op: 'delete', start: 'k', end: 'k9' }))).toMatchObject({
      ok: true,
    });
  });

  it('sends a bounded number of bytes and operations along', () => {
    const machine = newMachine({ storeBatchBytesMax: 200, storeTxnOpsMax: 2 });
    expect(ask(machine, write(put('a', 'x'.repeat(100)), put('b', 'x'.repeat(99))))).toMatchObject(
      limit,
    );
    expect(ask(machine, write(put('a', 'x'.repeat(99)), put('b', 'ö'.repeat(49))))).toMatchObject({
      ok: true,
    });
    expect(ask(machine, write(put('a'), put('b'), put('c')))).toMatchObject(limit);
  });
});

describe('room', () => {
  it('has a bound for users: growth is refused, the rest is not', () => {
    const machine = newMachine({ storeStateBytesMax: 100, storeSystemBytesMax: 50 });
    const full = { ok: false, code: 'STORE_NO_SPACE' };
    expect(ask(machine, write(put('a', 'x'.repeat(60))))).toMatchObject({ ok: true });
    expect(ask(machine, write(put('b', 'x'.repeat(60))))).toMatchObject(full);
    expect(ask(machine, write(put('a', 'x'.repeat(99))))).toMatchObject({ ok: true });
    expect(ask(machine, write(put('a', 'y'.repeat(99))))).toMatchObject({ ok: true });
    expect(ask(machine, systemWrite(put('a', 'x'.repeat(49))))).toMatchObject({ ok: true });
    expect(ask(machine, systemWrite(put('b')))).toMatchObject(full);
    expect(ask(machine, write({ op: 'delete', start: 'a' }))).toMatchObject({ ok: true });
    expect(ask(machine, write(put('b', 'x'.repeat(60))))).toMatchObject({ ok: true });
  });

  it('comes back when a lease ends', () => {
    const machine = newMachine({ storeStateBytesMax: 100 });
    ask(machine, { do: 'grantLease', lease: '1', ttlMs: 1_000 });
    ask(machine, write({ op: 'put', key: 'a', value: 'x'.repeat(90), lease: '1' }));
    ask(machine, { do: 'revokeLease', lease: '1' });
    expect(ask(machine, write(put('b', 'x'.repeat(90))))).toMatchObject({ ok: true });
  });

  it('is refused to puts of users while any voter has none on its disk (hazard 28)', () => {
    const machine = newMachine();
    ask(machine, write(put('a')));
    const alarm = (member: string): string => `${noSpacePrefix}${member}`;
    ask(machine, systemWrite(put(alarm('m1')), put(alarm('m2'))));
    const refused = { ok: false, code: 'STORE_NO_SPACE' };
    expect(ask(machine, write(put('b')))).toMatchObject(refused);
    expect(ask(machine, systemWrite(put('note')))).toMatchObject({ ok: true });
    expect(ask(machine, write({ op: 'delete', start: 'a' }))).toMatchObject({ ok: true });
    ask(machine, systemWrite({ op: 'delete', start: alarm('m1') }));
    expect(ask(machine, write(put('b')))).toMatchObject(refused);
    const again = Machine.load(machine.image(), options());
    expect(ask(again, write(put('b')))).toMatchObject(refused);
    ask(machine, systemWrite({ op: 'delete', start: alarm('m2') }));
    expect(ask(machine, write(put('b')))).toMatchObject({ ok: true });
  });
});

describe('a delta', () => {
  it('tells of a change once, with what came of it in the end', () => {
    const machine = newMachine();
    const session = { client: clientId(1), sequence: 1, acknowledged: 0 };
    ask(machine, { do: 'openSession' }, { session });
    ask(machine, { do: 'grantLease', lease: '1', ttlMs: 1_000 });
    ask(machine, { do: 'grantLease', lease: '2', ttlMs: 1_000 });
    ask(machine, { do: 'revokeLease', lease: '2' });
    ask(machine, write(put('a', '1'), put('b')));
    ask(machine, write(put('a', '2'), { op: 'delete', start: 'b' }));
    ask(machine, systemWrite(put('a')));
    const delta = machine.takeDelta();
    expect(delta?.rows.map(([space, key, row]) => [space, key, row?.value])).toEqual([
      ['users', 'a', '2'],
      ['users', 'b', undefined],
      ['system', 'a', 'v'],
    ]);
    expect(delta?.records).toEqual([
      ['leases', '1', '[1000,1]'],
      ['leases', '2', undefined],
      ['sessions', clientId(1), '[0,60000]'],
    ]);
    expect(delta?.changes.map(({ revision }) => revision)).toEqual([1, 2]);
    ask(machine, write());
    expect(machine.takeDelta()).toMatchObject({ rows: [], records: [], changes: [] });
  });
});

describe('history', () => {
  it('is forgotten in steps that keep up with what is written', () => {
    const machine = newMachine({ storeHistoryRevisionsMax: 5, storeCompactStep: 2 });
    const forgets: unknown[] = [];
    for (const count of [4, 4, 1, 20, 1]) {
      for (let n = 0; n < count; n += 1) feed(machine, write(put('a', String(n))));
      const delta = machine.takeDelta();
      forgets.push([delta?.forget.from, delta?.forget.to, delta?.changes.length]);
      expect(delta?.head.compacted).toBe(machine.compacted);
    }
    expect(forgets).toEqual([
      [0, 0, 4],
      [0, 3, 4],
      [3, 4, 1],
      [4, 24, 5],
      [24, 25, 1],
    ]);
  });
});
