/** Services as flows on paper: who gets what, as whom, and what comes back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../lib/ip/ip.ts';
import { cookieKinds } from '../../../lib/datapath/pipeline/fields.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { macNumber } from '../../../lib/datapath/pipeline/addresses.ts';
import type { Service } from '../../../lib/network/world.ts';
import type { ServicePort } from '../../../lib/services/service.ts';
import type { CompiledRule } from '../../../lib/policy/compile.ts';
import { slotsOf } from '../../../lib/services/slots.ts';
import { pick } from './drawn-site.ts';
import type { Container } from './fabric.ts';
import { arpQuestion, ndQuestion } from './frames.ts';
import {
  addressOf,
  backend,
  callPacket,
  containers,
  ends,
  inNetwork,
  ServedFabric,
  serviceIn,
  type Call,
} from './served-site.ts';
import { receivers } from './talks.ts';

const routed = [...inNetwork(1), ...inNetwork(2)];

/** A service, in a network that is routed or not, with some ports or all, and some behind it who are ready and some not. */
const service: fc.Arbitrary<Service> = fc
  .record({
    index: fc.constantFrom(1, 2, 3),
    affinity: fc.constantFrom('connection' as const, 'client' as const),
    ready: fc.integer({ min: 1, max: 4 }),
    others: fc.nat(2),
    turn: fc.nat(20),
    target: fc.constantFrom(80, 8080),
    hasAll: fc.boolean(),
  })
  .map(({ index, affinity, ready, others, turn, target, hasAll }) => {
    const all = [...(index === 3 ? inNetwork(3) : []), ...routed];
    const turned = [...all.slice(turn % all.length), ...all.slice(0, turn % all.length)];
    const behind = turned.filter(({ segmentId }) => index !== 3 || segmentId === 't1n3');
    const backends = behind
      .slice(0, ready + others)
      .map((each, at) => backend(each, at < ready))
      .toSorted((one, other) => (one.endpointId < other.endpointId ? -1 : 1));
    return serviceIn(index, {
      id: 'web',
      affinity,
      backends,
      ...(hasAll
        ? { allPorts: true, ports: [] }
        : {
            ports: [
              { protocol: 'tcp', port: 80, target },
              { protocol: 'udp', port: 53, target: 53 },
              { protocol: 'sctp', port: 99, target: 99 },
            ],
          }),
    });
  });

/** A port that leads to the same of a container. */
const anyPort: fc.Arbitrary<ServicePort> = fc
  .record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
    port: fc.constantFrom(1, 80, 65_535),
  })
  .map(({ protocol, port }) => ({ protocol, port, target: port }));

const callOf = (of: Service): fc.Arbitrary<Call> =>
  fc.record({
    client: fc.constantFrom(...(of.segmentId === 't1n3' ? inNetwork(3) : routed)),
    service: fc.constant(of),
    port: of.allPorts === true ? anyPort : fc.constantFrom(...of.ports),
    family: fc.constantFrom(4 as const, 6 as const),
    from: fc.integer({ min: 40_000, max: 40_009 }),
  });
const served = service.chain((of) =>
  fc.record({
    of: fc.constant(of),
    calls: fc.uniqueArray(callOf(of), {
      minLength: 8,
      maxLength: 8,
      // ports of SCTP count for nothing in user space, so a client has one such conversation with an address, and
      // what one container behind it says to another by it may be an answer to that
      selector: ({ client, port: { protocol }, family, from }) =>
        protocol === 'sctp'
          ? [isBehind(of, client.id) ? 'behind' : client.id, protocol, family].join(' ')
          : [client.id, protocol, family, from].join(' '),
    }),
  }),
);

const isBehind = ({ backends }: Service, id: string): boolean =>
  backends.some(({ endpointId }) => endpointId === id);

const readyIds = ({ backends }: Service): readonly string[] =>
  backends.filter(({ isReady }) => isReady).map(({ endpointId }) => endpointId);

