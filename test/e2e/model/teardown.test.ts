/**
 * Models drawn from a seed, made on three hosts by several clients and torn down in random order by four at once.
 * After each round what always holds of the rows is looked at by going through all of them, and nothing may be left:
 * no object, no number, no pool, no address, no Docker network.
 *
 *     FAIRLEAD_SEED=7 FAIRLEAD_ROUNDS=20 npm run e2e:model -- test/e2e/model/teardown.test.ts
 */
import { randomBytes } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { httpOverSocket } from '../../compat/fresh-agent.ts';
import type { LabHost } from '../../lab/host.ts';
import { Random } from '../../sim/random.ts';
import { conditionsOf } from '../../support/conditions.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { apiSocketOf, storeRows } from '../../support/store-rows.ts';
import { until } from '../../support/until.ts';
import { drawModel, type DrawnObject } from './drawn-model.ts';

const seed = BigInt(process.env['FAIRLEAD_SEED'] ?? `0x${randomBytes(4).toString('hex')}`);
const rounds = Number(process.env['FAIRLEAD_ROUNDS'] ?? 200);
const clients = 4;
/** Engines are slower than the model: in every fifth round most networks are theirs, with containers, else few are. */
const withEngines = (number: number): boolean => number % 5 === 0;
const dataShareOf = (number: number): number => (withEngines(number) ? 0.7 : 0.1);
const containersMax = 3;

const lab = labOfSite(3);
let agents: SiteAgents;

beforeAll(async () => {
  process.stdout.write(`FAIRLEAD_SEED=${seed} FAIRLEAD_ROUNDS=${rounds}\n`);
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  for (const host of lab.hosts) await host.image();
});

const ask = (host: LabHost, method: 'POST' | 'DELETE', { plural, key, body }: DrawnObject) =>
  httpOverSocket(apiSocketOf(host), {
    method,
    path: `/api/v1/${plural}/${key}/`,
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
  });

/** What can go: it says whether it went, or has to wait for others. */
type Removal = () => Promise<boolean>;

function removalOf(host: LabHost, object: DrawnObject): Removal {
  return async () => {
    const { status, body } = await ask(host, 'DELETE', object);
    // what uses it is still there, or about to go
    if (status === 409) return false;
    // a policy takes its rules with it
    if (status === 404 && object.plural === 'rules') return true;
    expect([status, body], `DELETE ${object.plural} ${object.key} on ${host.name}`).toEqual([
      200,
      expect.anything(),
    ]);
    return true;
  };
}

class Round {
  readonly #number: number;
  readonly #random: Random;
  readonly #containers: Removal[] = [];

  constructor(number: number) {
    this.#number = number;
    this.#random = new Random(seed, number);
  }

