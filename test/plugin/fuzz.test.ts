/** Whatever is sent, the answer is one that engines can read. */
import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  jsonValue,
  nat,
  oneof,
  string,
  tuple,
  uint8Array,
} from 'fast-check';
import { test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { createPluginApp } from '../../lib/plugin/app.ts';
import { loadScenarios } from '../recordings/load.ts';
import { callNames, handlersThat, keptLog } from './stub.ts';

const thrown: readonly unknown[] = [
  new Error('x'),
  'text',
  undefined,
  null,
  7,
  { code: 'DEADLINE' },
];
let turn = 0;
const app = createPluginApp({
  // throws anything, sometimes before it promises anything
  handlers: handlersThat((): Promise<object> => {
    turn++;
    const what = thrown[turn % thrown.length];
    if (turn % 2 === 0) throw what;
    return Promise.reject(what);
  }),
  clock: systemClock,
  log: keptLog().log,
});

async function mustBeAnswered(call: string, body: string | Uint8Array): Promise<void> {
  const response = await app.request(`http://x/${call}`, { method: 'POST', body: body as string });
  const answer = (await response.json()) as Record<string, unknown>;
  const readable = typeof answer['Err'] === 'string' && answer['Err'] === answer['Error'];
  if (!readable || ![200, 404].includes(response.status)) {
    throw new Error(`${call} was answered ${response.status} ${JSON.stringify(answer)}`);
  }
}

const anyCall = constantFrom(...callNames);
const recorded = loadScenarios()
  .flatMap((scenario) => scenario.calls)
  .filter((call) => call.body !== undefined);

test('any JSON and any bytes, to any call', async () => {
  await assert(
    asyncProperty(
      anyCall,
      oneof(
        jsonValue().map((value) => JSON.stringify(value)),
        string(),
      ),
      mustBeAnswered,
    ),
    { numRuns: 500 },
  );
  await assert(asyncProperty(anyCall, uint8Array(), mustBeAnswered), { numRuns: 200 });
});

test('any path', async () => {
  await assert(
    asyncProperty(string({ unit: 'binary' }), async (path) =>
      mustBeAnswered(encodeURI(path.toWellFormed()), '{}'),
    ),
    { numRuns: 200 },
  );
});

test('recorded requests with a value replaced, removed or added somewhere', async () => {
  const change = tuple(nat(), constantFrom('replace', 'remove', 'add'), jsonValue());
  await assert(
    asyncProperty(
      constantFrom(...recorded),
      array(change, { minLength: 1, maxLength: 3 }),
      async (call, changes) => {
        const body = structuredClone(call.body) as Record<string, unknown>;
        for (const [at, how, value] of changes) mutate(body, at, how, value);
        await mustBeAnswered(call.call, JSON.stringify(body));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('recorded requests with a byte changed or cut off', async () => {
  await assert(
    asyncProperty(constantFrom(...recorded), nat(), nat(255), async (call, at, byte) => {
      const bytes = new TextEncoder().encode(JSON.stringify(call.body));
      bytes[at % bytes.length] = byte;
      await mustBeAnswered(call.call, bytes);
      await mustBeAnswered(call.call, bytes.subarray(0, at % bytes.length));
    }),
    { numRuns: 500 },
  );
});

/** Changes the value at the `at`th place of a tree, counted round and round. */
function mutate(root: Record<string, unknown>, at: number, how: string, value: unknown): void {
  const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const walk = (holder: Record<string, unknown>): void => {
    for (const [key, inner] of Object.entries(holder)) {
      places.push({ holder, key });
      if (typeof inner === 'object' && inner !== null) walk(inner as Record<string, unknown>);
    }
  };
  walk(root);
  const place = places[at % places.length];
  if (place === undefined) return;
  if (how === 'remove') delete place.holder[place.key];
  else place.holder[how === 'add' ? `${place.key}.new` : place.key] = value;
}
