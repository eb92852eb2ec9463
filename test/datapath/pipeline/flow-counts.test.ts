/** How many flows one more of each kind of rule, group, policy and container adds: as many with few of all as with many. */
import { describe, expect, it } from 'vitest';
import { deriveMac, parseAddress, parseCidr } from '../../../lib/ip/ip.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';
import type { PolicyRule } from '../../../lib/network/world.ts';
import { compileRule } from '../../../lib/policy/compile.ts';
import { silence, type Rule } from '../../support/policy-words.ts';
import { feedPipeline } from './fabric.ts';
import { containers, policed, policedSite, segmentAt } from './policed-site.ts';

/** Rules of each kind, no two of which have a match in common, and what one more costs. */
const kinds: Readonly<Record<string, readonly [rule: (n: number) => Rule, flows: number]>> = {
  'a protocol': [(n) => ({ protocol: `${n + 140}` }), 4],
  'a port': [(n) => ({ protocol: 'tcp', port: n }), 4],
  'ports that are a block': [(n) => ({ protocol: 'udp', port: 8 * n, portLast: 8 * n + 7 }), 4],
  'ports that are two blocks': [
    (n) => ({ protocol: 'tcp', port: 2_048 + 16 * n, portLast: 2_048 + 16 * n + 9 }),
    8,
  ],
  'a port of SCTP': [(n) => ({ protocol: '132', port: n }), 6],
  'a port of SCTP that is allowed': [(n) => ({ protocol: '132', port: n, action: 'allow' }), 6],
  'a group': [(n) => ({ fromEndpointGroup: `g${n}` }), 2],
  'a group and a port': [(n) => ({ protocol: 'tcp', port: 80, fromEndpointGroup: `g${n}` }), 4],
  'a group and a ping': [
    (n) => ({ protocol: 'icmp', icmpType: 'echo', fromEndpointGroup: `g${n}` }),
    4,
  ],
  'a group and what only IPv4 asks': [
    (n) => ({ protocol: 'icmp', icmpType: 'timestamp', fromEndpointGroup: `g${n}` }),
    2,
  ],
  // its subnets, and link-local addresses in it
  'a network': [(n) => ({ fromNetwork: `n${n}`, fromIpAddress: `10.1.${n}.0/24` }), 6],
  'an address': [(n) => ({ fromIpAddress: `10.2.${n}.1` }), 2],
  'an address of IPv6': [(n) => ({ fromIpAddress: `fd02::${n}` }), 2],
  'a block': [(n) => ({ fromIpAddress: `10.3.${n}.0/28` }), 2],
  'addresses that are four blocks': [(n) => ({ fromIpAddress: `10.4.${n}.1-6` }), 8],
  'an address and a port': [
    (n) => ({ protocol: 'tcp', port: 80, fromIpAddress: `10.5.${n}.1` }),
    2,
  ],
  'what begins': [(n) => ({ direction: 'out', protocol: 'tcp', port: n }), 4],
};

const names = {
  groupNumber: (name: string) => Number(name.slice(1)),
  network: (name: string) => {
    const number = Number(name.slice(1));
    return {
      number,
      cidrs: [`10.1.${number}.0/24`, `fd01:${number}::/64`].map((each) => parseCidr(each)),
    };
  },
};

function ruleOf(policyName: string, kind: string, n: number): PolicyRule {
  const words = kinds[kind]?.[0](n);
  const rule = compileRule({ ...silence, ...words, policyName, ruleId: `${kind} ${n}` }, names);
  if (rule === undefined) throw new Error(`no rule is ${kind}`);
  return { ...rule, domain: policed };
}

/** A host that has the containers of a site, so many groups that all have one policy, and in it so many rules of each kind. */
class Counted {
  readonly pipeline = new Pipeline();
  readonly #flows = new Map<string, number>();

  constructor(count: number) {
    const [host] = policedSite.hosts;
    if (host === undefined) throw new Error('no host');
    feedPipeline(this.pipeline, policedSite, host);
    for (let n = 1; n <= count; n += 1) {
      this.pipeline.setGroup({ number: n, domain: policed, policies: ['base'] });
      for (const kind of Object.keys(kinds)) this.pipeline.setRule(ruleOf('base', kind, n));
    }
  }