/** What the two sides see of a call. */
function expectSeen(call: Call, { server, got, back }: ReturnType<ServedFabric['call']>): void {
  const { client, family, from, port } = call;
  const address = addressOf(call.service, family).value;
  expect(ends(got)).toEqual({
    // its own address it would not answer
    from: server.id === client.id ? address : addressOf(client, family).value,
    to: addressOf(server, family).value,
    fromPort: from,
    toPort: port.target,
  });
  expect(got.packet.fields.ethDst).toBe(BigInt(macNumber(server.mac)));
  expect(back.to).toBe(server.id === client.id ? 'self' : client.id);
  expect(back.packet.fields.ethDst).toBe(BigInt(macNumber(client.mac)));
  expect(ends(back)).toEqual({
    from: address,
    to: addressOf(client, family).value,
    fromPort: port.port,
    toPort: from,
  });
}

describe('who speaks to a service', () => {
  it('reaches one container that is ready, and hears the service answer', () => {
    const site = new ServedFabric();
    const counts = { itself: 0, other: 0 };
    fc.assert(
      fc.property(served, ({ of, calls }) => {
        site.forget();
        site.change([of]);
        for (const call of calls) {
          const seen = site.call(call);
          expect(readyIds(of)).toContain(seen.server.id);
          expectSeen(call, seen);
          counts[seen.server.id === call.client.id ? 'itself' : 'other'] += 1;
          // and goes on with it
          expectSeen(call, site.call(call));
          expect(site.call(call).server.id).toBe(seen.server.id);
        }
      }),
      { numRuns: 30 },
    );
    expect(Math.min(counts.itself, counts.other)).toBeGreaterThan(0);
  });

  it('goes on with his container whoever else comes, goes or is to get nothing new', () => {
    const site = new ServedFabric();
    let stayed = 0;
    fc.assert(
      fc.property(served, service, ({ of, calls }, other) => {
        site.forget();
        site.change([of]);
        const begun = calls.map((call) => ({ call, server: site.call(call).server.id }));
        const kept = of.backends.map((each) => ({ ...each, isReady: false }));
        const come = other.backends.filter(
          ({ endpointId }) => !of.backends.some((each) => each.endpointId === endpointId),
        );
        const isHere = other.segmentId === of.segmentId;
        site.change([{ ...of, backends: [...kept, ...(isHere ? come : [])] }]);
        for (const { call, server } of begun) {
          const seen = site.call(call);
          expect(seen.server.id).toBe(server);
          expectSeen(call, seen);
          stayed += 1;
        }
      }),
      { numRuns: 5 },
    );
    expect(stayed).toBeGreaterThan(30);
  });

  it('is told so when his container has gone, and sent to no other', () => {
    const site = new ServedFabric();
    const [client, server, other] = inNetwork(1);
    if (client === undefined || server === undefined || other === undefined) throw new Error('few');
    const of = serviceIn(1, { id: 'web', backends: [backend(server)] });
    const port = pick(of.ports, 0);
    const call: Call = { client, service: of, port, family: 4, from: 4000 };
    site.change([of]);
    site.call(call);
    site.change([{ ...of, backends: [backend(other)] }], (pipeline) => {
      pipeline.removeLocal(server.id);
      pipeline.removeRemote(server.id);
    });
    const told = site.fabric.send(client, callPacket(call)).map(({ to, why }) => [to, why]);
    expect(told).toEqual([['agent', cookieKinds.unreachable]]);
    expect(site.call({ ...call, from: 4001 }).server.id).toBe(other.id);
  });

  it('goes on with a port that the service has no more, or that leads elsewhere, and begins nothing there', () => {
    const site = new ServedFabric();
    const [client, server] = inNetwork(1);
    if (client === undefined || server === undefined) throw new Error('no containers');
    const web = { protocol: 'tcp', port: 80, target: 8080 } as const;
    const names = { protocol: 'udp', port: 53, target: 5353 } as const;
    const of = serviceIn(1, { id: 'web', backends: [backend(server)], ports: [web, names] });
    site.change([of]);
    const calls = [web, names].flatMap((port) =>
      [4, 6].map((family): Call => ({
        ...{ client, service: of, port, from: 4000 },
        family: family === 4 ? 4 : 6,
      })),
    );
    for (const call of calls) site.call(call);
    const moved = { ...web, target: 9090 };
    const after = { ...of, ports: [moved], earlierPorts: [web, names] };
    for (const backends of [of.backends, [backend(server, false)]]) {
      site.change([{ ...after, backends }]);
      for (const call of calls) expectSeen(call, site.call(call));
    }
    site.change([after]);
    const anew: Call = { client, service: after, port: moved, family: 4, from: 4001 };
    expectSeen(anew, site.call(anew));
    const closed = callPacket({ ...anew, port: names });
    const told = site.fabric.send(client, closed).map(({ to, why }) => [to, why]);
    expect(told).toEqual([['agent', cookieKinds.unreachable]]);
  });

  it('is always sent to the same container by a service whose clients stay', () => {
    const site = new ServedFabric();
    fc.assert(
      fc.property(served, ({ of: { affinity: _any, ...rest }, calls }) => {
        const of: Service = { ...rest, affinity: 'client' };
        site.forget();
        site.change([of]);
        const ready = readyIds(of);
        const slots = slotsOf(ready);
        for (const call of calls.map((each) => ({ ...each, service: of }))) {
          const slot = Number(addressOf(call.client, call.family).value % 64n);
          expect(site.call(call).server.id).toBe(ready[slots[slot] ?? -1]);
        }
      }),
      { numRuns: 4 },
    );
  });

  it('is told that nobody is there when nobody is ready, unless he has begun', () => {
    const site = new ServedFabric();
    const [client, server] = inNetwork(1);
    if (client === undefined || server === undefined) throw new Error('no containers');
    const of = serviceIn(1, { id: 'web', backends: [backend(server)] });
    const port = pick(of.ports, 0);
    const call: Call = { client, service: of, port, family: 4, from: 4000 };
    site.change([of]);
    site.call(call);
    site.change([{ ...of, backends: [backend(server, false)] }]);
    expect(site.call(call).server.id).toBe(server.id);
    const told = (said: Call) =>
      site.fabric.send(said.client, callPacket(said)).map(({ to, why }) => [to, why]);
    expect(told({ ...call, from: 4001 })).toEqual([['agent', cookieKinds.unreachable]]);
    site.change([{ ...of, backends: [] }]);
    expect(told(call)).toEqual([['agent', cookieKinds.unreachable]]);
    const closed = { ...port, port: 81 };
    site.change([of]);
    expect(told({ ...call, port: closed })).toEqual([['agent', cookieKinds.unreachable]]);
  });

  it('of another tenant reaches whoever has that address there', () => {
    const site = new ServedFabric();
    const [server] = inNetwork(1);
    const other = containers.find(({ segmentId }) => segmentId === 't2n1');
    if (server === undefined || other === undefined) throw new Error('no containers');
    const of = serviceIn(1, { id: 'web', backends: [backend(server)] });
    site.change([of]);
    const port = pick(of.ports, 0);
    const said = callPacket({ client: other, service: of, port, family: 4, from: 4000 });
    expect(site.fabric.send(other, said).map(({ to }) => to)).toEqual(['agent']);
  });

  it('may speak to its container by itself from the same port, before and meanwhile', () => {
    const site = new ServedFabric();
    const counts = { before: 0, meanwhile: 0, otherPort: 0 };
    const calls = service.chain((of) => fc.record({ call: callOf(of), isFirst: fc.boolean() }));
    fc.assert(
      fc.property(calls, ({ call, isFirst }) => {
        const { client, family, port, from, service: of } = call;
        site.forget();
        site.change([
          { ...of, backends: of.backends.slice(0, 1).map((each) => ({ ...each, isReady: true })) },
        ]);
        const [only] = of.backends;
        const server = containers.find(({ id }) => id === only?.endpointId);
        // all ports, and SCTP: what cannot be told apart
        const isTold = of.allPorts !== true && port.protocol !== 'sctp';
        if (server === undefined || server.id === client.id || !isTold) return;
        const byItself = () => {
          const { got, back, ...heard } = site.callDirectly(call, server);
          expect(heard.server.id).toBe(server.id);
          expect(ends(got)).toMatchObject({
            from: addressOf(client, family).value,
            to: addressOf(server, family).value,
            toPort: port.target,
          });
          expect(back.to).toBe(client.id);
          expect(ends(back)).toEqual({
            from: addressOf(server, family).value,
            to: addressOf(client, family).value,
            fromPort: port.target,
            toPort: from,
          });
          if (ends(got).fromPort !== from) counts.otherPort += 1;
        };
        const byService = () => {
          const { back, server: chosen } = site.call(call);
          expect([chosen.id, back.to]).toEqual([server.id, client.id]);
          expect(ends(back)).toMatchObject({
            from: addressOf(of, family).value,
            fromPort: port.port,
            toPort: from,
          });
        };
        for (const say of isFirst ? [byItself, byService] : [byService, byItself]) say();
        for (const say of [byService, byItself, byItself, byService]) say();
        counts[isFirst ? 'before' : 'meanwhile'] += 1;
      }),
      { numRuns: 180 },
    );
    expect(Math.min(counts.before, counts.meanwhile, counts.otherPort)).toBeGreaterThan(3);
  });

  it('gets its MAC by a question of either family', () => {
    const site = new ServedFabric();
    const of = serviceIn(3, { id: 'web' });
    site.change([of]);
    const [client] = inNetwork(3);
    if (client === undefined) throw new Error('no container');
    for (const family of [4, 6] as const) {
      const { value } = addressOf(of, family);
      const question = family === 4 ? arpQuestion(client, value) : ndQuestion(client, value);
      const [answer, ...more] = site.fabric.send(client, question);
      expect([answer?.to, more]).toEqual(['self', []]);
      expect(answer?.packet.fields.ethSrc).toBe(BigInt(macNumber(gatewayMac)));
    }
  });
});

