/**
 * Networks and groups while hosts have them as Docker networks and containers are in them: who is a member, which
 * pools groups have, and who goes when. In any order, commands and calls do what a simple twin says.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { asFairleadError } from '../../../lib/errors.ts';
import type { Endpoint } from '../../../lib/model/endpoint.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { Operator } from '../../support/operator.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { SiteHost, type MadeNetwork } from '../../support/site-hosts.ts';

type Command =
  | { readonly do: 'network' | 'remove network'; readonly network: string }
  | {
      readonly do: 'group';
      readonly group: string;
      readonly network: string;
      readonly pool: string;
    }
  | { readonly do: 'remove group'; readonly group: string }
  | {
      readonly do: 'follow';
      readonly host: number;
      readonly network: string;
      readonly group: string;
    }
  | { readonly do: 'let go' | 'attach' | 'detach'; readonly which: number };

const subnets: Readonly<Record<string, string>> = { a: '10.1.0.0/24', b: '10.2.0.0/29' };
const network = fc.constantFrom('a', 'a', 'b');
const group = fc.constantFrom('g', 'h');
const pool = fc.constantFrom('', '10.1.0.10-10.1.0.11', '10.1.0.11-10.1.0.14', '10.2.0.2-10.2.0.2');
const which = fc.nat({ max: 5 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('network', 'network', 'remove network'), network }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('group'), group, network, pool }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove group'), group }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('follow'),
      host: fc.nat({ max: 1 }),
      network,
      group: fc.constantFrom('', 'g', 'h'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('attach', 'attach', 'attach', 'detach', 'detach', 'let go'),
      which,
    }),
  },
);

interface Group {
  readonly network: string;
  readonly pool: string;
}
/** A Docker network of a host. */
interface Followed {
  readonly host: number;
  readonly network: string;
  /** Empty for one of the network itself. It means whoever has the name, also a group made anew. */
  readonly group: string;
  readonly made: MadeNetwork;
  readonly endpoints: Endpoint[];
}

/** What there is, without a thought for how. */
class Twin {
  readonly networks = new Map<string, 'there' | 'leaving'>();
  readonly groups = new Map<string, Group>();
  readonly followed: Followed[] = [];

  /** What speaks against it; nothing, when it has to be done. */
  against(step: Command): readonly string[] {
    switch (step.do) {
      case 'network':
        return this.networks.has(step.network) ? ['it is there, or on its way'] : [];
      case 'remove network': {
        if (this.networks.get(step.network) !== 'there') return ['it is not there'];
        const groups = [...this.groups.values()].filter((one) => one.network === step.network);
        const containers = this.followed.filter((one) => one.network === step.network);
        const ids = containers.flatMap(({ endpoints }) => endpoints);
        return [...groups.map(() => 'a group'), ...ids.map(() => 'a container')];
      }
      case 'group':
        return this.#againstGroup(step);
      case 'remove group': {
        const there = this.groups.get(step.group);
        if (there === undefined) return ['it is not there'];
        return this.followed.some((one) => one.group === step.group && one.endpoints.length > 0)
          ? ['a container']
          : [];
      }
      case 'follow': {
        const named = this.groups.get(step.group);
        if (this.networks.get(step.network) !== 'there') return ['no network'];
        return step.group !== '' && named?.network !== step.network ? ['no group'] : [];
      }
      case 'attach': {
        const one = this.followed[this.place(step.which)];
        if (one === undefined) return ['nowhere'];
        if (this.networks.get(one.network) !== 'there') return ['it leaves'];
        const its = this.groups.get(one.group);
        if (one.group !== '' && its?.network !== one.network) return ['its group is gone'];
        return this.#room(one) > 0 ? [] : ['no address is left'];
      }
      case 'detach':
        return this.followed[this.place(step.which)]?.endpoints.length ? [] : ['nobody is there'];
      case 'let go':
        return this.followed[this.place(step.which)]?.endpoints.length === 0
          ? []
          : ['somebody is there'];
    }
  }

