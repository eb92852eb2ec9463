/** Rules as flows on paper, against what `judge` says of the same rules. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import { reservedPort } from '../../../lib/datapath/openflow/codec/flow.ts';
import { ports, tables } from '../../../lib/datapath/pipeline/fields.ts';
import { aliasOf, hostMac } from '../../../lib/datapath/pipeline/outside.ts';
import { Pipeline, type UnitChanges } from '../../../lib/datapath/pipeline/pipeline.ts';
import { portBlocks } from '../../../lib/datapath/pipeline/rule-sets.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import type { RuleConfig } from '../../../lib/model/objects/rule.ts';
import type { Outside, PolicyRule } from '../../../lib/network/world.ts';
import { compileRule, type CompiledRule } from '../../../lib/policy/compile.ts';
import type { TenantPolicies } from '../../../lib/policy/judge.ts';
import { feedPipeline, unitsOf } from './fabric.ts';
import { silence } from '../../support/policy-words.ts';
import { arpQuestion, ipPacket } from './frames.ts';
import { PaperSwitch, type Packet } from './interpreter.ts';
import { addressOf, feedPolicies, PolicedFabric, policed, policedSite } from './policed-site.ts';
import {
  allowed,
  answer,
  anyTraffic,
  noPolicies,
  packetOf,
  policies,
  receivers,
  ruleOf,
  speak,
  talk,
  tcp80,
  tenants,
  type Talk,
} from './talks.ts';

const asText = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString(16) : value;

describe('a conversation', () => {
  it('begins where both ends allow it, and is answered then', () => {
    const count = { allow: 0, deny: 0 };
    const site = new PolicedFabric();
    fc.assert(
      fc.property(policies, fc.array(talk, { minLength: 8, maxLength: 8 }), (rules, talks) => {
        site.forget();
        site.change(rules);
        const seen = new Set<string>();
        for (const said of talks) {
          // one that began the other way round is another story
          const pair = [said.client.id, said.server.id].toSorted().join(' ');
          if (seen.has(pair)) continue;
          seen.add(pair);
          const isAllowed = allowed(rules, said);
          expect([said, speak(site, said)]).toEqual([said, { there: isAllowed, back: isAllowed }]);
          count[isAllowed ? 'allow' : 'deny'] += 1;
        }
      }),
      { numRuns: 40 },
    );
    expect(Math.min(count.allow, count.deny)).toBeGreaterThan(15);
  });

  it('goes on, both ways, exactly as long as it could begin now', () => {
    const count = { allow: 0, deny: 0 };
    const site = new PolicedFabric();
    fc.assert(
      fc.property(
        policies,
        policies,
        fc.array(talk, { minLength: 8, maxLength: 8 }),
        (before, after, talks) => {
          for (const said of talks.filter((each) => allowed(before, each))) {
            site.forget();
            site.change(before);
            expect(speak(site, said)).toEqual({ there: true, back: true });
            site.change(after);
            const isAllowed = allowed(after, said);
            // who answers speaks first now
            expect([said, answer(site, said)]).toEqual([said, isAllowed]);
            expect(speak(site, said).there).toBe(isAllowed);
            count[isAllowed ? 'allow' : 'deny'] += 1;
          }
        },
      ),
      { numRuns: 24 },
    );
    expect(Math.min(count.allow, count.deny)).toBeGreaterThan(0);
  });
});

describe('a container that is moved from group to group', () => {
  const groups = [undefined, ...new Set(tenants.map(({ group }) => group))];
  const drawn = {
    policies,
    talks: fc.array(talk, { minLength: 6, maxLength: 6 }),
    group: fc.constantFrom(...groups),
    isClient: fc.boolean(),
  };
  const movedIn = (said: Talk, group: number | undefined, isClient: boolean): Talk =>
    isClient
      ? { ...said, client: { ...said.client, group } }
      : { ...said, server: { ...said.server, group } };

  it('keeps what it has open exactly where it could begin now, both ways', () => {
    const count = { allow: 0, deny: 0 };
    const site = new PolicedFabric();
    fc.assert(
      fc.property(fc.record(drawn), ({ policies: rules, talks, group, isClient }) => {
        site.change(rules);
        for (const said of talks.filter((each) => allowed(rules, each))) {
          const who = isClient ? said.client : said.server;
          const after = movedIn(said, group, isClient);
          site.forget();
          expect(speak(site, said)).toEqual({ there: true, back: true });
          site.move(who, group);
          const isAllowed = allowed(rules, after);
          // who answers speaks first now
          expect([after, answer(site, said)]).toEqual([after, isAllowed]);
          expect([after, speak(site, said).there]).toEqual([after, isAllowed]);
          count[isAllowed ? 'allow' : 'deny'] += 1;
          site.move(who, who.group);
        }
      }),
      { numRuns: 75 },
    );
    expect(Math.min(count.allow, count.deny)).toBeGreaterThan(0);
  });

  it('loses nothing that is allowed before and after while hosts hear of it one after the other', () => {
    const site = new PolicedFabric();
    const names = policedSite.hosts.map(({ name }) => name);
    let kept = 0;
    fc.assert(
      fc.property(
        fc.record({ ...drawn, order: fc.shuffledSubarray(names, { minLength: names.length }) }),
        ({ policies: rules, talks, group, isClient, order }) => {
          site.change(rules);
          for (const said of talks) {
            if (!allowed(rules, said) || !allowed(rules, movedIn(said, group, isClient))) continue;
            const who = isClient ? said.client : said.server;
            site.forget();
            expect(speak(site, said)).toEqual({ there: true, back: true });
            for (const name of order) {
              site.move(who, group, [name]);
              expect([said, answer(site, said), speak(site, said)]).toEqual([
                said,
                true,
                { there: true, back: true },
              ]);
              kept += 1;
            }
            site.move(who, who.group);
          }
        },
      ),
      { numRuns: 50 },
    );
    expect(kept).toBeGreaterThan(50);
  });

  it('changes its own flows only', () => {
    const pipeline = new Pipeline();
    const [host] = policedSite.hosts;
    if (host === undefined) throw new Error('no host');
    feedPolicies(pipeline, { rules: [ruleOf({})], groups: new Map([[11, ['base']]]) });
    feedPipeline(pipeline, policedSite, host);
    const before = new Map(pipeline.take());
    const here = tenants.find(({ host: at }) => at === host.name);
    if (here === undefined) throw new Error('no container');
    const { host: _at, ...endpoint } = here;
    pipeline.setLocal({ ...endpoint, group: 12 });
    const flowsIn = (units: UnitChanges, key: string): ReadonlyMap<string, number> =>
      new Map(units.get(key)?.flows.map((flow) => [JSON.stringify(flow, asText), flow.table]));
    const after = pipeline.take();
    const changed = [...after.keys()].flatMap((key) => {
      const old = flowsIn(before, key);
      return [...flowsIn(after, key)].flatMap(([flow, table]) => (old.has(flow) ? [] : [table]));
    });
    // an address of each family, and the link-local one
    const each = [tables.clientGroup, tables.serverGroup];
    const count = (table: number) => changed.filter((one) => one === table).length;
    expect([changed.length, ...each.map(count)]).toEqual([6, 3, 3]);
  });
});

it('of a packet that was cut the first piece is judged', () => {
  const site = new PolicedFabric();
  const [client, server] = tenants.filter(({ segmentId }) => segmentId === 't1n1');
  if (client === undefined || server?.group === undefined) throw new Error('no containers');
  const said = { client, server, family: 4, isLinkLocal: false, speech: tcp80 } as const;
  const http = { ...anyTraffic, protocol: { v4: 6, v6: 6 }, ports: { first: 80, last: 80 } };
  const groups = new Map([[server.group, ['base']]]);
  const deny = ruleOf({ verdict: 'deny' });
  const piece = (ipFrag: bigint, port: number) => {
    const { from, packet } = packetOf({ ...said, speech: { ...tcp80, port } }, 'forth');
    return receivers(site.fabric.send(from, changed(packet, ipFrag)));
  };
  const changed = ({ fields, length }: Packet, ipFrag: bigint): Packet => {
    const { tcpSrc: _source, tcpDst: _target, ...rest } = fields;
    return { length, fields: ipFrag === 1n ? { ...fields, ipFrag } : { ...rest, ipFrag } };
  };
  site.change({ rules: [deny, ruleOf({ name: '2', priority: 2, traffic: http })], groups });
  expect([piece(1n, 80), piece(3n, 80), piece(1n, 81)]).toEqual([[server.id], [server.id], []]);
  // those whose others do not come are passed on unseen by conntrack, as they are
  site.losePieces();
  expect([piece(1n, 80), piece(3n, 80), piece(3n, 81)]).toEqual([[], [], []]);
});

describe('a packet round the rules', () => {
  const [client, server] = tenants.filter(
    ({ segmentId, group }) => segmentId === 't1n1' && group === 11,
  );
  if (client === undefined || server === undefined) throw new Error('no containers');
  const denyAll: TenantPolicies = {
    rules: [ruleOf({ verdict: 'deny' })],
    groups: new Map([[11, ['base']]]),
  };
  const site = new PolicedFabric();
  const got = (packet: Packet) => receivers(site.fabric.send(client, packet));
  const to = (address: IpAddress, toMac: string) =>
    ipPacket({ fromMac: client.mac, toMac, from: addressOf(client, address.family), to: address });

  it.each([
    ['to an address that is not its own', parseAddress('10.0.1.77'), server.mac],
    ['to an address that many have', parseAddress('224.0.0.1'), server.mac],
    ['to an address that all have', parseAddress('255.255.255.255'), server.mac],
    ['to its address, framed for all', addressOf(server, 4), 'ff:ff:ff:ff:ff:ff'],
    ['to its address, framed for many', addressOf(server, 6), '33:33:00:00:00:01'],
  ])('reaches no container: %s', (_how, address, mac) => {
    site.change(noPolicies);
    // it did without rules, so it is the rules that stop it
    expect(got(to(address, mac))).toContain(server.id);
    site.change(denyAll);
    expect(got(to(address, mac))).toEqual([]);
  });

  it('for all is for all still, and so are questions for addresses', () => {
    site.change(denyAll);
    const broadcasts = ['10.0.1.255', '255.255.255.255', '224.0.0.251'].map((text) =>
      to(parseAddress(text), 'ff:ff:ff:ff:ff:ff'),
    );
    for (const each of broadcasts) expect(got(each)).toContain(server.id);
    const question = arpQuestion(client, addressOf(server, 4).value);
    expect(got(question)).toEqual(['self']);
  });
});

it('what is open when the first rule comes goes on or ends as what comes later', () => {
  const [client, server] = tenants.filter(
    ({ segmentId, group }) => segmentId === 't1n1' && group !== undefined,
  );
  if (client?.group === undefined || server?.group === undefined) throw new Error('no containers');
  const said = { client, server, family: 4, isLinkLocal: false, speech: tcp80 } as const;
  const groups = new Map([client.group, server.group].map((group) => [group, ['base']]));
  const without = { rules: [], groups };
  const site = new PolicedFabric();
  const afterFirst = (rules: readonly CompiledRule[]) => {
    site.forget();
    site.change(without);
    expect(speak(site, said)).toEqual({ there: true, back: true });
    site.change({ rules, groups });
    // who answers speaks first now
    return [answer(site, said), speak(site, said).there];
  };
  const http = { ...anyTraffic, protocol: { v4: 6, v6: 6 }, ports: { first: 80, last: 80 } };
  const deny = ruleOf({ verdict: 'deny' });
  const allow = ruleOf({ name: '2', priority: 2, traffic: http });
  expect(afterFirst([deny, allow])).toEqual([true, true]);
  expect(afterFirst([deny])).toEqual([false, false]);
  expect(afterFirst([{ ...deny, direction: 'out' }])).toEqual([false, false]);
});

it('without rules nothing is dropped that conntrack finds invalid', () => {
  const pipeline = new Pipeline();
  pipeline.setGroup({ number: 11, domain: policed, policies: [] });
  const passes = unitsOf(pipeline)
    .flatMap(({ flows }) => flows)
    .filter(({ table, priority }) => table === tables.clientGroup && priority === 210);
  expect(passes).toMatchObject([{ goto: tables.exit }]);
  pipeline.setRule({ ...ruleOf({}), domain: policed });
  pipeline.setGroup({ number: 11, domain: policed, policies: ['base'] });
  const after = unitsOf(pipeline).flatMap(({ flows }) => flows);
  expect(after.filter(({ priority }) => priority === 210)).toEqual([]);
});

describe('what is outside', () => {
  const outside: Outside = {
    blocks: [parseCidr('169.254.64.0/18'), parseCidr('fd00:9::/64')],
    vxlanPort: 4789,
  };
  const [host] = policedSite.hosts;
  const client = tenants.find(({ group, host: at }) => group === 11 && at === host?.name);
  const [block] = outside.blocks;
  if (host === undefined || client === undefined || block === undefined) throw new Error('no host');
  const world = parseAddress('192.0.2.7');
  const askWorld = ipPacket({
    fromMac: client.mac,
    toMac: gatewayMac,
    from: addressOf(client, 4),
    to: world,
  });
  const answerOfWorld = ipPacket(
    { fromMac: hostMac, toMac: gatewayMac, from: world, to: aliasOf(block, policed) },
    { udpSrc: 53n, udpDst: 4000n },
  );

  function bridgeWith(rules: TenantPolicies): PaperSwitch {
    const pipeline = new Pipeline();
    pipeline.setOutside(outside);
    if (host !== undefined) feedPipeline(pipeline, policedSite, host);
    feedPolicies(pipeline, rules);
    return new PaperSwitch(unitsOf(pipeline));
  }
  const portsOf = (bridge: PaperSwitch, port: number, packet: Packet) =>
    bridge
      .run(port, packet)
      .map((sent) => sent.port)
      .filter((to) => to !== reservedPort.controller);

  it('is spoken to as the rules of who speaks say, and answers', () => {
    const groups = new Map([[11, ['base']]]);
    const out = { direction: 'out' as const, verdict: 'deny' as const };
    const denied = { rules: [ruleOf(out)], groups };
    expect(portsOf(bridgeWith(denied), client.port, askWorld)).toEqual([]);
    const block24 = { cidr: parseCidr('192.0.2.0/24'), network: undefined };
    const traffic = { ...anyTraffic, blocks: [block24] };
    const allow = ruleOf({ direction: 'out', name: '2', priority: 2, traffic });
    const into = ruleOf({ verdict: 'deny', name: '3' });
    const bridge = bridgeWith({ rules: [ruleOf(out), allow, into], groups });
    expect(portsOf(bridge, client.port, askWorld)).toEqual([ports.host]);
    expect(portsOf(bridge, ports.host, answerOfWorld)).toEqual([client.port]);
    const elsewhere = ipPacket({
      fromMac: client.mac,
      toMac: gatewayMac,
      from: addressOf(client, 4),
      to: parseAddress('198.51.100.1'),
    });
    expect(portsOf(bridge, client.port, elsewhere)).toEqual([]);
  });

  it('on the wire is in no group: rules without one are for it', () => {
    const site = new PolicedFabric();
    const server = tenants.find(({ group, segmentId }) => group === 11 && segmentId === 't1n2');
    if (server === undefined) throw new Error('no server');
    const machine = ipPacket(
      {
        fromMac: '02:aa:00:00:00:01',
        toMac: server.mac,
        from: parseAddress('10.0.2.200'),
        to: addressOf(server, 4),
      },
      { vlanVid: 0x1000n | 10n },
    );
    const got = () => receivers(site.fabric.sendFromWire(machine));
    const groups = new Map([[11, ['base']]]);
    site.change({
      rules: [ruleOf({ verdict: 'deny', traffic: { ...anyTraffic, group: 12 } })],
      groups,
    });
    expect(got()).toEqual([server.id]);
    site.change({ rules: [ruleOf({ verdict: 'deny' })], groups });
    expect(got()).toEqual([]);
  });
});

it('several ports are the fewest numbers with masks that are just these', () => {
  expect(portBlocks({ first: 80, last: 80 })).toEqual([80]);
  expect(portBlocks({ first: 8_000, last: 8_009 })).toEqual([
    { value: 8_000, mask: 0xfff8 },
    { value: 8_008, mask: 0xfffe },
  ]);
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(
    fc.property(port, port, port, (one, other, asked) => {
      const [first, last] = one < other ? [one, other] : [other, one];
      const blocks = portBlocks({ first, last });
      const fitting = blocks.filter((block) => {
        const { value, mask } = typeof block === 'number' ? { value: block, mask: 0xffff } : block;
        return (asked & mask) === value;
      });
      expect(fitting).toHaveLength(asked >= first && asked <= last ? 1 : 0);
      expect(blocks.length).toBeLessThanOrEqual(30);
    }),
  );
});

describe('flows', () => {
  const counted = (groups: number, rules: number) => {
    const pipeline = new Pipeline();
    fill(pipeline, groups, rules);
    return unitsOf(pipeline).reduce((sum, { flows }) => sum + flows.length, 0);
  };
  const fill = (pipeline: Pipeline, groups: number, rules: number) => {
    for (let number = 1; number <= groups; number++) {
      pipeline.setGroup({ number, domain: policed, policies: ['base'] });
    }
    for (let port = 1; port <= rules; port++) pipeline.setRule(httpRule(port));
  };
  const httpRule = (port: number): PolicyRule => ({
    ...ruleOf({
      name: `${port}`,
      traffic: { ...anyTraffic, protocol: { v4: 6, v6: 6 }, ports: { first: port, last: port } },
    }),
    domain: policed,
  });

  it('are as many as groups and rules, not their product', () => {
    const none = counted(1, 1);
    expect(counted(101, 1) - none).toBe(100);
    // in both families, and as many again that count them
    expect(counted(1, 101) - none).toBe(400);
    expect(counted(101, 101) - none).toBe(500);
  });

  it.each([
    // of both families, and as many again that count
    ['one port', { protocol: 'tcp', port: 80 }, 4],
    ['the worst range of ports', { protocol: 'tcp', port: 1, portLast: 65_534 }, 120],
    ['an address', { fromIpAddress: '10.0.2.9' }, 2],
    ['the worst range of addresses', { fromIpAddress: '10.0.2.1-254' }, 28],
    [
      'both',
      { protocol: 'udp', port: 1, portLast: 65_534, fromIpAddress: '10.0.2.1-254' },
      2 * 14 * 30,
    ],
    // there is one for each way to judge, and for errors where something is allowed
    ['a port of SCTP', { protocol: '132', port: 80 }, 6],
    ['a port of SCTP that is allowed', { protocol: '132', port: 80, action: 'allow' }, 8],
  ] as const)('of a rule with %s are as docs/policy.md says', (_what, words, cost) => {
    const names = { groupNumber: () => 12, network: () => undefined };
    const compiled = (more: Partial<RuleConfig>) =>
      compileRule({ ...silence, policyName: 'base', ruleId: 'x', ...more }, names);
    const flowsOf = (rules: readonly (CompiledRule | undefined)[]) => {
      const pipeline = new Pipeline();
      fill(pipeline, 1, 0);
      for (const rule of rules) if (rule) pipeline.setRule({ ...rule, domain: policed });
      return unitsOf(pipeline).reduce((sum, { flows }) => sum + flows.length, 0);
    };
    // another of the same set
    const { action = 'deny' } = words as Partial<RuleConfig>;
    const other = compiled({ ruleId: 'y', protocol: '99', action });
    expect(flowsOf([other, compiled(words)]) - flowsOf([other])).toBe(cost);
  });

  it('of a rule that comes or goes are its own', () => {
    const pipeline = new Pipeline();
    fill(pipeline, 50, 200);
    pipeline.take();
    pipeline.setRule(httpRule(201));
    expect(pipeline.take().size).toBe(3);
    pipeline.removeRule(httpRule(201));
    expect(pipeline.take().size).toBe(3);
  });

  /** The keys of units that are not the same in both. */
  const differing = (one: UnitChanges, other: UnitChanges): readonly string[] =>
    [...new Set([...one.keys(), ...other.keys()])].filter(
      (key) => JSON.stringify(one.get(key), asText) !== JSON.stringify(other.get(key), asText),
    );
  const enforced = { rules: [ruleOf({})], groups: new Map([[11, ['base']]]) };
  const fed = (rules: TenantPolicies): Pipeline => {
    const pipeline = new Pipeline();
    feedPolicies(pipeline, rules);
    for (const host of policedSite.hosts.slice(0, 1)) feedPipeline(pipeline, policedSite, host);
    return pipeline;
  };
  const plain = fed(noPolicies).take();

  it('of who has no rules are what they were', () => {
    const unused = { rules: [ruleOf({})], groups: new Map([[11, ['other']]]) };
    // who began is remembered, in case that there are rules one day
    expect(differing(fed(unused).take(), plain)).toEqual(['policy', 'policy/domain/1']);
    const own = new Set(tenants.map(({ id }) => id));
    const changed = differing(fed(enforced).take(), plain);
    expect(changed.length).toBeGreaterThan(5);
    expect(
      changed.filter((key) => !key.startsWith('policy') && !own.has(key.split('/')[1] ?? '')),
    ).toEqual([]);
  });

  it('go with the last rule, but for those that nobody comes to', () => {
    const pipeline = fed(enforced);
    const units = new Map(pipeline.take());
    feedPolicies(pipeline, noPolicies, enforced);
    for (const [key, unit] of pipeline.take()) units.set(key, unit);
    expect(differing(units, plain)).toEqual(['policy']);
  });
});
