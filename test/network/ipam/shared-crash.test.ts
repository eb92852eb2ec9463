/**
 * Engines on three hosts that take and give back addresses of one network, with agents that die before or after any
 * read and any transaction, with calls that come again, soon and late. A dumb twin knows only what Docker was told:
 * no address is said to be two containers', what is asked for is given or refused as the twin has it, and once
 * the hosts have compared with their engines, the store holds exactly what the engines have.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairleadError, asFairleadError } from '../../../lib/errors.ts';
import {
  readEndpoints,
  readHeldAddresses,
  readNetworks,
  readSharedPools,
} from '../../../lib/host/records.ts';
import { formatAddress, fromHex } from '../../../lib/ip/ip.ts';
import { poolAddressSchema } from '../../../lib/model/pool.ts';
import { planDeleteEndpoint } from '../../../lib/network/endpoints.ts';
import { planAddressRelease } from '../../../lib/network/ipam/calls.ts';
import { planSweep, type Suspects } from '../../../lib/network/sweep.ts';
import type { RangeRequest, Txn } from '../../../lib/store/port.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../../support/site-hosts.ts';

/** Where an agent dies: so many steps from now, before or after the step happens. */
interface Death {
  readonly steps: number;
  readonly after: boolean;
}

const dead = () => new FairleadError('STORE_FAILED', 'the agent is gone');

/** A host with its engine; its agent may be told to die. */
class Machine {
  readonly name: string;
  /** Endpoints that the engine has, with their addresses. */
  readonly engine = new Map<string, string>();
  /** Calls that were made, to be made again. */
  readonly past: { readonly address: string; readonly call: () => Promise<unknown> }[] = [];
  made: MadeNetwork | undefined;
  host: SiteHost;
  readonly #site: Site;
  #death: Death | undefined;
  #isDead = false;

  constructor(site: Site, name: string) {
    this.#site = site;
    this.name = name;
    this.host = this.#start();
  }

  #start(): SiteHost {
    const { whole, pause } = this.#site;
    const step = async <Value>(work: () => Promise<Value>): Promise<Value> => {
      if (this.#isDead) throw dead();
      if (this.#death === undefined) return work();
      const { steps, after } = this.#death;
      this.#death = { steps: steps - 1, after };
      if (steps > 0) return work();
      this.#isDead = true;
      this.#site.isUnclean = true;
      if (after) await work();
      throw dead();
    };
    const mortal = {
      range: (request: RangeRequest) => step(() => whole.range(request)),
      txn: (txn: Txn) => step(() => whole.txn(txn)),
      grantLease: (ttlMs: number) => whole.grantLease(ttlMs),
      keepLease: (id: string) => whole.keepLease(id),
      revokeLease: (id: string) => whole.revokeLease(id),
    };
    return new SiteHost(mortal, this.name, pause);
  }

  /** Does something with an agent that dies in it, if it is to; another is started behind it. */
  async until<Value>(death: Death | undefined, work: () => Promise<Value>): Promise<Value> {
    this.#death = death;
    try {
      return await work();
    } finally {
      this.#death = undefined;
      if (this.#isDead) this.host = this.#start();
      this.#isDead = false;
    }
  }

  get diedNow(): boolean {
    return this.#isDead;
  }
}

interface Step {
  readonly what: 'attach' | 'ask' | 'detach' | 'again';
  readonly at: number;
  readonly pick: number;
  readonly death: Death | undefined;
  /** Each call is made twice. */
  readonly twice: boolean;
}

class Site {
  readonly whole = new MapStore();
  readonly machines: readonly Machine[];
  /** Addresses that Docker was told yes for, by endpoint: all that the twin knows. */
  readonly twin = new Map<string, string>();
  /** An agent died since the hosts compared with their engines. */
  isUnclean = false;
  readonly pause: () => Promise<void>;
  readonly size: number;
  #ids = 0;

  constructor(size: number, pause: () => Promise<void>) {
    this.size = size;
    this.pause = pause;
    this.machines = ['a', 'b', 'c'].map((name) => new Machine(this, name));
  }

  async begin(): Promise<void> {
    for (const [n, machine] of this.machines.entries()) {
      const id = `f${n}`.padStart(64, '0');
      const subnets = [`10.1.0.0/${this.size}`];
      machine.made = await machine.host.createNetwork({ id, ...sharedAs('blue'), subnets });
    }
  }

  async play(step: Step, isAlone: boolean): Promise<void> {
    const machine = this.machines[step.at];
    if (machine === undefined) return;
    await machine.until(step.death, async () => {
      if (step.what === 'attach') await this.#attach(machine, step, '', isAlone);
      if (step.what === 'ask') {
        const asked = `10.1.0.${step.pick % 2 ** (32 - this.size)}`;
        await this.#attach(machine, step, asked, isAlone);
      }
      if (step.what === 'detach') await this.#detach(machine, step);
      if (step.what === 'again') {
        // above all of those whose address is another container's by now
        const used = new Set(machine.engine.values());
        const stale = machine.past.filter(({ address }) => used.has(address));
        const calls = stale.length > 0 ? stale : machine.past;
        await calls[step.pick % Math.max(1, calls.length)]?.call().catch(() => undefined);
      }
    });
  }

  async #attach(machine: Machine, step: Step, asked: string, isAlone: boolean): Promise<void> {
    const { made } = machine;
    const poolId = made?.pools[0]?.poolId ?? '';
    this.#ids += 1;
    const id = this.#ids.toString(16).padStart(64, '0');
    let given: string;
    try {
      given = await machine.host.requestAddress(poolId, asked);
    } catch (thrown) {
      if (!machine.diedNow && isAlone) this.#judgeRefusal(asFairleadError(thrown).code, asked);
      return;
    }
    const [address = ''] = given.split('/');
    if (asked !== '') expect(address).toBe(asked);
    expect([...this.twin.values()]).not.toContain(address);
    this.twin.set(id, address);
    machine.engine.set(id, address);
    const create = () => machine.host.createEndpoint(made?.network.id ?? '', id, given);
    try {
      await create();
      if (step.twice) await create();
    } catch (thrown) {
      if (!machine.diedNow) throw thrown;
      // the engine takes back what it has
      this.twin.delete(id);
      machine.engine.delete(id);
      await machine.host.releaseAddress(poolId, address).catch(() => undefined);
    }
  }

  /** A refusal is right when the twin says so, as long as nothing was left behind by the dead. */
  #judgeRefusal(code: string, asked: string): void {
    const taken = new Set(this.twin.values());
    const last = 2 ** (32 - this.size) - 1;
    const unusable = ['10.1.0.0', '10.1.0.1', `10.1.0.${last}`];
    if (code === 'ADDRESS_OUTSIDE_POOL') expect(unusable).toContain(asked);
    else if (code === 'ADDRESS_IN_USE') {
      if (!this.isUnclean) expect([...taken, '10.1.0.1']).toContain(asked);
    } else {
      expect(code).toBe('POOL_EXHAUSTED');
      if (!this.isUnclean) expect(taken.size).toBe(last - 2);
    }
  }

