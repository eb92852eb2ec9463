/** Handlers that do what a test says, and a clock and log that a test can see. */
import type { Clock } from '../../lib/clock.ts';
import { createLogger, type Logger } from '../../lib/log.ts';
import { bareCalls, type PluginHandlers } from '../../lib/plugin/handlers.ts';
import { requestSchemas } from '../../lib/plugin/schemas.ts';

/** Every call, bare or with content. */
export const callNames: readonly string[] = [...bareCalls, ...Object.keys(requestSchemas)];

/** What one handler is given. */
export interface Handled {
  readonly call: string;
  readonly request: unknown;
  readonly signal: AbortSignal | undefined;
}

/** Handlers that all do the same. */
export function handlersThat(work: (handled: Handled) => Promise<object>): PluginHandlers {
  const handlers = Object.fromEntries(
    callNames.map((call) => [
      call,
      (...[request, signal]: [unknown?, AbortSignal?]) => work({ call, request, signal }),
    ]),
  );
  return handlers as unknown as PluginHandlers;
}

/** A log that keeps its lines. */
export function keptLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  return { log: createLogger({ level: 'debug', format: 'json', node: 'test', write }), lines };
}

/** A clock that stands still until it is told to go on. */
export class HandClock implements Clock {
  #nowMs = 0;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  /** Sleeps that are going on. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
