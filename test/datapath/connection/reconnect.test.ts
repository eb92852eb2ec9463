import { describe, expect, test } from 'vitest';
import { reconnect } from '../../../lib/datapath/connection/reconnect.ts';
import { FairleadError } from '../../../lib/errors.ts';
import { createManualClock } from './manual-clock.ts';

const broken = (message: string): FairleadError => new FairleadError('OVS_DOWN', message);

interface Attempt {
  /** The connection ends by itself. */
  readonly end: (message: string) => void;
  /** The attempt succeeds. */
  readonly succeed: () => void;
  readonly fail: (message: string) => void;
}

function start(missing?: { readonly afterMs: number; readonly pauseMs: number }) {
  const clock = createManualClock();
  const stop = new AbortController();
  const attempts: Attempt[] = [];
  const told: string[] = [];
  const done = reconnect({
    clock,
    signal: stop.signal,
    pauseMs: { first: 10, most: 80 },
    ...(missing && { missing }),
    open: (onClosed) =>
      new Promise((resolve, reject) => {
        attempts.push({
          end: (message) => onClosed(broken(message)),
          succeed: () => resolve(() => told.push('known')),
          fail: (message) => reject(broken(message)),
        });
      }),
    onConnecting: () => told.push('connecting'),
    onDown: ({ message }) => told.push(`down: ${message}`),
  });
  const settle = () => clock.advance(0).then(() => new Promise((next) => setImmediate(next)));
  return { clock, stop, attempts, told, done, settle };
}

describe('a connection that is made again', () => {
  test('is known when it is open, and down the moment it ends', async () => {
    const { attempts, told, settle } = start();
    attempts[0]?.succeed();
    await settle();
    attempts[0]?.end('cut');
    expect(told).toEqual(['known', 'down: cut']);
  });

  test('one that ended before it was known is never known', async () => {
    const { attempts, told, settle } = start();
    attempts[0]?.end('cut');
    attempts[0]?.succeed();
    await settle();
    expect(told).toEqual(['down: cut']);
  });

  test('an attempt that fails is down once, for the reason that it gives', async () => {
    const { attempts, told, settle } = start();
    attempts[0]?.end('closed by us');
    attempts[0]?.fail('too old');
    await settle();
    expect(told).toEqual(['down: too old']);
  });

  test('waits longer and longer, and briefly again after a connection that lasted', async () => {
    const { clock, attempts, settle } = start();
    for (const [index, pauseMs] of [10, 20, 40, 80, 80].entries()) {
      attempts[index]?.fail('nobody there');
      await settle();
      await clock.advance(pauseMs - 1);
      expect(attempts).toHaveLength(index + 1);
      await clock.advance(1);
      await settle();
      expect(attempts).toHaveLength(index + 2);
    }
    attempts[5]?.succeed();
    await settle();
    await clock.advance(81);
    attempts[5]?.end('cut');
    await settle();
    await clock.advance(10);
    await settle();
    expect(attempts).toHaveLength(7);
  });

  test('is tried less often when it has been missing for long, and as before when it was there', async () => {
    const { clock, attempts, settle } = start({ afterMs: 100, pauseMs: 1_000 });
    const waits = async (pauseMs: number): Promise<void> => {
      const before = attempts.length;
      await clock.advance(pauseMs - 1);
      expect(attempts).toHaveLength(before);
      await clock.advance(1);
      await settle();
      expect(attempts).toHaveLength(before + 1);
    };
    for (const pauseMs of [10, 20, 40, 80, 1_000, 1_000]) {
      attempts.at(-1)?.fail('nobody there');
      await settle();
      await waits(pauseMs);
    }
    attempts.at(-1)?.succeed();
    await settle();
    await clock.advance(5_000);
    attempts.at(-1)?.end('cut');
    await settle();
    await waits(10);
  });

  test('ends with its signal', async () => {
    const { attempts, stop, done, settle } = start();
    attempts[0]?.fail('nobody there');
    await settle();
    stop.abort(broken('stop'));
    await done;
    expect(attempts).toHaveLength(1);
  });
});
