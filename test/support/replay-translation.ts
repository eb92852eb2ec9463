/**
 * Puts recorded calls into the words of the agent under test. A recorded engine repeats what the plugin
 * of its time had answered: pool ids, names of address spaces, chosen pools and chosen addresses. Each of
 * them is replaced by what our agent answered to the same call; all else stays as recorded.
 */
import { isIP } from 'node:net';
import { blockOf, has, holds, lengthOf, plain, textOf, valueOf } from './replay-blocks.ts';
import type { Call } from './replay-shapes.ts';

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** The recording plugin's names for the address spaces, and ours. */
const spaces = new Map([
  ['reclocal', 'FairleadLocal'],
  ['recglobal', 'FairleadGlobal'],
]);

/** An address that the recording plugin gave, and the one our agent gave to the same call. */
interface Pair {
  readonly ours: string;
  /** False once it was released: who asks for it later means the address itself. */
  given: boolean;
}

/** A pool that the recording plugin gave, and ours. */
interface PoolPair {
  readonly recordedId: string;
  readonly recordedSpace: string;
  readonly recordedCidr: string;
  readonly ourId: string;
  readonly ourCidr: string;
  readonly addresses: Map<string, Pair>;
  released: boolean;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The translation of one recording. */
export class Translation {
  /** Options that only the recording plugin's managers gave, ours give none. */
  readonly #foreignOptions: ReadonlySet<string>;
  readonly #heeding: boolean;
  readonly #pools: PoolPair[] = [];
  /** Pools of a network, by its id. */
  readonly #networks = new Map<string, readonly PoolPair[]>();

  /**
   * `heeding` makes of the recorded engine one that goes by our answers and not only speaks our words: its
   * user leaves out the options that we refuse, and it neither gives the MAC addresses nor repeats the
   * requests that the recording plugin said it needs.
   */
  constructor(foreignOptions: ReadonlySet<string>, heeding: boolean) {
    this.#foreignOptions = foreignOptions;
    this.#heeding = heeding;
  }

  /** True for a call that an engine would not make after our answers. */
  leavesOut(call: Call, body: Json): boolean {
    if (!this.#heeding) return false;
    if (call === 'IpamDriver.RequestPool') {
      const { AddressSpace: space, Pool: asked } = body;
      return [...this.#networks.values()]
        .flat()
        .filter(({ released }) => !released)
        .some((pool) => pool.recordedSpace === space && pool.recordedCidr === asked);
    }
    if (call !== 'IpamDriver.RequestAddress' || body['Options'] !== null) return false;
    const pool = this.#poolOfId(body['PoolID']);
    return pool?.addresses.get(keyOf(body['Address']))?.given === true;
  }

  /** What to send for a recorded request. */
  request(call: Call, body: Json): Json {
    if (call === 'IpamDriver.RequestPool') return this.#requestPool(body);
    if (call.startsWith('IpamDriver.')) return this.#addressCall(call, body);
    if (call === 'NetworkDriver.AllocateNetwork') {
      return this.#createNetwork(call, body, this.#options(body['Options']));
    }
    if (call === 'NetworkDriver.CreateNetwork') {
      return this.#createNetwork(call, body, this.#networkOptions(body['Options']));
    }
    return call === 'NetworkDriver.CreateEndpoint' ? this.#createEndpoint(body) : body;
  }

  /** Learns from the recorded answer and ours; undefined for no answer and for a refusal. */
  learn(call: Call, body: Json, recorded: Json | undefined, ours: Json | undefined): void {
    if (call === 'IpamDriver.ReleaseAddress') {
      const pair = this.#poolOfId(body['PoolID'])?.addresses.get(keyOf(body['Address']));
      if (pair !== undefined) pair.given = false;
    }
    if (call === 'IpamDriver.ReleasePool') {
      const pool = this.#poolOfId(body['PoolID']);
      if (pool !== undefined) pool.released = true;
    }
    if (call === 'NetworkDriver.DeleteNetwork') this.#networks.delete(text(body['NetworkID']));
    if (recorded === undefined || ours === undefined) return;
    if (call === 'IpamDriver.RequestPool') this.#learnPool(body, recorded, ours);
    if (call === 'IpamDriver.RequestAddress' && isAddress(recorded['Address'])) {
      this.#poolOfId(body['PoolID'])?.addresses.set(keyOf(recorded['Address']), {
        ours: plain(text(ours['Address'])),
        given: true,
      });
    }
  }

