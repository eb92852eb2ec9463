/**
 * Commands of several operators and Docker's calls, in any order and at the same time: references, numbers, tags
 * and addresses stay whole. One at a time, they do what a simple twin says.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { asFairleadError } from '../../../lib/errors.ts';
import type { KindName } from '../../../lib/model/objects/kind.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { Operator, type Json } from '../../support/operator.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../../support/site-hosts.ts';

interface Put {
  readonly kind: KindName;
  readonly key: string;
  readonly body: Json;
}
type Command =
  | (Put & { readonly what: 'put' })
  | { readonly what: 'remove'; readonly kind: KindName; readonly key: string };

const tenant = fc.constantFrom('default', 'blue');
const name = (...names: readonly string[]) => fc.tuple(tenant, fc.constantFrom(...names));
const some = <T>(...values: readonly T[]) => fc.subarray([...values]);

const objects: readonly fc.Arbitrary<Put>[] = [
  fc.constant({ kind: 'tenant', key: 'blue', body: {} }),
  fc
    .record({
      at: name('a', 'b', 'c'),
      subnet: fc.constantFrom('10.1.0.0/24', '10.1.0.0/25', '10.2.0.8-10.2.0.20/24', '10.3.0.0/30'),
      gateway: fc.boolean(),
      more: fc.constantFrom<Json>(
        {},
        {},
        { pktTag: 1 },
        { pktTag: 2 },
        { cfgdTag: 'web' },
        { encap: 'vlan' },
        { ipv6Subnet: 'fd00::/64' },
      ),
    })
    .map(({ at, subnet, gateway, more }) => ({
      kind: 'network' as const,
      key: at.join(':'),
      body: {
        encap: 'vxlan',
        subnet,
        ...(gateway ? { gateway: subnet.replace(/[0-9]+(?:-.*)?\/.*/, '1') } : {}),
        ...more,
      },
    })),
  fc
    .record({
      at: name('c', 'g', 'h'),
      networkName: fc.constantFrom('a', 'b'),
      ipPool: fc.constantFrom(
        '',
        '',
        '10.1.0.10-10.1.0.20',
        '10.1.0.20-10.1.0.30',
        '10.2.0.10-10.2.0.12',
      ),
      policies: some('p', 'q'),
      netProfile: fc.constantFrom('', 'n'),
      cfgdTag: fc.constantFrom('', '', 'web'),
    })
    .map(({ at, ...body }) => ({ kind: 'endpointGroup' as const, key: at.join(':'), body })),
  name('p', 'q').map((at) => ({ kind: 'policy' as const, key: at.join(':'), body: {} })),
  fc
    .record({
      at: name('p', 'q'),
      id: fc.constantFrom('1', '2'),
      from: fc.constantFrom<Json>(
        {},
        { fromEndpointGroup: 'g' },
        { fromEndpointGroup: 'h' },
        { fromNetwork: 'a' },
      ),
      action: fc.constantFrom('allow', 'deny'),
    })
    .map(({ at, id, from, action }) => ({
      kind: 'rule' as const,
      key: [...at, id].join(':'),
      body: { direction: 'in', action, ...from },
    })),
  fc
    .record({ at: name('n'), burst: fc.constantFrom(0, 1, 2) })
    .map(({ at, burst }) => ({ kind: 'netprofile' as const, key: at.join(':'), body: { burst } })),
  fc
    .record({ at: name('x'), endpointGroups: some('g', 'h') })
    .map(({ at, ...body }) => ({ kind: 'appProfile' as const, key: at.join(':'), body })),
  fc
    .record({
      at: name('s', 't'),
      networkName: fc.constantFrom('a', 'b'),
      ipAddress: fc.constantFrom('', '10.1.0.3'),
      ipv6Address: fc.constantFrom('', '', '', 'fd00::3'),
    })
    .map(({ at, ...body }) => ({
      kind: 'serviceLB' as const,
      key: at.join(':'),
      body: { ...body, selectors: ['a=b'], ports: ['1:2:TCP'] },
    })),
  fc
    .constantFrom<Json>({}, { vxlans: '1-3' }, { vlans: '1-2' }, { arpMode: 'flood' })
    .map((body) => ({ kind: 'global' as const, key: 'global', body })),
];
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.oneof(...objects).map((put) => ({ ...put, what: 'put' as const })) },
  {
    weight: 1,
    arbitrary: fc
      .oneof(...objects)
      .map(({ kind, key }) => ({ what: 'remove' as const, kind, key })),
  },
);

