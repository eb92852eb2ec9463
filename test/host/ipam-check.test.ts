/**
 * The comparison of all that says who has which address: it finds nothing on hosts that only did what Docker
 * asked, and each kind of difference where one was made behind their backs.
 */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import type { DockerClient, DockerEndpoint } from '../../lib/docker/client.ts';
import { FairleadError } from '../../lib/errors.ts';
import { checkHostAddresses, type AddressCheck } from '../../lib/host/ipam-check.ts';
import { hostPrefix } from '../../lib/model/keys.ts';
import type { Endpoint } from '../../lib/model/endpoint.ts';
import type { DifferenceKind } from '../../lib/network/ipam/check.ts';
import { planJoin } from '../../lib/network/endpoints.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../support/site-hosts.ts';

const id = (n: number): string => n.toString(16).padStart(64, '0');

/** A host with an engine and a switch that did what they should. */
class Machine {
  readonly host: SiteHost;
  readonly engine = new Map<string, Map<string, DockerEndpoint>>();
  readonly ports = new Map<string, { name: string; addresses: string[] }>();
  readonly made: MadeNetwork[] = [];
  readonly endpoints: { readonly made: MadeNetwork; readonly endpoint: Endpoint }[] = [];
  engineIsDown = false;
  pauses = 0;
  whilePaused = async (): Promise<void> => {};
  #ids = 0;

  constructor(whole: MapStore, name: string) {
    this.host = new SiteHost(whole, name);
    this.#ids = (name.codePointAt(0) ?? 0) * 10_000;
  }

  async network(options: Parameters<SiteHost['createNetwork']>[0]): Promise<MadeNetwork> {
    const made = await this.host.createNetwork(options);
    this.made.push(made);
    this.engine.set(made.network.id, new Map());
    return made;
  }

