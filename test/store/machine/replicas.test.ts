/** Machines that got to the same place by different ways, beside the obvious one. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../../lib/store/machine/command.ts';
import { recordText, rowText } from '../../../lib/store/machine/digest.ts';
import type { ImagePart, MachineHead } from '../../../lib/store/machine/image.ts';
import { Machine } from '../../../lib/store/machine/machine.ts';
import { ImageBuilder, imageParts } from '../../../lib/store/machine/parts.ts';
import { encodeProposal } from '../../../lib/store/machine/proposal.ts';
import type { Entry } from '../../../lib/store/raft/entry.ts';
import { everything } from '../../conformance/open-store.ts';
import { leaseIds, randomStep, type Step } from './commands.ts';
import { DeltaStore, sorted } from './delta-store.ts';
import { fastHash } from './fast-hash.ts';
import { newMachine, options } from './feeding.ts';
import { MachineTwin, type TwinReply } from './machine-twin.ts';

/** Small, so that everything is forgotten now and then. */
const limits = {
  storeSessionsMax: 2,
  storeSessionRepliesMax: 3,
  storeHistoryRevisionsMax: 4,
  storeCompactStep: 1,
  machineTimeStepMs: 60_000,
} as const;
const small = options(limits);

const steps = fc.array(randomStep, { maxLength: 60, size: 'max' });

/** Steps as entries, with a `noop` where the term rises. */
function entriesOf(all: readonly Step[]): readonly (readonly [Entry, Step | undefined])[] {
  const entries: (readonly [Entry, Step | undefined])[] = [];
  let term = 1;
  for (const step of all) {
    const { command, session, wallMs } = step;
    if (step.termRise === 1) {
      term += 1;
      entries.push([{ index: entries.length + 1, term, kind: 'noop', data: '' }, undefined]);
    }
    const proposal = session === undefined ? { command, wallMs } : { command, session, wallMs };
    const data = encodeProposal(proposal);
    entries.push([{ index: entries.length + 1, term, kind: 'command', data }, step]);
  }
  return entries;
}

/** An answer to compare: the twin does not say why it refuses a transaction, nor in which words. */
function coarse(reply: Reply | TwinReply | undefined): TwinReply {
  if (reply === undefined) throw new Error('a command is answered');
  if (reply.ok) return reply;
  const isCoarse = ['STORE_LIMIT', 'LEASE_UNKNOWN', 'refused'].includes(reply.code);
  return { ok: false, code: isCoarse ? 'refused' : reply.code };
}

/** A head without how much history is kept, which members may differ in. */
function comparable(head: MachineHead): MachineHead {
  return { ...head, compacted: 0 };
}

/** The digest of an image, computed from nothing. */
function digestOf(image: ImagePart): { readonly count: number; readonly digest: string } {
  const texts = [
    ...image.rows.map(([space, row]) => rowText(space, row)),
    ...image.records.map((record) => recordText(...record)),
  ];
  const sum = texts.reduce((total, text) => total + fastHash(text), 0n) % (1n << 128n);
  return { count: texts.length, digest: sum.toString(16).padStart(32, '0') };
}

it('answers and holds what the obvious machine does (hazard 22)', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const machine = newMachine(limits);
      const twin = new MachineTwin(small.limits);
      const changes: unknown[] = [];
      for (const [entry, step] of entriesOf(all)) {
        const { reply, change } = machine.apply(entry);
        if (change !== undefined) changes.push(change);
        if (step === undefined) continue;
        expect(coarse(reply)).toEqual(coarse(twin.apply(step, entry.term)));
        expect(machine.head().timeMs).toBe(twin.timeMs);
      }
      const { rows, revision } = machine.range(everything);
      expect({ rows, revision }).toEqual({
        rows: twin.users.rows(),
        revision: twin.users.revision(),
      });
      expect(machine.systemRange(everything).rows).toEqual(twin.system.rows());
      expect(changes).toEqual(twin.users.changes());
      const byId = [...machine.leases()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
      expect(byId).toEqual([...twin.leases].toSorted((a, b) => (a.id < b.id ? -1 : 1)));
      expect(leaseIds.map((id) => machine.lease(id)?.id)).toEqual(
        leaseIds.map((id) => twin.leases.find((lease) => lease.id === id)?.id),
      );
    }),
    { numRuns: 100 },
  );
});

/** A member that starts again from what its deltas made, or from another's parts, after some entries. */
class Wanderer {
  machine = newMachine(limits);
  disk = new DeltaStore();

  follow(entry: Entry, way: 'on' | 'write' | 'restart' | 'snapshot'): Reply | undefined {
    const { reply } = this.machine.apply(entry);
    if (way === 'write' || way === 'restart') this.#write();
    if (way === 'restart') this.machine = Machine.load(this.disk.image(), small);
    if (way === 'snapshot') this.#move();
    return reply;
  }

  #write(): void {
    const delta = this.machine.takeDelta();
    if (delta === undefined) return;
    this.disk.write(delta);
    expect(sorted(this.disk.image()).rows).toEqual(sorted(this.machine.image()).rows);
    expect(sorted(this.disk.image()).records).toEqual(sorted(this.machine.image()).records);
    const kept = [...this.disk.changes.keys()];
    const { revision, compacted } = this.disk.head;
    expect(kept).toEqual(Array.from({ length: revision - compacted }, (_, n) => compacted + 1 + n));
  }

  #move(): void {
    const image = this.machine.image();
    const builder = new ImageBuilder(small);
    for (const part of [...imageParts(image, 100)].toReversed()) builder.add(part);
    this.machine = builder.finish(image.head);
    this.disk = new DeltaStore();
    const { head } = image;
    this.disk.write({
      ...image,
      rows: [],
      records: [],
      changes: [],
      forget: { from: 0, to: 0 },
      head,
    });
    for (const part of imageParts(image, 1_000)) {
      this.disk.write({
        rows: part.rows.map(([space, row]) => [space, row.key, row]),
        records: part.records,
        changes: [],
        forget: { from: 0, to: 0 },
        head,
      });
    }
  }
}

describe('members that come to the same entry by different ways', () => {
  const ways = fc.array(fc.constantFrom('on', 'on', 'write', 'restart', 'snapshot'), {
    minLength: 7,
    maxLength: 23,
  });

  it('answer the same and have the same head, digest included (hazard 34)', () => {
    fc.assert(
      fc.property(steps, ways, (all, chosen) => {
        const straight = newMachine(limits);
        const wanderer = new Wanderer();
        for (const [entry] of entriesOf(all)) {
          const way = chosen[entry.index % chosen.length] ?? 'on';
          expect(wanderer.follow(entry, way)).toEqual(straight.apply(entry).reply);
          const head = comparable(straight.head());
          expect(comparable(wanderer.machine.head())).toEqual(head);
        }
        const { count, digest } = straight.head();
        expect(digestOf(straight.image())).toEqual({ count, digest });
      }),
      { numRuns: 60 },
    );
  });

  it('have the same digest whenever it is asked for', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const [often, once] = [newMachine(limits), newMachine(limits)];
        for (const [entry] of entriesOf(all)) {
          often.apply(entry);
          once.apply(entry);
          often.head();
        }
        expect(often.head()).toEqual(once.head());
        expect(often.takeDelta()).toEqual(once.takeDelta());
      }),
      { numRuns: 20 },
    );
  });
});
