import { describe, expect, it } from 'vitest';
import type { Command } from '../../../lib/store/machine/command.ts';
import type { Machine } from '../../../lib/store/machine/machine.ts';
import { put } from '../../conformance/open-store.ts';
import { ask, clientId, feed, newMachine, result, rowsOf, write } from './feeding.ts';

/** A client with numbered commands. */
function client(machine: Machine, number = 1) {
  const name = clientId(number);
  const mark = (sequence: number, acknowledged = 0) => ({
    session: { client: name, sequence, acknowledged },
  });
  return {
    open: () => ask(machine, { do: 'openSession' }, mark(1)),
    close: () => ask(machine, { do: 'closeSession' }, mark(1)),
    ask: (command: Command, sequence: number, acknowledged = 0) =>
      ask(machine, command, mark(sequence, acknowledged)),
  };
}

const unknown = { ok: false, code: 'SESSION_UNKNOWN' };
const forgotten = { ok: false, code: 'STORE_OUTCOME_UNKNOWN' };

describe('a command that comes again (hazard 22)', () => {
  it('is applied once and answered the same, whatever happened in between', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    const first = one.ask(write(put('a', '1')), 1);
    ask(machine, write(put('a', 'other')));
    const before = machine.takeDelta()?.head;
    expect(one.ask(write(put('a', '1')), 1)).toEqual(first);
    expect(rowsOf(machine)).toEqual([['a', 'other']]);
    expect(machine.head().revision).toBe(before?.revision);
    expect(machine.takeDelta()).toMatchObject({ rows: [], changes: [] });
  });

  it('is answered as the one that was applied, though it says something else', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    const first = one.ask(write(put('a')), 1);
    expect(one.ask(write(put('b')), 1)).toEqual(first);
    expect(rowsOf(machine)).toEqual([['a', 'v']]);
  });

  it('is refused again when it was, though it would be taken now', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    const leased: Command = write({ op: 'put', key: 'a', value: '', lease: '7' });
    const refused = { ok: false, code: 'LEASE_UNKNOWN' };
    expect(one.ask(leased, 1)).toMatchObject(refused);
    ask(machine, { do: 'grantLease', lease: '7', ttlMs: 1_000 });
    expect(one.ask(leased, 1)).toMatchObject(refused);
    expect(one.ask(leased, 2)).toMatchObject({ ok: true });
  });

  it('is known among several under way, in whatever order they come', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    const order = [3, 1, 4, 2];
    const answers = order.map((sequence) => one.ask(write(put(`k${sequence}`)), sequence));
    const again = order.map((sequence) => one.ask(write(put(`k${sequence}`)), sequence));
    expect(again).toEqual(answers);
    expect(machine.revision).toBe(4);
  });

  it('gives every kind of answer back as it was', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    ask(machine, write(put('a', 'zwölf "✓"'), put('b')));
    const commands: readonly Command[] = [
      { do: 'grantLease', lease: '5', ttlMs: 1_000 },
      write(
        { op: 'range', start: 'a', end: 'z', limit: 1 },
        { op: 'delete', start: 'b' },
        put('c'),
        { op: 'range', start: 'b', end: 'z' },
      ),
      {
        do: 'txn',
        txn: { compare: [{ key: 'a', target: 'version', operator: '=', value: 9 }], then: [] },
      },
    ];
    const answers = commands.map((command, at) => one.ask(command, at + 1));
    expect(answers.map((answer) => answer.ok)).toEqual([true, true, true]);
    expect(commands.map((command, at) => one.ask(command, at + 1))).toEqual(answers);
  });
});

it('remembers no words of a refusal: another version may say them otherwise (hazard 34)', () => {
  const machine = newMachine();
  const one = client(machine);
  one.open();
  expect(one.ask({ do: 'renewLease', lease: '6' }, 1)).toMatchObject({
    message: 'there is no lease 6',
  });
  const [session] = machine.image().records;
  expect(session).toEqual(['sessions', clientId(1), '[0,120000,[1,"LEASE_UNKNOWN"]]']);
});