  /** Whichever is meant, one that is there. */
  place(meant: number): number {
    return meant % Math.max(this.followed.length, 1);
  }

  #againstGroup(step: Command & { readonly do: 'group' }): readonly string[] {
    const before = this.groups.get(step.group);
    if (before !== undefined) {
      const same = before.network === step.network && before.pool === step.pool;
      return same ? [] : ['it is another'];
    }
    if (this.networks.get(step.network) !== 'there') return ['no network'];
    const asked = addresses(step.pool);
    if (asked.length === 0) return [];
    const prefix = step.network === 'a' ? '10.1.' : '10.2.';
    if (!step.pool.startsWith(prefix)) return ['outside of the subnet'];
    const others = new Set([...this.groups.values()].flatMap((one) => addresses(one.pool)));
    const held = new Set(this.followed.flatMap(({ endpoints }) => endpoints.map(addressOf)));
    return asked.filter((one) => others.has(one) || held.has(one));
  }

  #room({ network: at, group: name }: Followed): number {
    const own = addresses(this.groups.get(name)?.pool ?? '');
    const here = this.followed.filter((one) => one.network === at);
    const taken = new Set(here.flatMap(({ endpoints }) => endpoints.map(addressOf)));
    if (own.length > 0) return own.filter((one) => !taken.has(one)).length;
    for (const { pool: theirs } of this.groups.values()) {
      for (const one of addresses(theirs)) taken.add(one);
    }
    const all = addresses(at === 'a' ? '10.1.0.1-10.1.0.254' : '10.2.0.1-10.2.0.6');
    return all.filter((one) => !taken.has(one)).length;
  }

  /** After a removal or a host that let go: what was leaving is gone with the last. */
  settle(): void {
    for (const [name, state] of this.networks) {
      const isHad = this.followed.some((one) => one.network === name);
      if (state === 'leaving' && !isHad) this.networks.delete(name);
    }
  }
}

/** The addresses of `10.1.0.10-10.1.0.11`. */
function addresses(text: string): readonly string[] {
  const [first = '', last = ''] = text.split('-');
  if (first === '') return [];
  const prefix = first.slice(0, first.lastIndexOf('.') + 1);
  const [from, to] = [first, last].map((end) => Number(end.split('.')[3])) as [number, number];
  return Array.from({ length: to - from + 1 }, (_, at) => `${prefix}${from + at}`);
}
const addressOf = ({ ipv4 = '' }: Endpoint): string => ipv4.split('/')[0] ?? '';

/** The real thing: an operator, and two hosts. */
class Site {
  readonly whole = new MapStore();
  readonly hosts = [new SiteHost(this.whole, 'one'), new SiteHost(this.whole, 'two')] as const;
  readonly operator = new Operator(this.hosts[0].store);
  readonly twin = new Twin();
  #ids = 0;

