/** Who is behind a service, against a plain reading of the README. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { serviceBackendsMax, serviceSlotsMax } from '../../lib/limits.ts';
import { chooseBackends, type Candidate, type Choosing } from '../../lib/services/backends.ts';
import { readService } from '../../lib/services/service.ts';
import { slotsOf } from '../../lib/services/slots.ts';

const hex = (length: number) =>
  fc.nat(16 ** length - 1).map((number) => number.toString(16).padStart(length, '0'));
const labels = fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('', 'web', 'db'));
const candidates: fc.Arbitrary<readonly Candidate[]> = fc.uniqueArray(
  fc.record({
    endpointId: hex(4),
    network: fc.constantFrom('n1', 'n2', 'n3'),
    isAnswering: fc.boolean(),
    container: fc.option(
      fc.record({
        id: fc.constantFrom('c1', 'c2', 'c3', 'c4'),
        labels,
        state: fc.constantFrom('ready' as const, 'failing' as const, 'stopping' as const),
      }),
      { nil: undefined },
    ),
  }),
  { selector: ({ endpointId }) => endpointId, maxLength: 8 },
);
const spec = fc.record({
  network: fc.constantFrom('n1', 'n2', 'n3'),
  selectors: fc.array(fc.tuple(fc.constantFrom('app', 'tier'), fc.constantFrom('', 'web', 'db')), {
    minLength: 1,
    maxLength: 2,
  }),
  earlier: fc.record({
    selectors: fc.array(
      fc.array(fc.tuple(fc.constantFrom('app', 'tier'), fc.constantFrom('web', 'db')), {
        minLength: 1,
        maxLength: 2,
      }),
      { maxLength: 2 },
    ),
  }),
});

/** One container after the other, looking at all there is each time. */
function plainly(
  { network, selectors }: Pick<Choosing, 'network' | 'selectors'>,
  all: readonly Candidate[],
): readonly string[] {
  const found: string[] = [];
  for (const id of new Set(all.flatMap(({ container }) => container?.id ?? []))) {
    const able = all.filter(({ container, isAnswering, network: at }) => {
      if (container?.id !== id || (!isAnswering && at !== network)) return false;
      for (const [key, value] of selectors) {
        const has = Object.entries(container.labels).some(
          ([name, held]) => name === key && held === value,
        );
        if (!has) return false;
      }
      return true;
    });
    const own = able.filter(({ network: at }) => at === network);
    const [first] = (own.length > 0 ? own : able).toSorted((a, b) =>
      `${a.network} ${a.endpointId}` < `${b.network} ${b.endpointId}` ? -1 : 1,
    );
    if (first !== undefined)
      found.push(`${first.endpointId} ${first.container?.state === 'ready'}`);
  }
  return found.toSorted();
}

describe('behind a service', () => {
  it('are the containers with all of its labels, each once, in an order of their own', () => {
    let some = 0;
    fc.assert(
      fc.property(spec, candidates, fc.nat(), (asked, all, turn) => {
        const chosen = chooseBackends(asked, all);
        const members = chosen.filter(({ isMember }) => isMember);
        const texts = members.map((one) => `${one.candidate.endpointId} ${one.isReady}`);
        expect(texts).toEqual(plainly(asked, all));
        const turned = [...all.slice(turn % 8), ...all.slice(0, turn % 8)];
        expect(chooseBackends(asked, turned)).toEqual(chosen);
        some += chosen.length;
      }),
      { numRuns: 400 },
    );
    expect(some).toBeGreaterThan(20);
  });

  it('are also those that were, for what they have: by labels of before, or by another attachment', () => {
    let some = 0;
    fc.assert(
      fc.property(spec, candidates, (asked, all) => {
        const chosen = chooseBackends(asked, all);
        const ids = chosen.map(({ candidate }) => candidate.endpointId);
        // each attachment by itself, as if its container had no other
        const alone = all.flatMap((one) =>
          [asked.selectors, ...asked.earlier.selectors].flatMap((selectors) =>
            plainly({ network: asked.network, selectors }, [one]).map(() => one.endpointId),
          ),
        );
        expect(ids).toEqual([...new Set(alone)].toSorted());
        const left = chosen.filter(({ isMember }) => !isMember);
        expect(left.filter(({ isReady }) => isReady)).toEqual([]);
        some += left.length;
      }),
      { numRuns: 400 },
    );
    expect(some).toBeGreaterThan(20);
  });

  it('no more get new connections than Open vSwitch shares out equally', () => {
    const many = Array.from({ length: serviceBackendsMax + 3 }, (_, index): Candidate => ({
      endpointId: `e${String(index).padStart(3, '0')}`,
      network: 'n1',
      isAnswering: true,
      container: {
        id: `c${index}`,
        labels: { app: 'web' },
        state: index === 0 ? 'failing' : 'ready',
      },
    }));
    const chosen = chooseBackends(
      { network: 'n1', selectors: [['app', 'web']], earlier: { selectors: [] } },
      many,
    );
    expect(chosen.length).toBe(serviceBackendsMax + 3);
    expect(chosen.filter(({ isReady }) => isReady).length).toBe(serviceBackendsMax);
    expect(chosen.map(({ isReady }) => isReady).slice(-2)).toEqual([false, false]);
  });

  it('are asked for as the object says, and said before', () => {
    const read = readService(
      {
        tenantName: 't',
        serviceName: 's',
        networkName: 'n1',
        selectors: ['app=web', 'eq=a=b'],
        ports: ['80:8080:TCP', '53:5353:udp', '80:81:tcp'],
        ipAddress: '',
        ipv6Address: '',
        affinity: '',
        ...{ check: 'tcp', checkInterval: 7, checkTimeout: 2, checkFailures: 3 },
      },
      [
        { selectors: ['app=old'], ports: ['80:8080:TCP', '80:9090:TCP', '443:8443:TCP'] },
        { selectors: ['app=older'], ports: ['80:80:tcp', '443:8443:tcp'] },
      ],
    );
    expect(read).toEqual({
      network: 'n1',
      selectors: [
        ['app', 'web'],
        ['eq', 'a=b'],
      ],
      ports: [
        { protocol: 'tcp', port: 80, target: 8080 },
        { protocol: 'udp', port: 53, target: 5353 },
      ],
      affinity: 'connection',
      check: { intervalMs: 7_000, timeoutMs: 2_000, failures: 3 },
      earlier: {
        selectors: [[['app', 'old']], [['app', 'older']]],
        ports: [
          { protocol: 'tcp', port: 443, target: 8443 },
          { protocol: 'tcp', port: 80, target: 80 },
        ],
      },
    });
  });
});

describe('clients that stay', () => {
  const ids = fc.uniqueArray(hex(8), {
    minLength: 1,
    maxLength: 12,
  });

  it('are moved by a container that goes only if they were its own', () => {
    fc.assert(
      fc.property(ids, fc.constantFrom('new', 'other'), (some, other) => {
        const before = slotsOf(some).map((index) => some[index]);
        const with9 = [...some, other];
        const after = slotsOf(with9).map((index) => with9[index]);
        expect(before.length).toBe(serviceSlotsMax);
        for (const [slot, id] of after.entries()) {
          if (id !== other) expect(id).toBe(before[slot]);
        }
      }),
    );
  });

  it('are shared out among all', () => {
    const some = Array.from({ length: 4 }, (_, index) => `${index}`.repeat(64));
    const counts = Map.groupBy(slotsOf(some), (index) => index);
    expect(counts.size).toBe(4);
    for (const slots of counts.values()) expect(slots.length).toBeGreaterThan(6);
  });
});