  /** Docker does not care whether its calls work, and forgets. */
  async #detach(machine: Machine, { pick, twice }: Step): Promise<void> {
    const all = [...machine.engine];
    const [id, address] = all[pick % Math.max(1, all.length)] ?? [];
    if (id === undefined || address === undefined) return;
    this.twin.delete(id);
    machine.engine.delete(id);
    const { made } = machine;
    const networkId = made?.network.id ?? '';
    const remove = () => runPlan(machine.host.store, () => planDeleteEndpoint(networkId, id));
    const release = () => machine.host.releaseAddress(made?.pools[0]?.poolId ?? '', address);
    machine.past.push({ address, call: remove }, { address, call: release });
    for (const call of [remove, release]) {
      await call().catch(() => undefined);
      if (twice) await call().catch(() => undefined);
    }
  }

  /** Every host compares what it has with its engine, as its loop does, until nothing is left to look at. */
  async compare(): Promise<void> {
    for (const machine of this.machines) await this.#compareOne(machine);
    this.isUnclean = false;
    const held = [...this.whole.rows.values()]
      .filter(({ key }) => key.startsWith('/ipam/address/'))
      .flatMap(({ key, value }) => {
        const { state, use } = poolAddressSchema.parse(JSON.parse(value));
        return state === 'held' && use === 'other'
          ? [formatAddress(fromHex(key.slice(key.lastIndexOf('/') + 1)))]
          : [];
      });
    expect(held.toSorted()).toEqual([...this.twin.values()].toSorted());
  }

  async #compareOne({ host, engine, made }: Machine): Promise<void> {
    const { store } = host;
    const networkId = made?.network.id ?? '';
    let suspects: Suspects = new Map();
    // twice for endpoints, and twice for the addresses that they leave
    for (let n = 0; n < 4; n++) {
      const networks = await readNetworks(store);
      const records = {
        networks,
        endpoints: await readEndpoints(store),
        pools: await readSharedPools(store, networks),
        addresses: await readHeldAddresses(store),
      };
      const docker = {
        networks: new Map([[networkId, new Set(engine.keys())]]),
        pools: new Map([[made?.pools[0]?.cidr ?? '', new Set(['10.1.0.1', ...engine.values()])]]),
      };
      const sweep = planSweep(records, docker, suspects, n, { absentMs: 0, unclaimedMs: 0 });
      ({ suspects } = sweep);
      for (const { value, modRevision } of sweep.endpoints) {
        await runPlan(store, () => planDeleteEndpoint(networkId, value.id, { modRevision }));
      }
      for (const { poolId, address, modRevision } of sweep.addresses) {
        const release = { poolId, address };
        await runPlan(store, () => planAddressRelease(release, host.name, { modRevision }));
      }
    }
  }
}

const death = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.record({ steps: fc.nat(14), after: fc.boolean() }) },
);
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('attach', 'attach', 'ask', 'detach', 'detach', 'again' as const),
  at: fc.nat(2),
  pick: fc.nat(127),
  death,
  twice: fc.boolean(),
});
const rounds = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), {
  maxLength: 40,
  size: 'max',
});

it('what Docker was told is so, whatever agents die of and whatever comes again', async () => {
  await fc.assert(
    fc.asyncProperty(
      rounds,
      fc.constantFrom(29, 28, 25),
      fc.nat(6),
      fc.scheduler(),
      async (all, size, every, scheduler) => {
        const site = new Site(size, () => scheduler.schedule(Promise.resolve()));
        await scheduler.waitFor(site.begin());
        for (const [n, steps] of all.entries()) {
          // an engine asks for one thing after the other
          const each = [...new Map(steps.map((one) => [one.at, one])).values()];
          await scheduler.waitFor(
            Promise.all(each.map((one) => site.play(one, each.length === 1))),
          );
          expect(wrongOfSite(site.whole)).toEqual([]);
          if (every > 0 && n % every === 0) await scheduler.waitFor(site.compare());
        }
        await scheduler.waitFor(site.compare());
        expect(wrongOfSite(site.whole)).toEqual([]);
      },
    ),
    { numRuns: 20, endOnFailure: true },
  );
});
