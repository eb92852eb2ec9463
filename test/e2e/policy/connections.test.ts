/**
 * Conversations that are open while rules, groups, settings and agents change: which go on, without a silence, and which
 * end, at once.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import { echo, OpenTalks, stillMachines, talks } from '../../support/open-talks.ts';
import type { Name } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import type { Policies, Rule, Says, Talk } from '../../support/policy-words.ts';

const lab = labOfSite(3, { machines: stillMachines });
let site: PolicySite;
const open = new OpenTalks(lab);

beforeAll(async () => {
  site = await PolicySite.open(lab);
  await open.serve(site);
}, 240_000);

afterEach(() => open.close());
afterAll(() => {
  process.stderr.write(`connections: ${open.told}`);
});

const deny: Rule = { action: 'deny' };
const allowFront: Rule = { action: 'allow', priority: 10, fromEndpointGroup: 'front' };
const allowSpeech: readonly Rule[] = [
  { action: 'allow', priority: 9, protocol: 'udp', port: 80 },
  { action: 'allow', priority: 9, protocol: 'tcp', port: echo },
  { action: 'allow', priority: 9, protocol: 'icmp' },
];
const stranger: Rule = { action: 'deny', priority: 50, fromIpAddress: '10.80.9.0/24' };
const has = { back: ['p'], data: ['p'] };
const policies = (...p: readonly Rule[]): Policies => ({ has, rules: { p } });
const closed = policies(deny, allowFront);

/** What is before, what after, and what becomes of what is open. */
const changes: Readonly<Record<string, readonly [Policies, Policies, 'goes on' | 'ends']>> = {
  'a rule for others comes': [closed, policies(deny, allowFront, stranger), 'goes on'],
  'a rule for others goes': [policies(deny, allowFront, stranger), closed, 'goes on'],
  'the rule that alone allowed it goes': [closed, policies(deny), 'ends'],
  'one of two rules that allow it goes': [
    policies(deny, allowFront, ...allowSpeech),
    policies(deny, ...allowSpeech),
    'goes on',
  ],
  'a rule takes the place of another': [closed, policies(deny, ...allowSpeech), 'goes on'],
  'a rule above denies it': [
    closed,
    policies(deny, allowFront, { ...deny, priority: 11, fromEndpointGroup: 'front' }),
    'ends',
  ],
  'the groups lose their policy': [closed, { has: {}, rules: closed.rules }, 'goes on'],
  'the groups get one that allows it': [{ has: {}, rules: {} }, closed, 'goes on'],
  'the first rule of the tenant allows it': [
    { has, rules: {} },
    policies(...allowSpeech),
    'goes on',
  ],
  'the first rule of the tenant denies it': [{ has: {}, rules: {} }, policies(deny), 'ends'],
  'the first rules deny what who answers would begin': [
    { has: {}, rules: {} },
    {
      has: { front: ['q'], ...has },
      rules: { p: [deny, ...allowSpeech], q: [deny] },
    },
    'goes on',
  ],
  'the last rule goes': [closed, { has, rules: { p: [] } }, 'goes on'],
  'who answers may begin nothing any more': [
    closed,
    policies(deny, allowFront, { ...deny, direction: 'out', priority: 100 }),
    'goes on',
  ],
  'who began may begin nothing any more': [
    closed,
    {
      has: { ...has, front: ['q'] },
      rules: { ...closed.rules, q: [{ ...deny, direction: 'out' }] },
    },
    'ends',
  ],
};

it.for(Object.entries(changes))('%s', async ([, [before, after, becomes]]) => {
  await site.write(before);
  await open.open(site);
  await site.write(after);
  if (becomes === 'goes on') {
    await open.goOn();
    return;
  }
  await open.end();
  // and it was the rules: with those of before it goes on where it was
  await site.write(before);
  await open.resume();
});

const none: Policies = { has: {}, rules: {} };
/** Nobody's, and rules that allow the talks of groups at both ends. */
const ofNoGroup: Talk = { client: 'free3', server: 'free7', family: 6, protocol: 'udp', port: 80 };
const ruled: Policies = {
  has: { ...has, front: ['q'] },
  rules: {
    p: [allowFront],
    q: [
      { action: 'allow', direction: 'out', toNetwork: 'web' },
      { action: 'allow', direction: 'out', toEndpointGroup: 'data' },
    ],
  },
};
const groupsAllow: Says = { front: 'allow', back: 'allow', data: 'allow' };
const networksAllow: Says = { web: 'allow', db: 'allow' };
const ofGroups: readonly Name[] = ['back2', 'back5', 'data1', 'data2'];
const everybody: readonly Name[] = [...ofGroups, 'free7'];

