/** Waiting for a thing instead of for a time. */
import { slowness } from './slowness.ts';

/**
 * Calls `probe` until it gives a value other than undefined, false or null, and gives that back. What
 * `probe` throws counts as "not yet"; the last of it is in the error.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const { everyMs = 25 } = options;
  const timeoutMs = (options.timeoutMs ?? 20_000) * slowness;
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) {
        return value as NonNullable<Exclude<T, false>>;
      }
      last = undefined;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() > deadline) {
      const why = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`${what}: not within ${timeoutMs} ms${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
