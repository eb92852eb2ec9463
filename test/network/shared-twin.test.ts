/**
 * Hosts that make, join and leave shared networks and attach containers to them, several at the same time and
 * in any order, with calls that break off: after each round everything that always holds does hold, and
 * when all have left nothing remains. One at a time, refusals are those of a simple twin.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { asFairleadError } from '../../lib/errors.ts';
import { overlaps, parseCidr } from '../../lib/ip/ip.ts';
import type { Endpoint } from '../../lib/model/endpoint.ts';
import { MapStore } from '../support/map-store.ts';
import { leftOfSite, wrongOfSite } from '../support/site-check.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../support/site-hosts.ts';

interface Create {
  readonly kind: 'create';
  readonly host: number;
  readonly tenant: string;
  readonly network: string;
  readonly subnet: string;
  readonly tag: string;
}
type Action =
  | Create
  /** `drop` is a DeleteNetwork alone, with what is attached; `ask` a RequestPool alone. */
  | { readonly kind: 'remove' | 'drop' | 'attach' | 'detach' | 'forget'; readonly pick: number }
  | (Omit<Create, 'kind'> & { readonly kind: 'ask' });

const place = {
  host: fc.nat(2),
  tenant: fc.constantFrom('t', 'u'),
  network: fc.constantFrom('n', 'm'),
  subnet: fc.constantFrom('', '10.1.0.0/29', '10.1.0.0/28', '10.2.0.0/29'),
  tag: fc.constantFrom('', '', '', '1', '7'),
};
const create = fc.record({ kind: fc.constant('create' as const), ...place });
const ask = fc.record({ kind: fc.constant('ask' as const), ...place });
const pick = (kind: 'remove' | 'drop' | 'attach' | 'detach' | 'forget') =>
  fc.record({ kind: fc.constant(kind), pick: fc.nat(20) });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: create },
  { weight: 1, arbitrary: ask },
  { weight: 3, arbitrary: pick('remove') },
  { weight: 1, arbitrary: pick('drop') },
  { weight: 8, arbitrary: pick('attach') },
  { weight: 4, arbitrary: pick('detach') },
  { weight: 1, arbitrary: pick('forget') },
);

interface Part {
  readonly host: SiteHost;
  readonly made: MadeNetwork;
  readonly endpoints: Endpoint[];
}

/** Three hosts, and what their engines know. */
class Site {
  readonly whole = new MapStore();
  readonly hosts: readonly SiteHost[];
  readonly parts: Part[] = [];
  readonly asked: { readonly host: SiteHost; readonly poolId: string }[] = [];
  #ids = 0;

  constructor(pause?: () => Promise<void>) {
    this.hosts = ['a', 'b', 'c'].map((name) => new SiteHost(this.whole, name, pause));
  }

  /** Does it; what is refused is answered by its code. */
  async play(step: Action): Promise<string> {
    try {
      await this.#do(step);
      return 'done';
    } catch (thrown) {
      return asFairleadError(thrown).code;
    }
  }

  async #do(step: Action): Promise<void> {
    this.#ids += 1;
    const id = String(this.#ids).padStart(64, '0');
    if (step.kind === 'create' || step.kind === 'ask') {
      const host = this.hosts[step.host];
      if (host === undefined) return;
      const names = sharedAs(step.network, step.tenant);
      const tag = step.tag === '' ? {} : { 'pkt-tag': step.tag };
      if (step.kind === 'ask') {
        const { poolId } = await host.requestPool(step.subnet, names);
        this.asked.push({ host, poolId });
        return;
      }
      const options = { ...names.options, ...tag };
      const made = await host.createNetwork({ id, ...names, options, subnets: [step.subnet] });
      this.parts.push({ host, made, endpoints: [] });
      return;
    }
    if (step.kind === 'forget') {
      const [one] = this.asked.splice(step.pick % Math.max(1, this.asked.length), 1);
      await one?.host.releasePool(one.poolId);
      return;
    }
    const part = this.parts[step.pick % Math.max(1, this.parts.length)];
    if (part === undefined) return;
    await this.#change(step.kind, part, id);
  }

  async #change(kind: 'remove' | 'drop' | 'attach' | 'detach', part: Part, id: string) {
    const { host, made, endpoints } = part;
    if (kind === 'attach') {
      endpoints.push(await host.attach(made, id));
      return;
    }
    if (kind === 'detach') {
      const endpoint = endpoints.shift();
      if (endpoint !== undefined) await host.detach(made, endpoint);
      return;
    }
    this.parts.splice(this.parts.indexOf(part), 1);
    if (kind === 'remove') for (const each of endpoints.splice(0)) await host.detach(made, each);
    await host.removeNetwork(made);
    // after a DeleteNetwork the engine gives back what containers still had
    for (const each of endpoints) {
      await host.releaseAddress(made.pools[0]?.poolId ?? '', each.ipv4 ?? '');
    }
  }

  /** All hosts leave. */
  async end(): Promise<void> {
    while (this.asked.length > 0) await this.#do({ kind: 'forget', pick: 0 });
    while (this.parts.length > 0) await this.#do({ kind: 'remove', pick: 0 });
  }
}

