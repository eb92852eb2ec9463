/** Removals of hosts: who sees a mark finishes the work, whoever began it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { Removals } from '../../lib/host/removals.ts';
import { silentLogger } from '../../lib/log.ts';
import { hostPrefix } from '../../lib/model/keys.ts';
import { planMarkRemoval, planRemoveNode } from '../../lib/network/node-removal.ts';
import { prefixed } from '../../lib/store/prefixed.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import type { StateStore } from '../../lib/store/port.ts';
import { MapStore } from '../support/map-store.ts';
import { asStateStore, sharedAs, SiteHost } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const around = { clock: systemClock, log: silentLogger() };

let whole: MapStore;
let store: StateStore;
beforeEach(async () => {
  whole = new MapStore();
  store = asStateStore(whole, async () => {});
  const host = new SiteHost(whole, 'dead');
  const made = await host.createNetwork({
    id: id(1),
    ...sharedAs('blue'),
    subnets: ['10.1.0.0/24'],
  });
  for (let n = 0; n < 5; n++) await host.attach(made, id(`e${n}`));
});
const left = () => [...whole.rows.keys()].filter((key) => key.includes('/dead/'));

describe('a removal', () => {
  it('that another agent began and died of is finished', async () => {
    const part = prefixed(store, hostPrefix('dead'));
    await runPlan(part, () => planMarkRemoval('dead'));
    await runPlan(part, () => planRemoveNode('dead'));
    expect(left()).not.toEqual([]);
    const loop = new Removals(around).start(store);
    await loop.settled(AbortSignal.timeout(5_000));
    await loop.close();
    expect(left()).toEqual([]);
    expect(whole.rows.has('/removal/dead')).toBe(false);
  });

  it('that is asked for is done when it is answered, with any number of agents at it', async () => {
    const agents = [new Removals(around), new Removals(around), new Removals(around)];
    const loops = agents.map((each) => each.start(store));
    expect(await Promise.all(agents.map((each) => each.mark(store, 'dead')))).toContain(true);
    await Promise.all(agents.map((each) => each.gone(store, 'dead')));
    expect(left()).toEqual([]);
    await Promise.all(loops.map((loop) => loop.close()));
  });

  it('of a member is not kept up by a full disk', async () => {
    const full: StateStore = {
      ...store,
      txn: () => Promise.reject(new FairleadError('STORE_NO_SPACE', 'full')),
    };
    await new Removals(around).note(full, 'dead');
    await expect(new Removals(around).mark(full, 'dead')).rejects.toMatchObject({
      code: 'STORE_NO_SPACE',
    });
  });
});