  async run(made: MadeNetwork, asked = ''): Promise<Endpoint> {
    this.#ids += 1;
    const endpoint = await this.host.attach(made, id(this.#ids), asked);
    await runPlan(this.host.store, () => planJoin(made.network.id, endpoint.id, '/sandbox'));
    const { ipv4 = '', mac } = endpoint;
    const listed = { endpointId: endpoint.id, mac, ipv4, ipv6: '' };
    this.engine.get(made.network.id)?.set(endpoint.id, listed);
    const addresses = [ipv4.split('/')[0] ?? ''];
    this.ports.set(endpoint.id, { name: `fh-${endpoint.id.slice(0, 12)}`, addresses });
    this.endpoints.push({ made, endpoint });
    return endpoint;
  }

  async stop(index: number): Promise<void> {
    const [one] = this.endpoints.splice(index % Math.max(1, this.endpoints.length), 1);
    if (one === undefined) return;
    this.engine.get(one.made.network.id)?.delete(one.endpoint.id);
    this.ports.delete(one.endpoint.id);
    await this.host.detach(one.made, one.endpoint);
  }

  check(): Promise<AddressCheck> {
    const listed = (networkId: string) => ({
      ...{ id: networkId, name: 'n', driver: 'fairlead', scope: 'local', internal: false },
      ...{ ipamDriver: 'fairlead', subnets: [], labels: {} },
      endpoints: [...(this.engine.get(networkId)?.values() ?? [])],
    });
    const docker: DockerClient = {
      version: async () => ({ engine: '29', api: '1.44' }),
      engine: async () => ({ id: 'engine', inSwarm: false, isManager: false }),
      createNetwork: () => Promise.reject(new Error('it only looks')),
      removeNetwork: () => Promise.reject(new Error('it only looks')),
      plugins: async () => [],
      services: async () => [],
      containers: async () => [],
      aliases: async () => new Map<string, readonly string[]>(),
      networks: async () => {
        if (this.engineIsDown) throw new FairleadError('DOCKER_DOWN', 'nobody answers');
        return [...this.engine.keys()].map(listed);
      },
      network: async (networkId) => listed(networkId),
    };
    const clock: Clock = {
      wallMs: () => 0,
      monotonicMs: () => 0,
      sleep: async () => {
        this.pauses += 1;
        await this.whilePaused();
      },
    };
    const ports = async () =>
      [...this.ports].map(([endpointId, port]) => ({ endpointId, ...port }));
    const { store, name: hostName } = this.host;
    const parts = { hostName, store, docker, pluginName: 'fairlead', ports, clock };
    return checkHostAddresses(parts, new AbortController().signal);
  }

  async kinds(): Promise<readonly DifferenceKind[]> {
    return (await this.check()).differences.map(({ kind }) => kind);
  }
}

let whole: MapStore;
let one: Machine;
let two: Machine;
let blue: MadeNetwork;
let own: MadeNetwork;
beforeEach(async () => {
  whole = new MapStore();
  one = new Machine(whole, 'one');
  two = new Machine(whole, 'two');
  const shared = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'] };
  blue = await one.network({ id: id(1), ...shared });
  await two.network({ id: id(2), ...shared });
  own = await one.network({ id: id(3), subnets: ['10.9.0.0/24'] });
});

/** Changes a row behind everybody's back; undefined removes it. */
function tamper(key: string, change: (value: Record<string, unknown>) => unknown): void {
  const row = whole.rows.get(key);
  const value = change(row === undefined ? {} : JSON.parse(row.value));
  if (value === undefined) whole.rows.delete(key);
  else {
    const fresh = { key, createRevision: 1, modRevision: 1, version: 1 };
    whole.rows.set(key, { ...(row ?? fresh), value: JSON.stringify(value) });
  }
}
const gone = (): undefined => undefined;
const mine = (key: string): string => `${hostPrefix('one')}${key}`;
const record = '/ipam/address/default:blue/10.1.0.0/24/0a010002';

it('all agree on hosts that did what they were asked', async () => {
  const kinds = fc.constantFrom('run', 'stop', 'own', 'two' as const);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(kinds, fc.nat(30)), { maxLength: 25 }), async (steps) => {
      for (const [kind, pick] of steps) {
        if (kind === 'run') await one.run(blue);
        if (kind === 'own') await one.run(own);
        if (kind === 'stop') await one.stop(pick);
        if (kind === 'two' && two.made[0] !== undefined) await two.run(two.made[0]);
      }
      for (const machine of [one, two]) {
        expect(await machine.check()).toMatchObject({ differences: [], unseen: [] });
      }
    }),
    { numRuns: 20 },
  );
  expect(one.pauses).toBe(0);
});

