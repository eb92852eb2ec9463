/** Which ports of a host a container gets. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasCode, type ErrorCode } from '../../lib/errors.ts';
import { publishedPortMax, publishedPortMin, publishedPortsMax } from '../../lib/limits.ts';
import { describePublished, type PublishedPort } from '../../lib/model/published.ts';
import {
  chooseHostPorts,
  type Listener,
  type PortChoice,
  type PortRequest,
} from '../../lib/network/host-ports.ts';

const request = (change: Partial<PortRequest> = {}): PortRequest => ({
  protocol: 6,
  port: 80,
  hostAddress: '',
  first: 8080,
  last: 8080,
  ...change,
});
const hostAddresses = ['192.0.2.1', '2001:db8::1'];
const choice = (asked: readonly PortRequest[], change: Partial<PortChoice> = {}): PortChoice => ({
  asked,
  families: [4, 6],
  addresses: new Set(hostAddresses),
  listeners: [],
  taken: [],
  elsewhere: [],
  before: [],
  cursor: publishedPortMin - 1,
  ...change,
});
const texts = (ports: readonly PublishedPort[]) => ports.map(describePublished);
const chosen = (...of: Parameters<typeof choice>) => texts(chooseHostPorts(choice(...of)).ports);
const code = (wanted: ErrorCode) => (thrown: unknown) => hasCode(thrown, wanted);
const taken = (change: Partial<PublishedPort> = {}) =>
  ({
    ...{ protocol: 'tcp', address: '0.0.0.0', hostPort: 8080, port: 80, endpointId: 'other' },
    ...change,
  }) as PortChoice['taken'][number];

describe('a port that is named', () => {
  it('is taken at all addresses, or at the one asked for', () => {
    expect(chosen([request()])).toEqual(['0.0.0.0:8080->80/tcp', '[::]:8080->80/tcp']);
    expect(chosen([request()], { families: [4] })).toEqual(['0.0.0.0:8080->80/tcp']);
    for (const hostAddress of ['127.0.0.2', ...hostAddresses]) {
      const [text, ...more] = chosen([request({ hostAddress, protocol: 132 })]);
      expect(more).toEqual([]);
      expect(text?.replace(/[[\]]/g, '')).toBe(`${hostAddress}:8080->80/sctp`);
    }
  });

  it('is had twice by nobody, and asking for the same twice is asking once', () => {
    expect(chosen([request(), request()])).toHaveLength(2);
    const twice = [request(), request({ port: 81 })];
    expect(() => chosen(twice)).toThrow(/also for port 80 of the container/);
    expect(() => chosen([request()], { taken: [taken()] })).toSatisfy((run: () => void) => {
      try {
        run();
      } catch (thrown) {
        return code('PORT_IN_USE')(thrown) && /endpoint other/.test((thrown as Error).message);
      }
      return false;
    });
    expect(chosen([request()], { taken: [taken({ protocol: 'udp' })] })).toHaveLength(2);
  });

  it.each<[string, Listener, boolean]>([
    ['at all addresses', { protocol: 'tcp', address: '0.0.0.0', port: 8080 }, true],
    ['at all of both families', { protocol: 'tcp', address: '::', port: 8080 }, true],
    ['at the loopback', { protocol: 'tcp', address: '127.0.0.1', port: 8080 }, true],
    ['by another protocol', { protocol: 'udp', address: '0.0.0.0', port: 8080 }, false],
    ['at another port', { protocol: 'tcp', address: '0.0.0.0', port: 8081 }, false],
  ])('is refused where a process listens: %s', (_, listener, isRefused) => {
    const run = () => chosen([request()], { listeners: [listener] });
    if (isRefused) expect(run).toThrow(/a process that listens at/);
    else expect(run()).toHaveLength(2);
  });

  it('is free at one address where somebody listens at another', () => {
    const listeners: Listener[] = [{ protocol: 'tcp', address: '192.0.2.1', port: 8080 }];
    expect(chosen([request({ hostAddress: '127.0.0.1' })], { listeners })).toHaveLength(1);
    expect(chosen([request({ hostAddress: '::' })], { listeners })).toHaveLength(1);
  });

  it.each<[string, Partial<PortRequest>, Partial<PortChoice>, ErrorCode]>([
    ['an address that the host does not have', { hostAddress: '192.0.2.9' }, {}, 'PUBLISH_REFUSED'],
    ['a family that is not there', { hostAddress: '::' }, { families: [4] }, 'PUBLISH_REFUSED'],
    ['the loopback of IPv6', { hostAddress: '::1' }, {}, 'PUBLISH_REFUSED'],
    ['a protocol without ports', { protocol: 1 }, {}, 'PUBLISH_REFUSED'],
    ['no address', { hostAddress: 'eth0' }, {}, 'ADDRESS_INVALID'],
    ['a range that ends before it begins', { last: 8079 }, {}, 'REQUEST_INVALID'],
    ['port 0 of the container', { port: 0 }, {}, 'REQUEST_INVALID'],
  ])('is refused: %s', (_, change, around, wanted) => {
    expect(() => chosen([request(change)], around)).toThrow(expect.toSatisfy(code(wanted)));
  });

  it('is one of a bounded number', () => {
    const many = Array.from({ length: publishedPortsMax }, (_, at) =>
      request({ first: 1_000 + at, last: 1_000 + at, hostAddress: '0.0.0.0' }),
    );
    expect(chosen(many)).toHaveLength(publishedPortsMax);
    expect(() => chosen([...many, request()])).toThrow(/asks for 1026/);
  });
});

describe('a port that is chosen', () => {
  const any = request({ first: 0, last: 0 });

  it('is the next one that is free, around the end', () => {
    const { cursor, ports } = chooseHostPorts(choice([any]));
    expect(cursor).toBe(publishedPortMin);
    expect(ports.map(({ hostPort }) => hostPort)).toEqual([publishedPortMin, publishedPortMin]);
    const next = chooseHostPorts(
      choice([any], { cursor, taken: [taken({ hostPort: publishedPortMin + 1 })] }),
    );
    expect(next.cursor).toBe(publishedPortMin + 2);
    expect(chooseHostPorts(choice([any], { cursor: publishedPortMax })).cursor).toBe(
      publishedPortMin,
    );
  });

  it('is of the range that is asked for, and leaves to others what they name', () => {
    const range = request({ first: 9000, last: 9001 });
    const named = request({ port: 81, first: 9000, last: 9000 });
    expect(chosen([range, named], { families: [4] })).toEqual([
      '0.0.0.0:9001->80/tcp',
      '0.0.0.0:9000->81/tcp',
    ]);
    expect(() => chosen([range, named, { ...range, port: 82 }])).toThrow(/none of the ports/);
  });

  it('stays when it is asked for again, whoever listens there by now', () => {
    const { ports, cursor } = chooseHostPorts(choice([any]));
    const listeners = ports.map(({ address, hostPort: port }): Listener => ({
      protocol: 'tcp',
      address,
      port,
    }));
    const again = chooseHostPorts(choice([any], { before: ports, cursor, listeners }));
    expect(again.ports).toEqual(ports);
  });

  it('stays with another attachment of the container that has it', () => {
    const { ports } = chooseHostPorts(choice([request()], { families: [4] }));
    const others = ports.map((port) => ({ ...port, endpointId: 'sibling' }));
    expect(chosen([request()], { taken: others, elsewhere: ports })).toEqual(['[::]:8080->80/tcp']);
  });
});

describe('whatever is asked for', () => {
  const drawnAddress = fc.constantFrom('0.0.0.0', '::', '127.0.0.1', ...hostAddresses);
  const drawnPort = fc.integer({ min: 8080, max: 8084 });
  const drawn = fc.record({
    asked: fc.array(
      fc.record({
        protocol: fc.constantFrom(6, 17),
        port: fc.constantFrom(80, 81),
        hostAddress: fc.oneof(fc.constant(''), drawnAddress),
        first: drawnPort,
        more: fc.integer({ min: 0, max: 2 }),
      }),
      { maxLength: 5 },
    ),
    taken: fc.array(fc.record({ address: drawnAddress, hostPort: drawnPort }), { maxLength: 4 }),
    heard: fc.array(fc.record({ address: drawnAddress, port: drawnPort }), { maxLength: 4 }),
  });
  const covers = (address: string): readonly string[] => {
    if (address === '0.0.0.0') return ['127.0.0.1', '192.0.2.1', '4'];
    return address === '::' ? ['2001:db8::1', '6'] : [address];
  };
  const sockets = ({ protocol, address, hostPort }: Omit<PublishedPort, 'port'>) =>
    covers(address).map((each) => `${protocol} ${each} ${hostPort}`);

  it('nobody gets what another has, and all get what they asked for, or nobody anything', () => {
    fc.assert(
      fc.property(drawn, ({ asked, taken: others, heard }) => {
        const requests = asked.map(({ more, ...one }) => ({ ...one, last: one.first + more }));
        const around = {
          taken: others.map((one) => taken(one)),
          listeners: heard.map((one): Listener => ({ protocol: 'tcp', ...one })),
        };
        const used = new Set([
          ...around.taken.flatMap(sockets),
          ...heard.flatMap(({ address, port: hostPort }) =>
            // a socket of both families
            [address, ...(address === '::' ? ['0.0.0.0'] : [])].flatMap((each) =>
              sockets({ protocol: 'tcp', address: each, hostPort }),
            ),
          ),
        ]);
        let ports: readonly PublishedPort[];
        try {
          ({ ports } = chooseHostPorts(choice(requests, around)));
        } catch (thrown) {
          expect(hasCode(thrown, 'PORT_IN_USE')).toBe(true);
          // whoever names one port alone is refused only where somebody has it
          const [only, ...rest] = requests;
          if (only === undefined || rest.length > 0) return;
          const addresses = only.hostAddress === '' ? ['0.0.0.0', '::'] : [only.hostAddress];
          for (let hostPort = only.first; hostPort <= only.last; hostPort += 1) {
            const own = addresses.flatMap((address) =>
              sockets({ protocol: only.protocol === 6 ? 'tcp' : 'udp', address, hostPort }),
            );
            expect(own.some((one) => used.has(one))).toBe(true);
          }
          return;
        }
        const own = ports.flatMap(sockets);
        expect(new Set(own).size).toBe(own.length);
        expect(own.filter((one) => used.has(one))).toEqual([]);
        for (const { protocol, port, hostAddress, first, last } of requests) {
          for (const address of hostAddress === '' ? ['0.0.0.0', '::'] : [hostAddress]) {
            expect(
              ports.some(
                (one) =>
                  one.protocol === (protocol === 6 ? 'tcp' : 'udp') &&
                  one.port === port &&
                  one.address === address &&
                  one.hostPort >= first &&
                  one.hostPort <= last,
              ),
            ).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
