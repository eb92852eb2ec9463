/** What is counted for rules and defaults, and said of denials in the log, with real packets and without an agent. */
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { denialsBurst, denialsPerSecond } from '../../../lib/limits.ts';
import { sendUdp } from '../../lab/traffic/udp.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressOf, type Name } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import { textOf, type Policies, type Talk } from '../../support/policy-words.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
let site: PolicySite;

beforeAll(async () => {
  site = await PolicySite.open(lab);
}, 240_000);

/** Rules of one set that overlap, others above and below, and what is denied without one. */
const policies: Policies = {
  has: { back: ['p'], data: ['p'], front: ['q'] },
  rules: {
    p: [
      { action: 'allow', priority: 10, protocol: 'tcp', fromEndpointGroup: 'front' },
      { action: 'allow', priority: 10, protocol: 'tcp', port: 80 },
      { action: 'allow', priority: 10, protocol: 'tcp', port: 79, portLast: 81 },
      { action: 'deny', priority: 20, protocol: 'udp', port: 81, fromEndpointGroup: 'front' },
      { action: 'allow', priority: 5, protocol: 'udp' },
    ],
    q: [{ direction: 'out', action: 'deny', protocol: 'icmp' }],
  },
  says: { back: 'deny-in', data: 'deny-in audit' },
};
const pairs = [
  ['front1', 'back2'],
  ['front1', 'back5'],
  ['front4', 'data1'],
  ['data1', 'back6'],
  ['back2', 'data2'],
  ['free3', 'back2'],
  ['free7', 'data1'],
] as const;
const speeches = [
  { protocol: 'tcp', port: 80 },
  { protocol: 'tcp', port: 81 },
  { protocol: 'udp', port: 80 },
  { protocol: 'udp', port: 81 },
  { protocol: 'icmp', port: 0 },
] as const;
const talks = pairs.flatMap(([client, server]) =>
  speeches.flatMap((speech) =>
    ([4, 6] as const).map((family): Talk => ({ client, server, family, ...speech })),
  ),
);
const onePerHost = ['front1', 'front4', 'free7'] as const satisfies readonly Name[];

const groupOf = (name: Name): string => name.slice(0, -1);
const isClosed = (name: Name): boolean => ['back', 'data'].includes(groupOf(name));

/** The hits of all hosts, as `host what`. */
async function allHits(): Promise<ReadonlyMap<string, number>> {
  const each = await Promise.all(
    onePerHost.map(async (name) =>
      [...(await site.hits(name))].map(
        ([what, hits]) => [`${site.hostOf(name).name} ${what}`, hits] as const,
      ),
    ),
  );
  return new Map(each.flat());
}

/** What a talk should count, by what explain says of it. */
async function countsOf(talk: Talk): Promise<readonly string[]> {
  const said = await site.explained(talk);
  if (said === undefined) throw new Error(`nothing is explained of ${textOf(talk)}`);
  const { client, server } = talk;
  const out = said.out.rule === '' ? [] : [`${site.hostOf(client).name} ${said.out.rule}`];
  if (said.out.verdict === 'deny') return out;
  const at = site.hostOf(server).name;
  if (said.in.rule !== '') return [...out, `${at} ${said.in.rule}`];
  return isClosed(server) ? [...out, `${at} ${groupOf(server)} in`] : out;
}

async function speakAll(said: readonly Talk[], before: ReadonlyMap<string, number>): Promise<void> {
  const wanted = new Map(before);
  for (const talk of said) {
    for (const what of await countsOf(talk)) wanted.set(what, (wanted.get(what) ?? 0) + 1);
    const came = await site.speak(talk);
    expect([textOf(talk), came]).toEqual([textOf(talk), site.isAllowed(talk)]);
  }
  let seen: object = {};
  try {
    await until('hits are what was said', async () => {
      seen = Object.fromEntries(await allHits());
      return JSON.stringify(sorted(seen)) === JSON.stringify(sorted(Object.fromEntries(wanted)));
    });
  } catch {
    expect(seen).toEqual(Object.fromEntries(wanted));
  }
}

const sorted = (counts: object): readonly unknown[] =>
  Object.entries(counts).toSorted(([one], [other]) => (one < other ? -1 : 1));