/** What each may be refused with: what was there before, or what another of the round took away. */
const refusals: Readonly<Record<Action['kind'], readonly string[]>> = {
  create: [
    'NETWORK_MISMATCH',
    'POOL_OVERLAP',
    'TAG_IN_USE',
    'POOL_EXHAUSTED',
    // of a pool that this host asked for twice at once, when one request is taken back
    'OPTION_MISSING',
    'POOL_UNKNOWN',
  ],
  ask: ['NETWORK_MISMATCH', 'POOL_OVERLAP'],
  attach: ['POOL_EXHAUSTED', 'NETWORK_UNKNOWN', 'POOL_UNKNOWN'],
  remove: [],
  drop: [],
  detach: [],
  forget: [],
};

it('nothing is given twice, lost or left over, whatever hosts do at the same time', async () => {
  const round = fc.array(action, { minLength: 1, maxLength: 4, size: 'max' });
  const rounds = fc.array(round, { maxLength: 20, size: 'max' });
  await fc.assert(
    fc.asyncProperty(rounds, fc.scheduler(), async (all, scheduler) => {
      const site = new Site(() => scheduler.schedule(Promise.resolve()));
      for (const steps of all) {
        const outcomes = Promise.all(steps.map((step) => site.play(step)));
        for (const [n, outcome] of (await scheduler.waitFor(outcomes)).entries()) {
          expect(['done', ...refusals[steps[n]?.kind ?? 'drop']]).toContain(outcome);
        }
        expect(wrongOfSite(site.whole)).toEqual([]);
      }
      await scheduler.waitFor(site.end());
      expect(wrongOfSite(site.whole)).toEqual([]);
      expect(leftOfSite(site.whole)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

/** Shared networks without a thought for how: who uses which, with what. */
class Twin {
  readonly #networks = new Map<string, { subnet: string; tag: number; users: number }>();
  #vni = 0;

  /** What a create comes to; without a subnet one is chosen that is free. */
  create(step: Create, chosen: string): string {
    const title = `${step.tenant}:${step.network}`;
    const there = this.#networks.get(title);
    if (there !== undefined) {
      if (step.subnet !== '' && step.subnet !== there.subnet) return 'NETWORK_MISMATCH';
      if (step.tag !== '' && Number(step.tag) !== there.tag) return 'NETWORK_MISMATCH';
      there.users += 1;
      return 'done';
    }
    const subnet = step.subnet === '' ? chosen : step.subnet;
    const others = [...this.#networks].filter(([name]) => name.startsWith(`${step.tenant}:`));
    if (
      step.subnet !== '' &&
      others.some(([, one]) => overlaps(parseCidr(one.subnet), parseCidr(subnet)))
    ) {
      return 'POOL_OVERLAP';
    }
    const tags = new Set([...this.#networks.values()].map(({ tag }) => tag));
    if (step.tag !== '' && tags.has(Number(step.tag))) return 'TAG_IN_USE';
    if (step.tag === '')
      do this.#vni += 1;
      while (tags.has(this.#vni));
    this.#networks.set(title, {
      subnet,
      tag: step.tag === '' ? this.#vni : Number(step.tag),
      users: 1,
    });
    return 'done';
  }

  leave(title: string): void {
    const there = this.#networks.get(title);
    if (there === undefined) return;
    there.users -= 1;
    if (there.users === 0) this.#networks.delete(title);
  }
}

it('one after the other, hosts make and join what a simple twin lets them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof({ weight: 3, arbitrary: create }, { weight: 1, arbitrary: pick('remove') }),
        { maxLength: 40, size: 'max' },
      ),
      async (steps) => {
        const site = new Site();
        const twin = new Twin();
        for (const step of steps) {
          const before = site.parts.length;
          const leaving = site.parts[step.kind === 'remove' ? step.pick % Math.max(1, before) : -1];
          const outcome = await site.play(step);
          if (step.kind === 'create') {
            const chosen = site.parts[before]?.made.pools[0]?.cidr ?? '10.128.0.0/24';
            expect(outcome).toBe(twin.create(step, chosen));
          } else if (leaving !== undefined) {
            const { tenant = '', network = '' } = leaving.made.network.site ?? {};
            twin.leave(`${tenant}:${network}`);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
