/** Many documents at once: in an order that works, honest about each, and the same again changes nothing. */
import { beforeEach, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { objectSite, type ObjectSite } from './object-site.ts';

let site: ObjectSite;
beforeEach(async () => {
  site = await objectSite();
});

type Document = { readonly kind: string; readonly metadata: object; readonly spec?: object };
const document = (kind: string, name: string, spec: object = {}, more: object = {}): Document => ({
  kind,
  metadata: kind === 'tenant' ? { name } : { tenant: 'blue', name, ...more },
  spec,
});
/** In an order in which nothing could be made one after the other. */
const documents = [
  document('rule', '1', { direction: 'in', action: 'allow', fromNetwork: 'web' }, { policy: 'p' }),
  document('endpointGroup', 'app', { networkName: 'web', policies: ['p'], netProfile: 'slow' }),
  document('policy', 'p'),
  document('netprofile', 'slow', { bandwidth: '1mbps' }),
  document('network', 'web', {
    encap: 'vxlan',
    subnet: '10.1.1.0/24',
    ipv6Subnet: 'fd00::/64',
    ipv6Gateway: 'FD00::1',
  }),
  document('tenant', 'blue'),
].map((each) => ({ apiVersion: 'fairlead/v1', ...each }));

interface Line {
  readonly kind?: string;
  readonly outcome?: string;
  readonly error?: { readonly code: string };
  readonly after?: object;
  readonly complete?: boolean;
}

async function apply(
  sent: readonly object[],
  action = 'apply',
  query = '',
): Promise<readonly Line[]> {
  const { text, status } = await site.ask('POST', `/v1/apply${query}`, { action, documents: sent });
  expect(status).toBe(200);
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}
const outcomes = (lines: readonly Line[]) =>
  lines.map(({ kind, outcome, error, complete }) =>
    String(complete ?? `${kind} ${error?.code ?? outcome}`),
  );
const all = (outcome: string) => [
  `tenant ${outcome}`,
  `network ${outcome}`,
  `policy ${outcome}`,
  `netprofile ${outcome}`,
  `endpointGroup ${outcome}`,
  `rule ${outcome}`,
  'true',
];

it('makes them in order; again, nothing changes; removes them the other way round', async () => {
  expect(outcomes(await apply(documents)).toSorted()).toEqual(all('created').toSorted());
  const { revision } = site.whole;
  expect(outcomes(await apply(documents)).toSorted()).toEqual(all('unchanged').toSorted());
  expect(site.whole.revision).toBe(revision);
  expect(outcomes(await apply(documents, 'remove')).toSorted()).toEqual(all('removed').toSorted());
  expect(outcomes(await apply(documents, 'remove')).toSorted()).toEqual(all('absent').toSorted());
});

it('tried, sees what those before it would have done, and nothing has changed', async () => {
  const before = new Map(site.whole.rows);
  const tried = await apply(documents, 'apply', '?dryRun=true');
  expect(outcomes(tried).toSorted()).toEqual(all('created').toSorted());
  expect(tried.find(({ kind }) => kind === 'rule')?.after).toMatchObject({
    fromIpAddress: '10.1.1.0/24',
  });
  expect(site.whole.rows).toEqual(before);
  await apply(documents);
  const made = new Map(site.whole.rows);
  expect(outcomes(await apply(documents, 'remove', '?dryRun=true')).toSorted()).toEqual(
    all('removed').toSorted(),
  );
  expect(site.whole.rows).toEqual(made);
});

it('goes on after a refusal, and says so', async () => {
  const [, , , , network = {}, tenant = {}] = documents;
  const lone = {
    apiVersion: 'fairlead/v1',
    ...document('endpointGroup', 'lone', { networkName: 'none' }),
  };
  const policy = { apiVersion: 'fairlead/v1', ...document('policy', 'q') };
  const lines = await apply([lone, policy, network, tenant]);
  expect(outcomes(lines)).toContain('endpointGroup REFERENCE_UNKNOWN');
  expect(outcomes(lines)).toContain('policy created');
  expect(lines.at(-1)).toMatchObject({ complete: false, refused: 1 });
});

it('stops when the cluster cannot take anything, and says what was not tried', async () => {
  site.whole.beforeTxn = () => {
    throw new FairleadError('QUORUM_LOST', 'no majority');
  };
  const lines = await apply(documents);
  expect(outcomes(lines).slice(0, 2)).toEqual(['tenant QUORUM_LOST', 'network untried']);
  expect(lines.at(-1)).toMatchObject({ complete: false, refused: 1 });
});

it('refuses all of them when one is wrong, and names it', async () => {
  const { revision } = site.whole;
  const wrong = { ...documents[4], spec: { subnet: '10.1.1.0/24', encap: 'gre' } };
  const twice = [...documents, documents[0]];
  for (const [sent, message] of [
    [[...documents.slice(0, 4), wrong, documents[5]], /^document 5: encap/],
    [twice, /^document 7: rule blue:p:1 is given twice/],
    [[{ kind: 'policy' }], /^document 1: apiVersion/],
    [[7], /^document 1: /],
  ] as const) {
    const { status, body } = await site.ask('POST', '/v1/apply', {
      action: 'apply',
      documents: sent,
    });
    expect([400, 422]).toContain(status);
    expect(body).toMatchObject({ error: { message: expect.stringMatching(message) } });
  }
  for (const sent of [
    null,
    [],
    {},
    { action: 'apply' },
    { action: 'x', documents: [] },
    { action: 'apply', documents: [], more: 1 },
  ]) {
    expect((await site.ask('POST', '/v1/apply', sent)).status).toBe(400);
  }
  expect(site.whole.revision).toBe(revision);
});

it('keeps what a document says of the revision it was made from', async () => {
  await apply(documents);
  const seen = await site.ask('GET', '/v1/netprofiles/blue/slow');
  await site.ask('PUT', '/v1/netprofiles/blue/slow', { spec: { bandwidth: '3mbps' } });
  expect(outcomes(await apply([seen.body]))).toEqual(['netprofile OBJECT_CHANGED', 'false']);
});