it('connections are shared out among all that are ready', () => {
  const site = new ServedFabric();
  const [client, ...servers] = routed;
  if (client === undefined) throw new Error('no client');
  const of = serviceIn(1, { id: 'web', backends: servers.slice(0, 4).map((one) => backend(one)) });
  site.change([of]);
  const port = pick(of.ports, 0);
  const got = Array.from(
    { length: 16 },
    (_, from) => site.call({ client, service: of, port, family: 4, from: 4000 + from }).server.id,
  );
  expect(new Set(got).size).toBe(4);
});

it('rules see who speaks and who is spoken to, not the service', () => {
  const site = new ServedFabric();
  const [client, other, server] = inNetwork(1);
  if (client === undefined || other === undefined || server === undefined) throw new Error('few');
  const of = serviceIn(1, { id: 'web', backends: [backend(server)] });
  const port = pick(of.ports, 0);
  const rule = (name: string, more: Partial<CompiledRule>): CompiledRule => ({
    policy: 'base',
    name,
    direction: 'in',
    priority: 1,
    verdict: 'deny',
    traffic: {
      group: undefined,
      blocks: undefined,
      protocol: undefined,
      ports: undefined,
      icmpTypes: undefined,
    },
    ...more,
  });
  const protocol = { v4: 6, v6: 6 };
  const ports = { first: port.target, last: port.target };
  const traffic = { group: 12, blocks: undefined, protocol, ports, icmpTypes: undefined };
  site.change([of], (pipeline, at) => {
    pipeline.setGroup({ number: 11, domain: 1, policies: ['base'] });
    for (const each of [rule('1', {}), rule('2', { priority: 2, verdict: 'allow', traffic })]) {
      pipeline.setRule({ ...each, domain: 1 });
    }
    const tell = ({ host, ...one }: Container, group: number) => {
      const { port: _port, serves: _serves, ...rest } = one;
      if (host === at) pipeline.setLocal({ ...one, group });
      else pipeline.setRemote({ ...rest, group, peer: host });
    };
    tell(client, 12);
    tell(other, 13);
    tell(server, 11);
  });
  const call: Call = { client, service: of, port, family: 4, from: 4000 };
  expectSeen(call, site.call(call));
  const denied = site.fabric.send(other, callPacket({ ...call, client: other }));
  expect(receivers(denied)).toEqual([]);
});

