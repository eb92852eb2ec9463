/** Checks of containers against a plain reading of all that happened, and what a host asks at most. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPortsOnHostMax,
  checkTriesBurst,
  checkTriesPerSecond,
  checkTriesUnderWayMax,
  containerChecksMax,
  containerTriesBurst,
  containerTriesPerSecond,
  servicePortsMax,
} from '../../lib/limits.ts';
import { Checks, type CheckTarget, type Try } from '../../lib/services/checks.ts';
import { checkedPorts } from '../../lib/services/service.ts';

const keyOf = ({ endpointId, service }: Pick<Try, 'endpointId' | 'service'>): string =>
  `${endpointId} ${service}`;

const target: fc.Arbitrary<CheckTarget> = fc.record({
  service: fc.constantFrom('s1', 's2'),
  endpointId: fc.constantFrom('e1', 'e2'),
  ports: fc.constantFrom([80], [80, 443]),
  check: fc.record({
    intervalMs: fc.constantFrom(1_000, 3_000),
    timeoutMs: fc.constantFrom(500, 1_000),
    failures: fc.integer({ min: 1, max: 3 }),
  }),
  hasFailed: fc.boolean(),
});
const targets = fc.uniqueArray(target, { selector: keyOf, maxLength: 4 });

type Step =
  | { readonly kind: 'set'; readonly targets: readonly CheckTarget[] }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'answer'; readonly turn: number; readonly isOpen: boolean }
  | { readonly kind: 'interrupt' };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: targets.map((all): Step => ({ kind: 'set', targets: all })) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(0, 20, 499, 500, 1_000, 3_000)
      .map((ms): Step => ({ kind: 'pass', ms })),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.nat(), fc.boolean())
      .map(([turn, isOpen]): Step => ({ kind: 'answer', turn, isOpen })),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'interrupt' }) },
);

/** What has happened. */
type Happened =
  | { readonly kind: 'set'; readonly targets: readonly CheckTarget[]; readonly isResumed: boolean }
  | { readonly kind: 'asked'; readonly nowMs: number; readonly tries: readonly Try[] }
  | { readonly kind: 'answer'; readonly id: number; readonly isOpen: boolean }
  | { readonly kind: 'interrupt' };

/** One of them, by reading all that happened from the start. */
function plainly(history: readonly Happened[], key: string): boolean {
  let found: CheckTarget | undefined;
  let isFailing = false;
  let inARow = 0;
  let round: { open: number[]; untilMs: number } | undefined;
  const fail = (): void => {
    round = undefined;
    inARow += 1;
    if (inARow >= (found?.check.failures ?? 0)) isFailing = true;
  };
  for (const event of history) {
    if (event.kind === 'set') {
      const before = found;
      found = event.targets.find((one) => keyOf(one) === key);
      if (found === undefined) {
        isFailing = false;
        round = undefined;
      } else if (before === undefined) {
        isFailing = found.hasFailed;
        inARow = event.isResumed ? 0 : found.check.failures - 1;
      } else if (
        JSON.stringify([before.ports, before.check]) !== JSON.stringify([found.ports, found.check])
      ) {
        round = undefined;
        inARow = Math.min(inARow, found.check.failures - 1);
      }
    } else if (event.kind === 'interrupt') round = undefined;
    else if (event.kind === 'asked') {
      if (round !== undefined && round.untilMs <= event.nowMs) fail();
      const own = event.tries.filter((one) => keyOf(one) === key);
      if (own.length === 0) continue;
      expect(round).toBeUndefined();
      expect(own.map(({ port }) => port)).toEqual(found?.ports);
      const untilMs = event.nowMs + (found?.check.timeoutMs ?? 0);
      round = { open: own.map(({ id }) => id), untilMs };
    } else if (round?.open.includes(event.id) === true) {
      if (!event.isOpen) fail();
      else {
        round.open = round.open.filter((id) => id !== event.id);
        if (round.open.length > 0) continue;
        round = undefined;
        isFailing = false;
        inARow = 0;
      }
    }
  }
  return found !== undefined && isFailing;
}

