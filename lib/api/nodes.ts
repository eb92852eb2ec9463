/** The hosts of a site in the host's API: who they are, and the removal of one that is gone for good. */
import { Hono } from 'hono';
import { z } from 'zod';
import type { SiteNodes } from '../host/site-nodes.ts';
import { bodyOf } from './body.ts';

const removal = z.strictObject({ stopped: z.boolean().default(false) });

/** The routes below /v1/nodes. `base` goes into every answer. */
export function nodeRoutes(nodes: () => Promise<SiteNodes>, base: object): Hono {
  const app = new Hono();
  app.get('/', async (context) => context.json({ ...base, nodes: await (await nodes()).list() }));
  app.post('/:name/remove', async (context) => {
    const { stopped } = await bodyOf(context, removal);
    const known = await nodes();
    await known.remove(context.req.param('name'), stopped);
    return context.json({ ...base, nodes: await known.list() });
  });
  return app;
}
