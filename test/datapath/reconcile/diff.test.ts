import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  difference,
  isSettled,
  type ObservedLink,
  type ObservedPort,
} from '../../../lib/datapath/reconcile/diff.ts';
import { linkNames, type PortSpec } from '../../../lib/network/port.ts';

const idOf = (n: number): string => n.toString(16).padStart(12, '0') + '0'.repeat(52);

function spec(n: number): PortSpec {
  const names = linkNames(idOf(n));
  return {
    endpointId: idOf(n),
    networkId: 'net7',
    hostLink: names.host,
    containerLink: names.container,
    mac: '02:42:0a:00:00:02',
    mtu: 1500,
  };
}

const link = (n: number, change: Partial<ObservedLink> = {}): ObservedLink => ({
  name: spec(n).hostLink,
  endpointId: idOf(n),
  mtu: 1500,
  up: true,
  ...change,
});

const port = (n: number, change: Partial<ObservedPort> = {}): ObservedPort => ({
  name: spec(n).hostLink,
  endpointId: idOf(n),
  networkId: 'net7',
  number: 100 + n,
  error: undefined,
  intact: true,
  ...change,
});

const wanted = (...specs: PortSpec[]): Map<string, PortSpec> =>
  new Map(specs.map((one) => [one.endpointId, one]));

describe('difference', () => {
  it('finds nothing to do when everything is as desired', () => {
    const changes = difference(wanted(spec(1)), { ports: [port(1)], links: [link(1)] });
    expect(isSettled(changes)).toBe(true);
    expect(changes.detached).toEqual([]);
  });

  it('brings back a port that somebody deleted by hand', () => {
    const changes = difference(wanted(spec(1)), { ports: [], links: [link(1)] });
    expect(changes.addPorts).toEqual([spec(1)]);
  });

  it('does not make a port for a link that is gone, and says that the endpoint is detached', () => {
    const changes = difference(wanted(spec(1)), { ports: [port(1)], links: [] });
    expect(changes).toMatchObject({
      addPorts: [],
      removePorts: [spec(1).hostLink],
      detached: [spec(1)],
    });
  });

  it('removes ports and links of endpoints that are gone', () => {
    const changes = difference(wanted(), { ports: [port(2)], links: [link(2)] });
    expect(changes).toMatchObject({ removePorts: [spec(2).hostLink], removeLinks: [link(2)] });
  });

  it.each([
    ['missing number', port(1, { number: undefined })],
    ['network mark', port(1, { networkId: 'other' })],
    ['other settings', port(1, { intact: false })],
  ])('puts right a port whose %s was changed by hand', (_what, changed) => {
    const changes = difference(wanted(spec(1)), { ports: [changed], links: [link(1)] });
    expect(changes.fixPorts).toEqual([spec(1)]);
    expect(changes.addPorts).toEqual([]);
  });

  it('makes a port again that the switch could not use', () => {
    const broken = port(1, { error: 'could not open network device' });
    const changes = difference(wanted(spec(1)), { ports: [broken], links: [link(1)] });
    expect(changes.remakePorts).toEqual([spec(1)]);
    expect(changes.fixPorts).toEqual([]);
  });

  it.each([
    ['down', link(1, { up: false })],
    ['of another MTU', link(1, { mtu: 1400 })],
  ])('puts right a link that is %s', (_what, changed) => {
    const changes = difference(wanted(spec(1)), { ports: [port(1)], links: [changed] });
    expect(changes.fixLinks).toEqual([spec(1)]);
  });

  it('settles in one round whatever was there before', () => {
    const some = fc.uniqueArray(fc.integer({ min: 0, max: 12 }), { maxLength: 12 });
    fc.assert(
      fc.property(some, some, some, fc.boolean(), (ids, ports, links, wrong) => {
        const desired = wanted(...ids.map((n) => spec(n)));
        const intact = !wrong;
        const before = {
          ports: ports.map((n) => port(n, { intact })),
          links: links.map((n) => link(n, { up: !wrong })),
        };
        const after = apply(before, difference(desired, before));
        expect(isSettled(difference(desired, after))).toBe(true);
        // exactly the desired endpoints that have a link are attached
        expect(after.ports.map(({ endpointId }) => endpointId).toSorted()).toEqual(
          ids
            .filter((n) => links.includes(n))
            .map(idOf)
            .toSorted(),
        );
      }),
    );
  });
});

/** Carries out a difference the dumb way. */
function apply(
  before: { ports: ObservedPort[]; links: ObservedLink[] },
  changes: ReturnType<typeof difference>,
): { ports: ObservedPort[]; links: ObservedLink[] } {
  const made = [...changes.addPorts, ...changes.fixPorts, ...changes.remakePorts];
  const touched = new Set([...changes.removePorts, ...made.map(({ hostLink }) => hostLink)]);
  const fixed = new Set(changes.fixLinks.map(({ hostLink }) => hostLink));
  const gone = new Set(changes.removeLinks.map(({ name }) => name));
  return {
    ports: [
      ...before.ports.filter(({ name }) => !touched.has(name)),
      ...made.map(({ hostLink, endpointId, networkId }) => ({
        ...port(0),
        name: hostLink,
        endpointId,
        networkId,
      })),
    ],
    links: before.links
      .filter(({ name }) => !gone.has(name))
      .map((one) => (fixed.has(one.name) ? { ...one, up: true, mtu: 1500 } : one)),
  };
}