describe('checks', () => {
  it('say of everybody what a plain reading of all that happened says', () => {
    let flips = 0;
    fc.assert(
      fc.property(
        fc.boolean(),
        targets,
        fc.array(step, { maxLength: 60 }),
        (isResumed, first, steps) => {
          const checks = new Checks();
          const history: Happened[] = [];
          const sent: Try[] = [];
          let [nowMs, next, isFirst] = [0, 0, true];
          const set = (all: readonly CheckTarget[]): void => {
            const resumed = isFirst && isResumed;
            isFirst = false;
            checks.set(all, { nowMs, isResumed: resumed });
            history.push({ kind: 'set', targets: all, isResumed: resumed });
          };
          const ask = (): void => {
            const tries = checks.ask({ nowMs, draw: () => next++, canAsk: () => true });
            sent.push(...tries);
            history.push({ kind: 'asked', nowMs, tries });
          };
          set(first);
          let before = JSON.stringify(['e1', 'e2'].map((id) => checks.failed().get(id)));
          let { turns } = checks;
          for (const each of steps) {
            if (each.kind === 'set') set(each.targets);
            if (each.kind === 'pass') {
              nowMs += each.ms;
              ask();
            }
            if (each.kind === 'interrupt') {
              checks.interrupt(nowMs);
              history.push({ kind: 'interrupt' });
            }
            const asked = each.kind === 'answer' ? sent.at(-1 - (each.turn % 6)) : undefined;
            if (each.kind === 'answer' && asked !== undefined) {
              // what another container or port says is no answer
              checks.answered({ ...asked, endpointId: 'e3' }, !each.isOpen);
              checks.answered({ ...asked, port: 22 }, !each.isOpen);
              checks.answered(asked, each.isOpen);
              history.push({ kind: 'answer', id: asked.id, isOpen: each.isOpen });
            }
            const failed = checks.failed();
            for (const endpointId of ['e1', 'e2']) {
              const plain = ['s1', 's2'].filter((service) =>
                plainly(history, keyOf({ endpointId, service })),
              );
              expect(failed.get(endpointId) ?? []).toEqual(plain);
            }
            const now = JSON.stringify(['e1', 'e2'].map((id) => failed.get(id)));
            // whoever listens to the count misses nothing
            if (now !== before) expect(checks.turns).toBeGreaterThan(turns);
            if (now !== before) flips += 1;
            before = now;
            ({ turns } = checks);
          }
        },
      ),
      { numRuns: 700 },
    );
    expect(flips).toBeGreaterThan(100);
  });

  const one = (more: Partial<CheckTarget> = {}): CheckTarget => ({
    service: 's',
    endpointId: 'e',
    ports: [80],
    check: { intervalMs: 5_000, timeoutMs: 1_000, failures: 3 },
    hasFailed: false,
    ...more,
  });
  /** Rounds of one target, all of which fail or pass; what it is after each. */
  function rounds(checks: Checks, outcomes: readonly boolean[], startMs = 0): readonly boolean[] {
    let id = startMs;
    return outcomes.map((isOpen, at) => {
      const nowMs = startMs + at * 5_000;
      const tries = checks.ask({ nowMs, draw: () => id++, canAsk: () => true });
      expect(tries).toHaveLength(1);
      for (const each of tries) checks.answered(each, isOpen);
      return checks.failed().has('e');
    });
  }

  it('take three rounds to fail who was ready, and one to take him back', () => {
    const checks = new Checks();
    checks.set([one()], { nowMs: 0, isResumed: true });
    const outcomes = [false, false, true, false, false, false, false, true, false];
    expect(rounds(checks, outcomes)).toEqual([
      ...[false, false, false, false, false, true, true, false, false],
    ]);
  });

  it('believe the first round of who is new, and go on with what was told by a former agent', () => {
    const fresh = new Checks();
    fresh.set([one()], { nowMs: 0, isResumed: false });
    expect(rounds(fresh, [false, true, false, false])).toEqual([true, false, false, false]);
    const resumed = new Checks();
    resumed.set([one({ hasFailed: true })], { nowMs: 0, isResumed: true });
    expect(resumed.failed().get('e')).toEqual(['s']);
    expect(rounds(resumed, [false, true, false])).toEqual([true, false, false]);
  });

  it('leave who cannot be asked as he is', () => {
    const checks = new Checks();
    checks.set([one({ hasFailed: true })], { nowMs: 0, isResumed: true });
    for (const nowMs of [0, 5_000, 10_000]) {
      expect(checks.ask({ nowMs, draw: () => 1, canAsk: () => false })).toEqual([]);
      expect(checks.failed().has('e')).toBe(true);
      expect(checks.nextMs(nowMs)).toBe(nowMs + 5_000);
    }
  });

  it('ask TCP alone, each target once', () => {
    expect(
      checkedPorts([
        { protocol: 'tcp', port: 443, target: 8080 },
        { protocol: 'tcp', port: 80, target: 8080 },
        { protocol: 'tcp', port: 81, target: 90 },
        { protocol: 'udp', port: 53, target: 53 },
        { protocol: 'sctp', port: 9, target: 9 },
      ]),
    ).toEqual([90, 8080]);
  });

  it('ask no more at a time and a second than a host may, and everybody in his turn', () => {
    const ports = Array.from({ length: servicePortsMax }, (_, at) => at + 1);
    const check = { intervalMs: 1_000, timeoutMs: 1_000, failures: 1 };
    const many = Array.from({ length: 300 }, (_, at) =>
      one({
        ...{ check, service: `s${at % 3}`, endpointId: `e${Math.floor(at / 3)}` },
        ports: at % 2 === 0 ? ports : [80],
      }),
    );
    const checks = new Checks();
    checks.set(many, { nowMs: 0, isResumed: true });
    expect(checks.leftOutCount).toBeGreaterThan(0);
    const taken = many.length - checks.leftOutCount;
    const sent: { readonly atMs: number; readonly asked: Try }[] = [];
    let [nowMs, id] = [0, 0];
    while (nowMs < 60_000) {
      // nobody answers, so each waits until its time is over
      const tries = checks.ask({ nowMs, draw: () => id++, canAsk: () => true });
      sent.push(...tries.map((asked) => ({ atMs: nowMs, asked })));
      const next = checks.nextMs(nowMs) ?? 0;
      expect(next).toBeGreaterThan(nowMs);
      nowMs = next;
    }
    const within = (all: typeof sent, ms: number): number => {
      let [first, most] = [0, 0];
      for (const [at, { atMs }] of all.entries()) {
        while ((all[first]?.atMs ?? 0) <= atMs - ms) first += 1;
        most = Math.max(most, at - first + 1);
      }
      return most;
    };
    expect(within(sent, 1_000)).toBeLessThanOrEqual(checkTriesBurst + checkTriesPerSecond);
    expect(within(sent, 1_000)).toBeLessThanOrEqual(checkTriesUnderWayMax);
    expect(within(sent, 10_000)).toBeGreaterThan(9 * checkTriesPerSecond);
    for (const all of Map.groupBy(sent, ({ asked }) => asked.endpointId).values()) {
      expect(within(all, 1_000)).toBeLessThanOrEqual(containerTriesBurst + containerTriesPerSecond);
    }
    const times = Map.groupBy(sent, ({ asked }) => keyOf(asked));
    expect(times.size).toBe(taken);
    const counts = [...times.values()].map((all) => new Set(all.map(({ atMs }) => atMs)).size);
    expect(Math.min(...counts)).toBeGreaterThan(1);
    expect([...checks.failed().values()].flat()).toHaveLength(taken);
  });

  it('are of so many ports and services at most; the rest counts as if it were not checked', () => {
    const checks = new Checks();
    const services = Array.from({ length: containerChecksMax + 2 }, (_, at) =>
      one({ service: `s${at + 100}`, hasFailed: true }),
    );
    checks.set(services, { nowMs: 0, isResumed: true });
    expect([checks.leftOutCount, checks.failed().get('e')?.length]).toEqual([
      2,
      containerChecksMax,
    ]);
    const containers = Array.from({ length: checkPortsOnHostMax + 3 }, (_, at) =>
      one({ endpointId: `e${at}` }),
    );
    checks.set(containers, { nowMs: 0, isResumed: false });
    expect(checks.leftOutCount).toBe(3);
  });
});
