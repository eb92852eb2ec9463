/**
 * Blocks of a shared pool that hosts choose in: hosts that attach containers at the same time do not meet, each
 * looks at little whatever the others have, and nothing is out of anybody's reach.
 */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { asFairleadError } from '../../../lib/errors.ts';
import { parseCidr } from '../../../lib/ip/ip.ts';
import { hostPrefix } from '../../../lib/model/keys.ts';
import type { Endpoint } from '../../../lib/model/endpoint.ts';
import { blockBitsOf } from '../../../lib/network/ipam/host-blocks.ts';
import { planMarkRemoval, planRemoveNode } from '../../../lib/network/node-removal.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { prefixed } from '../../../lib/store/prefixed.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator } from '../../support/operator.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { asStateStore, sharedAs, SiteHost, type MadeNetwork } from '../../support/site-hosts.ts';

const id = (n: number): string => String(n).padStart(64, '0');

/** Three hosts that have one network. */
class Three {
  readonly whole = new MapStore();
  readonly hosts: readonly SiteHost[];
  readonly made: MadeNetwork[] = [];
  readonly endpoints: { readonly at: number; readonly endpoint: Endpoint }[] = [];
  #ids = 100;

  constructor(pause?: () => Promise<void>) {
    this.hosts = ['a', 'b', 'c'].map((name) => new SiteHost(this.whole, name, pause));
  }

  async begin(subnet: string, range = ''): Promise<void> {
    for (const [n, host] of this.hosts.entries()) {
      const network = { ...sharedAs('blue'), subnets: [subnet], range };
      this.made.push(await host.createNetwork({ id: id(n), ...network }));
    }
  }