describe('a difference is found where', () => {
  let endpoint: Endpoint;
  beforeEach(async () => {
    endpoint = await one.run(blue);
    expect(endpoint.ipv4).toBe('10.1.0.2/24');
  });

  it('an address is held and no container has it', async () => {
    await one.host.requestAddress(blue.pools[0]?.poolId ?? '', '10.1.0.9');
    expect(await one.check()).toMatchObject({
      differences: [
        {
          kind: 'RECORD_UNCLAIMED',
          network: 'default:blue',
          address: '10.1.0.9',
          what: '10.1.0.9 is held by host one, and no container has it',
          fix: expect.stringContaining('check again'),
        },
      ],
    });
    // it is that host's to say
    expect(await two.kinds()).toEqual([]);
  });

  it.each<readonly [string, () => void, readonly DifferenceKind[]]>([
    [
      'the record names an endpoint that is not there',
      () => tamper(record, (value) => ({ ...value, endpointId: id(77) })),
      ['ENDPOINT_NOT_RECORDED', 'RECORD_WITHOUT_ENDPOINT'],
    ],
    [
      'the record says that the address is free',
      () => tamper(record, () => ({ state: 'released', use: 'other' })),
      ['ENDPOINT_NOT_RECORDED', 'NOTE_LEFT'],
    ],
    [
      'the owner is lost',
      () => tamper('/address/default/blue/0a010002', gone),
      ['ENDPOINT_NOT_OWNER'],
    ],
    [
      'an owner has no endpoint',
      () => tamper('/address/default/blue/0a010063', () => ({ endpointId: id(9), host: 'two' })),
      ['OWNER_WITHOUT_ENDPOINT'],
    ],
    [
      'others do not see the endpoint',
      () => tamper(`/endpoint/default/blue/${endpoint.id}`, gone),
      ['ENDPOINT_NOT_SHOWN', 'OWNER_WITHOUT_ENDPOINT', 'RECORD_WITHOUT_ENDPOINT'],
    ],
    [
      'the host has no note of what it holds',
      () => tamper(mine('held/default:blue/10.1.0.0/24/0a010002'), gone),
      ['NOTE_MISSING'],
    ],
    [
      'Docker does not have the endpoint',
      () => one.engine.get(blue.network.id)?.clear(),
      ['DOCKER_MISSING'],
    ],
    [
      'Docker has an endpoint that is not known',
      () =>
        one.engine
          .get(blue.network.id)
          ?.set(id(5), { endpointId: id(5), mac: '', ipv4: '10.1.0.77/24', ipv6: '' }),
      ['DOCKER_ONLY'],
    ],
    [
      'Docker has another address',
      () =>
        one.engine.get(blue.network.id)?.set(endpoint.id, {
          ...{ endpointId: endpoint.id, mac: endpoint.mac, ipv4: '10.1.0.3/24', ipv6: '' },
        }),
      ['DOCKER_ADDRESS'],
    ],
    ['the switch has no port', () => one.ports.clear(), ['PORT_MISSING']],
    [
      'the switch has a port of nobody',
      () => one.ports.set(id(6), { name: 'fh-6', addresses: ['10.1.0.66'] }),
      ['PORT_LEFT'],
    ],
    [
      'the switch lets another address pass',
      () => one.ports.set(endpoint.id, { name: 'fh-1', addresses: ['10.1.0.2', '10.1.0.3'] }),
      ['PORT_ADDRESS'],
    ],
  ])('%s', async (_what, plant, expected) => {
    plant();
    expect((await one.kinds()).toSorted()).toEqual(expected);
    expect(one.pauses).toBe(1);
  });

  it('the same is so in a network of one host', async () => {
    await one.run(own);
    const key = (kind: string) => mine(`${kind}/${own.network.id}/0a090002`);
    tamper(key('address'), gone);
    expect(await one.kinds()).toEqual(['ENDPOINT_NOT_OWNER']);
    tamper(mine('ipam/address/FairleadLocal/10.9.0.0/24/0a090002'), gone);
    expect(await one.kinds()).toEqual(['ENDPOINT_NOT_OWNER', 'ENDPOINT_NOT_RECORDED']);
  });
});

it('what comes and goes in between is no difference', async () => {
  const poolId = blue.pools[0]?.poolId ?? '';
  const address = await one.host.requestAddress(poolId);
  one.whilePaused = async () => {
    await one.host.releaseAddress(poolId, address);
    await one.host.requestAddress(poolId);
  };
  expect(await one.kinds()).toEqual([]);
  expect(one.pauses).toBe(1);
});

it('addresses that a network keeps back are nobody’s, and that is right', async () => {
  const poolId = own.pools[0]?.poolId ?? '';
  await one.host.requestAddress(poolId, '10.9.0.50');
  expect(await one.kinds()).toEqual(['RECORD_UNCLAIMED']);
  tamper(mine(`network/${own.network.id}`), (value) => ({
    ...value,
    subnets: [
      { addressSpace: 'FairleadLocal', cidr: '10.9.0.0/24', auxiliary: { router: '10.9.0.50' } },
    ],
  }));
  expect(await one.kinds()).toEqual([]);
});

it('a side that cannot be looked at is named', async () => {
  await one.run(blue);
  one.engineIsDown = true;
  expect(await one.check()).toMatchObject({
    differences: [],
    unseen: [expect.stringMatching(/^Docker: .*nobody answers/)],
  });
});
