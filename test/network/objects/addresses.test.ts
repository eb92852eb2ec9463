/**
 * Addresses of networks and of groups' parts of them: what Contiv's integration tests expect in its texts, and
 * that nobody gets what is kept for others.
 */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { asFairleadError } from '../../../lib/errors.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { gapsOf } from '../../../lib/network/ipam/search.ts';
import { joinedText, spansText } from '../../../lib/network/objects/spans-text.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { Operator } from '../../support/operator.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../../support/site-hosts.ts';

let whole: MapStore;
let host: SiteHost;
let operator: Operator;
let docker: MadeNetwork;

async function begin(subnet: string): Promise<void> {
  whole = new MapStore();
  host = new SiteHost(whole, 'one');
  operator = new Operator(host.store);
  await runPlan(host.store, planDefaultTenant);
  await operator.put('network', 'default:net', { encap: 'vxlan', subnet, gateway: '10.2.2.254' });
  docker = await host.createNetwork({ id: 'd'.repeat(64), ...sharedAs('net') });
}
beforeEach(() => begin('10.2.2.0/24'));

const id = (n: number): string => String(n).padStart(64, '0');
const texts = async (kind: 'network' | 'endpointGroup', key: string) => {
  const oper = await operator.oper(kind, key);
  return [oper?.['allocatedIPAddresses'] ?? '', oper?.['availableIPAddresses'] ?? ''];
};
const network = () => texts('network', 'default:net');
const pools = [
  '10.2.2.5-10.2.2.10',
  '10.2.2.11-10.2.2.30',
  '10.2.2.31-10.2.2.132',
  '10.2.2.133-10.2.2.180',
];
const group = (ipPool = '') => ({ networkName: 'net', ipPool });
const attach = async (n: number, asked = ''): Promise<string> =>
  host.attach(docker, id(n), asked).then(
    ({ ipv4 = '' }) => ipv4,
    (thrown: unknown) => asFairleadError(thrown).message,
  );

describe('texts', () => {
  it('of a network with endpoints', async () => {
    expect(await network()).toEqual(['10.2.2.254', '10.2.2.1-10.2.2.253']);
    expect(await attach(1)).toBe('10.2.2.1/24');
    expect(await attach(2, '10.2.2.5')).toBe('10.2.2.5/24');
    expect(await network()).toEqual([
      '10.2.2.1, 10.2.2.5, 10.2.2.254',
      '10.2.2.2-10.2.2.4, 10.2.2.6-10.2.2.253',
    ]);
    expect(await operator.oper('network', 'default:net')).toMatchObject({
      allocatedAddressesCount: 2,
      numEndpoints: 2,
      endpoints: [
        {
          endpointID: id(1),
          homingHost: 'one',
          ipAddress: ['10.2.2.1', ''],
          labels: 'map[]',
          network: 'net.default',
        },
        { endpointID: id(2), ipAddress: ['10.2.2.5', ''] },
      ],
    });
    expect(await operator.oper('tenant', 'default')).toMatchObject({
      totalNetworks: 1,
      totalEndpoints: 2,
    });
  });

  it('of six groups with and without a pool, as they come and go', async () => {
    for (const [n, ipPool] of ['', pools[0], pools[1], '', pools[2], pools[3]].entries()) {
      await operator.put('endpointGroup', `default:g${n}`, group(ipPool));
    }
    expect(await network()).toEqual([
      '10.2.2.5-10.2.2.180, 10.2.2.254',
      '10.2.2.1-10.2.2.4, 10.2.2.181-10.2.2.253',
    ]);
    expect(await texts('endpointGroup', 'default:g1')).toEqual(['', '10.2.2.5-10.2.2.10']);
    expect(await texts('endpointGroup', 'default:g0')).toEqual(['', '']);
    expect(await attach(1)).toBe('10.2.2.1/24');
    expect(await network()).toEqual([
      '10.2.2.1, 10.2.2.5-10.2.2.180, 10.2.2.254',
      '10.2.2.2-10.2.2.4, 10.2.2.181-10.2.2.253',
    ]);
    await operator.remove('endpointGroup', 'default:g1');
    expect(await network()).toEqual([
      '10.2.2.1, 10.2.2.11-10.2.2.180, 10.2.2.254',
      '10.2.2.2-10.2.2.10, 10.2.2.181-10.2.2.253',
    ]);
    for (const n of [0, 2, 3, 4, 5]) await operator.remove('endpointGroup', `default:g${n}`);
    expect(await network()).toEqual(['10.2.2.1, 10.2.2.254', '10.2.2.2-10.2.2.253']);
  });

  it.each([
    ['10.2.2.240/28', '10.2.2.241-10.2.2.253'],
    ['10.2.2.248/29', '10.2.2.249-10.2.2.253'],
    ['10.2.2.252/30', '10.2.2.253'],
    // both addresses of a /31 are a host's (RFC 3021); Contiv had none
    ['10.2.2.254/31', '10.2.2.255'],
    ['10.2.2.10-10.2.2.20/24', '10.2.2.10-10.2.2.20'],
  ])('of %s', async (subnet, available) => {
    await begin(subnet);
    const [, free] = await network();
    expect(free).toBe(available);
    expect(await attach(1)).toMatch(
      new RegExp(`^${available.split('-')[0]?.replaceAll('.', '\\.')}/`),
    );
  });

  it('join what is in a row', () => {
    expect(spansText([1n, 2n, 3n, 5n, 7n, 8n], String)).toBe('1-3, 5, 7-8');
    expect(spansText([], String)).toBe('');
    const span = fc
      .tuple(fc.nat(40), fc.nat(6))
      .map(([first, more]) => ({ first: BigInt(first), last: BigInt(first + more) }));
    fc.assert(
      fc.property(fc.array(span), (spans) => {
        const ordered = spans
          .map((one) => ({ ...one, family: 4 as const }))
          .toSorted((one, other) => Number(one.first - other.first));
        const inside = (n: bigint) => spans.some(({ first, last }) => n >= first && n <= last);
        const numbers = Array.from({ length: 60 }, (_, n) => BigInt(n)).filter(inside);
        expect(joinedText(ordered, String)).toBe(spansText(numbers, String));
        const gaps = gapsOf({ family: 4, first: 0n, last: 59n }, ordered);
        const free = Array.from({ length: 60 }, (_, n) => BigInt(n)).filter((n) => !inside(n));
        expect(joinedText(gaps, String)).toBe(spansText(free, String));
      }),
    );
  });
});

