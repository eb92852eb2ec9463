/** Harm to the network: cut one way, split, flapping, losing, narrow. */
import { makeDetour } from '../detour.ts';
import { clearNetwork, narrow, setDrops } from '../network.ts';
import type { Harm, Stage } from './harm.ts';

const lowMs = 500;
const highMs = 6_000;

/** What one host sends another is lost; the other way is whole. */
export const cutOneWay: Harm = {
  name: 'cut-one-way',
  async run(stage) {
    const from = await stage.target();
    const to = stage.pick(stage.arena.sites.filter((site) => site !== from));
    await setDrops(to.namespace, [{ address: from.address, way: 'in' }]);
    await stage.sleep(lowMs, highMs);
    await clearNetwork(to.namespace);
    return `from ${from.number} to ${to.number}`;
  },
};

/** One host is apart from all others. */
export const split: Harm = {
  name: 'split',
  async run(stage) {
    const alone = await stage.target();
    await isolate(stage, alone);
    await stage.sleep(lowMs, highMs);
    await clearNetwork(alone.namespace);
    return `site ${alone.number} alone`;
  },
};

/** A host's link goes and comes. */
export const flap: Harm = {
  name: 'flap',
  async run(stage) {
    const site = await stage.target();
    const times = stage.between(3, 10);
    for (let time = 0; time < times; time += 1) {
      await isolate(stage, site);
      await stage.sleep(50, 600);
      await clearNetwork(site.namespace);
      await stage.sleep(50, 600);
    }
    return `site ${site.number}, ${times} times`;
  },
};

/** A share of all packets is lost, everywhere. */
export const loss: Harm = {
  name: 'loss',
  async run(stage) {
    const percent = stage.between(2, 30);
    const { sites } = stage.arena;
    for (const { namespace } of sites) await setDrops(namespace, [{ percent }]);
    await stage.sleep(lowMs, highMs);
    for (const { namespace } of sites) await clearNetwork(namespace);
    return `${percent} %`;
  },
};

/** A host's link is narrow: what it sends waits in a queue. */
export const narrowLink: Harm = {
  name: 'narrow',
  async run(stage) {
    const site = await stage.target();
    const kilobits = stage.between(200, 2_000);
    await narrow(site.namespace, kilobits);
    await stage.sleep(lowMs, highMs);
    await clearNetwork(site.namespace);
    return `site ${site.number}, ${kilobits} kbit/s`;
  },
};

async function isolate(
  { arena }: Stage,
  alone: { readonly namespace: string; readonly address: string },
): Promise<void> {
  const others = arena.sites.filter((site) => site.address !== alone.address);
  await setDrops(
    alone.namespace,
    others.map(({ address }) => ({ address, way: 'both' as const })),
  );
}

/** Everything that hosts say to each other takes 50 ms longer, each way. */
export const delay: Harm = {
  name: 'delay',
  async run(stage) {
    const delayMs = stage.between(5, 50);
    const { outside, sites } = stage.arena;
    const end = await makeDetour({ outside, sites, delayMs });
    await stage.sleep(2_000, highMs);
    await end();
    return `${delayMs} ms`;
  },
};
