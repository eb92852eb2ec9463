/** When memory is given back: in which order, and never while there is work. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { heapCallsMax, heapIdleMs, heapQuietMs } from '../../lib/limits.ts';
import { Heap } from '../../lib/runtime/heap.ts';

let done: string[];
let heap: Heap;
beforeEach(() => {
  vi.useFakeTimers();
  done = [];
  heap = new Heap({
    collect: () => void done.push('collect'),
    unmap: () => void done.push('unmap'),
    dropCode: () => void done.push('drop'),
  });
});
afterEach(() => vi.useRealTimers());

/** What was done meanwhile. */
function during(ms: number): readonly string[] {
  done = [];
  vi.advanceTimersByTime(ms);
  return done;
}

function burst(onlyWhenIdle = true): void {
  for (let count = 0; count < heapCallsMax; count += 1) heap.worked(onlyWhenIdle);
}

describe('the memory of a process', () => {
  it('is given back soon after a start, with the code of it', () => {
    expect(during(heapIdleMs - 1)).toEqual([]);
    expect(during(1)).toEqual(['collect', 'drop', 'unmap']);
    expect(during(10 * heapQuietMs)).toEqual([]);
  });

  it('keeps the code of a start that is followed by a burst', () => {
    burst();
    expect(during(heapIdleMs)).toEqual(['collect', 'unmap']);
    expect(during(heapQuietMs)).toEqual(['collect', 'drop', 'unmap']);
  });

  it('is given back soon after a burst, and its code when it has been quiet for long', () => {
    during(heapIdleMs);
    burst();
    expect(during(heapIdleMs - 1)).toEqual([]);
    expect(during(1)).toEqual(['collect', 'unmap']);
    expect(during(heapQuietMs - 1)).toEqual([]);
    expect(during(1)).toEqual(['collect', 'drop', 'unmap']);
    expect(during(10 * heapQuietMs)).toEqual([]);
  });

  it('gives back its code in the first pause long after a burst, whatever little is done meanwhile', () => {
    during(heapIdleMs);
    burst();
    during(heapIdleMs);
    const stepMs = heapIdleMs + 1_000;
    const steps = Math.floor((heapQuietMs - 1) / stepMs);
    for (let times = 0; times < steps; times += 1) {
      heap.worked(true);
      expect(during(stepMs)).toEqual([]);
    }
    heap.worked(true);
    // not while something is done
    const early = heapQuietMs - steps * stepMs - heapIdleMs / 2;
    expect(during(early)).toEqual([]);
    heap.worked(true);
    expect(during(heapIdleMs - 1)).toEqual([]);
    expect(during(1)).toEqual(['collect', 'drop', 'unmap']);
    expect(during(10 * heapQuietMs)).toEqual([]);
  });

  it('keeps its code while bursts come closer than that', () => {
    during(heapIdleMs);
    for (let times = 0; times < 3; times += 1) {
      burst();
      expect(during(heapQuietMs)).toEqual(['collect', 'unmap']);
    }
    expect(during(heapIdleMs)).toEqual(['collect', 'drop', 'unmap']);
  });

  it('is not given back because the process stood still', () => {
    during(heapIdleMs);
    burst();
    during(heapIdleMs);
    // as after SIGCONT: timers are late, and all run at once
    const now = performance.now.bind(performance);
    const stoodStill = vi.spyOn(performance, 'now');
    stoodStill.mockImplementation(() => now() + 10 * heapQuietMs);
    expect(during(heapQuietMs)).toEqual([]);
    for (let times = 0; times < 10; times += 1) {
      heap.worked(true);
      expect(during(heapIdleMs - 1)).toEqual([]);
    }
    expect(during(heapIdleMs)).toEqual(['collect', 'drop', 'unmap']);
    stoodStill.mockRestore();
  });

  it('is left alone by work that is no burst', () => {
    during(heapIdleMs);
    heap.worked(true);
    expect(during(10 * heapQuietMs)).toEqual([]);
  });

  it('is collected during work that goes on for long, unless that comes too often', () => {
    during(heapIdleMs);
    burst(false);
    expect(during(1)).toEqual(['collect']);
    burst(true);
    expect(during(1)).toEqual([]);
  });
});
