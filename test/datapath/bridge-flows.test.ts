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

function setUp(bridge = new PaperBridge(), more: { readonly isHeld?: boolean } = {}) {
  const clock = new HandClock();
  const flows = new BridgeFlows({
    flowSwitch: bridge,
    identity: textIdentity,
    clock,
    log: silentLogger(),
    ...more,
  });
  return { bridge, clock, flows };
}

/** Lets work go on, and time pass for whoever waits for it, until the bridge has everything. */
const settle = (at: ReturnType<typeof setUp>): Promise<void> =>
  passing(at, at.flows.settled(new AbortController().signal));

async function passing({ clock }: ReturnType<typeof setUp>, awaited: Promise<void>): Promise<void> {
  let isDone = false;
  const done = awaited.finally(() => (isDone = true));
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
  it('are left as a former agent made them until it is known what they should be', async () => {
    const [site, other] = fc.sample(drawnSite, { numRuns: 2, seed: 3 });
    if (site === undefined || other === undefined) throw new Error('no site');
    const old = setUp();
    old.flows.edit(feed(site));
    await settle(old);
    const now = setUp(old.bridge, { isHeld: true });
    now.flows.forget();
    now.flows.edit(feed(other));
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(old.bridge.content).toEqual(expected(site));
    now.flows.begin();
    await settle(now);
    expect(old.bridge.content).toEqual(expected(other));
  });

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
    await passing(at, at.flows.compare());
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
    at.flows.forget();
    await settle(at);
    expect(at.bridge.content).toEqual(expected(site));
  });

  it('are changed while a comparison is under way, and the changes are not taken for drift', async () => {
    const [site, other] = fc.sample(drawnSite, { numRuns: 2, seed: 10 });
    if (site === undefined || other === undefined) throw new Error('no sites');
    const at = setUp();
    at.flows.edit(feed(site));
    await settle(at);
    const { promise, resolve } = Promise.withResolvers<void>();
    at.bridge.held = promise;
    const compared = at.flows.compare();
    while (at.bridge.reads < 2) await new Promise(setImmediate);
    const container = site.containers.find(({ host }) => host === pick(site.hosts, 0).name);
    at.flows.edit((pipeline) => {
      for (const each of site.containers) {
        pipeline.removeLocal(each.id);
        pipeline.removeRemote(each.id);
      }
      if (container !== undefined) pipeline.setLocal({ ...container, port: 4_000 });
    });
    await settle(at);
    const { repaired } = at.flows.counts;
    const sent = at.bridge.content;
    resolve();
    await passing(at, compared);
    expect(at.bridge.content).toEqual(sent);
    expect(at.flows.counts).toMatchObject({ repaired, comparisons: 2 });
  });

  it('are compared and changed when that is asked for in the moment in which work ends', async () => {
    const [site] = fc.sample(drawnSite, { numRuns: 1, seed: 11 });
    if (site === undefined) throw new Error('no site');
    for (let turns = 0; turns < 12; turns += 1) {
      const at = setUp();
      at.flows.edit(feed(site));
      await settle(at);
      const [container] = site.containers;
      at.flows.edit((pipeline) => pipeline.removeLocal(container?.id ?? ''));
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const compared = at.flows.compare();
      await passing(at, compared);
      at.flows.edit((pipeline) => pipeline.removeRemote(container?.id ?? ''));
      await settle(at);
      expect(at.flows.counts.comparisons).toBeGreaterThan(0);
    }
  });

  it('are right in the end, whatever is edited, meddled with, lost and refused at once', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('edit' as const), site: drawnSite }),
      fc.record({ kind: fc.constant('meddle' as const), at: fc.nat() }),
      fc.record({ kind: fc.constantFrom('compare' as const, 'lose' as const, 'fail' as const) }),
      fc.record({ kind: fc.constant('pass' as const), turns: fc.integer({ min: 1, max: 9 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), drawnSite, async (steps, last) => {
        const at = setUp();
        for (const each of steps) await take(at, each);
        at.flows.edit((pipeline) => replaceAll(pipeline, last));
        const compared = at.flows.compare();
        await settle(at);
        await passing(at, compared);
        expect(at.bridge.content).toEqual(expected(last));
      }),
      { numRuns: 60 },
    );
  });
});

type Step =
  | { readonly kind: 'edit'; readonly site: Site }
  | { readonly kind: 'meddle'; readonly at: number }
  | { readonly kind: 'compare' | 'lose' | 'fail' }
  | { readonly kind: 'pass'; readonly turns: number };

async function take(at: ReturnType<typeof setUp>, step: Step): Promise<void> {
  const { bridge, flows, clock } = at;
  switch (step.kind) {
    case 'edit':
      flows.edit((pipeline) => replaceAll(pipeline, step.site));
      return;
    case 'meddle': {
      const keys = [...bridge.flows.keys()];
      bridge.flows.delete(keys[step.at % Math.max(1, keys.length)] ?? '');
      bridge.groups.delete([...bridge.groups.keys()][0] ?? 0);
      return;
    }
    case 'compare':
      void flows.compare();
      return;
    case 'lose':
      bridge.flows.clear();
      bridge.groups.clear();
      bridge.meters.clear();
      flows.forget();
      return;
    case 'fail':
      bridge.failing = { times: 1, leaves: 'nothing' };
      return;
    case 'pass':
      for (let turn = 0; turn < step.turns; turn += 1) {
        await new Promise(setImmediate);
        if (clock.sleeping > 0) clock.advance(60_000);
      }
  }
}

/** Makes a pipeline that of a site, whatever drawn site it had. */
function replaceAll(pipeline: Pipeline, site: Site): void {
  for (let at = 0; at < 10; at += 1) {
    pipeline.removeLocal(`c${at}`);
    pipeline.removeRemote(`c${at}`);
    pipeline.removePeer(`host-${at}`);
    pipeline.removeSegment(`segment-${at}`);
  }
  feed(site)(pipeline);
}
