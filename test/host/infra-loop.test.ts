/** A host in infra networks as its loop sees it: what is made, what is in the way, and crashes at every step. */
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { FairleadError } from '../../lib/errors.ts';
import { HostInfra } from '../../lib/host/infra-loop.ts';
import { readPorts, readRows } from '../../lib/host/records.ts';
import { silentLogger } from '../../lib/log.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { endpointOfAlias } from '../../lib/network/port.ts';
import { siteNetworkRange } from '../../lib/model/site-keys.ts';
import type { StateStore, WatchEvent } from '../../lib/store/port.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { wrongOfObjects } from '../support/object-check.ts';
import { Operator, type Json } from '../support/operator.ts';
import { PaperKernel } from '../support/paper-kernel.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { SiteHost } from '../support/site-hosts.ts';

/** A host with a kernel of its own. */
class InfraHost {
  readonly whole = new MapStore();
  readonly host = new SiteHost(this.whole, 'one');
  readonly operator = new Operator(this.host.store);
  readonly kernel = new PaperKernel();
  readonly conditions = new Conditions(systemClock);

  async begin(): Promise<this> {
    await runPlan(this.host.store, planDefaultTenant);
    return this;
  }

  /** An agent's look; `store` when it is not the host's as it is. */
  look(store?: StateStore): Promise<void> {
    return this.agent(store).follow();
  }

  /** An agent that has just been started. */
  agent(store: StateStore = this.host.store): HostInfra {
    const { kernel, conditions } = this;
    const { links, settings, attach } = kernel.parts;
    const release = (endpointId: string) => kernel.release(endpointId);
    return new HostInfra({
      ...{ hostName: 'one', store, links, settings, conditions, log: silentLogger() },
      switching: { attachHost: attach, ports: { release } },
    });
  }

  /** What a change of networks is told as. */
  async changes(work: () => Promise<void>): Promise<readonly WatchEvent[]> {
    const rowsNow = async () =>
      new Map((await readRows(this.host.store, siteNetworkRange)).map((row) => [row.key, row]));
    const before = await rowsNow();
    await work();
    const after = await rowsNow();
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((key): WatchEvent[] => {
      const [previous, row] = [before.get(key), after.get(key)];
      if (row === undefined) return [{ type: 'delete', key, previous }];
      return row.modRevision === previous?.modRevision ? [] : [{ type: 'put', row, previous }];
    });
  }

  /** The switch's own look: links of endpoints that nobody wants go. */
  async reconcile(): Promise<void> {
    const wanted = await readPorts(this.host.store);
    this.kernel.drop(({ alias }) => {
      const endpointId = endpointOfAlias(alias);
      return endpointId !== undefined && !wanted.has(endpointId);
    });
  }

  async put(name: string, body: Json): Promise<void> {
    await this.operator.put('network', name, { encap: 'vxlan', ...body });
  }

  get codes(): readonly string[] {
    return this.conditions.list().map(({ code }) => code);
  }

  get wrong(): readonly string[] {
    return [...wrongOfObjects(this.whole), ...wrongOfSite(this.whole)];
  }

  /** Links by name only, and what is on them. */
  get listing(): readonly string[] {
    return this.kernel.listing.filter((line) => !line.startsWith('fh-'));
  }
}

const infra = { nwType: 'infra', subnet: '10.1.0.0/24', gateway: '10.1.0.254' };
let one: InfraHost;
beforeEach(async () => {
  one = await new InfraHost().begin();
});