  /** Attaches a container at a host; answers its address, or the code of the refusal. */
  async attach(at: number, asked = ''): Promise<string> {
    const [host, made] = [this.hosts[at], this.made[at]];
    if (host === undefined || made === undefined) return '';
    try {
      this.#ids += 1;
      const endpoint = await host.attach(made, id(this.#ids), asked);
      this.endpoints.push({ at, endpoint });
      return endpoint.ipv4?.split('/')[0] ?? '';
    } catch (thrown) {
      return asFairleadError(thrown).code;
    }
  }

  async detach(index: number): Promise<void> {
    const [one] = this.endpoints.splice(index % Math.max(1, this.endpoints.length), 1);
    const made = one && this.made[one.at];
    if (one !== undefined && made !== undefined) {
      await this.hosts[one.at]?.detach(made, one.endpoint);
    }
  }

  /** Hosts by the blocks that they have. */
  owners(): readonly string[] {
    return [...this.whole.rows.values()]
      .filter(({ key }) => key.startsWith('/ipam/block/'))
      .map(({ value }) => JSON.parse(value).host);
  }
}

let three: Three;
beforeEach(() => {
  three = new Three();
});

describe('hosts', () => {
  it('have blocks apart from each other, and go on in their own', async () => {
    await three.begin('10.1.0.0/24');
    const rounds = [];
    for (let round = 0; round < 3; round++) {
      rounds.push([await three.attach(0), await three.attach(1), await three.attach(2)].join(' '));
    }
    expect(rounds).toEqual([
      '10.1.0.2 10.1.0.16 10.1.0.32',
      '10.1.0.3 10.1.0.17 10.1.0.33',
      '10.1.0.4 10.1.0.18 10.1.0.34',
    ]);
    expect(wrongOfSite(three.whole)).toEqual([]);
  });

  it('never meet when they attach at the same time', async () => {
    await three.begin('10.1.0.0/20');
    for (const at of [0, 1, 2]) await three.attach(at);
    let failed = 0;
    const txn = three.whole.txn.bind(three.whole);
    three.whole.txn = async (asked) => {
      const done = await txn(asked);
      if (!done.succeeded) failed += 1;
      return done;
    };
    for (let round = 0; round < 40; round++) {
      await Promise.all([0, 1, 2].map((at) => three.attach(at)));
    }
    // within the 63 others of a block only a host's own calls could be in its way
    expect({
      failed,
      attached: new Set(three.endpoints.map((one) => one.endpoint.ipv4)).size,
    }).toEqual({ failed: 0, attached: 123 });
  });

  it('look at as little in a large pool as in a small one, however many addresses others have', async () => {
    await three.begin('10.0.0.0/16');
    const rowsRead = async (): Promise<number> => {
      let rows = 0;
      const range = three.whole.range.bind(three.whole);
      three.whole.range = async (asked) => {
        const found = await range(asked);
        rows += found.rows.length;
        return found;
      };
      await three.attach(0);
      three.whole.range = range;
      return rows;
    };
    for (let n = 0; n < 10; n++) await three.attach(0);
    const before = await rowsRead();
    for (let n = 0; n < 900; n++) await three.attach(1 + (n % 2));
    const after = await rowsRead();
    expect(after).toBeLessThanOrEqual(before + 1);
    // nor when many blocks of its own are full and it takes another: the last one, and those taken
    for (let n = 0; n < 440; n++) await three.attach(0);
    const most: number[] = [];
    for (let n = 0; n < 66; n++) most.push(await rowsRead());
    expect(Math.max(...most)).toBeLessThanOrEqual(before + 2 * 64 + three.owners().length);
    // and what came back in a full one is given before another block is taken
    const [owned] = [three.owners().filter((owner) => owner === 'a').length];
    const first = three.endpoints.findIndex(({ at }) => at === 0);
    const address = three.endpoints[first]?.endpoint.ipv4;
    await three.detach(first);
    const given = new Set<string>();
    for (let n = 0; n < 64; n++) given.add(`${await three.attach(0)}/16`);
    expect(given).toContain(address);
    expect(three.owners().filter((owner) => owner === 'a').length - owned).toBeLessThanOrEqual(1);
  });
});

it.each([
  ['10.1.0.0/29', '', 5],
  ['10.1.0.0/24', '', 253],
  ['10.1.0.0/25', '10.1.0.64/27', 32],
  ['10.1.0.0/28', '', 13],
])('%s %s can be used up from any host to the last address', async (subnet, range, count) => {
  for (const at of [0, 1, 2]) {
    three = new Three();
    await three.begin(subnet, range);
    const addresses = new Set<string>();
    for (const other of [0, 1, 2]) addresses.add(await three.attach(other));
    for (let n = 3; n < count; n++) addresses.add(await three.attach(at));
    expect(addresses.size).toBe(count);
    expect(addresses).not.toContain('POOL_EXHAUSTED');
    for (const other of [0, 1, 2]) expect(await three.attach(other)).toBe('POOL_EXHAUSTED');
    // the last one that comes back is whoever's asks first
    await three.detach(1);
    expect(await three.attach((at + 1) % 3)).not.toBe('POOL_EXHAUSTED');
    expect(await three.attach(at)).toBe('POOL_EXHAUSTED');
    expect(wrongOfSite(three.whole)).toEqual([]);
  }
});

describe('blocks', () => {
  it('of a host are taken over when nothing in them is used and all have an owner', async () => {
    await three.begin('10.1.0.0/24');
    for (let n = 0; n < 253; n++) await three.attach(0);
    expect(three.owners()).toEqual(Array.from({ length: 16 }, () => 'a'));
    const inBlock = (n: number) =>
      three.endpoints.findIndex(({ endpoint }) => Math.floor(lastOf(endpoint) / 16) === n);
    const lastOf = ({ ipv4 = '' }: Endpoint): number => Number(ipv4.split('/')[0]?.split('.')[3]);
    while (inBlock(3) >= 0) await three.detach(inBlock(3));
    await three.detach(inBlock(7));
    expect(await three.attach(1)).toMatch(/^10\.1\.0\.(?:4[89]|5\d|6[0-3])$/);
    expect(three.owners().filter((owner) => owner === 'b')).toHaveLength(1);
    // the host that had it goes on with what it has, and borrows the rest
    expect(await three.attach(0)).toMatch(/^10\.1\.0\.1(?:1[2-9]|2[0-7])$/);
    expect(await three.attach(0)).toMatch(/^10\.1\.0\.(?:4[89]|5\d|6[0-3])$/);
    expect(wrongOfSite(three.whole)).toEqual([]);
  });

  it('come back when a host leaves the network, and when it is removed', async () => {
    await three.begin('10.1.0.0/24');
    for (const at of [0, 1, 2, 2]) await three.attach(at);
    const [a] = three.hosts;
    const [made] = three.made;
    if (a === undefined || made === undefined) throw new Error('there are three');
    await a.removeNetwork(made);
    expect(three.owners()).toEqual(['b', 'c']);
    const part = prefixed(
      asStateStore(three.whole, async () => {}),
      hostPrefix('c'),
    );
    await runPlan(part, () => planMarkRemoval('c'));
    while (!(await runPlan(part, () => planRemoveNode('c'))).done);
    expect(three.owners()).toEqual(['b']);
    expect(await three.attach(1)).toBe('10.1.0.17');
    expect(wrongOfSite(three.whole)).toEqual([]);
  });

  it('lie around the parts that groups have', async () => {
    const operator = new Operator(three.hosts[0]?.store ?? three.whole);
    await runPlan(three.whole, planDefaultTenant);
    const network = { encap: 'vxlan', subnet: '10.1.0.0/25', gateway: '10.1.0.126' };
    await operator.put('network', 'default:blue', network);
    const group = { networkName: 'blue', ipPool: '10.1.0.4-10.1.0.44' };
    await operator.put('endpointGroup', 'default:g', group);
    await three.begin('10.1.0.0/25');
    const given = [];
    for (let n = 0; n < 9; n++) given.push(await three.attach(n % 3));
    expect(given.map((text) => Number(text.split('.')[3]))).toEqual([
      1, 45, 48, 2, 46, 49, 3, 47, 50,
    ]);
    for (let n = 9; n < 84; n++) expect(await three.attach(n % 3)).toMatch(/^10/);
    expect(await three.attach(0)).toBe('POOL_EXHAUSTED');
    expect(wrongOfSite(three.whole)).toEqual([]);
  });

  it.each([
    ['10.0.0.0/8', 6],
    ['10.0.0.0/22', 6],
    ['10.0.0.0/24', 4],
    ['10.0.0.0/25', 3],
    ['10.0.0.0/26', undefined],
    ['10.0.0.0/31', undefined],
    ['fd00::/64', 6],
    ['fd00::/120', 4],
  ])('of %s have %s bits', (cidr, bits) => {
    expect(blockBitsOf(parseCidr(cidr))).toBe(bits);
  });
});

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('attach' as const), at: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('ask' as const), at: fc.nat(2), last: fc.nat(130) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('detach' as const), at: fc.nat(200) }) },
);