  /** Does it, and tells the twin what came of it. */
  async play(step: Command): Promise<void> {
    const { twin, operator } = this;
    switch (step.do) {
      case 'network':
        await operator.put('network', `default:${step.network}`, {
          encap: 'vxlan',
          subnet: subnets[step.network],
        });
        twin.networks.set(step.network, 'there');
        return;
      case 'remove network':
        await operator.remove('network', `default:${step.network}`);
        twin.networks.set(step.network, 'leaving');
        twin.settle();
        return;
      case 'group': {
        const body = { networkName: step.network, ipPool: step.pool };
        await operator.put('endpointGroup', `default:${step.group}`, body);
        if (!twin.groups.has(step.group)) {
          twin.groups.set(step.group, { network: step.network, pool: step.pool });
        }
        return;
      }
      case 'remove group':
        await operator.remove('endpointGroup', `default:${step.group}`);
        twin.groups.delete(step.group);
        return;
      case 'follow': {
        const { host, network: name, group: its } = step;
        const options = { network: name, follows: 'model', ...(its === '' ? {} : { group: its }) };
        const create = { id: this.#newId(), options, ipamOptions: options };
        const made = await this.hosts[host === 0 ? 0 : 1].createNetwork(create);
        twin.followed.push({
          host,
          network: name,
          group: its,
          made,
          endpoints: [],
        });
        return;
      }
      case 'attach':
      case 'detach':
      case 'let go':
        await this.#playAt(step.do, twin.place(step.which));
    }
  }

  async #playAt(what: 'let go' | 'attach' | 'detach', at: number): Promise<void> {
    const one = this.twin.followed[at];
    if (one === undefined) return;
    const host = this.hosts[one.host === 0 ? 0 : 1];
    if (what === 'attach') {
      one.endpoints.push(await host.attach(one.made, this.#newId()));
    } else if (what === 'detach') {
      const [gone] = one.endpoints.splice(0, 1);
      if (gone !== undefined) await host.detach(one.made, gone);
    } else if (one.endpoints.length === 0) {
      await host.removeNetwork(one.made);
      this.twin.followed.splice(at, 1);
      this.twin.settle();
    }
  }

  #newId(): string {
    this.#ids += 1;
    return String(this.#ids).padStart(64, '0');
  }
}

it('networks leave with their last host, members keep their group, pools are nobody else’s', async () => {
  const done = new Map<string, number>();
  const commands = fc.array(command, { minLength: 20, maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(commands, async (steps) => {
      const site = new Site();
      await runPlan(site.hosts[0].store, planDefaultTenant);
      for (const step of steps) {
        // a host has each once; what is asked of nothing is nobody's call
        if (step.do === 'follow' && isFollowed(site.twin, step)) continue;
        const against = site.twin.against(step);
        if ('which' in step && step.do !== 'attach' && against.length > 0) continue;
        if (against.includes('nowhere')) continue;
        const outcome = await site.play(step).then(
          () => 'done',
          (thrown: unknown) => asFairleadError(thrown).code,
        );
        expect(outcome).not.toBe('INTERNAL');
        const said = `${JSON.stringify(step)} ${outcome}, against it: ${against.join(', ')}`;
        expect([said, outcome === 'done']).toEqual([said, against.length === 0]);
        if (outcome === 'done') done.set(step.do, (done.get(step.do) ?? 0) + 1);
        expect([...wrongOfObjects(site.whole), ...wrongOfSite(site.whole)]).toEqual([]);
        await looksAs(site);
      }
    }),
    { numRuns: 60 },
  );
  // a test that never came so far would say nothing
  expect([...done.keys()].toSorted()).toEqual([
    'attach',
    'detach',
    'follow',
    'group',
    'let go',
    'network',
    'remove group',
    'remove network',
  ]);
});

const isFollowed = ({ followed }: Twin, step: Command & { readonly do: 'follow' }): boolean =>
  followed.some(
    (one) => one.host === step.host && one.network === step.network && one.group === step.group,
  );

/** What operators see, and who has which address. */
async function looksAs({ operator, twin }: Site): Promise<void> {
  const there = [...twin.networks].filter(([, state]) => state === 'there');
  const keys = async (kind: 'network' | 'endpointGroup') =>
    (await operator.list(kind)).map(({ key }) => String(key));
  expect(await keys('network')).toEqual(there.map(([name]) => `default:${name}`).toSorted());
  const groups = [...twin.groups.keys()].map((name) => `default:${name}`);
  expect(await keys('endpointGroup')).toEqual(groups.toSorted());
  for (const [name, own] of twin.groups) {
    const members = twin.followed.filter((one) => one.group === name);
    const held = members.flatMap(({ endpoints }) => endpoints.map(addressOf));
    const oper = await operator.oper('endpointGroup', `default:${name}`);
    expect(oper?.['numEndpoints'] ?? 0).toBe(held.length);
    if (own.pool !== '') expect(addresses(own.pool)).toEqual(expect.arrayContaining(held));
  }
  const pooled = new Set([...twin.groups.values()].flatMap((one) => addresses(one.pool)));
  for (const { group: own, endpoints } of twin.followed) {
    if ((twin.groups.get(own)?.pool ?? '') !== '') continue;
    expect(endpoints.map(addressOf).filter((one) => pooled.has(one))).toEqual([]);
  }
}
