/** Conversations that are open while rules, groups and agents change: which go on, and which end, at once. */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { serveTcp } from '../../lab/traffic/tcp.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { OpenTalk } from '../../support/open-talk.ts';
import { PolicySite } from '../../support/policy-site.ts';
import type { Policies, Rule, Talk } from '../../support/policy-words.ts';

const lab = labOfSite(3);
let site: PolicySite;
const echo = 443;
let open: readonly OpenTalk[] = [];

beforeAll(async () => {
  site = await PolicySite.open(lab);
  for (const name of ['back2', 'back5', 'data2'] as const) {
    await serveTcp(site.at(name), { port: echo, mode: 'echo' });
  }
}, 240_000);

afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
});

/** On one host and across, bridged and routed, either family, TCP, UDP and ICMP. */
const talks: readonly Talk[] = [
  { client: 'front1', server: 'back2', family: 6, protocol: 'tcp', port: echo },
  { client: 'front1', server: 'back5', family: 4, protocol: 'tcp', port: echo },
  { client: 'front1', server: 'data2', family: 6, protocol: 'tcp', port: echo },
  { client: 'front4', server: 'data1', family: 4, protocol: 'udp', port: 80 },
  { client: 'front4', server: 'back2', family: 6, protocol: 'udp', port: 80 },
  { client: 'front1', server: 'back5', family: 6, protocol: 'icmp', port: 0 },
  { client: 'front4', server: 'back2', family: 4, protocol: 'icmp', port: 0 },
];

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
  open = await Promise.all(talks.map((talk) => OpenTalk.open(site, talk)));
  await site.write(after);
  if (becomes === 'goes on') {
    await Promise.all(open.map((each) => each.goesOn()));
    return;
  }
  const tookMs = await Promise.all(open.map((each) => each.ends()));
  // the rest is the time that this machine needs to look
  expect(Math.max(...tookMs)).toBeLessThan(400);
  // and it was the rules: with those of before it goes on where it was
  await site.write(before);
  await Promise.all(open.map((each) => each.goesOn()));
});

it('an agent that dies and comes back changes nothing; what changed meanwhile holds from then on', async () => {
  await site.write(closed);
  open = await Promise.all(talks.map((talk) => OpenTalk.open(site, talk)));
  for (const host of lab.hosts.slice(1)) await site.agents.restart(host);
  await Promise.all(open.map((each) => each.goesOn()));
  const [, two] = lab.hosts;
  if (two === undefined) throw new Error('no host');
  await site.agents.kill(two);
  await site.write(policies(deny));
  const [, across] = open;
  await across?.goesOn();
  await site.agents.start(two);
  await Promise.all(open.map((each) => each.ends()));
  await site.write(closed);
  await Promise.all(open.map((each) => each.goesOn()));
});