async function play(operator: Operator, step: Command): Promise<string> {
  try {
    if (step.what === 'put') await operator.put(step.kind, step.key, step.body);
    else await operator.remove(step.kind, step.key);
    return 'done';
  } catch (thrown) {
    return asFairleadError(thrown).code;
  }
}

/** What a command may be refused with. */
const refusals = new Set([
  'done',
  'OBJECT_UNKNOWN',
  'OBJECT_INVALID',
  'REFERENCE_UNKNOWN',
  'OBJECT_FIXED',
  'OBJECT_IN_USE',
  'OBJECT_CONFLICT',
  'SITE_LIMIT',
  'POOL_EXHAUSTED',
  'ADDRESS_IN_USE',
]);

/** Objects without a thought for how: who names whom. */
class Twin {
  readonly #objects = new Map<string, Put>([
    ['tenant default', { kind: 'tenant', key: 'default', body: {} }],
  ]);

  /** Whether a command that did something may have, and one that was refused because of others may have been. */
  judge(step: Command, outcome: string): string {
    const at = `${step.kind} ${step.key}`;
    const there = this.#objects.get(at);
    if (step.what === 'remove') {
      if (step.kind === 'global') return '';
      if (outcome === 'OBJECT_UNKNOWN') return there === undefined ? '' : 'it was there';
      if (there === undefined) return 'it was not there';
      const users = this.#usersOf(step.kind, step.key);
      if (outcome === 'OBJECT_IN_USE') {
        return users.length > 0 || step.key === 'default' ? '' : 'nobody uses it';
      }
      if (outcome !== 'done') return 'no refusal of a removal';
      if (users.length > 0) return `it was used by ${users.join(', ')}`;
      this.#objects.delete(at);
      if (step.kind === 'policy') this.#dropRules(step.key);
      return '';
    }
    const missing = this.#namedBy(step).filter((one) => !this.#objects.has(one));
    if (outcome === 'REFERENCE_UNKNOWN') return missing.length > 0 ? '' : 'all were there';
    if (outcome !== 'done') return '';
    if (missing.length > 0 && there === undefined) return `there was no ${missing.join(', ')}`;
    this.#objects.set(at, step);
    return '';
  }

  #dropRules(policy: string): void {
    for (const at of this.#objects.keys()) {
      if (at.startsWith(`rule ${policy}:`)) this.#objects.delete(at);
    }
  }

  #namedBy({ kind, key, body }: Put): readonly string[] {
    const [inTenant = '', second = ''] = key.split(':');
    if (kind === 'tenant' || kind === 'global') return [];
    const of = (what: KindName, value: unknown): readonly string[] =>
      [value]
        .flat()
        .filter((one) => typeof one === 'string' && one !== '')
        .map((one) => `${what} ${inTenant}:${String(one)}`);
    return [
      `tenant ${inTenant}`,
      ...of('network', body['networkName'] ?? body['fromNetwork']),
      ...of('policy', kind === 'rule' ? second : body['policies']),
      ...of('netprofile', body['netProfile']),
      ...of('endpointGroup', body['endpointGroups'] ?? body['fromEndpointGroup']),
    ];
  }

  #usersOf(kind: KindName, key: string): readonly string[] {
    return [...this.#objects]
      .filter(([, one]) => {
        // rules go with their policy, and mean whoever has the name of a group or network
        if (one.kind === 'rule' && kind !== 'tenant') return false;
        return this.#namedBy(one).includes(`${kind} ${key}`);
      })
      .map(([at]) => at);
  }

  keys(): readonly string[] {
    return [...this.#objects.keys()].toSorted();
  }
}

