/** A host that asks for a pool again while it gives it back, at every moment of that: nothing is left over. */
import { describe, expect, it } from 'vitest';
import { asFairleadError } from '../../../lib/errors.ts';
import { MapStore } from '../../support/map-store.ts';
import { leftOfSite } from '../../support/site-check.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';

const id = (n: number): string => String(n).padStart(64, '0');
const subnet = '10.1.0.0/29';
const blue = { ...sharedAs('blue'), subnets: [subnet] };

interface Play {
  /** Gives something up that it has: what happens meanwhile comes before one of the steps of that. */
  readonly slow: SiteHost;
  /** The same host by another call. */
  readonly same: SiteHost;
  readonly neighbour: SiteHost;
}

/** Plays it once for each step of what the slow one gives up; nothing may be left of any. */
async function atEachStep(
  prepare: (play: Play) => Promise<{
    readonly giveUp: () => Promise<void>;
    readonly meanwhile: () => Promise<void>;
    readonly afterwards: () => Promise<void>;
  }>,
): Promise<void> {
  let steps = 1;
  for (let at = 1; at <= steps; at++) {
    const whole = new MapStore();
    let step = 0;
    let interrupt: (() => Promise<void>) | undefined;
    const slow = new SiteHost(whole, 'one', async () => {
      step += 1;
      if (step === at) await interrupt?.();
    });
    const same = new SiteHost(whole, 'one');
    const neighbour = new SiteHost(whole, 'two');
    const { giveUp, meanwhile, afterwards } = await prepare({ slow, same, neighbour });
    [step, interrupt] = [0, meanwhile];
    await giveUp();
    steps = step;
    interrupt = undefined;
    await afterwards();
    expect({ at, left: leftOfSite(whole) }).toEqual({ at, left: [] });
  }
  expect(steps).toBeGreaterThan(5);
}

describe.each(['alone', 'beside who asked, too', 'beside who has the network'])('%s', (company) => {
  const joinedBy = async (neighbour: SiteHost): Promise<() => Promise<void>> => {
    if (company === 'alone') return async () => {};
    if (company === 'beside who has the network') {
      const made = await neighbour.createNetwork({ id: id(9), ...blue });
      return () => neighbour.removeNetwork(made);
    }
    const { poolId } = await neighbour.requestPool(subnet, blue);
    return () => neighbour.releasePool(poolId);
  };

  it.each(['request', 'network'])(
    'a %s that is given up while its pool is asked for',
    async (what) => {
      await atEachStep(async ({ slow, same, neighbour }) => {
        const leave = await joinedBy(neighbour);
        let giveUp: () => Promise<void>;
        if (what === 'request') {
          const { poolId } = await slow.requestPool(subnet, blue);
          giveUp = () => slow.releasePool(poolId);
        } else {
          const made = await slow.createNetwork({ id: id(1), ...blue });
          giveUp = () => slow.removeNetwork(made);
        }
        let again = '';
        return {
          giveUp,
          meanwhile: async () => void ({ poolId: again } = await same.requestPool(subnet, blue)),
          afterwards: async () => {
            await same.releasePool(again);
            await leave();
          },
        };
      });
    },
  );

  it('a network that is removed, and made again', async () => {
    await atEachStep(async ({ slow, same, neighbour }) => {
      const leave = await joinedBy(neighbour);
      const first = await slow.createNetwork({ id: id(1), ...blue });
      const made: Awaited<typeof first>[] = [];
      return {
        giveUp: () => slow.removeNetwork(first),
        meanwhile: async () => {
          try {
            made.push(await same.createNetwork({ id: id(2), ...blue }));
          } catch (thrown) {
            // it goes as one, or is refused as one
            expect(['OPTION_MISSING', 'POOL_UNKNOWN', 'BUSY']).toContain(
              asFairleadError(thrown).code,
            );
          }
        },
        afterwards: async () => {
          for (const each of made) await same.removeNetwork(each);
          await leave();
        },
      };
    });
  });
});
