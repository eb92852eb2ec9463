import { describe, expect, it } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import { systemClock } from '../../lib/clock.ts';
import { startLoop, type Loop } from '../../lib/host/loop.ts';

/** A clock that moves only when told, and notes how long its callers want to sleep. */
function handClock(): Clock & { sleeps: number[]; pass(): void; age(ms: number): void } {
  let wake = (): void => {};
  let nowMs = 0;
  const sleeps: number[] = [];
  return {
    sleeps,
    age: (ms) => void (nowMs += ms),
    monotonicMs: () => nowMs,
    wallMs: () => 0,
    sleep(ms, signal) {
      sleeps.push(ms);
      return new Promise((resolve, reject) => {
        wake = resolve;
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    },
    pass: () => wake(),
  };
}

const pace = { intervalMs: 30_000, debounceMs: 50, retryFirstMs: 200, retryMaxMs: 500 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function withLoop(
  run: (signal: AbortSignal) => Promise<void>,
  body: (loop: Loop, clock: ReturnType<typeof handClock>, errors: unknown[]) => Promise<void>,
): Promise<void> {
  const clock = handClock();
  const errors: unknown[] = [];
  const loop = startLoop({ clock, pace, run, onError: (thrown) => errors.push(thrown) });
  try {
    await body(loop, clock, errors);
  } finally {
    await loop.close();
  }
}

describe('a loop', () => {
  it('runs at once, then waits for its interval', async () => {
    let runs = 0;
    await withLoop(
      async () => void runs++,
      async (_loop, clock) => {
        await turn();
        expect(runs).toBe(1);
        expect(clock.sleeps).toEqual([30_000]);
        clock.pass();
        await turn();
        expect(runs).toBe(2);
      },
    );
  });

  it('makes one run of a burst of kicks', async () => {
    let runs = 0;
    await withLoop(
      async () => void runs++,
      async (loop, clock) => {
        await turn();
        for (let i = 0; i < 5; i++) loop.kick();
        await turn();
        expect(runs).toBe(1);
        expect(clock.sleeps).toEqual([30_000, 50]);
        clock.pass();
        await turn();
        expect(runs).toBe(2);
      },
    );
  });

  it('tries again sooner after a failure, with growing pauses up to a ceiling', async () => {
    await withLoop(
      async () => {
        throw new Error('no');
      },
      async (_loop, clock, errors) => {
        for (let i = 0; i < 4; i++) {
          await turn();
          clock.pass();
        }
        await turn();
        expect(clock.sleeps).toEqual([200, 400, 500, 500, 500]);
        expect(errors).toHaveLength(5);
      },
    );
  });

  it('rests many times as long as a run took, up to a bound, whoever kicks it', async () => {
    const clock = handClock();
    const costsMs = [40, 0, 900];
    const loop = startLoop({
      clock,
      pace: { ...pace, rest: { factor: 20, maxMs: 5_000 } },
      run: async () => clock.age(costsMs.shift() ?? 0),
      onError: () => {},
    });
    await turn();
    loop.kick();
    await turn();
    expect(clock.sleeps).toEqual([800]);
    for (let i = 0; i < 4; i++) {
      clock.pass();
      await turn();
    }
    // the kick came while it rested; after a run that cost nothing it waits at once
    expect(clock.sleeps).toEqual([800, 50, 30_000, 5_000, 25_000]);
    await loop.close();
  });

  it('is woken by what goes on beside it, which ends with it', async () => {
    let runs = 0;
    let wake = (): void => {};
    let ended = false;
    const clock = handClock();
    const loop = startLoop({
      clock,
      pace,
      run: async () => void runs++,
      onError: () => {},
      wokenBy: async (kick, signal) => {
        wake = kick;
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        ended = true;
      },
    });
    await turn();
    wake();
    await turn();
    clock.pass();
    await turn();
    expect(runs).toBe(2);
    await loop.close();
    expect(ended).toBe(true);
  });

  it('says when a run that began later has succeeded', async () => {
    let release = (): void => {};
    let runs = 0;
    const run = (): Promise<void> => {
      runs++;
      return new Promise((resolve) => (release = resolve));
    };
    const loop = startLoop({
      clock: systemClock,
      pace: { ...pace, debounceMs: 0 },
      run,
      onError: () => {},
    });
    let settled = false;
    const done = loop.settled(AbortSignal.timeout(5_000)).then(() => (settled = true));
    release();
    while (runs < 2) await turn();
    expect(settled).toBe(false);
    release();
    await done;
    const closed = loop.close();
    release();
    await closed;
  });

  it('ends while it waits, and lets the run in progress end', async () => {
    const loop = startLoop({
      clock: systemClock,
      pace,
      run: (signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        ),
      onError: () => {},
    });
    await loop.close();
    const idle = startLoop({ clock: systemClock, pace, run: async () => {}, onError: () => {} });
    await turn();
    await idle.close();
  });
});
