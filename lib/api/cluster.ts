/**
 * The cluster's part of the host's API. Bodies are small JSON objects, checked strictly; answers are what
 * `lib/store/replicated/cluster.ts` says. A host whose store is another one (etcd) has no cluster of
 * its own, and says so.
 */
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { joinFileBytesMax, tokenTtlMaxMs, tokenTtlMinMs, tokenUsesMax } from '../limits.ts';
import { memberRoles } from '../store/membership/rows.ts';
import type { ClusterOperations } from '../store/replicated/cluster.ts';
import { bodyOf } from './body.ts';
import { linesOf } from './lines.ts';

const address = z.string().min(3).max(300);
const listen = {
  listen: address.exactOptional(),
  advertise: z.array(address).max(8).exactOptional(),
};
const fileText = z.string().max(joinFileBytesMax);
const bodies = {
  init: z.strictObject(listen),
  token: z.strictObject({
    ...listen,
    role: z.enum(memberRoles),
    ttlMs: z.number().int().min(tokenTtlMinMs).max(tokenTtlMaxMs),
    uses: z.number().int().min(1).max(tokenUsesMax),
  }),
  join: z.strictObject({ ...listen, token: z.string().max(4_096) }),
  request: z.strictObject(listen),
  answer: z.strictObject({ text: fileText, role: z.enum(memberRoles) }),
  accept: z.strictObject({ text: fileText, pin: z.string().max(64).exactOptional() }),
  force: z.strictObject({ force: z.boolean().default(false) }),
  transfer: z.strictObject({ to: z.string().max(64).exactOptional() }),
  recover: z.strictObject({ stopped: z.array(z.string().max(64)).max(1_000), dryRun: z.boolean() }),
  nothing: z.strictObject({}),
} as const;

/** The routes below /v1/cluster. */
export function clusterRoutes(cluster: () => Promise<ClusterOperations | undefined>): Hono {
  const app = new Hono();
  const own = async (): Promise<ClusterOperations> => {
    const operations = await cluster();
    if (operations !== undefined) return operations;
    throw new FairleadError('CLUSTER_EXTERNAL', 'the store of this host is not kept by Fairlead');
  };
  app.get('/', async (context) => context.json(await (await own()).status()));
  app.post('/init', async (context) => {
    const wish = await bodyOf(context, bodies.init);
    return context.json(await (await own()).init(wish));
  });
  app.post('/token', async (context) => {
    const wish = await bodyOf(context, bodies.token);
    return context.json(await (await own()).token(wish));
  });
  app.post('/join', async (context) => {
    const wish = await bodyOf(context, bodies.join);
    return context.json(await (await own()).join(wish));
  });
  app.post('/join/request', async (context) => {
    const wish = await bodyOf(context, bodies.request);
    return context.json({ text: await (await own()).joinRequest(wish) });
  });
  app.post('/join/answer', async (context) => {
    const { text, role } = await bodyOf(context, bodies.answer);
    return context.json({ text: await (await own()).joinAnswer(text, role) });
  });
  app.post('/join/accept', async (context) => {
    const { text, pin } = await bodyOf(context, bodies.accept);
    return context.json(await (await own()).joinAccept(text, pin));
  });
  memberRoutes(app, own);
  recoveryRoutes(app, own);
  return app;
}

function memberRoutes(app: Hono, own: () => Promise<ClusterOperations>): void {
  const nameOf = (context: Context): string => context.req.param('name') ?? '';
  app.post('/members/:name/promote', async (context) => {
    await bodyOf(context, bodies.force);
    return context.json(await (await own()).promote(nameOf(context)));
  });
  app.post('/members/:name/demote', async (context) => {
    await bodyOf(context, bodies.force);
    return context.json(await (await own()).demote(nameOf(context)));
  });
  app.post('/members/:name/remove', async (context) => {
    const { force } = await bodyOf(context, bodies.force);
    return context.json(await (await own()).remove(nameOf(context), force));
  });
  app.post('/leave', async (context) => {
    await bodyOf(context, bodies.nothing);
    return context.json(await (await own()).leave());
  });
  app.post('/transfer', async (context) => {
    const { to } = await bodyOf(context, bodies.transfer);
    return context.json(await (await own()).transfer(to));
  });
  app.post('/rotate', async (context) => {
    await bodyOf(context, bodies.nothing);
    return context.json(await (await own()).rotate());
  });
}

function recoveryRoutes(app: Hono, own: () => Promise<ClusterOperations>): void {
  app.post('/recover', async (context) => {
    const { stopped, dryRun } = await bodyOf(context, bodies.recover);
    return context.json(await (await own()).recover(stopped, dryRun));
  });
  app.get('/snapshot', async () => {
    const lines = (await own()).snapshot();
    const encoder = new TextEncoder();
    const iterator = lines[Symbol.asyncIterator]();
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(`${next.value}\n`));
      },
      async cancel() {
        await iterator.return?.();
      },
    });
    return new Response(stream, { headers: { 'content-type': 'application/x-ndjson' } });
  });
  app.post('/snapshot', async (context) => {
    const { body } = context.req.raw;
    if (body === null) throw new FairleadError('SNAPSHOT_INVALID', 'the request has no snapshot');
    return context.json(await (await own()).restore(linesOf(body)));
  });
}