describe('what is forgotten', () => {
  it('is refused as such, never applied again: an answer that was acknowledged (hazard 22)', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    one.ask(write(put('a')), 1);
    one.ask(write(put('b')), 3, 2);
    expect(one.ask(write(put('a', 'again')), 1)).toMatchObject(forgotten);
    // 2 was never sent, and is taken for answered: so says its client
    expect(one.ask(write(put('never')), 2)).toMatchObject(forgotten);
    expect(rowsOf(machine)).toEqual([
      ['a', 'v'],
      ['b', 'v'],
    ]);
    expect(one.ask(write(put('c')), 3)).toMatchObject({ ok: true });
    expect(machine.revision).toBe(2);
  });

  it('is the oldest number of a client that acknowledges nothing', () => {
    const machine = newMachine({ storeSessionRepliesMax: 3 });
    const one = client(machine);
    one.open();
    for (const sequence of [5, 2, 3, 4]) one.ask(write(put('a', String(sequence))), sequence);
    expect(one.ask(write(put('a', 'again')), 2)).toMatchObject(forgotten);
    expect(one.ask(write(put('a', 'late')), 1)).toMatchObject(forgotten);
    for (const sequence of [3, 4, 5]) {
      expect(one.ask(write(put('a', 'again')), sequence)).toMatchObject({ ok: true });
    }
    expect(rowsOf(machine)).toEqual([['a', '4']]);
  });

  it('is a large answer: a repetition is told that it was done, and at which revision', () => {
    const machine = newMachine({ storeSessionReplyBytesMax: 200 });
    const one = client(machine);
    one.open();
    ask(machine, write(put('big', 'x'.repeat(300)), put('small', 'x')));
    const command = write(put('b'), { op: 'range', start: 'big' });
    const first = one.ask(command, 1);
    expect(first).toMatchObject({ ok: true, result: { revision: 2 } });
    const again = one.ask(command, 1);
    expect(again).toMatchObject(forgotten);
    expect(again).toMatchObject({ message: expect.stringContaining('done at revision 2') });
    expect(machine.revision).toBe(2);
    const small = write({ op: 'range', start: 'small' });
    expect(one.ask(small, 2)).toEqual(one.ask(small, 2));
  });

  it('are the results of a client that has too many of them', () => {
    const machine = newMachine({ storeSessionBytesMax: 250 });
    const one = client(machine);
    one.open();
    ask(machine, write(put('a', 'x'.repeat(100))));
    const read = write({ op: 'range', start: 'a' });
    const first = one.ask(read, 1);
    one.ask(read, 2);
    expect(one.ask(read, 1)).toEqual(first);
    expect(one.ask(read, 2)).toMatchObject(forgotten);
    expect(one.ask({ do: 'renewLease', lease: '1' }, 3)).toMatchObject({ code: 'LEASE_UNKNOWN' });
    expect(one.ask({ do: 'renewLease', lease: '1' }, 3)).toMatchObject({ code: 'LEASE_UNKNOWN' });
  });
});

describe('a client', () => {
  it('that is not known is told so, and its command is not applied (hazard 22)', () => {
    const machine = newMachine();
    const one = client(machine);
    expect(one.ask(write(put('a')), 1)).toMatchObject(unknown);
    one.open();
    expect(one.ask(write(put('a')), 1)).toMatchObject({ ok: true });
    expect(one.close()).toMatchObject({ ok: true });
    expect(one.ask(write(put('a')), 1)).toMatchObject(unknown);
    expect(one.close()).toMatchObject({ ok: true });
    expect(machine.revision).toBe(1);
  });

  it('may be opened again and loses nothing', () => {
    const machine = newMachine();
    const one = client(machine);
    one.open();
    const first = one.ask(write(put('a')), 1);
    one.open();
    expect(one.ask(write(put('a')), 1)).toEqual(first);
  });

  it('that was silent longest gives way when there are too many', () => {
    const machine = newMachine({ storeSessionsMax: 2 });
    const [one, two, three] = [1, 2, 3].map((number) => client(machine, number)) as [
      ReturnType<typeof client>,
      ReturnType<typeof client>,
      ReturnType<typeof client>,
    ];
    one.open();
    two.open();
    one.ask(write(put('a')), 1);
    three.open();
    expect(two.ask(write(put('b')), 1)).toMatchObject(unknown);
    expect(one.ask(write(put('a')), 1)).toMatchObject({ ok: true });
    expect(three.ask(write(put('c')), 1)).toMatchObject({ ok: true });
  });

  it('that is forgotten or says good-bye makes room for others', () => {
    const machine = newMachine({ storeSessionsBytesMax: 600 });
    for (let number = 1; number <= 9; number += 1) client(machine, number).open();
    expect(client(machine, 8).ask(write(put('a')), 1)).toMatchObject({ ok: true });
    client(machine, 9).close();
    client(machine, 10).open();
    expect(client(machine, 8).ask(write(put('b')), 2)).toMatchObject({ ok: true });
    expect(machine.head().count).toBe(4);
  });

  it('gives way also when the answers of all are too many', () => {
    const machine = newMachine({ storeSessionsBytesMax: 1_100, storeSessionBytesMax: 600 });
    const one = client(machine, 1);
    const two = client(machine, 2);
    ask(machine, write(put('a', 'x'.repeat(150))));
    const read = write({ op: 'range', start: 'a' });
    one.open();
    two.open();
    one.ask(read, 1);
    two.ask(read, 1);
    expect(one.ask(read, 1)).toMatchObject({ ok: true });
    one.ask(read, 2);
    expect(two.ask(read, 1)).toMatchObject(unknown);
    expect(one.ask(read, 1)).toMatchObject({ ok: true });
  });

  it('without a session is served as well, and each of its commands counts', () => {
    const machine = newMachine();
    expect(result(machine, write(put('a'))).revision).toBe(1);
    expect(result(machine, write(put('a'))).revision).toBe(2);
    expect(feed(machine, write(put('a'))).change?.revision).toBe(3);
  });
});