describe('a service with all ports', () => {
  it('does not answer for what has no ports, and answers pings', () => {
    const site = new ServedFabric();
    const [client, server] = inNetwork(1);
    if (client === undefined || server === undefined) throw new Error('few');
    const of = serviceIn(1, {
      ...{ id: 'web', allPorts: true as const, ports: [] },
      backends: [backend(server)],
    });
    site.change([of]);
    const port = { protocol: 'tcp', port: 80, target: 80 } as const;
    const { length, fields } = callPacket({ client, service: of, port, family: 4, from: 4000 });
    const { tcpSrc: _from, tcpDst: _to, ...bare } = fields;
    const sent = (more: object) =>
      site.fabric.send(client, { length, fields: { ...bare, ...more } }).map(({ to }) => to);
    expect(sent({ ipProto: 47n })).toEqual(['agent']);
    expect(sent({ ipProto: 1n, icmpType: 8n, icmpCode: 0n })).toEqual(['self']);
  });

  it('and one with some of the same container go side by side', () => {
    const site = new ServedFabric();
    const [client, server] = inNetwork(1);
    if (client === undefined || server === undefined) throw new Error('few');
    const one = serviceIn(1, {
      ...{ id: 'all', allPorts: true as const, ports: [] },
      backends: [backend(server)],
    });
    const other = serviceIn(1, { id: 'web', backends: [backend(server)] });
    site.change([one, other]);
    for (const family of [4, 6] as const) {
      const free = { protocol: 'tcp', port: 8080, target: 8080 } as const;
      const calls: readonly Call[] = [
        { client, service: one, port: free, family, from: 4000 },
        { client, service: other, port: pick(other.ports, 0), family, from: 4001 },
      ];
      for (const call of calls) expectSeen(call, site.call(call));
      site.change([other]);
      for (const call of calls.slice(1)) expectSeen(call, site.call(call));
      site.change([one, other]);
    }
  });

  it('leaves what others say to its containers directly as it is, in pieces too', () => {
    const site = new ServedFabric();
    const [client, server] = inNetwork(1);
    if (client === undefined || server === undefined) throw new Error('few');
    const of = serviceIn(1, {
      ...{ id: 'all', allPorts: true as const, ports: [] },
      backends: [backend(server), backend(client)],
    });
    site.change([of]);
    for (const family of [4, 6] as const) {
      const asIf = { ...of, addresses: [addressOf(server, family)] };
      const port = { protocol: 'udp', port: 53, target: 53 } as const;
      const said = callPacket({ client, service: asIf, port, family, from: 4000 });
      const packet = {
        ...said,
        fields: { ...said.fields, ethDst: BigInt(macNumber(server.mac)) },
      };
      const [got, ...more] = site.fabric.send(client, packet);
      expect([got?.to, more]).toEqual([server.id, []]);
      expect(got && ends(got)).toEqual({
        from: addressOf(client, family).value,
        to: addressOf(server, family).value,
        ...{ fromPort: 4000, toPort: 53 },
      });
      // later pieces go by the same way: conntrack would wait for them
      const { udpSrc: _from, udpDst: _to, ...rest } = packet.fields;
      const piece = { ...rest, ipProto: family === 4 ? 17n : 44n, ipFrag: 3n };
      const looked = site.fabric.send(client, { ...packet, fields: piece });
      expect(looked.map(({ to }) => to)).toEqual([server.id]);
    }
  });
});

