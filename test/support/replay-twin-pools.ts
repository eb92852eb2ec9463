/** The twin's half for addresses: pools, who holds what in them, and what was used before. */
import assert from 'node:assert/strict';
import type { ErrorCode } from '../../lib/errors.ts';
import {
  blockOf,
  blockText,
  has,
  hasHost,
  holds,
  lengthOf,
  meet,
  plain,
  type Block,
} from './replay-blocks.ts';
import { ok, type Expected } from './replay-expected.ts';
import type { Answer } from './replay-shapes.ts';
import type { Json } from './replay-translation.ts';

/** Who holds an address. */
export interface Holder {
  readonly use: 'gateway' | 'other';
  readonly endpointId?: string;
}

/** A pool as it must be. */
export interface TwinPool {
  readonly id: string;
  readonly space: string;
  readonly cidr: string;
  readonly block: Block;
  /** Free choice keeps to this part. */
  readonly range: Block | undefined;
  readonly rangeText: string;
  readonly held: Map<string, Holder>;
  /** Given back: free, but not to be given again while others were never used. */
  readonly rested: Set<string>;
  /** The gateway given last, while it is held. */
  gateway: string | undefined;
  /** Something was ever taken from it. */
  touched: boolean;
  networkId: string | undefined;
}

/** What `fairlead agent` chooses from when nothing is asked for: its documented defaults. */
const defaults = {
  v4: { from: blockOf('10.64.0.0/12'), prefixLength: 24 },
  v6: { from: blockOf('fdfa:1ead:d0c::/48'), prefixLength: 64 },
};
const gatewayRequest = 'com.docker.network.gateway';
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** All pools of the twin. */
export class TwinPools {
  readonly byId = new Map<string, TwinPool>();
  readonly #routed: readonly Block[];
  readonly #exists: (endpointId: string) => boolean;

  constructor(routed: readonly Block[], exists: (endpointId: string) => boolean) {
    this.#routed = routed;
    this.#exists = exists;
  }

  /** The pool of a space with this block. */
  named(space: string, cidr: string): TwinPool | undefined {
    return this.#of(space).find((pool) => pool.cidr === cidr);
  }

