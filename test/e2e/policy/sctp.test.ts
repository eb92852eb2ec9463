/**
 * Rules about SCTP with real packets and by `explain`: both families, one host and several, within a network and routed.
 * An association is its four packets, sent by hand (`test/support/sctp.ts`).
 */
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { EthernetHead } from '../../lab/traffic/frames.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressOf, gatewaysOf, networkOf, type Name } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import type { AnyTalk, Policies, Rule } from '../../support/policy-words.ts';
import { beginAssociation, SctpEnd, sctpHead, type SctpCall } from '../../support/sctp.ts';
import { until } from '../../support/until.ts';
import { allow, deny, from, into } from './shapes.ts';

const lab = labOfSite(3);
let site: PolicySite;

/** Who begins with whom, never both ways: all SCTP of two addresses is one conversation in user space. */
const pairs = [
  ['front1', 'back2'],
  ['front1', 'back5'],
  ['front4', 'back6'],
  ['front1', 'data1'],
  ['front4', 'data1'],
  ['free7', 'back5'],
  ['data2', 'back2'],
] as const;
const ports = [80, 81] as const;
const talks = pairs.flatMap(([client, server]) =>
  ports.flatMap((port) =>
    ([4, 6] as const).map((family): AnyTalk => ({
      client,
      server,
      family,
      port,
      protocol: 'sctp',
    })),
  ),
);

const sctp: Rule = { protocol: '132' };
const sctp80: Rule = { ...sctp, port: 80 };
const shapes: Readonly<Record<string, Policies>> = {
  'in: nothing': into(deny()),
  'in: no SCTP': into(deny(sctp)),
  'in: nothing but SCTP': into(deny(), allow(sctp)),
  'in: nothing but one port': into(deny(), allow(sctp80)),
  'in: one port is allowed, and another denied': into(allow(sctp80), deny({ ...sctp, port: 81 })),
  'in: not one port': into(deny(sctp80)),
  'in: nothing but some ports': into(deny(), allow({ ...sctp, port: 81, portLast: 4_000 })),
  'in: one port of a group only': into(deny(), allow({ ...sctp80, fromEndpointGroup: 'front' })),
  'in: not one port of a network': into(deny({ ...sctp80, fromNetwork: 'web' })),
  'in: rules of TCP and UDP with its port are about none of it': into(
    deny({ protocol: 'tcp', port: 80 }),
    deny({ protocol: 'udp', port: 80 }),
  ),
  'out: nothing but one port': from(deny(), allow(sctp80)),
  'out: not one port to a group': from(deny({ ...sctp80, toEndpointGroup: 'back' })),
  'by default nothing, but one port that both ends allow': {
    has: { back: ['p'], front: ['p'] },
    rules: { p: [allow(sctp80), { ...allow(sctp80), direction: 'out' }] },
    says: { blue: 'deny' },
  },
  'audit of who denies all': { has: {}, rules: {}, says: { blue: 'deny audit' } },
  'a server that may begin nothing answers': {
    has: { back: ['p'] },
    rules: { p: [{ ...deny(), direction: 'out' }, deny(), allow(sctp80)] },
  },
};

const heads = new Map<string, EthernetHead>();
const keyOf = (one: Name, other: Name, family: 4 | 6) => `${one} ${other} ${family}`;
let ends = new Map<Name, SctpEnd>();
/** How long a packet of what is open is waited for. */
const waitMs = 400;
/** No two associations have the same. */
let lastPort = 40_000;

beforeAll(async () => {
  site = await PolicySite.open(lab);
  for (const [client, server] of pairs) {
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      for (const family of [4, 6] as const) {
        const own = networkOf(one);
        const near = own === networkOf(other);
        const hop = near ? addressOf(other, family) : gatewaysOf(own)[family === 4 ? 0 : 1];
        const head = await sctpHead(site.hostOf(one), site.at(one), hop);
        heads.set(keyOf(one, other, family), head);
      }
    }
  }
}, 240_000);

beforeEach(async () => {
  const names = new Set(pairs.flat());
  const opened = [...names].map(
    async (name) => [name, await SctpEnd.open({ at: site.at(name), link: 'eth0' })] as const,
  );
  ends = new Map(await Promise.all(opened));
});
afterEach(async () => {
  await Promise.all([...ends.values()].map((end) => end.close()));
});

const endOf = (name: Name): SctpEnd => {
  const end = ends.get(name);
  if (end === undefined) throw new Error(`${name} hears nothing`);
  return end;
};
const headOf = (one: Name, other: Name, family: 4 | 6): EthernetHead => {
  const head = heads.get(keyOf(one, other, family));
  if (head === undefined) throw new Error(`${one} does not know ${other}`);
  return head;
};

function callOf({ client, server, family, port }: AnyTalk, patienceMs: number): SctpCall {
  lastPort += 1;
  const [address, to] = [addressOf(client, family), addressOf(server, family)];
  const head = headOf(client, server, family);
  return { head, address, to, port, from: lastPort, waitMs: patienceMs };
}

/** Whether there is an association; undefined where it began and did not come about. */
async function speak(talk: AnyTalk, patienceMs: number): Promise<boolean | undefined> {
  const call = callOf(talk, patienceMs);
  const { length } = await beginAssociation(endOf(talk.client), endOf(talk.server), call);
  return length === 4 ? true : length === 0 ? false : undefined;
}

it.for(Object.entries(shapes))('%s', async ([, policies]) => {
  await site.write(policies);
  expect(await site.wrongOf(talks, speak)).toEqual([]);
  expect(await site.misexplained(talks)).toEqual([]);
});

it.for(talks.filter(({ port }) => port === 80))(
  'what $client has open with $server over IPv$family goes on as long as its port is allowed, both ways',
  async (talk) => {
    const { client, server, family } = talk;
    const has = { back: ['p'], data: ['p'] };
    const closed: Policies = { has, rules: { p: [deny()] } };
    const open: Policies = { has, rules: { p: [deny(), allow(sctp80)] } };
    await site.write(open);
    const call = await until('it is open', async () => {
      const tried = callOf(talk, waitMs);
      const came = await beginAssociation(endOf(client), endOf(server), tried);
      return came.length === 4 && tried;
    });
    const back = headOf(server, client, family);
    const passes = async (): Promise<readonly boolean[]> => {
      const { address, to, port, from: own } = call;
      const forth = { source: address, destination: to, sourcePort: own, destinationPort: port };
      const answer = { source: to, destination: address, sourcePort: port, destinationPort: own };
      await endOf(client).send(call.head, { ...forth, chunk: 'cookieEcho' });
      await endOf(server).send(back, { ...answer, chunk: 'cookieAck' });
      const heard = await Promise.all([
        endOf(server).heard({ chunk: 'cookieEcho', from: own }, waitMs),
        endOf(client).heard({ chunk: 'cookieAck', from: own }, waitMs),
      ]);
      return heard.map((each) => each !== undefined);
    };
    const passesAll = async () => (await passes()).every(Boolean);
    expect(await passes()).toEqual([true, true]);
    await site.write(closed);
    await until('it is stopped', async () => !(await passes()).some(Boolean));
    await site.write(open);
    await until('it goes on', passesAll);
  },
);
