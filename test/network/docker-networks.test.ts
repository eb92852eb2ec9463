/** Which Docker networks there should be, and what is done about those that there are. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { SiteNetwork } from '../../lib/model/site.ts';
import {
  dockerName,
  followsLabel,
  planDockerNetworks,
  wantedDockerNetworks,
  type ModelGroup,
  type SeenDockerNetwork,
  type WantedDockerNetwork,
} from '../../lib/network/docker-networks.ts';

const network = (tenant: string, name: string, more: Partial<SiteNetwork> = {}): SiteNetwork => ({
  tenant,
  name,
  number: 1,
  encapsulation: { kind: 'vxlan', vni: 1 },
  subnets: [{ cidr: '10.1.1.0/24' }],
  internal: false,
  outside: true,
  mode: 'routing',
  arp: 'proxy',
  options: {},
  createdBy: 'operator',
  ...more,
});

describe('the Docker networks of a model', () => {
  it('have Contiv’s names', () => {
    expect(dockerName('web', 'default')).toBe('web');
    expect(dockerName('web', 'blue')).toBe('web/blue');
    const wanted = wantedDockerNetworks(
      [network('default', 'net'), network('blue', 'net')],
      [
        { tenant: 'default', group: 'db', network: 'net' },
        { tenant: 'blue', group: 'db', network: 'net' },
      ],
    );
    expect(wanted.map(({ name }) => name)).toEqual(['net', 'net/blue', 'db', 'db/blue']);
  });

  it('are those of data networks that operators made and did not remove', () => {
    const asked = { nwType: 'infra', subnet: '10.1.1.0/24' } as const;
    const networks = [
      network('default', 'infra', { asked }),
      network('default', 'leaving', { leaving: true }),
      network('default', 'dockers', { createdBy: 'docker' }),
    ];
    const groups = networks.map(({ name }) => ({
      tenant: 'default',
      group: `of-${name}`,
      network: name,
    }));
    expect(wantedDockerNetworks(networks, groups)).toEqual([]);
  });
});

/** An engine that does as it is told, and what the host knows of its networks. */
class Engine {
  networks: SeenDockerNetwork[] = [];
  readonly parts = new Map<string, { site: { tenant: string; network: string }; group?: string }>();
  #count = 0;

  add(seen: Omit<SeenDockerNetwork, 'id'>, want?: WantedDockerNetwork): void {
    this.#count += 1;
    const id = `id${this.#count}`;
    this.networks.push({ ...seen, id });
    if (want === undefined) return;
    const group = want.group === undefined ? {} : { group: want.group };
    this.parts.set(id, { site: want.site, ...group });
  }

  make(want: WantedDockerNetwork): void {
    this.add({ name: want.name, driver: 'fairlead', isOurs: true, labels: want.labels }, want);
  }

  plan(wanted: readonly WantedDockerNetwork[]) {
    return planDockerNetworks(wanted, this.networks, this.parts);
  }

  follow(wanted: readonly WantedDockerNetwork[]): void {
    const { remove, create } = this.plan(wanted);
    this.networks = this.networks.filter((one) => !remove.includes(one));
    for (const one of create) this.make(one);
  }
}

const bridge = { driver: 'bridge', isOurs: false, labels: {} };

describe('what is done', () => {
  const [web] = wantedDockerNetworks([network('blue', 'web')], []);
  if (web === undefined) throw new Error('there is one');

  it('to a network made anew under its name is that its Docker network is, too', () => {
    const engine = new Engine();
    engine.make(web);
    const [later] = wantedDockerNetworks([network('blue', 'web', { number: 2 })], []);
    expect(engine.plan(later === undefined ? [] : [later])).toMatchObject({
      remove: [{ id: 'id1' }],
      create: [{ name: 'web/blue', labels: { 'fairlead.number': '2' } }],
    });
  });

  it('to one of ours that this host does not know is that it is made again', () => {
    const engine = new Engine();
    engine.make(web);
    engine.parts.clear();
    expect(engine.plan([web])).toMatchObject({ remove: [{ id: 'id1' }], create: [web] });
  });

  it('nothing, for one that somebody made by hand for the same network', () => {
    const engine = new Engine();
    engine.add({ name: web.name, driver: 'fairlead', isOurs: true, labels: {} }, web);
    expect(engine.plan([web])).toEqual({ remove: [], create: [], foreign: [] });
    expect(engine.plan([])).toEqual({ remove: [], create: [], foreign: [] });
  });

  it('nothing, but a word, where another network has the name', () => {
    const engine = new Engine();
    engine.add({ name: web.name, ...bridge });
    expect(engine.plan([web])).toEqual({
      remove: [],
      create: [],
      foreign: [{ id: 'id1', name: 'web/blue', driver: 'bridge' }],
    });
  });

  it('nothing, to a network of another driver that has our label', () => {
    const engine = new Engine();
    engine.add({ name: 'x', ...bridge, labels: { [followsLabel]: 'model' } });
    expect(engine.plan([]).remove).toEqual([]);
  });
});

const names = fc.constantFrom('a', 'b', 'c', 'a/t', 'b/t');
const models = fc.record({
  networks: fc.uniqueArray(
    fc.record({
      tenant: fc.constantFrom('default', 't'),
      name: fc.constantFrom('a', 'b', 'c'),
      number: fc.integer({ min: 1, max: 3 }),
      leaving: fc.boolean(),
    }),
    { selector: ({ tenant, name }) => `${tenant} ${name}` },
  ),
  groups: fc.array(
    fc.record({
      tenant: fc.constantFrom('default', 't'),
      group: fc.constantFrom('g', 'h'),
      network: fc.constantFrom('a', 'b'),
    }),
    { maxLength: 3 },
  ),
});

function wantedOf({ networks, groups }: typeof models extends fc.Arbitrary<infer M> ? M : never) {
  const rows = networks.map(({ tenant, name, number, leaving }) =>
    network(tenant, name, { number, ...(leaving ? { leaving: true } : {}) }),
  );
  const once = new Map<string, ModelGroup>();
  for (const group of groups) once.set(`${group.tenant} ${group.group}`, group);
  return wantedDockerNetworks(rows, [...once.values()]);
}

test('whatever there was, after one round there is what the model has, and strangers are untouched', () => {
  fc.assert(
    fc.property(
      fc.array(models, { minLength: 1, maxLength: 4 }),
      fc.uniqueArray(names),
      fc.array(fc.nat({ max: 9 })),
      (steps, strangers, losses) => {
        const engine = new Engine();
        for (const name of strangers) engine.add({ name, ...bridge });
        for (const model of steps) {
          for (const loss of losses) {
            const lost = engine.networks.filter(({ isOurs }) => isOurs)[loss];
            engine.networks = engine.networks.filter((one) => one !== lost);
          }
          const wanted = wantedOf(model);
          engine.follow(wanted);
          const expected = [
            ...strangers,
            ...wanted
              .map(({ name }) => name)
              .filter((name) => !strangers.some((one) => one === name)),
          ];
          expect(engine.networks.map(({ name }) => name).toSorted()).toEqual(expected.toSorted());
          for (const { name, labels } of wanted) {
            const own = engine.networks.find((one) => one.isOurs && one.name === name);
            if (own !== undefined) expect(own.labels).toEqual(labels);
          }
          expect(engine.plan(wanted)).toMatchObject({ remove: [], create: [] });
        }
      },
    ),
  );
});
