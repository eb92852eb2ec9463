/** The log in the host's API: levels of its parts, changed while it is in use, and how lines reach a syslog server. */
import { Hono } from 'hono';
import { z } from 'zod';
import { logLevels, logParts } from '../log.ts';
import type { OpenLogs } from '../runtime/logs.ts';
import { bodyOf } from './body.ts';

const wishSchema = z.strictObject({ level: z.enum(logLevels), part: z.enum(logParts).optional() });

/** The routes below /v1/log. `base` goes into every answer. */
export function logRoutes(
  { levels, syslog }: Pick<OpenLogs, 'levels' | 'syslog'>,
  base: object,
): Hono {
  const app = new Hono();
  const shown = () => {
    const own = Object.fromEntries(levels.ofParts);
    const parts = logParts.map((part) => ({ part, level: own[part] ?? levels.level }));
    return { ...base, level: levels.level, parts, syslog: syslog() ?? null };
  };
  app.get('/', (context) => context.json(shown()));
  app.put('/level', async (context) => {
    const { level, part } = await bodyOf(context, wishSchema);
    levels.set(level, part);
    return context.json(shown());
  });
  return app;
}