  /** Makes a model, with each command sent to some host. */
  async make(): Promise<readonly DrawnObject[]> {
    const { objects, dockerNames } = drawModel(this.#random, dataShareOf(this.#number));
    const tenants = Map.groupBy(objects, ({ body }) => String(body['tenantName']));
    const hosts = new Map(objects.map((object) => [object, this.#host()]));
    const made = [...tenants.values()].map(async (own) => {
      for (const object of own) {
        const host = hosts.get(object) ?? lab.host(1);
        const { status, body } = await ask(host, 'POST', object);
        expect([status, body], `POST ${object.plural} ${object.key} on ${host.name}`).toEqual([
          200,
          expect.anything(),
        ]);
      }
    });
    await Promise.all(made);
    await Promise.all(lab.hosts.map((host) => untilNetworks(host, dockerNames)));
    return objects;
  }

  /** Starts containers anywhere, on Docker networks of networks and groups, some of them behind services. */
  async populate(): Promise<number> {
    const names = await networksOf(lab.host(1));
    if (names.length === 0) return 0;
    const guests = Array.from({ length: 1 + this.#random.below(containersMax) }, (_, at) => ({
      host: this.#host(),
      name: `guest${at}`,
      network: names[this.#random.below(names.length)] ?? '',
      options: this.#random.chance(0.7) ? ['--label', 'app=web', '--label', 'tier=front'] : [],
    }));
    await Promise.all(guests.map(({ host, ...wish }) => runContainer(host, wish)));
    for (const { host, name } of guests) {
      this.#containers.push(async () => {
        await dockerOk(host, ['rm', '-f', name]);
        return true;
      });
    }
    return guests.length;
  }

  /** Four clients take what is left of it, in random order, each from some host. */
  async tearDown(objects: readonly DrawnObject[]): Promise<void> {
    const removals = objects.map((object) => removalOf(this.#host(), object));
    const left = shuffled([...removals, ...this.#containers], this.#random);
    const started = performance.now();
    let went = 0;
    const work = async (): Promise<void> => {
      for (;;) {
        const one = left.shift();
        if (one === undefined) return;
        if (await one()) went += 1;
        else left.push(one);
        expect(performance.now() - started, `${went} of ${objects.length} went`).toBeLessThan(
          60_000,
        );
      }
    };
    await Promise.all(Array.from({ length: clients }, work));
  }

  #host(): LabHost {
    return lab.host(1 + this.#random.below(lab.hosts.length));
  }
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const order = items.map((item) => ({ item, at: random.next() }));
  return order.toSorted((one, other) => one.at - other.at).map(({ item }) => item);
}

async function networksOf(host: LabHost): Promise<readonly string[]> {
  const format = ['--filter', 'driver=fairlead', '--format', '{{.Name}}'];
  const listed = await dockerOk(host, ['network', 'ls', ...format]);
  return listed.split('\n').filter(Boolean).toSorted();
}

function untilNetworks(host: LabHost, names: readonly string[]): Promise<true> {
  return until(
    `Docker networks of ${host.name}`,
    async () => {
      expect(await networksOf(host)).toEqual(names.toSorted());
      return true as const;
    },
    { everyMs: 100 },
  );
}

/** What of the model is left in the store: nothing but the tenant that is always there. */
const ofModel =
  /^\/(?:network|object|guard|link|group-pool|group-endpoint|contiv-tag|use|request|ipam|subnet|vni|vlan|endpoint|mac|address|number\/(?:group|network))\/|^host\/[^/]+\/(?:network|endpoint|shared-pool|held|tag)\//;
const tenantGuard = '/guard/tenant/default';

async function nothingLeft(): Promise<void> {
  await Promise.all(lab.hosts.map((host) => untilNetworks(host, [])));
  await until('an empty store', async () => {
    const { rows } = await storeRows(lab.host(1));
    expect([...rows.keys()].filter((key) => ofModel.test(key) && key !== tenantGuard)).toEqual([]);
    expect([...rows.keys()].filter((key) => key.startsWith('/tenant/'))).toEqual([
      '/tenant/default',
    ]);
    return true;
  });
}

/** What always holds of the rows that a host has. */
async function soundOn(host: LabHost): Promise<void> {
  const rows = await storeRows(host);
  expect([...wrongOfObjects(rows), ...wrongOfSite(rows)], `on ${host.name}`).toEqual([]);
}

test(
  `whatever order four clients tear it down in, nothing is left and nothing breaks`,
  async () => {
    for (let number = 1; number <= rounds; number += 1) {
      const began = performance.now();
      const round = new Round(number);
      const objects = await round.make();
      const guests = withEngines(number) ? await round.populate() : 0;
      for (const host of lab.hosts) await soundOn(host);
      const built = performance.now();
      await round.tearDown(objects);
      // hosts are still letting go: what they have is between two steps, objects never are
      const rows = await storeRows(lab.host(1 + (number % lab.hosts.length)));
      expect(wrongOfObjects(rows)).toEqual([]);
      await nothingLeft();
      await soundOn(lab.host(1));
      const [make, tear] = [built - began, performance.now() - built].map(Math.round);
      process.stdout.write(
        `round ${number}: ${objects.length} objects, ${guests} containers, made in ${make} ms, gone in ${tear} ms\n`,
      );
    }
    for (const host of lab.hosts) {
      const words = [...(await conditionsOf(host))].map(([code, message]) => `${code} ${message}`);
      expect(words.filter((each) => each.startsWith('DOCKER_'))).toEqual([]);
      expect(await agents.ok(host, ['ipam', 'check'])).not.toMatch(/differ/);
    }
  },
  60 * 60_000,
);