it('each conversation counts once for the rule or default that explain names, at each end', async () => {
  await site.write(policies);
  expect(await site.wrong(talks)).toEqual([]);
  // what the hosts said while they followed is counted by now
  let before: ReadonlyMap<string, number> = new Map();
  // the first look is compared with nothing, so that there is a pause between two that are the same
  await until(
    'hits rest',
    async () => {
      const last = before;
      before = await allHits();
      return JSON.stringify([...before]) === JSON.stringify([...last]);
    },
    { everyMs: 1_500 },
  );
  await speakAll(talks, before);
  expect(before.size).toBeGreaterThan(8);
});

/** The hits of a rule or default on all hosts together. */
async function total(what: string): Promise<number> {
  const each = [...(await allHits())].filter(([place]) => place.endsWith(` ${what}`));
  return each.reduce((sum, [, hits]) => sum + hits, 0);
}

/** What an object shows, once it is the sum of all hosts: others tell twice a minute. */
async function shown(path: string, isSum: (oper: Oper) => boolean, host = 1): Promise<Oper> {
  const ask = { method: 'GET', path: `/api/v1/inspect/${path}/` } as const;
  let oper: Oper = {};
  await until(
    `${path} shows the hits of all hosts`,
    async () => {
      oper = ((await site.apiOf(host).ask(ask)) as { Oper?: Oper }).Oper ?? {};
      return isSum(oper);
    },
    { timeoutMs: 90_000, everyMs: 500 },
  ).catch((thrown: unknown) => {
    throw new Error(`${String(thrown)}: ${JSON.stringify(oper)}`);
  });
  return oper;
}
interface Oper {
  readonly hits?: number;
  readonly ruleHits?: readonly string[];
  readonly defaultHits?: readonly string[];
  readonly hitsHosts?: number;
  readonly hitsAsOf?: string;
}

it('is shown by the objects of every host, of all hosts together', async () => {
  const sums: [string, number][] = [];
  const names = [...(await allHits()).keys()].flatMap((what) => what.split(' p/')[1] ?? []);
  for (const name of new Set(names)) sums.push([name, await total(`p/${name}`)]);
  const [rule, hits] = sums.toSorted(([, one], [, other]) => other - one)[0] ?? ['', 0];
  expect(hits).toBeGreaterThan(1);
  for (const host of [1, 2, 3]) {
    const { hitsHosts } = await shown(`rules/blue:p:${rule}`, (oper) => oper.hits === hits, host);
    expect(hitsHosts).toBeGreaterThan(1);
    await shown(
      'policys/blue:p',
      ({ ruleHits = [] }) => sums.every(([name, sum]) => ruleHits.includes(`${name}: ${sum}`)),
      host,
    );
  }
  const told = await shown(`rules/blue:p:${rule}`, (oper) => oper.hits === hits, 1);
  expect(told.hitsAsOf).toMatch(/^20/);
  const command = ['rule', 'get', '-t', 'blue', 'p', rule];
  const text = await site.agents.ok(site.hostOf('back2'), command);
  expect(text).toMatch(new RegExp(`^hits +${hits}$`, 'm'));
  const denied = await total('back in');
  expect(denied).toBeGreaterThan(0);
  await shown('endpointGroups/blue:back', ({ defaultHits = [] }) =>
    defaultHits.includes(`in: ${denied}`),
  );
});

it('goes on while there is no agent, and after it', async () => {
  const host = site.hostOf('back2');
  const before = await allHits();
  await site.agents.kill(host);
  const said: Talk = { client: 'free3', server: 'back2', family: 4, protocol: 'tcp', port: 80 };
  const denied: Talk = { ...said, protocol: 'icmp', port: 0 };
  expect([await site.speak(said), await site.speak(denied)]).toEqual([true, false]);
  await site.agents.start(host);
  const more = new Map(before);
  for (const what of [...(await countsOf(said)), ...(await countsOf(denied))]) {
    more.set(what, (more.get(what) ?? 0) + 1);
  }
  await until('the hits are those of before and of now', async () => {
    const now = await allHits();
    return (
      JSON.stringify(sorted(Object.fromEntries(now))) ===
      JSON.stringify(sorted(Object.fromEntries(more)))
    );
  });
});