describe('flows', () => {
  it('after any change are what they would be if they were made of the end alone', () => {
    const all = fc.array(
      fc.tuple(service, fc.constantFrom('a', 'b', 'c')).map(([of, id]) => ({
        ...serviceIn(Number(of.segmentId.at(-1)), { id }),
        affinity: of.affinity,
        backends: of.backends,
        earlierPorts: of.affinity === 'client' ? of.ports : [],
        ...(of.allPorts === true ? { allPorts: of.allPorts, ports: [] } : {}),
      })),
      { maxLength: 3 },
    );
    const unique = all.map((list) => [...new Map(list.map((one) => [one.id, one])).values()]);
    fc.assert(
      fc.property(unique, unique, (before, after) => {
        const changed = new ServedFabric();
        changed.change(before);
        changed.change(after);
        const fresh = new ServedFabric();
        fresh.change(after);
        for (const host of [0, 1]) {
          expect(textsOf(changed, host)).toEqual(textsOf(fresh, host));
        }
      }),
      { numRuns: 2 },
    );
  });

  it('that translate addresses say of which family they are, as a switch wants it', () => {
    const site = new ServedFabric();
    const [server] = inNetwork(1);
    if (server === undefined) throw new Error('no container');
    site.change([serviceIn(1, { id: 'web', backends: [backend(server)] })]);
    const all = [0, 1].flatMap((host) => [...site.unitsOf(host).values()]);
    const translating = all
      .flatMap(({ flows }) => flows)
      .filter(({ apply }) => apply?.some((each) => each.kind === 'ct' && each.nat !== undefined));
    expect(translating.length).toBeGreaterThan(10);
    expect(translating.filter(({ match }) => match.ethType === undefined)).toEqual([]);
  });

  it('of who has no services are the same with those of others', () => {
    const [server] = inNetwork(1);
    if (server === undefined) throw new Error('no container');
    const without = new ServedFabric();
    const withOne = new ServedFabric();
    withOne.change([serviceIn(1, { id: 'web', backends: [backend(server)] })]);
    const added = [...withOne.unitsOf(0)].filter(([key]) => !without.unitsOf(0).has(key));
    expect(added.map(([key]) => key).toSorted()).toEqual([
      'service',
      `service/backend/${server.id}`,
      'service/domain/1',
      'service/web',
    ]);
    for (const [key, unit] of without.unitsOf(0)) expect(withOne.unitsOf(0).get(key)).toEqual(unit);
  });

  it('of a service do not grow with its ports times its containers', () => {
    const count = (backends: number, ports: number) => {
      const site = new ServedFabric();
      const of = serviceIn(1, {
        id: 'web',
        addresses: [parseAddress('10.0.1.200')],
        backends: routed.slice(0, backends).map((each) => backend(each)),
        ports: Array.from({ length: ports }, (_, at) => ({
          protocol: 'tcp' as const,
          port: 100 + at,
          target: 100,
        })),
      });
      site.change([of]);
      return site.unitsOf(0).get('service/web')?.flows.length ?? 0;
    };
    expect(count(8, 10) - count(1, 10)).toBe(0);
    expect(count(1, 10) - count(1, 5)).toBe(10);
  });
});

/** Numbers of services are given in the order of their coming. */
function textsOf(site: ServedFabric, host: number): unknown {
  return [...site.unitsOf(host)]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, { flows, groups }]) => [
      key,
      flows.map(({ cookie: _number, apply, ...rest }) => ({
        ...rest,
        apply: apply?.map((each) => (each.kind === 'group' ? 'a group' : each)),
      })),
      groups.map(({ buckets }) => buckets),
    ]);
}