/** What is said before, what after, and with whom what is open ends; with all others it goes on, there and back. */
const settings: Readonly<Record<string, readonly [Policies, Policies, readonly Name[]]>> = {
  'the tenant denies': [none, { ...none, says: { blue: 'deny' } }, everybody],
  'the tenant denies what rules allow': [ruled, { ...ruled, says: { blue: 'deny' } }, ['free7']],
  'the networks deny': [none, { ...none, says: { web: 'deny', db: 'deny' } }, everybody],
  'the networks deny what rules allow': [
    ruled,
    { ...ruled, says: { web: 'deny', db: 'deny' } },
    ['free7'],
  ],
  'one network denies what comes in': [
    none,
    { ...none, says: { db: 'deny-in' } },
    ['data1', 'data2'],
  ],
  'one group denies what comes in': [
    none,
    { ...none, says: { back: 'deny-in' } },
    ['back2', 'back5'],
  ],
  'the groups of who answers deny what they begin': [
    none,
    { ...none, says: { back: 'deny-out', data: 'deny-out' } },
    [],
  ],
  'the group of who began denies what comes in': [
    none,
    { ...none, says: { front: 'deny-in' } },
    [],
  ],
  'the group of who began denies what it begins': [
    none,
    { ...none, says: { front: 'deny-out' } },
    ofGroups,
  ],
  'the tenant denies what its groups allow': [
    { ...none, says: groupsAllow },
    { ...none, says: { ...groupsAllow, blue: 'deny' } },
    ['free7'],
  ],
  'groups say no more that they allow what their tenant denies': [
    { ...none, says: { ...groupsAllow, blue: 'deny' } },
    { ...none, says: { blue: 'deny' } },
    ofGroups,
  ],
  'the tenant denies what its networks allow': [
    { ...none, says: networksAllow },
    { ...none, says: { ...networksAllow, blue: 'deny' } },
    [],
  ],
  'the tenant denies, and only looks': [none, { ...none, says: { blue: 'deny audit' } }, []],
  'rules deny, and the tenant only looks': [
    { ...closed, says: { blue: 'audit' } },
    { ...policies(deny), says: { blue: 'audit' } },
    [],
  ],
  'rules deny, and one group only looks': [
    { ...closed, says: { back: 'audit' } },
    { ...policies(deny), says: { back: 'audit' } },
    ['data1', 'data2'],
  ],
  'the tenant no more only looks at what it denies': [
    { ...none, says: { blue: 'deny audit' } },
    { ...none, says: { blue: 'deny' } },
    everybody,
  ],
  'the tenant no more only looks at what rules deny': [
    { ...policies(deny), says: { blue: 'audit' } },
    policies(deny),
    ofGroups,
  ],
  'the tenant no more only looks, and rules allow': [
    { ...ruled, says: { blue: 'deny audit' } },
    { ...ruled, says: { blue: 'deny' } },
    ['free7'],
  ],
  'a network no more only looks, and its groups do': [
    { ...none, says: { front: 'audit', back: 'audit', data: 'audit', web: 'deny audit' } },
    { ...none, says: { front: 'audit', back: 'audit', data: 'audit', web: 'deny enforce' } },
    ['free7'],
  ],
};

it.for(Object.entries(settings))('%s', async ([, [before, after, ending]]) => {
  await site.write(before);
  const said = [...talks, ofNoGroup].filter((talk) => site.isAllowed(talk));
  const all = await open.open(site, said);
  await site.write(after);
  // the texts say the same
  const endsBy = ({ server }: Talk) => ending.includes(server);
  expect(said.filter((talk) => !site.isAllowed(talk))).toEqual(said.filter(endsBy));
  expect(said.some(endsBy)).toBe(ending.length > 0);
  const ends = all.filter((_each, at) => said.slice(at, at + 1).some(endsBy));
  const rest = all.filter((each) => !ends.includes(each));
  await Promise.all([open.goOn(rest), open.end(ends)]);
  await site.write(before);
  await Promise.all([open.goOn(rest), open.resume(ends)]);
});

it('an agent that dies and comes back changes nothing; what changed meanwhile holds from then on', async () => {
  await site.write(closed);
  const [, across] = await open.open(site);
  if (across === undefined) throw new Error('nothing is open');
  for (const host of lab.hosts.slice(1)) await site.agents.restart(host);
  await open.goOn();
  const two = lab.host(2);
  await site.agents.kill(two);
  await site.write(policies(deny));
  await open.goOn([across]);
  await site.agents.start(two);
  // first it reads what it missed
  await open.end([across], 4_000);
  await open.end();
  await site.write(closed);
  await open.resume();
});
