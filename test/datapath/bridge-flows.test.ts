/** The flows of a bridge through edits, failures, restarts and other people's hands. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeFlows } from '../../lib/datapath/bridge-flows.ts';
import type { Pipeline } from '../../lib/datapath/pipeline/pipeline.ts';
import { DesiredFlows } from '../../lib/datapath/reconcile/desired-flows.ts';
import { silentLogger } from '../../lib/log.ts';
import { HandClock } from '../plugin/stub.ts';
import { drawnSite, pick } from './pipeline/drawn-site.ts';
import { feedPipeline, pipelineOf, type Site } from './pipeline/fabric.ts';
import { PaperBridge, textIdentity } from './paper-bridge.ts';

function setUp(bridge = new PaperBridge()) {
  const clock = new HandClock();
  const flows = new BridgeFlows({
    flowSwitch: bridge,
    identity: textIdentity,
    clock,
    log: silentLogger(),
  });
  return { bridge, clock, flows };
}

/** Lets work go on, and time pass for whoever waits for it, until the bridge has everything. */
async function settle({ flows, clock }: ReturnType<typeof setUp>): Promise<void> {
  let isDone = false;
  const done = flows.settled(new AbortController().signal).finally(() => (isDone = true));
  while (!isDone) {
    await new Promise(setImmediate);
    if (clock.sleeping > 0) clock.advance(60_000);
  }
  await done;
}

/** What the bridge should have for a site's first host. */
function expected(site: Site): PaperBridge['content'] {
  const bridge = new PaperBridge();
  const desired = new DesiredFlows(textIdentity);
  desired.apply(pipelineOf(site, pick(site.hosts, 0)).take());
  bridge.do(desired.compare({ flows: [], groups: [], meters: [] }));
  return bridge.content;
}

const feed = (site: Site) => (pipeline: Pipeline) =>
  feedPipeline(pipeline, site, pick(site.hosts, 0));

describe('the flows of a bridge', () => {
  it('are what the pipeline wants, whatever was there, and however writing fails', async () => {
    const failure = fc.record({
      times: fc.integer({ min: 0, max: 3 }),
      leaves: fc.constantFrom('nothing' as const, 'all' as const),
    });
    await fc.assert(
      fc.asyncProperty(drawnSite, drawnSite, failure, async (before, site, failing) => {
        const old = setUp();
        old.flows.edit(feed(before));
        await settle(old);
        const now = setUp(old.bridge);
        old.bridge.failing = failing;
        now.flows.edit(feed(site));
        await settle(now);
        expect(now.bridge.content).toEqual(expected(site));
        expect(now.flows.failure).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it('are left alone by a restart: nothing is sent that is there already', async () => {
    const [site] = fc.sample(drawnSite, { numRuns: 1, seed: 7 });
    if (site === undefined) throw new Error('no site');
    const old = setUp();
    old.flows.edit(feed(site));
    await settle(old);
    const { sent } = old.bridge;
    const now = setUp(old.bridge);
    now.flows.edit(feed(site));
    await settle(now);
    expect(old.bridge.sent).toBe(sent);
    expect(now.flows.counts).toMatchObject({ repaired: 0, comparisons: 1 });
  });

  it('are put right when somebody removes or adds some, and that is counted', async () => {
    const [site] = fc.sample(drawnSite, { numRuns: 1, seed: 8 });
    if (site === undefined) throw new Error('no site');
    const at = setUp();
    at.flows.edit(feed(site));
    await settle(at);
    const [key] = at.bridge.flows.keys();
    at.bridge.flows.delete(key ?? '');
    const foreign = { table: 0, priority: 7, cookie: 0n, match: { inPort: 9 } };
    at.bridge.flows.set(textIdentity.flowKey(foreign), foreign);
    at.flows.compare();
    await settle(at);
    expect(at.bridge.content).toEqual(expected(site));
    expect(at.flows.counts).toMatchObject({ repaired: 2, comparisons: 2 });
  });

  it('wait for the bridge while it is away, and say so to whoever cannot wait', async () => {
    const [site] = fc.sample(drawnSite, { numRuns: 1, seed: 9 });
    if (site === undefined) throw new Error('no site');
    const at = setUp();
    at.bridge.connected = false;
    at.flows.edit(feed(site));
    const impatient = AbortSignal.abort();
    await expect(at.flows.settled(impatient)).rejects.toMatchObject({ code: 'OVS_DOWN' });
    at.bridge.connected = true;
    at.flows.compare();
    await settle(at);
    expect(at.bridge.content).toEqual(expected(site));
  });
});