it.each([
  [
    'by a rule',
    { client: 'front1', server: 'back5', family: 4, protocol: 'udp', port: 81 },
    { direction: 'in', fromGroup: 'front', toGroup: 'back', port: 81, default: '', audit: false },
  ],
  [
    'by a rule of who begins',
    { client: 'front1', server: 'back5', family: 6, protocol: 'icmp', port: 0 },
    { direction: 'out', fromGroup: 'front', toGroup: 'back', default: '', audit: false },
  ],
  [
    'by default',
    { client: 'free3', server: 'back2', family: 6, protocol: 'icmp', port: 0 },
    { direction: 'in', fromGroup: '', toGroup: 'back', rule: '', default: 'group', audit: false },
  ],
  [
    'by default, in audit',
    { client: 'free7', server: 'data1', family: 4, protocol: 'icmp', port: 0 },
    { direction: 'in', fromGroup: '', toGroup: 'data', rule: '', default: 'group', audit: true },
  ],
] as const)(
  'what is denied %s is said in the log of the host that denies it',
  async (_how, talk, wanted) => {
    const { direction } = wanted;
    const host = site.hostOf(direction === 'in' ? talk.server : talk.client);
    const { rule } = (await site.explained(talk))?.[direction] ?? { rule: '?' };
    const line = {
      ...{ part: 'denials', tenant: 'blue', protocol: talk.protocol, rule },
      from: addressOf(talk.client, talk.family),
      to: addressOf(talk.server, talk.family),
      ...wanted,
    };
    const has = async () => {
      const text = await readFile(site.agents.of(host).logFile, 'utf8');
      const lines = text.split('\n').filter((each) => each.includes('"denials"'));
      return lines.some((each) => {
        const said = JSON.parse(each) as Record<string, unknown>;
        return Object.entries(line).every(([name, value]) => said[name] === value);
      });
    };
    await until(`the log of ${host.name} has ${JSON.stringify(line)}`, async () => {
      await site.speak(talk);
      return has();
    });
  },
);

it('of a flood of what is denied a few packets are in the log, as the switch bounds it', async () => {
  const talk = { client: 'front1', server: 'back2', family: 4, protocol: 'udp', port: 81 } as const;
  const place = { from: addressOf(talk.client, 4), to: addressOf(talk.server, 4), port: talk.port };
  const linesOf = async () => {
    const text = await readFile(site.agents.of(site.hostOf(talk.server)).logFile, 'utf8');
    return text.split('\n').filter((each) => {
      if (!each.includes('"denials"')) return false;
      const said = JSON.parse(each) as Record<string, unknown>;
      return Object.entries(place).every(([name, value]) => said[name] === value);
    }).length;
  };
  const before = await linesOf();
  const startedMs = systemClock.monotonicMs();
  const plan = { to: place.to, port: talk.port, sizes: [64], count: 4_000, everyMs: 1 };
  const { sent } = await sendUdp(site.at(talk.client), { ...plan, waitMs: 1 });
  expect(sent).toBe(plan.count);
  // the log has what the switch has told until now when it has another word of it, later
  await until('it is told again', async () => {
    const had = await linesOf();
    await site.speak(talk);
    return (await linesOf()) > had;
  });
  const seconds = (systemClock.monotonicMs() - startedMs) / 1_000;
  const lines = (await linesOf()) - before;
  expect(lines).toBeGreaterThan(denialsBurst / 2);
  expect(lines).toBeLessThanOrEqual(denialsBurst + Math.ceil(denialsPerSecond * seconds));
  process.stderr.write(`denials: ${lines} lines of ${plan.count} in ${seconds.toFixed(1)} s\n`);
});

it('goes on where it was when a switch begins to count anew', async () => {
  const rule = { client: 'free3', server: 'back2', family: 4, protocol: 'tcp', port: 80 } as const;
  const [place = ''] = await countsOf(rule);
  const [host = '', what = ''] = place.split(' ');
  const name = what.slice(2);
  const before = await total(what);
  const path = `rules/blue:p:${name}`;
  await shown(path, (oper) => oper.hits === before);
  const there = site.hostOf('back2');
  expect(there.name).toBe(host);
  await there.killOvs('vswitchd');
  await there.startOvs('vswitchd');
  await until('its switch has begun anew', async () => (await total(what)) < before);
  // what is counted before the agent has looked may be missing
  await until(
    'hits are more than before',
    async () => {
      await site.speak(rule);
      return ((await shown(path, () => true)).hits ?? 0) > before;
    },
    { timeoutMs: 60_000 },
  );
  const { hits } = await shown(path, () => true);
  expect(hits).toBeLessThanOrEqual(before + ((await site.hits('back2')).get(what) ?? 0));
});