  #learnPool(body: Json, recorded: Json, ours: Json): void {
    const recordedId = text(recorded['PoolID']);
    if (recordedId === '' || !isAddress(recorded['Pool'])) return;
    const ourId = text(ours['PoolID']);
    // an equal request that was confirmed
    if (this.#poolOfId(recordedId)?.ourId === ourId) return;
    this.#pools.unshift({
      recordedId,
      recordedSpace: text(body['AddressSpace']),
      recordedCidr: text(recorded['Pool']),
      ourId,
      ourCidr: text(ours['Pool']),
      addresses: new Map(),
      released: false,
    });
  }

  /** The latest pool that had this id then. */
  #poolOfId(id: unknown): PoolPair | undefined {
    return this.#pools.find(({ recordedId }) => recordedId === id);
  }

  #requestPool(body: Json): Json {
    const space = text(body['AddressSpace']);
    const asked = text(body['Pool']);
    const chosen = this.#pools.find(
      (pool) =>
        pool.recordedSpace === space &&
        pool.recordedCidr === asked &&
        pool.recordedCidr !== pool.ourCidr,
    );
    return {
      ...body,
      AddressSpace: spaces.get(space) ?? space,
      ...(chosen === undefined ? {} : { Pool: chosen.ourCidr }),
    };
  }

  #addressCall(call: Call, body: Json): Json {
    const pool = this.#poolOfId(body['PoolID']);
    if (pool === undefined) return body;
    const address = body['Address'];
    const again = call === 'IpamDriver.ReleaseAddress';
    return {
      ...body,
      PoolID: pool.ourId,
      ...(isAddress(address) ? { Address: this.#address(pool, address, again) } : {}),
    };
  }

  /** `again` when also an address that was released means the one that was given. */
  #address(pool: PoolPair, recorded: string, again: boolean): string {
    // a swarm's manager gives an address in the global space, its node asks for the same in the local one
    const sameBlock = this.#pools.filter(({ recordedCidr }) => recordedCidr === pool.recordedCidr);
    for (const { addresses } of [pool, ...sameBlock]) {
      const pair = addresses.get(keyOf(recorded));
      if (pair !== undefined && (again || pair.given)) return pair.ours;
    }
    const block = blockOf(pool.recordedCidr);
    if (pool.recordedCidr === pool.ourCidr || !has(block, recorded)) return recorded;
    const { family, value } = valueOf(recorded);
    return textOf({ family, value: value - block.first + blockOf(pool.ourCidr).first });
  }

  /** The user's `-o` options. */
  #options(options: unknown): unknown {
    if (!isObject(options)) return options;
    const kept = Object.entries(options).filter(
      ([name]) => !this.#heeding && !this.#foreignOptions.has(name),
    );
    return Object.fromEntries(kept);
  }

  #networkOptions(options: unknown): unknown {
    if (!isObject(options) || !('com.docker.network.generic' in options)) return options;
    const generic = this.#options(options['com.docker.network.generic']);
    return { ...options, 'com.docker.network.generic': generic };
  }

  #createNetwork(call: Call, body: Json, Options: unknown): Json {
    const pools: PoolPair[] = [];
    const translate = (data: unknown): unknown =>
      Array.isArray(data) ? data.map((item) => this.#ipamData(item as Json, pools)) : data;
    const translated = {
      ...body,
      Options,
      IPv4Data: translate(body['IPv4Data']),
      IPv6Data: translate(body['IPv6Data']),
    };
    if (call === 'NetworkDriver.CreateNetwork') {
      this.#networks.set(text(body['NetworkID']), pools);
    }
    return translated;
  }

  #ipamData(data: Json, pools: PoolPair[]): Json {
    const space = text(data['AddressSpace']);
    const pool = this.#pools.find(
      ({ recordedSpace, recordedCidr }) =>
        // swarm's managers leave theirs out
        (space || 'recglobal') === recordedSpace && recordedCidr === data['Pool'],
    );
    if (pool === undefined) return data;
    pools.push(pool);
    const withLength = (recorded: unknown): string =>
      `${this.#address(pool, plain(text(recorded)), false)}/${lengthOf(pool.ourCidr)}`;
    const auxiliary = data['AuxAddresses'];
    return {
      ...data,
      AddressSpace: spaces.get(space) ?? space,
      Pool: pool.ourCidr,
      ...(isAddress(data['Gateway']) ? { Gateway: withLength(data['Gateway']) } : {}),
      ...(isObject(auxiliary)
        ? {
            AuxAddresses: Object.fromEntries(
              Object.entries(auxiliary).map(([name, address]) => [name, withLength(address)]),
            ),
          }
        : {}),
    };
  }

  #createEndpoint(body: Json): Json {
    const { Interface: sent, Options: options } = body;
    if (!isObject(sent)) return body;
    const macOfUser = isObject(options) && 'com.docker.network.endpoint.macaddress' in options;
    const pools = this.#networks.get(text(body['NetworkID'])) ?? [];
    const translate = (recorded: unknown): unknown => {
      if (!isAddress(recorded)) return recorded;
      const key = keyOf(recorded);
      const pool =
        pools.find(({ addresses }) => addresses.has(key)) ??
        pools.find(({ recordedCidr }) =>
          holds(blockOf(recordedCidr), blockOf(`${key}/${full(key)}`)),
        );
      if (pool === undefined) return recorded;
      return `${this.#address(pool, key, true)}/${lengthOf(pool.ourCidr)}`;
    };
    return {
      ...body,
      Interface: {
        ...sent,
        Address: translate(sent['Address']),
        AddressIPv6: translate(sent['AddressIPv6']),
        ...(this.#heeding && !macOfUser ? { MacAddress: '' } : {}),
      },
    };
  }
}

const full = (address: string): number => (isIP(address) === 4 ? 32 : 128);
const keyOf = (address: unknown): string => (isAddress(address) ? plain(address) : '');
const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && isIP(value.replace(/\/.*$/, '')) !== 0;
