/**
 * Keeps memory near what is alive. Bun collects late and gives memory back later still; after a burst
 * of calls an agent that needs 20 MB would keep 60. Node and Deno see to it themselves.
 *
 * Collecting is cheap: it is done soon after a burst. Giving back the room of compiled code makes a write cost four times
 * as much for seconds: that is done in the first pause long after a burst, and soon after a start, whose code is hardly
 * needed again.
 */
import { heapCallsMax, heapIdleMs, heapQuietMs } from '../limits.ts';
import { forgetProgramPages } from './program-pages.ts';

/** Told of work, so that what it left behind is collected when it has gone on for long, or is over. */
export interface HeapKeeper {
  worked(): void;
}

/** What a runtime can do about its memory. */
export interface Memory {
  /** Collects garbage. */
  collect(): void;
  /** Gives back what is mapped of the program. */
  unmap(): void;
  /** Drops compiled code. */
  dropCode(): void;
}

/** The memory of one process, whoever works in it. */
export class Heap {
  readonly #memory: Memory;
  #works = 0;
  /** The start, or a burst since code was dropped, left code behind. */
  #hasCode = true;
  #burstAtMs = -Infinity;
  #armedAtMs = 0;
  #dueMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#arm();
  }

  /** Something was done. Work that comes too often to collect after it has `onlyWhenIdle`. */
  worked(onlyWhenIdle: boolean): void {
    this.#works += 1;
    if (!onlyWhenIdle && this.#works % heapCallsMax === 0) {
      setImmediate(() => this.#memory.collect());
    }
    // a timer for each of thousands would cost more than it gives
    if (performance.now() - this.#armedAtMs >= heapIdleMs / 8) this.#arm();
  }

  #arm(): void {
    this.#armedAtMs = performance.now();
    this.#idleAfter(heapIdleMs);
  }

  #idleAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#dueMs = performance.now() + ms;
    this.#timer = setTimeout(() => this.#idle(), ms).unref();
  }

  #idle(): void {
    const nowMs = performance.now();
    // a process that stood still, with its machine or by itself, had nothing to do because it could not
    if (nowMs - this.#dueMs > heapIdleMs / 2) return this.#arm();
    const wasBurst = this.#works >= heapCallsMax;
    this.#works = 0;
    if (wasBurst) {
      this.#hasCode = true;
      this.#burstAtMs = nowMs;
    }
    const keepCodeMs = this.#burstAtMs + heapQuietMs - nowMs;
    if (this.#hasCode && keepCodeMs <= 0) this.#giveBack({ withCode: true });
    else if (wasBurst) this.#giveBack({ withCode: false });
    if (this.#hasCode) this.#idleAfter(Math.max(heapIdleMs, keepCodeMs));
  }

  #giveBack({ withCode }: { readonly withCode: boolean }): void {
    this.#memory.collect();
    if (withCode) this.#memory.dropCode();
    this.#memory.unmap();
    this.#hasCode &&= !withCode;
  }
}

let heap: Heap | undefined;

/** A keeper for one part of the process, on the runtime that we are on. */
export function keepHeapSmall({ onlyWhenIdle = false } = {}): HeapKeeper {
  if (typeof Bun === 'undefined') return { worked: () => undefined };
  heap ??= new Heap({
    collect: () => Bun.gc(true),
    unmap: () => void forgetProgramPages(),
    dropCode: () => Bun.shrink(),
  });
  const shared = heap;
  return { worked: () => shared.worked(onlyWhenIdle) };
}
