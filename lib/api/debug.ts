/**
 * What the agent of this host has in its head, on one page, for whoever looks for a fault: Contiv's `/inspect/driver`
 * and `/debug/ofnet`. Only shows what other paths show, too; nothing is changed here, and nothing secret is in it.
 */
import { Hono } from 'hono';
import type { Clock } from '../clock.ts';
import { asFairleadError, FairleadError } from '../errors.ts';
import { apiDebugPartMs } from '../limits.ts';
import { jsonAnswer } from './objects/answers.ts';

/** Parts of the state by name; each is read when it is asked for. */
export type DebugParts = Readonly<Record<string, () => unknown>>;

/** The routes below /debug. `base` goes into every answer. */
export function debugRoutes(parts: DebugParts, base: object, clock: Clock): Hono {
  const app = new Hono();
  app.get('/state', async () => {
    const shown = await Promise.all(
      Object.keys(parts).map(async (name) => [name, await shownPart(parts, name, clock)] as const),
    );
    return jsonAnswer({ ...base, ...Object.fromEntries(shown) });
  });
  app.get('/state/:part', async (context) => {
    const name = context.req.param('part');
    if (!Object.hasOwn(parts, name)) {
      const known = Object.keys(parts).join(', ');
      throw new FairleadError('REQUEST_UNKNOWN', `there is no such part of the state: ${known}`);
    }
    return jsonAnswer({ ...base, [name]: await shownPart(parts, name, clock) });
  });
  return app;
}

/** A part, or why it cannot be shown: whoever looks here looks because something is wrong. */
async function shownPart(parts: DebugParts, name: string, clock: Clock): Promise<unknown> {
  const timer = new AbortController();
  const late = clock.sleep(apiDebugPartMs, timer.signal).then(() => {
    throw new FairleadError('DEADLINE', `no answer in ${apiDebugPartMs} ms`);
  });
  late.catch(() => undefined);
  try {
    return (await Promise.race([(async () => parts[name]?.())(), late])) ?? null;
  } catch (thrown) {
    const { code, message } = asFairleadError(thrown);
    return { error: { code, message } };
  } finally {
    timer.abort();
  }
}