describe('a host', () => {
  it('is in each infra network, and in none when there is none', async () => {
    await one.put('default:web', { subnet: '10.2.0.0/24' });
    await one.look();
    expect(one.listing).toEqual([]);
    await one.put('default:infra', infra);
    await one.put('default:other', { nwType: 'infra', subnet: '10.3.0.0/24' });
    await one.look();
    expect(one.listing.toSorted()).toEqual([
      ...['10.1.0.0/24 - 10.1.0.1 -', '10.1.0.1/24', '10.3.0.0/24 - 10.3.0.1 -', '10.3.0.1/24'],
      ...['infra up', 'other up'],
    ]);
    const rows = one.whole.revision;
    one.kernel.done = [];
    await one.look();
    expect([one.whole.revision, one.kernel.done, one.codes]).toEqual([rows, [], []]);
  });

  it('has routes as networks say', async () => {
    await one.put('default:infra', infra);
    await one.put('default:web', { subnet: '10.2.0.0/24', hostAccess: 'allow' });
    await one.look();
    expect(one.listing).toContain('10.2.0.0/24 10.1.0.254 10.1.0.1 -');
    await one.put('default:web', { subnet: '10.2.0.0/24', hostAccess: 'deny' });
    await one.look();
    expect(one.listing.some((line) => line.startsWith('10.2.'))).toBe(false);
  });

  it('stays out where something of its own is in the way, and comes when it is gone', async () => {
    const lan = one.kernel.has('infra', { kind: 'bridge' });
    await one.put('default:infra', infra);
    await one.look();
    expect([one.listing, one.codes]).toEqual([['infra down'], ['INFRA_LINK_TAKEN']]);
    one.kernel.drop(({ name }) => name === 'infra');
    const theirs = {
      index: lan.index,
      family: 4,
      address: '10.1.0.200',
      prefixLength: 24,
    } as const;
    one.kernel.addresses.push(theirs);
    await one.look();
    expect([one.listing, one.codes]).toEqual([['10.1.0.200/24'], ['INFRA_SUBNET_TAKEN']]);
    one.kernel.addresses = [];
    await one.look();
    expect(one.listing).toContain('infra up');
    expect(one.codes).toEqual([]);
    one.kernel.addresses.push(theirs);
    await one.look();
    expect([one.listing, one.codes]).toEqual([['10.1.0.200/24'], ['INFRA_SUBNET_TAKEN']]);
  });

  it('is touched by changes of other networks only while there are infra networks', async () => {
    const agent = one.agent();
    const web = () => one.put('default:web', { subnet: '10.2.0.0/24' });
    const removed = (name: string) => () => one.operator.remove('network', name);
    expect(agent.isTouchedBy(await one.changes(web))).toBe(true);
    await agent.follow();
    const unseen = await one.changes(removed('default:web'));
    expect([agent.isTouchedBy(unseen), agent.isTouchedBy()]).toEqual([false, true]);
    await agent.follow();
    const came = await one.changes(() => one.put('default:infra', infra));
    expect(agent.isTouchedBy(came)).toBe(true);
    // it may be that it is not seen by the look that is under way
    expect(agent.isTouchedBy(await one.changes(web))).toBe(true);
    await agent.follow();
    const again = await one.changes(removed('default:web'));
    expect(agent.isTouchedBy(again)).toBe(true);
    await agent.follow();
    expect(agent.isTouchedBy(await one.changes(web))).toBe(true);
    await one.operator.remove('network', 'default:infra');
    await agent.follow();
    expect(one.listing).toEqual([]);
    expect(agent.isTouchedBy(unseen)).toBe(true);
    await agent.follow();
    expect(agent.isTouchedBy(unseen)).toBe(false);
  });

  it('hears of an infra network that comes while it looks', async () => {
    const agent = one.agent();
    const looking = agent.follow();
    expect(agent.isTouchedBy(await one.changes(() => one.put('default:infra', infra)))).toBe(true);
    await looking;
    const web = await one.changes(() => one.put('default:web', { subnet: '10.2.0.0/24' }));
    expect(agent.isTouchedBy(web)).toBe(true);
  });

  it('says that there is no address for it', async () => {
    await one.put('default:full', { nwType: 'infra', subnet: '10.4.0.0/31', gateway: '10.4.0.0' });
    const two = new SiteHost(one.whole, 'two');
    const made = await two.createNetwork({
      ...{ id: 'd'.repeat(64), subnets: ['10.4.0.0/31'], gateway: '10.4.0.0' },
      ...{ options: { network: 'full' }, ipamOptions: { network: 'full' } },
    });
    await two.attach(made, 'e'.repeat(64));
    await expect(one.look()).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' });
    expect(one.codes).toEqual(['INFRA_FAILED']);
    expect(one.wrong).toEqual([]);
  });

  it('keeps its links right without a majority', async () => {
    await one.put('default:infra', infra);
    await one.look();
    const before = one.listing;
    await one.put('default:later', { nwType: 'infra', subnet: '10.5.0.0/24' });
    one.kernel.drop(({ name }) => /infra|fh-/.test(name));
    const lost = new FairleadError('QUORUM_LOST', 'alone');
    const alone: StateStore = { ...one.host.store, txn: () => Promise.reject(lost) };
    await expect(one.look(alone)).rejects.toMatchObject({ code: 'QUORUM_LOST' });
    expect(one.listing).toEqual(before);
    expect(one.codes).toEqual([]);
  });
});

describe('a crash at any step', () => {
  /** What an operator does, and what is to come of it. */
  const acts: readonly (readonly [string, (host: InfraHost) => Promise<void>])[] = [
    [
      'coming',
      async (host) => {
        await host.put('default:infra', { ...infra, ipv6Subnet: 'fd01::/64' });
        await host.put('default:web', { subnet: '10.2.0.0/24', hostAccess: 'allow' });
      },
    ],
    ['losing the link', async ({ kernel }) => kernel.drop(({ name }) => /infra|fh-/.test(name))],
    [
      'going',
      async (host) => {
        await host.operator.remove('network', 'default:web');
        await host.operator.remove('network', 'default:infra');
      },
    ],
  ];

  it('is repaired by the next look', async () => {
    const undisturbed = await new InfraHost().begin();
    const ends: (readonly string[])[] = [];
    for (const [, act] of acts) {
      await act(undisturbed);
      await undisturbed.look();
      ends.push(undisturbed.listing);
    }
    expect(ends.at(-1)).toEqual([]);
    let crashes = 0;
    for (let step = 0, isOver = false; !isOver; step++) {
      isOver = true;
      const host = await new InfraHost().begin();
      for (const [at, [what, act]] of acts.entries()) {
        await act(host);
        const crashed = await crashAt(host, step);
        if (crashed) {
          isOver = false;
          crashes += 1;
          await host.look();
          await host.reconcile();
        }
        expect([what, step, host.listing]).toEqual([what, step, ends[at]]);
        expect(host.wrong).toEqual([]);
      }
    }
    expect(crashes).toBeGreaterThan(20);
  });
});

/** A look that ends for good before its change of this number; answers whether it came to that. */
async function crashAt(host: InfraHost, step: number): Promise<boolean> {
  let changes = 0;
  let isDead = false;
  const count = (): void => {
    isDead ||= changes++ === step;
    if (isDead) throw new FairleadError('DEADLINE', 'the agent was killed');
  };
  host.kernel.before = count;
  const store: StateStore = {
    ...host.host.store,
    txn: async (txn) => {
      count();
      return host.host.store.txn(txn);
    },
  };
  await host.look(store).catch(() => undefined);
  host.kernel.before = () => {};
  return isDead;
}
