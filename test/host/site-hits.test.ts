/** Hosts that tell each other how often their rules decided. */
import { afterEach, expect, it } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import type { PolicyHits } from '../../lib/host/policy-hits.ts';
import { SiteHits } from '../../lib/host/site-hits.ts';
import { hitsTellMs, reconcileDebounceMs } from '../../lib/limits.ts';
import { silentLogger } from '../../lib/log.ts';
import { SiteView } from '../../lib/network/site-view.ts';
import { MapStore } from '../support/map-store.ts';
import { Operator } from '../support/operator.ts';
import { SiteHost } from '../support/site-hosts.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { until } from '../support/until.ts';

const asked = { kind: 'rule', tenant: 'default', policy: 'p', rule: '1' } as const;
const open: SiteHits[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** A clock whose sleepers wake when they are told, and that says what they wait for. */
class HandClock implements Clock {
  nowMs = 1_000_000;
  readonly #sleepers = new Set<{ readonly ms: number; readonly wake: () => void }>();

  monotonicMs = () => this.nowMs;
  wallMs = () => this.nowMs;
  sleep = (ms: number, signal?: AbortSignal) => {
    if (ms <= reconcileDebounceMs) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const one = { ms, wake: resolve };
    this.#sleepers.add(one);
    signal?.addEventListener('abort', () => {
      this.#sleepers.delete(one);
      reject(signal.reason);
    });
    return promise;
  };

  /** Lets all who sleep so long wake when there are some. */
  async pass(ms: number): Promise<void> {
    await until(`somebody sleeps ${ms} ms`, async () =>
      [...this.#sleepers].some((each) => each.ms === ms),
    );
    this.nowMs += ms;
    for (const each of this.#sleepers) {
      if (each.ms > ms) continue;
      this.#sleepers.delete(each);
      each.wake();
    }
  }
}

/** A site with one rule, and hosts whose switches have counted what a test says. */
class Site {
  readonly whole = new MapStore();
  readonly clock = new HandClock();
  writes = 0;

  async make(): Promise<void> {
    const { store } = new SiteHost(this.whole, 'op');
    await runPlan(store, planDefaultTenant);
    const operator = new Operator(store);
    await operator.put('policy', 'default:p');
    await this.rewrite('deny');
    this.whole.beforeTxn = () => (this.writes += 1);
  }

  rewrite(action: string): Promise<boolean> {
    const { store } = new SiteHost(this.whole, 'op');
    return new Operator(store).put('rule', 'default:p:1', { direction: 'in', action });
  }

  host(name: string, count: () => number): SiteHits {
    const rows = () => {
      const view = new SiteView(name);
      view.restart(this.whole.rows.values());
      return view.rows;
    };
    const read = async (): Promise<PolicyHits> => ({
      rules: [{ tenant: 'default', policy: 'p', rule: '1', hits: count() }],
      defaults: [],
    });
    const { store } = new SiteHost(this.whole, name);
    const { clock } = this;
    const hits = new SiteHits({ store, hostName: name, rows, read, clock, log: silentLogger() });
    open.push(hits);
    return hits;
  }
}

const down = () => {
  throw new FairleadError('OVS_DOWN', 'no connection');
};

it('a host adds what the others have told to what its switch says now', async () => {
  const site = new Site();
  await site.make();
  let counted = 5;
  const one = site.host('one', () => counted);
  const two = site.host('two', () => 30);
  one.begin();
  two.begin();
  const total = async () => (await two.ask(asked)).counts.get('1');
  await until('both have told', async () => (await total()) === 35);
  expect(await two.ask(asked)).toMatchObject({ hosts: 2, atMs: 1_000_000 });
  counted = 7;
  expect((await one.ask(asked)).counts.get('1')).toBe(37);
  expect(await total()).toBe(35);
  await site.clock.pass(hitsTellMs);
  await until('what is new was told', async () => (await total()) === 37);
});

it('a host that has counted nothing new writes nothing', async () => {
  const site = new Site();
  await site.make();
  let counted = 5;
  const one = site.host('one', () => counted);
  one.begin();
  await until('it has told', async () => site.writes === 1);
  for (let n = 0; n < 3; n += 1) await site.clock.pass(hitsTellMs);
  counted = 6;
  await site.clock.pass(hitsTellMs);
  await until('it has told again', async () => site.writes > 1);
  expect(site.writes).toBe(2);
});

it('a host goes on from what it told: over restarts of agent and switch, and without a switch', async () => {
  const site = new Site();
  await site.make();
  let counted = (): number => 5;
  const before = site.host('one', () => counted());
  before.begin();
  await until('it has told', async () => site.writes === 1);
  await before.close();
  counted = () => 9;
  const after = site.host('one', () => counted());
  // not before it has read what there is
  expect((await after.ask(asked)).counts.get('1')).toBe(5);
  after.begin();
  expect((await after.ask(asked)).counts.get('1')).toBe(9);
  counted = () => 0;
  expect((await after.ask(asked)).counts.get('1')).toBe(9);
  counted = () => 2;
  expect((await after.ask(asked)).counts.get('1')).toBe(11);
  await site.clock.pass(hitsTellMs);
  const reader = site.host('two', down);
  await until('it has told', async () => (await reader.ask(asked)).counts.get('1') === 11);
  counted = down;
  expect((await after.ask(asked)).counts.get('1')).toBe(11);
  expect(await after.ask(asked)).toMatchObject({ hosts: 1, atMs: expect.any(Number) });
});

it('a rule that is written anew begins at nothing on all hosts', async () => {
  const site = new Site();
  await site.make();
  let counted = 5;
  const [one, two] = [site.host('one', () => counted), site.host('two', () => counted)];
  one.begin();
  two.begin();
  await until('both have told', async () => (await one.ask(asked)).counts.get('1') === 10);
  await site.rewrite('allow');
  counted = 0;
  expect((await one.ask(asked)).counts.get('1')).toBe(0);
  counted = 1;
  expect((await one.ask(asked)).counts.get('1')).toBe(1);
  await site.clock.pass(hitsTellMs);
  await until('both have told', async () => (await one.ask(asked)).counts.get('1') === 2);
});
