/** Whatever is asked of our API, the answer is ours, nothing leaks, and a refusal has changed nothing. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isErrorCode } from '../../../lib/errors.ts';
import { documentKinds } from '../../../lib/model/objects/document.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { objectSite } from './object-site.ts';

const text = fc.string({ unit: 'binary', maxLength: 20 });
const part = fc.oneof(
  fc.constantFrom(
    'default',
    'net',
    'p',
    '1',
    'global',
    '%',
    '%ff',
    '%00',
    '..',
    '%2e%2e',
    '',
    'a:b',
    '%ed%a0%80',
  ),
  text.map((each) => encodeURIComponent(each.toWellFormed())),
);
const plural = fc.constantFrom(
  ...documentKinds.map((kind) => kind.plural),
  'apply',
  'openapi.json',
  'pods',
);
const query = fc.oneof(
  fc.constantFrom(
    '',
    '?dryRun=true',
    '?dryRun=maybe',
    '?limit=1',
    '?limit=-1',
    '?selector=name=net',
    '?selector=name',
    '?selector=,,',
    '?continue=x.1',
    '?since=1',
    '?status=true',
    '?__proto__=1',
    '?consistency=local',
  ),
  text.map((each) => `?selector=${encodeURIComponent(each.toWellFormed())}`),
);
const value = fc.oneof(
  fc.constantFrom<unknown>(
    'default',
    'net',
    'vxlan',
    '10.1.1.0/24',
    'in',
    'allow',
    '',
    7,
    -1,
    null,
    ['p'],
  ),
  fc.jsonValue(),
);
const fields = fc.constantFrom(
  'encap',
  'subnet',
  'networkName',
  'policies',
  'direction',
  'action',
  'port',
  '__proto__',
  'x',
);
const document = fc.record(
  {
    apiVersion: fc.constantFrom<unknown>('fairlead/v1', 'v1', 7),
    kind: fc.constantFrom<unknown>(...documentKinds.map((kind) => kind.name), 'pod', null),
    metadata: fc.oneof(
      fc.dictionary(fc.constantFrom('tenant', 'name', 'policy', 'revision', 'x'), value),
      fc.jsonValue(),
    ),
    spec: fc.oneof(fc.dictionary(fields, value), fc.jsonValue()),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  document.map((each) => JSON.stringify(each)),
  fc
    .record({
      action: fc.constantFrom('apply', 'remove', 'x'),
      documents: fc.array(document, { maxLength: 4 }),
    })
    .map((each) => JSON.stringify(each)),
  fc.jsonValue().map((each) => JSON.stringify(each)),
  text,
  fc.constant('['.repeat(50_000)),
);
const headers = fc.dictionary(
  fc.constantFrom('if-match', 'if-none-match', 'last-event-id', 'content-length', 'x-other'),
  fc.oneof(
    fc.constantFrom('*', '"1"', '"x"', '1', '-1', '"1", "2"'),
    fc.stringMatching(/^[!-~]{0,20}$/),
  ),
  { maxKeys: 2 },
);

it('answers are ours, and nothing breaks', async () => {
  const site = await objectSite();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        method: fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'POST', 'HEAD', 'OPTIONS'),
        plural,
        parts: fc.array(part, { maxLength: 4 }),
        query,
        body,
        headers,
      }),
      async (asked) => {
        const { method } = asked;
        const path = `/v1/${[asked.plural, ...asked.parts].join('/')}${asked.query}`;
        const before = [...site.whole.rows];
        const hasBody = !['GET', 'HEAD'].includes(method);
        const answer = await site.ask(
          method,
          path,
          hasBody ? asked.body : undefined,
          asked.headers,
        );
        expect(answer.text).not.toMatch(/\n\s+at |node_modules|\.ts:/);
        expect([200, 201, 304, 400, 404, 405, 409, 410, 412, 413, 422]).toContain(answer.status);
        if (answer.status < 400) return;
        expect([...site.whole.rows]).toEqual(before);
        const isOurs = answer.headers.get('content-type') === 'application/json';
        const { code = '' } = (answer.body['error'] ?? {}) as { code?: string };
        // what no route takes is answered by the whole API
        if (isOurs && method !== 'HEAD')
          expect([answer.text, isErrorCode(code) && code !== 'INTERNAL']).toEqual([
            answer.text,
            true,
          ]);
      },
    ),
    { numRuns: 600 },
  );
  expect([...wrongOfObjects(site.whole), ...wrongOfSite(site.whole)]).toEqual([]);
});