const kinds: readonly KindName[] = [
  'tenant',
  'network',
  'endpointGroup',
  'policy',
  'rule',
  'netprofile',
  'appProfile',
  'serviceLB',
];

it('one after the other, commands do what a simple twin says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60, size: 'max' }), async (steps) => {
      const whole = new MapStore();
      const { store } = new SiteHost(whole, 'one');
      await runPlan(store, planDefaultTenant);
      const operator = new Operator(store);
      const twin = new Twin();
      for (const step of steps) {
        const outcome = await play(operator, step);
        expect(refusals).toContain(outcome);
        expect(`${JSON.stringify(step)} ${outcome}: ${twin.judge(step, outcome)}`).toMatch(/: $/);
        expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
      }
      const shown: string[] = [];
      for (const kind of kinds) {
        for (const { key } of await operator.list(kind)) {
          shown.push(`${kind} ${String(key)}`);
          expect(await operator.get(kind, String(key))).toMatchObject({ key });
        }
        const list = await operator.list(kind);
        const one = await Promise.all(list.map(({ key }) => operator.get(kind, String(key))));
        expect(one).toEqual(list);
      }
      expect(shown.toSorted()).toEqual(twin.keys().filter((key) => !key.startsWith('global')));
    }),
    { numRuns: 60 },
  );
});

it('at the same time, on three hosts, with containers coming and going, nothing breaks', async () => {
  const round = fc.array(command, { minLength: 1, maxLength: 5, size: 'max' });
  await fc.assert(
    fc.asyncProperty(
      fc.array(round, { maxLength: 14, size: 'max' }),
      fc.scheduler(),
      async (rounds, scheduler) => {
        const whole = new MapStore();
        const later = () => scheduler.schedule(Promise.resolve());
        const hosts = ['one', 'two', 'three'].map((host) => new SiteHost(whole, host, later));
        const [first] = hosts;
        if (first === undefined) return;
        await scheduler.waitFor(runPlan(first.store, planDefaultTenant));
        const docker = new Engine(first);
        for (const [n, steps] of rounds.entries()) {
          const commands = steps.map((step, m) => {
            const host = hosts[m % hosts.length] ?? first;
            return play(new Operator(host.store), step);
          });
          const all = Promise.all([...commands, docker.step(n)]);
          for (const outcome of await scheduler.waitFor(all)) expect(refusals).toContain(outcome);
          expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
        }
      },
    ),
    { numRuns: 40 },
  );
});

/** Docker on one host: makes a network of the model, attaches a container, and takes all of it down again. */
class Engine {
  readonly #host: SiteHost;
  #made: MadeNetwork | undefined;
  #attached: Awaited<ReturnType<SiteHost['attach']>> | undefined;

  constructor(host: SiteHost) {
    this.#host = host;
  }

  async step(n: number): Promise<string> {
    const id = String(n).padStart(64, '0');
    try {
      if (this.#made === undefined) {
        const network = n % 2 === 0 ? 'a' : 'b';
        this.#made = await this.#host.createNetwork({
          id,
          ...sharedAs(network),
          subnets: ['10.1.0.0/24'],
        });
      } else if (this.#attached === undefined && n % 3 !== 0) {
        this.#attached = await this.#host.attach(this.#made, id);
      } else if (this.#attached !== undefined) {
        const gone = this.#attached;
        this.#attached = undefined;
        await this.#host.detach(this.#made, gone);
      } else {
        const gone = this.#made;
        this.#made = undefined;
        await this.#host.removeNetwork(gone);
      }
    } catch (thrown) {
      const { code } = asFairleadError(thrown);
      const expected = [
        'NETWORK_MISMATCH',
        'POOL_OVERLAP',
        'POOL_EXHAUSTED',
        'POOL_UNKNOWN',
        'OPTION_MISSING',
        'NETWORK_UNKNOWN',
        'SITE_LIMIT',
        'ADDRESS_IN_USE',
      ];
      return expected.includes(code) ? 'done' : code;
    }
    return 'done';
  }
}
