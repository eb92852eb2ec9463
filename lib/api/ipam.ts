/** Addresses in the host's API: whether all that says who has which says the same. */
import { Hono } from 'hono';
import type { AddressCheck } from '../host/ipam-check.ts';

/** The routes below /v1/ipam. `base` goes into every answer. */
export function ipamRoutes(
  check: (signal: AbortSignal) => Promise<AddressCheck>,
  base: object,
): Hono {
  const app = new Hono();
  app.get('/check', async (context) =>
    context.json({ ...base, ...(await check(context.req.raw.signal)) }),
  );
  return app;
}
