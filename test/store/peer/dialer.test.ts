/** When a member is dialled, and which of two connections is kept. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../lib/clock.ts';
import { FairleadError } from '../../../lib/errors.ts';
import {
  peerReconnectFirstMs,
  peerReconnectMaxMs,
  peerRefusedRetryMs,
  peerSteadyMs,
} from '../../../lib/limits.ts';
import { Dialer, type DialOutcome } from '../../../lib/store/peer/dialer.ts';
import type { Link } from '../../../lib/store/peer/link.ts';
import { Roster } from '../../../lib/store/peer/roster.ts';
import { until } from '../../support/until.ts';
import { helloOf, memberId } from './cluster.ts';

const addresses = [
  { host: 'a', port: 1 },
  { host: 'b', port: 2 },
];
const refused = new FairleadError('MEMBER_REMOVED', 'removed');

/** A dialer on a clock that jumps over every pause, and what it did. */
class Rig {
  readonly dialled: string[] = [];
  readonly pausesMs: number[] = [];
  nowMs = 0;
  /** What comes of each attempt; the dialer waits when there is none. */
  outcomes: (DialOutcome | FairleadError)[] = [];
  readonly #clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => 0,
    sleep: async (ms) => {
      this.pausesMs.push(ms);
      this.nowMs += ms;
    },
  };
  readonly dialer: Dialer = new Dialer(
    {
      clock: this.#clock,
      random: () => 1,
      addresses,
      dial: async ({ host }, signal) => {
        await until('an outcome', () => this.outcomes.length > 0 || signal.aborted, { everyMs: 1 });
        signal.throwIfAborted();
        this.dialled.push(host);
        const outcome = this.outcomes.shift();
        if (outcome === undefined || outcome instanceof FairleadError) throw outcome;
        if (outcome.kind === 'linked') this.dialer.linked();
        return outcome;
      },
    },
    false,
  );

  async run(...outcomes: readonly (DialOutcome | FairleadError)[]): Promise<void> {
    this.outcomes = [...outcomes];
    await until('all attempts', () => this.outcomes.length === 0, { everyMs: 1 });
    await until('the pause', () => this.pausesMs.length >= this.dialled.length, { everyMs: 1 });
  }
}

let rig = new Rig();
afterEach(() => rig.dialer.stop());
const nobody = new FairleadError('PEER_UNREACHABLE', 'nobody');
const linked = { kind: 'linked' } as const;

describe('a member that does not answer', () => {
  it('is dialled at each address in turn, with pauses that grow to a bound', async () => {
    rig = new Rig();
    await rig.run(...Array.from({ length: 16 }, () => nobody));
    expect(rig.dialled.slice(0, 4)).toEqual(['a', 'b', 'a', 'b']);
    expect(rig.pausesMs[0]).toBe(peerReconnectFirstMs);
    expect(rig.pausesMs[4]).toBe(peerReconnectFirstMs * 4);
    expect(rig.pausesMs.at(-1)).toBe(peerReconnectMaxMs);
    expect(rig.dialer.lastError).toBe(nobody);
  });

  it('is asked less often when it refuses', async () => {
    rig = new Rig();
    const outcomes = Array.from(
      { length: 20 },
      () => ({ kind: 'refused', error: refused }) as const,
    );
    await rig.run(...outcomes);
    expect(rig.pausesMs.at(-1)).toBe(peerRefusedRetryMs);
    expect(rig.dialer.lastError).toBe(refused);
  });
});

describe('a connection that ended', () => {
  it('is made again after a short pause when it was a good one', async () => {
    rig = new Rig();
    await rig.run(...Array.from({ length: 12 }, () => nobody), linked);
    expect(rig.dialer.lastError).toBeUndefined();
    const before = rig.pausesMs.length;
    rig.nowMs += peerSteadyMs;
    rig.dialer.unlinked();
    await rig.run(nobody);
    expect(rig.pausesMs[before]).toBe(peerReconnectFirstMs);
  });

  it('is made again after longer and longer pauses when it never lasts', async () => {
    rig = new Rig();
    const pausesMs: number[] = [];
    for (let round = 0; round < 14; round += 1) {
      await rig.run(linked);
      const before = rig.pausesMs.length;
      rig.dialer.unlinked();
      await until('a pause', () => rig.pausesMs.length > before, { everyMs: 1 });
      pausesMs.push(rig.pausesMs[before] ?? 0);
    }
    expect(pausesMs).toEqual(pausesMs.toSorted((one, other) => one - other));
    expect(pausesMs.at(-1)).toBe(peerReconnectMaxMs);
  });
});

describe('of two connections to a member', () => {
  const own = memberId('5');
  const link = (digit: string, run: string, dialled: boolean) =>
    ({
      hello: { ...helloOf(memberId(digit)), protocolMin: 1, protocolMax: 1, run },
      dialled,
      retiredMs: undefined,
    }) as unknown as Link;

  it.each([
    ['9', true],
    ['1', false],
  ])('with member %s both sides keep the one dialled by the lower id', (digit, isOurs) => {
    for (const order of [true, false]) {
      const roster = new Roster(own);
      const [first, second] = [link(digit, 'r', order), link(digit, 'r', !order)];
      expect(roster.add(first, 1)).toBeUndefined();
      expect(roster.add(second, 2)).toBeUndefined();
      expect(roster.find(memberId(digit))?.dialled).toBe(isOurs);
      const left = roster.all().find(({ retiredMs }) => retiredMs !== undefined);
      expect([left?.dialled, left?.retiredMs]).toEqual([!isOurs, 2]);
    }
  });

  it('the one of a later run of the process wins, and the newer of the same side', () => {
    for (const [run, dialled] of [
      ['r2', false],
      ['r2', true],
      ['r1', true],
    ] as const) {
      const roster = new Roster(own);
      const [first, second] = [link('9', 'r1', true), link('9', run, dialled)];
      roster.add(first, 1);
      expect(roster.add(second, 2)).toBe(first);
      expect(roster.all()).toEqual([second]);
      expect(roster.remove(first)).toBe(false);
      expect(roster.find(memberId('9'))).toBe(second);
    }
  });

  it('the one that was left is used again when the other ends', () => {
    const roster = new Roster(own);
    const [kept, left] = [link('9', 'r', true), link('9', 'r', false)];
    roster.add(kept, 1);
    roster.add(left, 2);
    expect(roster.remove(kept)).toBe(false);
    expect(roster.find(memberId('9'))).toBe(left);
    expect(left.retiredMs).toBeUndefined();
    expect(roster.remove(left)).toBe(true);
    expect(roster.members()).toEqual([]);
  });
});