  /** RequestPool. */
  request(body: Json): Expected {
    const space = text(body['AddressSpace']);
    const asked = text(body['Pool']);
    const subPool = text(body['SubPool']);
    if (!['FairleadLocal', 'FairleadGlobal'].includes(space)) return { refused: 'REQUEST_INVALID' };
    const neighbours = this.#of(space);
    if (asked === '') return ok(this.#noteChosen(space, body['V6'] === true, neighbours));
    const [block, cidr] = [blockOf(asked), blockText(asked)];
    const rangeText = subPool === '' ? '' : blockText(subPool);
    if (rangeText !== '' && !holds(block, blockOf(rangeText))) {
      return { refused: 'ADDRESS_OUTSIDE_POOL' };
    }
    const met = neighbours.filter((pool) => meet(pool.block, block));
    const same = met.find((pool) => pool.cidr === cidr);
    // managers of a swarm repeat what they asked for
    const confirmed =
      space === 'FairleadGlobal' && same?.networkId === undefined && same?.rangeText === rangeText;
    // nothing was built on it: the one who asked may not have got the answer
    const unused = same?.networkId === undefined && same?.touched === false;
    if (met.length > 0 && !confirmed && !unused) return { refused: 'POOL_OVERLAP' };
    return ok((answer: Answer<'IpamDriver.RequestPool'>) => {
      assert.equal(answer.Pool, cidr);
      if (same !== undefined && confirmed) assert.equal(answer.PoolID, same.id);
      else {
        if (same !== undefined) this.byId.delete(same.id);
        this.#add({ id: answer.PoolID, space, cidr, rangeText });
      }
    });
  }

  /** ReleasePool. */
  release(id: string): void {
    this.byId.delete(id);
  }

  /** RequestAddress. */
  requestAddress(body: Json): Expected {
    const pool = this.byId.get(text(body['PoolID']));
    if (pool === undefined) return { refused: 'POOL_UNKNOWN' };
    const options = (body['Options'] ?? {}) as Record<string, string>;
    const use = options['RequestAddressType'] === gatewayRequest ? 'gateway' : 'other';
    const asked = text(body['Address']);
    if (asked !== '') return this.#explicit(pool, plain(asked), use);
    return ok(({ Address }: Answer<'IpamDriver.RequestAddress'>) => {
      const address = checkedAddress(pool, Address);
      if (use === 'gateway' && pool.gateway !== undefined) {
        assert.equal(address, pool.gateway, 'the gateway is another one than before');
        return;
      }
      const holder = pool.held.get(address);
      assert.equal(holder, undefined, `${address} belongs to ${JSON.stringify(holder)}`);
      if (use === 'other') {
        assert.ok(has(pool.range ?? pool.block, address), `${address} is outside the range`);
        assert.ok(!pool.rested.has(address), `${address} was just given back, others never used`);
      }
      this.#take(pool, address, use);
    });
  }

  /** ReleaseAddress: an address that an endpoint has is not given back under it. */
  releaseAddress(id: string, address: string): void {
    const pool = this.byId.get(id);
    const key = plain(address);
    const holder = pool?.held.get(key);
    if (pool === undefined || holder === undefined || this.#isBound(holder)) return;
    pool.held.delete(key);
    if (holder.use === 'other') pool.rested.add(key);
    if (pool.gateway === key) pool.gateway = undefined;
  }

  /** CreateEndpoint with an address of the pool, if that is one of ours. */
  bind(space: string, cidr: string, address: string, endpointId: string): void {
    const pool = this.named(space, cidr);
    if (pool === undefined) return;
    pool.held.set(address, { use: 'other', endpointId });
    pool.touched = true;
    pool.rested.delete(address);
  }

  /** The network of these pools is gone. */
  unlink(networkId: string): void {
    for (const pool of this.byId.values()) {
      if (pool.networkId === networkId) pool.networkId = undefined;
    }
  }

  /** How many addresses are held, as gateways, and by endpoints. */
  usageOf({ held }: TwinPool): Record<'held' | 'gateways' | 'bound', number> {
    const holders = [...held.values()];
    return {
      held: held.size,
      gateways: holders.filter(({ use }) => use === 'gateway').length,
      bound: holders.filter((holder) => this.#isBound(holder)).length,
    };
  }

  #of(space: string): readonly TwinPool[] {
    return [...this.byId.values()].filter((pool) => pool.space === space);
  }

  #isBound({ endpointId }: Holder): boolean {
    return endpointId !== undefined && this.#exists(endpointId);
  }

  #explicit(pool: TwinPool, address: string, use: Holder['use']): Expected {
    if (!hasHost(pool.block, address)) return { refused: 'ADDRESS_OUTSIDE_POOL' };
    const holder = pool.held.get(address);
    const repeatable = use === 'gateway' || pool.space === 'FairleadGlobal';
    if (holder !== undefined && (!repeatable || holder.use !== use || this.#isBound(holder))) {
      return { refused: 'ADDRESS_IN_USE' satisfies ErrorCode };
    }
    return ok(({ Address }: Answer<'IpamDriver.RequestAddress'>) => {
      assert.equal(checkedAddress(pool, Address), address, 'another address than asked for');
      if (holder === undefined) this.#take(pool, address, use);
    });
  }

  #take(pool: TwinPool, address: string, use: Holder['use']): void {
    pool.held.set(address, { use });
    pool.touched = true;
    pool.rested.delete(address);
    if (use === 'gateway') pool.gateway = address;
  }

  #noteChosen(space: string, v6: boolean, neighbours: readonly TwinPool[]) {
    const { from, prefixLength } = v6 ? defaults.v6 : defaults.v4;
    return ({ PoolID, Pool }: Answer<'IpamDriver.RequestPool'>): void => {
      const block = blockOf(Pool);
      assert.equal(Pool, blockText(Pool), 'the pool has bits behind its length');
      assert.ok(holds(from, block), `${Pool} is not of the default blocks`);
      assert.equal(block.prefixLength, prefixLength);
      const met = neighbours.find((pool) => meet(pool.block, block));
      assert.equal(met?.cidr, undefined, `${Pool} overlaps a pool`);
      assert.ok(!this.#routed.some((route) => meet(route, block)), `the host routes ${Pool}`);
      this.#add({ id: PoolID, space, cidr: Pool, rangeText: '' });
    };
  }

  #add(made: Pick<TwinPool, 'id' | 'space' | 'cidr' | 'rangeText'>): void {
    assert.ok(!this.byId.has(made.id), `pool id ${made.id} is another pool's`);
    this.byId.set(made.id, {
      ...made,
      block: blockOf(made.cidr),
      range: made.rangeText === '' ? undefined : blockOf(made.rangeText),
      held: new Map(),
      rested: new Set(),
      gateway: undefined,
      touched: false,
      networkId: undefined,
    });
  }
}

/** An answered address without its length, which must be the pool's. */
function checkedAddress(pool: TwinPool, answered: string): string {
  const address = plain(answered);
  assert.ok(hasHost(pool.block, address), `${answered} is no host address of ${pool.cidr}`);
  assert.equal(lengthOf(answered), pool.block.prefixLength, `${answered} in ${pool.cidr}`);
  return address;
}
