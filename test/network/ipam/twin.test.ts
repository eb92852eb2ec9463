/**
 * The allocator against a dumb twin: lists of strings. Any sequence of requests and releases, several at
 * once, with restarts in between, must give what the twin gives.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unreachable } from '../../../lib/assert.ts';
import { asFairleadError } from '../../../lib/errors.ts';
import {
  formatAddress,
  isUsableHost,
  lastAddress,
  parseCidr,
  parseInterface,
} from '../../../lib/ip/ip.ts';
import { planRequestAddress } from '../../../lib/network/ipam/addresses.ts';
import { planRequestPool } from '../../../lib/network/ipam/pools.ts';
import { planReleaseAddress } from '../../../lib/network/ipam/release.ts';
import { localSpace } from '../../../lib/network/ipam/space.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';

const shapes = [
  { pool: '10.1.2.0/28', range: '' },
  { pool: '10.1.2.0/29', range: '' },
  { pool: '10.1.2.0/30', range: '' },
  { pool: '10.1.2.2/31', range: '' },
  { pool: '10.1.2.0/27', range: '10.1.2.24/29' },
  { pool: '10.1.2.0/28', range: '10.1.2.0/30' },
  { pool: 'fd00::/125', range: '' },
  { pool: 'fd00::/126', range: '' },
  { pool: 'fd00::4/127', range: '' },
  { pool: 'fd00::/64', range: 'fd00::8/125' },
] as const;
type Shape = (typeof shapes)[number];

/** The addresses of an area that hosts of the pool may have, the first hundred, by walking through. */
function walk(shape: Shape, areaText: string): string[] {
  const pool = parseCidr(shape.pool);
  const area = parseCidr(areaText);
  const texts: string[] = [];
  for (let value = area.base; value <= lastAddress(area).value && texts.length < 100; value++) {
    const address = { family: area.family, value };
    if (isUsableHost(pool, address)) texts.push(formatAddress(address));
  }
  return texts;
}

type Action =
  | { readonly kind: 'any' | 'gateway' | 'restart' }
  | { readonly kind: 'named' | 'give'; readonly index: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: 'any' } as const) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('named' as const), index: fc.nat(15) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('give' as const), index: fc.nat(15) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'gateway' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' } as const) },
);

/** What the allocator must do, without a thought for speed. Outcomes are addresses or error codes. */
class Twin {
  readonly all: readonly string[];
  readonly choosable: readonly string[];
  readonly held = new Set<string>();
  /** Oldest first. */
  released: string[] = [];
  gateway: string | undefined;
  last: string | undefined;

  constructor(shape: Shape) {
    this.all = walk(shape, shape.pool);
    this.choosable = walk(shape, shape.range === '' ? shape.pool : shape.range);
  }

  named(index: number): string {
    return this.choosable[index % this.choosable.length] ?? '';
  }

  apply(step: Action): string {
    switch (step.kind) {
      case 'restart':
        return 'restarted';
      case 'gateway':
        this.gateway ??= this.choose(this.all);
        return this.hold(this.gateway) ?? 'POOL_EXHAUSTED';
      case 'any': {
        const turn = this.choosable.indexOf(this.last ?? '') + 1;
        const chosen = this.choose([
          ...this.choosable.slice(turn),
          ...this.choosable.slice(0, turn),
        ]);
        this.last = chosen ?? this.last;
        return this.hold(chosen) ?? 'POOL_EXHAUSTED';
      }
      case 'named': {
        const address = this.named(step.index);
        return this.held.has(address) ? 'ADDRESS_IN_USE' : String(this.hold(address));
      }
      case 'give': {
        const address = this.named(step.index);
        if (!this.held.delete(address)) return 'unchanged';
        if (this.gateway === address) this.gateway = undefined;
        else this.released.push(address);
        return 'released';
      }
      default:
        return unreachable(step);
    }
  }

  private choose(inOrder: readonly string[]): string | undefined {
    return (
      inOrder.find((address) => !this.held.has(address) && !this.released.includes(address)) ??
      this.released.find((address) => inOrder.includes(address))
    );
  }

  private hold(address: string | undefined): string | undefined {
    if (address === undefined) return undefined;
    this.held.add(address);
    this.released = this.released.filter((other) => other !== address);
    return address;
  }
}

/** The real one, with the same outcomes. */
class Real {
  store = new MapStore();
  poolId = '';

  async start(shape: Shape): Promise<this> {
    const request = {
      space: localSpace,
      pool: shape.pool,
      subPool: shape.range,
      options: {},
      v6: false,
    };
    const none = { hostRoutes: [], defaults: { v4: [], v6: [] } };
    this.poolId = (await runPlan(this.store, () => planRequestPool(request, none))).poolId;
    return this;
  }

  async apply(step: Action, twin: Twin): Promise<string> {
    switch (step.kind) {
      case 'restart':
        this.store = new MapStore(this.store);
        return 'restarted';
      case 'gateway':
        return this.take('', true);
      case 'any':
        return this.take('', false);
      case 'named':
        return this.take(twin.named(step.index), false);
      case 'give':
        return (await this.give(twin.named(step.index))) ? 'released' : 'unchanged';
      default:
        return unreachable(step);
    }
  }

  async take(address: string, gateway: boolean): Promise<string> {
    const { poolId } = this;
    try {
      const plan = () => planRequestAddress({ poolId, address, gateway });
      return formatAddress(parseInterface((await runPlan(this.store, plan)).address).address);
    } catch (thrown) {
      return asFairleadError(thrown).code;
    }
  }

  give(address: string): Promise<boolean> {
    const { poolId } = this;
    return runPlan(this.store, () => planReleaseAddress({ poolId, address }));
  }
}

describe('the allocator', () => {
  it('gives what its dumb twin gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...shapes),
        fc.array(action, { maxLength: 60 }),
        async (shape, steps) => {
          const twin = new Twin(shape);
          const real = await new Real().start(shape);
          for (const step of steps) {
            const outcome = await real.apply(step, twin);
            expect(outcome).toBe(twin.apply(step));
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('never gives one address to two, and loses none, however many ask at once', async () => {
    const turn = fc.array(fc.constantFrom('take', 'give'), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...shapes),
        fc.array(turn, { maxLength: 10 }),
        async (shape, turns) => {
          const { choosable } = new Twin(shape);
          const real = await new Real().start(shape);
          const mine: string[] = [];
          const take = async () => {
            const address = await real.take('', false);
            if (address !== 'POOL_EXHAUSTED') mine.push(address);
          };
          const give = async () => {
            const address = mine.shift();
            if (address !== undefined) await real.give(address);
          };
          for (const together of turns) {
            await Promise.all(together.map((what) => (what === 'take' ? take() : give())));
            expect(new Set(mine).size).toBe(mine.length);
          }
          for (let left = choosable.length - mine.length; left > 0; left--) await take();
          expect(mine.toSorted()).toEqual(choosable.toSorted());
          expect(await real.take('', false)).toBe('POOL_EXHAUSTED');
        },
      ),
      { numRuns: 150 },
    );
  });
});
