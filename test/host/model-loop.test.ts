/** An engine that has the networks that the model has, whatever happens to either. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { pluginEntrypoint } from '../../lib/bundle/plugin-config.ts';
import type {
  DockerClient,
  DockerNetwork,
  DockerPlugin,
  NewDockerNetwork,
} from '../../lib/docker/client.ts';
import { FairleadError } from '../../lib/errors.ts';
import { startModelLoop, type ModelLoop } from '../../lib/host/model-loop.ts';
import { swarmFreshMs } from '../../lib/limits.ts';
import { silentLogger } from '../../lib/log.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { Operator } from '../support/operator.ts';
import { SiteHost, type MadeNetwork } from '../support/site-hosts.ts';
import { until } from '../support/until.ts';

/** An engine that asks the host for each network, as a real one does. */
class Engine implements DockerClient {
  readonly #host: SiteHost;
  readonly made = new Map<string, DockerNetwork & { readonly given?: MadeNetwork }>();
  inSwarm = false;
  managed: readonly DockerPlugin[] = [];
  /** Times it was asked. */
  asked = 0;
  isDown = false;
  readonly inUse = new Set<string>();
  #count = 0;

  constructor(host: SiteHost) {
    this.#host = host;
  }

  get names(): readonly string[] {
    return [...this.made.values()].map(({ name }) => name).toSorted();
  }

  async version() {
    return { engine: '20.10', api: '1.41' };
  }

  async engine() {
    this.asked += 1;
    if (this.isDown) throw new FairleadError('DOCKER_DOWN', 'nobody there');
    return { id: 'E', inSwarm: this.inSwarm, isManager: this.inSwarm };
  }

  async plugins() {
    return this.managed;
  }

  async services() {
    return [];
  }

  async containers() {
    return [];
  }

  async aliases() {
    return new Map<string, readonly string[]>();
  }

  /** Resolves when listings of networks are answered. */
  listing = Promise.resolve();

  async networks() {
    await this.listing;
    return [...this.made.values()];
  }

  async network(id: string) {
    return this.made.get(id);
  }

  async createNetwork(wish: NewDockerNetwork): Promise<string> {
    this.#count += 1;
    const id = String(this.#count).padStart(64, '0');
    const { options, ipamOptions, subnets, name } = wish;
    if (this.names.includes(name)) throw new FairleadError('DOCKER_REFUSED', `${name} exists`);
    const given = await this.#host.createNetwork({
      id,
      options,
      ipamOptions,
      subnets: subnets.map(({ subnet }) => subnet),
    });
    this.add({ id, name, driver: wish.driver, labels: wish.labels }, given);
    return id;
  }

  add(one: Pick<DockerNetwork, 'id' | 'name' | 'driver' | 'labels'>, given?: MadeNetwork): void {
    const bare = { scope: 'local', internal: false, ipamDriver: '', subnets: [], endpoints: [] };
    this.made.set(one.id, { ...bare, ...one, ...(given === undefined ? {} : { given }) });
  }

  async removeNetwork(id: string): Promise<void> {
    const one = this.made.get(id);
    if (one === undefined) return;
    if (this.inUse.has(one.name)) throw new FairleadError('DOCKER_REFUSED', 'active endpoints');
    if (one.given !== undefined) await this.#host.removeNetwork(one.given);
    this.made.delete(id);
  }
}

let host: SiteHost;
let operator: Operator;
let engine: Engine;
let conditions: Conditions;
let loop: ModelLoop;

/** What the clock is ahead: what was asked lately is so no more. */
let aheadMs = 0;
const clock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() + aheadMs,
};
const passAWhile = (): void => {
  aheadMs += swarmFreshMs;
};

const started = (): ModelLoop =>
  startModelLoop({
    store: host.store,
    docker: engine,
    pluginName: 'fairlead',
    clock,
    log: silentLogger(),
    conditions,
  });

beforeEach(async () => {
  host = new SiteHost(new MapStore(), 'one');
  await runPlan(host.store, planDefaultTenant);
  operator = new Operator(host.store);
  engine = new Engine(host);
  conditions = new Conditions(systemClock);
  loop = started();
  await until('a first look', async () => {
    await loop.requireUsable(async () => true);
    await loop.followed();
    return true;
  });
});
afterEach(() => loop.close());

const net = (subnet: string) => ({ encap: 'vxlan', subnet, gateway: '' });
const holds = (code: string) => conditions.list().find((one) => one.code === code)?.message;
/** Until the loop has seen what there is now. */
async function followed(names: readonly string[]): Promise<void> {
  await until(`engine with ${names.join(' ')}`, async () => {
    loop.kick();
    await loop.followed();
    return engine.names.join(' ') === names.join(' ');
  });
}

