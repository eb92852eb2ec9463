import { describe, expect, it } from 'vitest';
import { Digest, rowText } from '../../../lib/store/machine/digest.ts';
import type { ImagePart, MachineImage } from '../../../lib/store/machine/image.ts';
import { Machine } from '../../../lib/store/machine/machine.ts';
import { ImageBuilder, imageParts } from '../../../lib/store/machine/parts.ts';
import { emptyImage } from '../../../lib/store/machine/state.ts';
import type { KeyValue } from '../../../lib/store/port.ts';
import { put } from '../../conformance/open-store.ts';
import { sorted } from './delta-store.ts';
import { fastHash } from './fast-hash.ts';
import { ask, clientId, newMachine, options, rowsOf, systemWrite, write } from './feeding.ts';

/** A machine with something in every space. */
function filled(): Machine {
  const machine = newMachine();
  const session = { client: clientId(1), sequence: 1, acknowledged: 0 };
  ask(machine, { do: 'openSession' }, { session });
  ask(machine, { do: 'grantLease', lease: '8', ttlMs: 1_000 });
  ask(machine, write(put('a', '1'), { op: 'put', key: 'b', value: '2', lease: '8' }), { session });
  ask(machine, write(put('a', '3')));
  ask(machine, systemWrite(put('m')));
  return machine;
}

const damaged = expect.objectContaining({ code: 'STORE_DAMAGED' });
const load = (image: MachineImage) => () => Machine.load(image, options());

/** The image with its parts in the way of the builder. */
function build(parts: Iterable<ImagePart>, image: MachineImage): Machine {
  const builder = new ImageBuilder(options());
  for (const part of parts) builder.add(part);
  return builder.finish(image.head);
}

describe('an image', () => {
  it('of nothing loads', () => {
    const machine = Machine.load(emptyImage(), options());
    expect(machine.head()).toEqual(emptyImage().head);
    expect(machine.image()).toEqual(emptyImage());
    expect(machine.takeDelta()).toBeUndefined();
  });

  it('loads to the same machine: place, rows, leases, sessions', () => {
    const machine = filled();
    const again = Machine.load(machine.image(), options());
    expect(sorted(again.image())).toEqual(sorted(machine.image()));
    expect(again.takeDelta()).toBeUndefined();
    const session = { client: clientId(1), sequence: 1, acknowledged: 0 };
    expect(ask(again, write(put('never')), { session })).toMatchObject({
      ok: true,
      result: { revision: 1 },
    });
    ask(again, { do: 'revokeLease', lease: '8' });
    expect(rowsOf(again)).toEqual([['a', '3']]);
  });

  it('does not change when the machine goes on', () => {
    const machine = filled();
    const image = machine.image();
    const before = structuredClone(image);
    ask(machine, write(put('a', 'later'), { op: 'delete', start: 'b' }));
    ask(machine, { do: 'renewLease', lease: '8' });
    expect(image).toEqual(before);
  });

  it('says that it has no history, the state on the disk that it has some', () => {
    const machine = filled();
    expect(machine.image().head).toMatchObject({ revision: 2, compacted: 2 });
    const delta = machine.takeDelta();
    expect(delta?.head).toMatchObject({ revision: 2, compacted: 0 });
    const { head, rows, records } = machine.image();
    const stored = { head: { ...head, compacted: 1 }, rows, records };
    expect(Machine.load(stored, options()).compacted).toBe(1);
  });

  it('with anything wrong, missing or too much is refused (hazards 30 and 34)', () => {
    const image = filled().image();
    const { rows, records, head } = image;
    const [first] = rows;
    if (first === undefined) throw new Error('there is a row');
    const other = (more: Partial<MachineImage>): MachineImage => ({ ...image, ...more });
    const wrong: readonly MachineImage[] = [
      other({ rows: rows.slice(1) }),
      other({ records: records.slice(1) }),
      other({ rows: [...rows, ['users', { ...first[1], key: 'more' }]] }),
      other({ rows: [[first[0], { ...first[1], value: 'flipped' }], ...rows.slice(1)] }),
      other({ rows: [[first[0], { ...first[1], version: 77 }], ...rows.slice(1)] }),
      other({ rows: [[first[0], { ...first[1], lease: '8' }], ...rows.slice(1)] }),
      other({ rows: [['system', first[1]], ...rows.slice(1)] }),
      other({ records: records.map(([space, key]) => [space, key, '[1,1]']) }),
      other({ records: records.map(([space, key]) => [space, key, 'x']) }),
      other({ records: [...records, ...records] }),
      other({ head: { ...head, count: head.count + 1 } }),
      other({ head: { ...head, digest: 'f'.repeat(32) } }),
    ];
    for (const each of wrong) expect(load(each)).toThrow(damaged);
    expect(load(image)).not.toThrow();
  });

  it('that adds up is refused all the same if a row is there twice, or its lease is not', () => {
    const row = { key: 'a', value: '', createRevision: 1, modRevision: 1, version: 1 };
    const imageOf = (...rows: readonly KeyValue[]): MachineImage => {
      const digest = new Digest(fastHash);
      for (const each of rows) digest.add(rowText('users', each));
      const { count, text } = digest;
      return {
        head: { ...emptyImage().head, revision: 1, count, digest: text },
        rows: rows.map((each) => ['users', each]),
        records: [],
      };
    };
    expect(load(imageOf(row))).not.toThrow();
    expect(load(imageOf(row, row))).toThrow(/twice/);
    expect(load(imageOf({ ...row, lease: '9' }))).toThrow(/lease/);
  });
});

describe('parts of an image', () => {
  it('are of bounded size, at least one, and make the same machine in any order', () => {
    const machine = newMachine();
    for (let n = 0; n < 200; n += 1) {
      ask(machine, write(put(`key/${n}`, 'ö'.repeat(n))));
      const session = { client: clientId(n), sequence: 1, acknowledged: 0 };
      ask(machine, { do: 'openSession' }, { session });
    }
    const image = machine.image();
    const parts = [...imageParts(image, 1_000)];
    expect(parts.length).toBeGreaterThan(40);
    for (const part of parts) {
      const count = part.rows.length + part.records.length;
      const bytes = new TextEncoder().encode(JSON.stringify(part)).length;
      expect(count === 1 || bytes < 2_500).toBe(true);
    }
    const again = build(parts.toReversed(), image);
    expect(again.head()).toEqual(image.head);
    expect(sorted(again.image())).toEqual(sorted(image));
    expect([...imageParts(emptyImage(), 1_000)]).toEqual([{ rows: [], records: [] }]);
    expect([...imageParts(image, 1)]).toHaveLength(image.rows.length + image.records.length);
  });

  it('are refused at the end if one is missing', () => {
    const image = filled().image();
    const parts = [...imageParts(image, 1)];
    for (const missing of parts) {
      expect(() =>
        build(
          parts.filter((part) => part !== missing),
          image,
        ),
      ).toThrow(damaged);
    }
    expect(build(parts, image).head()).toEqual(image.head);
  });

  it('carry no history: a machine made of them has none', () => {
    const machine = filled();
    const { head, ...image } = machine.image();
    const again = build([image], { ...image, head: { ...head, compacted: 0 } });
    expect(again.compacted).toBe(2);
    ask(again, write(put('c')));
    expect(again.takeDelta()).toMatchObject({
      changes: [{ revision: 3 }],
      forget: { from: 2, to: 2 },
      head: { compacted: 2, revision: 3 },
    });
  });
});
