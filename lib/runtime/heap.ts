/**
 * Keeps memory near what is alive. Bun collects late and gives memory back later still; after a burst
 * of calls an agent that needs 20 MB would keep 60. Node and Deno see to it themselves.
 *
 * Collecting is cheap. Giving memory back also drops compiled code, so that the calls after it are twice
 * as slow for a while: it is done once after a burst, not after every container. A start is a burst, too.
 */
import { heapCallsMax, heapIdleMs } from '../limits.ts';
import { forgetProgramPages } from './program-pages.ts';

/** Told of work, so that what it left behind is collected when it has gone on for long, or is over. */
export interface HeapKeeper {
  worked(): void;
}

/** The keeper for the runtime we are on. Work that comes too often to collect after it has `onlyWhenIdle`. */
export function keepHeapSmall({ onlyWhenIdle = false } = {}): HeapKeeper {
  if (typeof Bun === 'undefined') return { worked: () => undefined };
  let works = heapCallsMax;
  let armedAtMs = performance.now();
  const giveBack = (): void => {
    if (works < heapCallsMax) return;
    works = 0;
    Bun.gc(true);
    Bun.shrink();
    void forgetProgramPages();
  };
  let idle = setTimeout(giveBack, heapIdleMs).unref();
  return {
    worked() {
      works++;
      if (!onlyWhenIdle && works % heapCallsMax === 0) setImmediate(() => Bun.gc(true));
      // a timer for each of thousands would cost more than it gives
      if (performance.now() - armedAtMs < heapIdleMs / 8) return;
      armedAtMs = performance.now();
      clearTimeout(idle);
      idle = setTimeout(giveBack, heapIdleMs).unref();
    },
  };
}