describe('an engine', () => {
  it('has each network and group, and loses what the model loses', async () => {
    await operator.put('tenant', 'blue');
    await operator.put('network', 'blue:web', net('10.1.0.0/24'));
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    await operator.put('endpointGroup', 'blue:db', { networkName: 'web' });
    await followed(['db/blue', 'web', 'web/blue']);
    await operator.remove('endpointGroup', 'blue:db');
    await operator.remove('network', 'blue:web');
    await followed(['web']);
    await operator.remove('tenant', 'blue');
    expect(conditions.list()).toEqual([]);
  });

  it('gets again what somebody removed, and after it was away', async () => {
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    await followed(['web']);
    for (const id of engine.made.keys()) await engine.removeNetwork(id);
    await followed(['web']);
    engine.isDown = true;
    await operator.put('network', 'default:more', net('10.2.0.0/24'));
    loop.kick();
    await loop.followed();
    engine.isDown = false;
    await followed(['more', 'web']);
  });

  it('that is away is tried now and then, not for every change', async () => {
    engine.isDown = true;
    loop.kick();
    await until('a try', () => engine.asked > 0);
    await loop.followed();
    const before = engine.asked;
    for (let count = 0; count < 20; count += 1) {
      await operator.put('network', 'default:web', net('10.1.0.0/24'));
      await operator.remove('network', 'default:web');
    }
    // a try that was under way, and those of a loop that tries again by itself
    expect(engine.asked - before).toBeLessThan(10);
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    engine.isDown = false;
    await followed(['web']);
  });

  it('keeps a stranger’s network of the name, and it is said', async () => {
    engine.add({ id: 'f'.repeat(64), name: 'web', driver: 'bridge', labels: {} });
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    await until('a word about it', () => {
      loop.kick();
      return holds('DOCKER_NETWORK_FOREIGN');
    });
    expect(holds('DOCKER_NETWORK_FOREIGN')).toMatch('web (ffffffffffff, driver bridge)');
    expect(engine.names).toEqual(['web']);
    engine.made.clear();
    await followed(['web']);
    expect(holds('DOCKER_NETWORK_FOREIGN')).toBeUndefined();
  });

  it('that refuses is said so with its own words, and asked again', async () => {
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    await followed(['web']);
    engine.inUse.add('web');
    await operator.remove('network', 'default:web');
    await until('a word about it', () => {
      loop.kick();
      return holds('DOCKER_NETWORK_FAILED');
    });
    expect(holds('DOCKER_NETWORK_FAILED')).toMatch('web: active endpoints');
    engine.inUse.clear();
    await followed([]);
    expect(holds('DOCKER_NETWORK_FAILED')).toBeUndefined();
  });

  it('in a swarm gets nothing, and commands are told before they change anything', async () => {
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    await followed(['web']);
    engine.inSwarm = true;
    passAWhile();
    await expect(loop.requireUsable(async () => true)).rejects.toMatchObject({
      code: 'SWARM_MODE',
    });
    expect(() => loop.requireNoSwarm()).toThrow('swarm mode');
    await until('a word about it', () => {
      loop.kick();
      return holds('DOCKER_SWARM');
    });
    expect(engine.names).toEqual(['web']);
    engine.inSwarm = false;
    await loop.requireUsable(async () => true);
  });

  it('in a swarm with a managed plugin gets nothing, but commands are taken', async () => {
    await operator.put('network', 'default:web', net('10.1.0.0/24'));
    await followed(['web']);
    engine.inSwarm = true;
    engine.managed = [
      {
        name: 'site/net:1',
        entrypoint: pluginEntrypoint,
        enabled: true,
        environment: ['FAIRLEAD_PLUGIN_SCOPE=global'],
      },
    ];
    passAWhile();
    await loop.requireUsable(async () => true);
    // calls of this engine alone are another matter
    expect(() => loop.requireNoSwarm()).toThrow('swarm mode');
    await operator.put('network', 'default:more', net('10.2.0.0/24'));
    await loop.followed();
    expect(engine.names).toEqual(['web']);
    expect(holds('DOCKER_SWARM')).toBeUndefined();
  });
});

it('an engine is asked for its swarm once for many commands, and again after a while', async () => {
  const usable = () => loop.requireUsable(async () => true);
  passAWhile();
  await usable();
  const { asked } = engine;
  for (let command = 0; command < 100; command += 1) await usable();
  expect(engine.asked).toBe(asked);
  passAWhile();
  engine.isDown = true;
  await usable();
  await usable();
  expect(engine.asked).toBe(asked + 1);
});

describe('before an engine was followed', () => {
  const usable = () => loop.requireUsable(async () => true);
  const refused = { code: 'SWARM_MODE' };
  let answer: () => void;

  beforeEach(async () => {
    await loop.close();
    const held = Promise.withResolvers<void>();
    engine.listing = held.promise;
    answer = held.resolve;
    engine.asked = 0;
  });
  afterEach(() => answer());

  it('a swarm is known by asking, though nothing was followed yet', async () => {
    engine.inSwarm = true;
    loop = started();
    await expect(usable()).rejects.toMatchObject(refused);
    engine.inSwarm = false;
    await usable();
  });

  it('a swarm is known over looks that fail, also those at an engine that is away', async () => {
    engine.inSwarm = true;
    loop = started();
    await expect(usable()).rejects.toMatchObject(refused);
    engine.isDown = true;
    answer();
    await expect(usable()).rejects.toMatchObject(refused);
    engine.isDown = false;
    engine.inSwarm = false;
    await usable();
  });

  it('one that never answered is in the way of nothing', async () => {
    engine.inSwarm = true;
    engine.isDown = true;
    loop = started();
    await usable();
    expect(engine.asked).toBeGreaterThan(0);
  });
});
