/** Watching objects: nothing is missed, nothing is said twice, and who stays away too long is told. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { FairleadError } from '../../../lib/errors.ts';
import { apiWatchBeatMs, apiWatchesMax } from '../../../lib/limits.ts';
import { until } from '../../support/until.ts';
import { objectSite, type ObjectSite } from './object-site.ts';

/** An event as it came. */
interface Event {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: {
    readonly changes?: readonly Change[];
    readonly error?: { readonly code: string };
  };
}
interface Change {
  readonly type: string;
  readonly object: { readonly metadata: { readonly name: string } };
}

let site: ObjectSite;
/** Silence as long as the test wants. */
let beat: () => void;
const clock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => {
    if (ms !== apiWatchBeatMs) return systemClock.sleep(ms, signal);
    return new Promise((resolve) => (beat = resolve));
  },
};
/** What is needed of a reader, whichever runtime's types it has. */
interface Reader {
  read(): Promise<{ readonly value?: string | undefined }>;
  cancel(): Promise<void>;
}
const readers: Reader[] = [];
let stopping: AbortController;
beforeEach(async () => {
  stopping = new AbortController();
  site = await objectSite(clock, stopping.signal);
});
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.cancel().catch(() => undefined);
});

/** Opens a watch; answers what reads the next event or comment. */
async function watch(query: string, headers: Record<string, string> = {}) {
  const answer = await site.open(`/v1/policys?watch=true${query}`, headers);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = (answer.body ?? new ReadableStream())
    .pipeThrough(new TextDecoderStream())
    .getReader();
  readers.push(reader);
  return async (): Promise<Event | string> => {
    const { value = 'the end' } = await reader.read();
    const lines = value.split('\n');
    const of = (name: string) =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const data = of('data');
    if (data === undefined) return value;
    return { id: of('id'), event: of('event'), data: JSON.parse(data) as Event['data'] };
  };
}

const put = (name: string) => site.ask('PUT', `/v1/policys/default/${name}`, {});
const remove = (name: string) => site.ask('DELETE', `/v1/policys/default/${name}`);
const said = (event: Event | string): string =>
  typeof event === 'string'
    ? event
    : (event.data.changes ?? [])
        .map(({ type, object }) => `${type} ${object.metadata.name}`)
        .join();

it('says every change after a list, once, and goes on where it was left', async () => {
  await put('a');
  const listed = await site.ask('GET', '/v1/policys');
  await put('b');
  const next = await watch(`&since=${String(listed.body['revision'])}`);
  const first = await next();
  expect(said(first)).toBe('created b');
  await remove('a');
  await put('c');
  // its links and guards change, too, and are none of the watcher's business
  const id = typeof first === 'string' ? '' : (first.id ?? '');
  const again = await watch('', { 'last-event-id': id });
  for (const read of [next, again]) {
    expect([said(await read()), said(await read())]).toEqual(['removed a', 'created c']);
  }
});

it('without a revision begins now', async () => {
  await put('a');
  const next = await watch('');
  await put('b');
  expect(said(await next())).toBe('created b');
});

it('says what comes to be selected and what no longer is', async () => {
  const profile = (bandwidth: string) =>
    site.ask('PUT', '/v1/netprofiles/default/n', { spec: { bandwidth } });
  const answer = await site.open('/v1/netprofiles?watch=true&selector=bandwidth%3D1mbps');
  const reader = (answer.body ?? new ReadableStream())
    .pipeThrough(new TextDecoderStream())
    .getReader();
  readers.push(reader);
  const types: unknown[] = [];
  for (const bandwidth of ['1mbps', '2mbps', '3mbps', '1mbps']) {
    await profile(bandwidth);
    const { value = '' } = await reader.read();
    types.push(/"type":"([a-z]+)"/.exec(value)?.[1] ?? value.replace(/[0-9]+/, 'N'));
  }
  expect(types).toEqual(['created', 'removed', 'id: N\n: nothing of it\n\n', 'created']);
});

it('says of settings that they are back to what they are by themselves', async () => {
  const answer = await site.open('/v1/globals?watch=true');
  const reader = (answer.body ?? new ReadableStream())
    .pipeThrough(new TextDecoderStream())
    .getReader();
  readers.push(reader);
  await site.ask('PUT', '/v1/globals/global', { spec: { vlans: '10-20' } });
  expect((await reader.read()).value).toMatch(/"changed".*10-20/);
  await site.ask('DELETE', '/v1/globals/global');
  expect((await reader.read()).value).toMatch(/"changed".*"vlans":"1-4094"/);
});

it('is 410 from a revision that is forgotten', async () => {
  await put('a');
  const { revision } = site.whole;
  site.whole.forget();
  const late = await site.ask('GET', `/v1/policys?watch=true&since=${revision - 1}`);
  expect(late.status).toBe(410);
  expect(late.body).toMatchObject({
    error: { code: 'STORE_COMPACTED', fix: expect.stringMatching(/list again/) },
  });
  expect((await site.ask('GET', '/v1/policys?watch=true&since=x')).status).toBe(400);
});

it('ends with the reason when the store lets go of it', async () => {
  const next = await watch('');
  site.whole.fail(new FairleadError('BUSY', 'too far behind'));
  expect(await next()).toMatchObject({ event: 'error', data: { error: { code: 'BUSY' } } });
  expect(await next()).toBe('the end');
});

it('says that it is alive while nothing happens', async () => {
  const next = await watch('');
  const silent = next();
  beat();
  expect(await silent).toBe(': still here\n\n');
});

it('ends when the host stops', async () => {
  const next = await watch('');
  const last = next();
  stopping.abort();
  expect(await last).toBe('the end');
});

it('is bounded, and a client that went away makes room', async () => {
  for (let count = 0; count < apiWatchesMax; count += 1) await watch('');
  expect((await site.ask('GET', '/v1/policys?watch=true')).status).toBe(503);
  await readers.pop()?.cancel();
  await until('its watch of the store ends', () => site.whole.watchers < apiWatchesMax);
  await watch('');
});