  /** All flows there are. */
  get flows(): number {
    const units: Iterable<[string, Unit | undefined]> = this.pipeline.take();
    for (const [key, unit] of units) this.#flows.set(key, unit?.flows.length ?? 0);
    return [...this.#flows.values()].reduce((sum, each) => sum + each, 0);
  }

  /** How many more something adds. */
  added(change: (pipeline: Pipeline) => void): number {
    const before = this.flows;
    change(this.pipeline);
    return this.flows - before;
  }
}

const costs = Object.entries(kinds).map(([kind, [, flows]]) => ({ kind, flows }));
const counts = [1, 10, 100];
const sites = counts.map((count) => [count, new Counted(count)] as const);
const another = 101;
/** `in` that denies, `in` that allows, `out` that denies. */
const levels = 3;

describe.each(sites)('with %i groups, and as many rules of each kind', (count, site) => {
  it.each(costs)('a rule with $kind adds $flows flows', ({ kind, flows }) => {
    const rule = ruleOf('base', kind, another);
    expect(site.added((pipeline) => pipeline.setRule(rule))).toBe(flows);
    expect(site.added((pipeline) => pipeline.removeRule(rule))).toBe(-flows);
  });

  it('another group adds one for each direction, priority and action of its rules', () => {
    const group = { number: another, domain: policed, policies: ['base'] };
    expect(site.added((pipeline) => pipeline.setGroup(group))).toBe(levels);
    expect(site.added((pipeline) => pipeline.removeGroup(another))).toBe(-levels);
  });

  it('another policy of a group adds its rules, and one for what they say', () => {
    const rule = ruleOf('other', 'a port', another);
    expect(site.added((pipeline) => pipeline.setRule(rule))).toBe(0);
    const give = (policies: readonly string[]) => (pipeline: Pipeline) =>
      pipeline.setGroup({ number: 1, domain: policed, policies });
    expect(site.added(give(['base', 'other']))).toBe(4 + 1);
    expect(site.added(give(['base']))).toBe(-5);
    site.pipeline.removeRule(rule);
  });

  it('the first rule of a priority adds one more for each group, and one for what it says', () => {
    const rule = { ...ruleOf('base', 'a port', another), priority: 50 };
    expect(site.added((pipeline) => pipeline.setRule(rule))).toBe(4 + 1 + count);
    // and the second does not
    const second = { ...ruleOf('base', 'a port', another + 1), priority: 50 };
    expect(site.added((pipeline) => pipeline.setRule(second))).toBe(4);
    site.pipeline.removeRule(rule);
    site.pipeline.removeRule(second);
  });
});

it('flows are so many for each rule, and so many for each group, and nothing else', () => {
  const [few = 0, some = 0, many = 0] = sites.map(([, site]) => site.flows);
  const each = costs.reduce((sum, { flows }) => sum + flows, levels);
  expect([some - few, many - some]).toEqual([9 * each, 90 * each]);
});

it('another container adds as many flows whatever groups and rules there are, here and elsewhere', () => {
  const [like] = containers;
  if (like === undefined) throw new Error('no container');
  const { host: _host, port: _port, serves, ...rest } = like;
  const id = 'another';
  const one = {
    ...{ ...rest, id, mac: deriveMac(undefined, id), group: 1 },
    ...{ ipv4: parseAddress('10.0.1.200'), ipv6: parseAddress('fd01:0:0:1::c8') },
  };
  expect(segmentAt(like).domain).toBe(policed);
  const added = sites.map(([, site]) => [
    site.added((pipeline) => pipeline.setLocal({ ...one, serves, port: 9_999 })),
    site.added((pipeline) => pipeline.removeLocal(id)),
    site.added((pipeline) => pipeline.setRemote({ ...one, peer: 'host-2' })),
    site.added((pipeline) => pipeline.removeRemote(id)),
  ]);
  expect(new Set(added.map(String)).size).toBe(1);
  const [[here = 0, gone = 0] = []] = added;
  expect([here > 6, gone]).toEqual([true, -here]);
});