it('in any order and at the same time, no address is given twice and none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { maxLength: 30, size: 'max' }),
      fc.scheduler(),
      async (rounds, scheduler) => {
        const site = new Three(() => scheduler.schedule(Promise.resolve()));
        await scheduler.waitFor(site.begin('10.1.0.0/25'));
        for (const steps of rounds) {
          await scheduler.waitFor(
            Promise.all(
              steps.map((one) => {
                if (one.what === 'detach') return site.detach(one.at);
                return site.attach(one.at, one.what === 'ask' ? `10.1.0.${one.last}` : '');
              }),
            ),
          );
          expect(wrongOfSite(site.whole)).toEqual([]);
          const addresses = site.endpoints.map(({ endpoint }) => endpoint.ipv4);
          expect(new Set(addresses).size).toBe(addresses.length);
        }
        // all that is left is there for one of them
        const free = 125 - site.endpoints.length;
        const filling = async (): Promise<readonly string[]> => {
          const given: string[] = [];
          for (let n = 0; n <= free; n++) given.push(await site.attach(1));
          return given;
        };
        const given = await scheduler.waitFor(filling());
        expect(given.filter((text) => text === 'POOL_EXHAUSTED')).toHaveLength(1);
      },
    ),
    { numRuns: 15 },
  );
});
