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
    expect(during(heapQuietMs - heapIdleMs)).toEqual(['collect', 'drop', 'unmap']);
  });

  it('is given back soon after a burst, and its code when it has been quiet for long', () => {
    during(heapIdleMs);
    burst();
    expect(during(heapIdleMs - 1)).toEqual([]);
    expect(during(1)).toEqual(['collect', 'unmap']);
    expect(during(heapQuietMs - heapIdleMs - 1)).toEqual([]);
    expect(during(1)).toEqual(['collect', 'drop', 'unmap']);
    expect(during(10 * heapQuietMs)).toEqual([]);
  });

  it('keeps its code as long as there is some work now and then', () => {
    during(heapIdleMs);
    burst();
    during(heapIdleMs);
    for (let times = 0; times < 5; times += 1) {
      heap.worked(true);
      expect(during(heapQuietMs - 1)).toEqual([]);
    }
    expect(during(1)).toEqual(['collect', 'drop', 'unmap']);
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