describe('a part of a network that a group has', () => {
  it('is given to nobody else, by choice or by name', async () => {
    await operator.put('endpointGroup', 'default:g', group('10.2.2.2-10.2.2.252'));
    expect(await attach(1)).toBe('10.2.2.1/24');
    expect(await attach(2)).toBe('10.2.2.253/24');
    expect(await attach(3)).toMatch(/^subnet 10.2.2.0\/24 has no free address/);
    expect(await attach(4, '10.2.2.9')).toBe('10.2.2.9 is kept for containers of group g');
    const named = host.createEndpoint(docker.network.id, id(5), '10.2.2.9/24');
    await expect(named).rejects.toThrow('10.2.2.9 is kept for containers of group g');
    await operator.remove('endpointGroup', 'default:g');
    expect(await attach(6, '10.2.2.9')).toBe('10.2.2.9/24');
    expect(wrongOfObjects(whole)).toEqual([]);
  });

  it('overlaps no other, and nothing that is taken', async () => {
    await attach(1, '10.2.2.100');
    const tried = (name: string, pool: string) =>
      operator.put('endpointGroup', `default:${name}`, group(pool)).then(
        () => 'done',
        (thrown: unknown) => asFairleadError(thrown).message,
      );
    expect(await tried('a', '10.2.2.90-10.2.2.110')).toBe('ip address 10.2.2.100 is not available');
    expect(await tried('a', '10.2.2.10-10.2.2.20')).toBe('done');
    expect(await tried('b', '10.2.2.15-10.2.2.30')).toBe('ip address 10.2.2.15 is not available');
    expect(await tried('b', '10.2.2.5-10.2.2.12')).toBe('ip address 10.2.2.10 is not available');
    expect(await tried('b', '10.2.2.5-10.2.2.30')).toBe('ip address 10.2.2.10 is not available');
    expect(await tried('b', '10.2.2.21-10.2.2.21')).toBe('done');
    expect(await tried('c', '10.2.2.250-10.2.2.254')).toBe(
      'ip address 10.2.2.254 is not available',
    );
  });

  it('and an address taken at the same time are one or the other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        await begin('10.2.2.0/24');
        const later = () => scheduler.schedule(Promise.resolve());
        const [one, two] = ['one', 'two'].map((name) => new SiteHost(whole, name, later));
        if (one === undefined || two === undefined) return;
        const taking = one.attach(docker, id(1)).catch(() => undefined);
        const keeping = new Operator(two.store)
          .put('endpointGroup', 'default:g', group('10.2.2.1-10.2.2.9'))
          .catch(() => undefined);
        await scheduler.waitFor(Promise.all([taking, keeping]));
        expect(wrongOfObjects(whole)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a Docker network of a group', () => {
  const dockerOf = (name: string, digit: string) => {
    const { options, ipamOptions } = sharedAs('net');
    const named = { options, ipamOptions: { ...ipamOptions, group: name } };
    return host.createNetwork({ id: digit.repeat(64), ...named });
  };
  const ask = (made: MadeNetwork, address = '') =>
    host.requestAddress(made.pools[0]?.poolId ?? '', address).catch((thrown: unknown) => {
      const { code, message } = asFairleadError(thrown);
      return `${code} ${message}`;
    });

  it('has the addresses of its group, all of them and no others', async () => {
    await operator.put('endpointGroup', 'default:g', group('10.2.2.20-10.2.2.22'));
    const made = await dockerOf('g', 'e');
    expect(made.pools).toEqual([
      { cidr: '10.2.2.0/24', poolId: expect.stringMatching(/^default:net\/10.2.2.0\/24\/\d+\/g$/) },
    ]);
    expect(made.gateways).toEqual(['10.2.2.254/24']);
    expect((await host.attach(made, id(1))).ipv4).toBe('10.2.2.20/24');
    expect(await attach(2)).toBe('10.2.2.1/24');
    expect((await host.attach(made, id(3), '10.2.2.22')).ipv4).toBe('10.2.2.22/24');
    expect((await host.attach(made, id(4))).ipv4).toBe('10.2.2.21/24');
    expect(await ask(made)).toBe(
      'POOL_EXHAUSTED pool 10.2.2.20-10.2.2.22 of group g has no free address: all 3 are in use',
    );
    expect(await ask(made, '10.2.2.30')).toBe(
      'ADDRESS_OUTSIDE_POOL 10.2.2.30 is not in 10.2.2.20-10.2.2.22, the pool of group g',
    );
    expect(await texts('endpointGroup', 'default:g')).toEqual(['10.2.2.20-10.2.2.22', '']);
    expect(await network()).toEqual([
      '10.2.2.1, 10.2.2.20-10.2.2.22, 10.2.2.254',
      '10.2.2.2-10.2.2.19, 10.2.2.23-10.2.2.253',
    ]);
    expect(wrongOfObjects(whole)).toEqual([]);
  });

  it('has those of the network when its group has none for itself', async () => {
    await operator.put('endpointGroup', 'default:g', group());
    await operator.put('endpointGroup', 'default:h', group('10.2.2.1-10.2.2.9'));
    const made = await dockerOf('g', 'e');
    expect((await host.attach(made, id(1))).ipv4).toBe('10.2.2.10/24');
    expect(await ask(made, '10.2.2.5')).toBe(
      'ADDRESS_IN_USE 10.2.2.5 is kept for containers of group h',
    );
  });

  it('gives back what it had, through whichever pool it is asked', async () => {
    await operator.put('endpointGroup', 'default:g', group('10.2.2.20-10.2.2.20'));
    const made = await dockerOf('g', 'e');
    const endpoint = await host.attach(made, id(1));
    expect(await ask(made)).toMatch(/^POOL_EXHAUSTED/);
    await host.detach(made, endpoint);
    expect(await ask(made)).toBe('10.2.2.20/24');
    expect(await host.releaseAddress(docker.pools[0]?.poolId ?? '', '10.2.2.20')).toBe(true);
    expect(await host.releaseAddress(made.pools[0]?.poolId ?? '', '10.2.2.20')).toBe(false);
    await host.removeNetwork(made);
    expect(await attach(2)).toBe('10.2.2.1/24');
  });

  it('is refused for a group that is not there, or of another network', async () => {
    await operator.put('network', 'default:other', { encap: 'vxlan', subnet: '10.3.0.0/24' });
    await operator.put('endpointGroup', 'default:far', { networkName: 'other' });
    for (const name of ['nobody', 'far']) {
      await expect(dockerOf(name, 'e')).rejects.toThrow(
        `network default:net has no endpoint group ${name}`,
      );
    }
    await expect(host.requestPool('', { ipamOptions: { group: 'far' } })).rejects.toThrow(
      'option group needs network, too',
    );
  });
});
