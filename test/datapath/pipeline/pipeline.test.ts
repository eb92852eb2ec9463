/** The pipeline kept up to date by changes equals one that is made afresh. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ports } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';
import { drawnSite, pick } from './drawn-site.ts';
import { pipelineOf, uplinkPort, type Site } from './fabric.ts';

/** What a bridge has of all the changes it was told. */
class Kept {
  readonly units = new Map<string, Unit>();
  /** Keys of the last changes. */
  last: readonly string[] = [];

  take(pipeline: Pipeline): void {
    const changes = pipeline.take();
    this.last = [...changes.keys()];
    for (const [key, unit] of changes) {
      if (unit === undefined) this.units.delete(key);
      else this.units.set(key, unit);
    }
  }
}

const sorted = (units: ReadonlyMap<string, Unit>) =>
  [...units].toSorted(([one], [other]) => (one < other ? -1 : 1));

function fresh(site: Site): ReadonlyMap<string, Unit> {
  const kept = new Kept();
  kept.take(pipelineOf(site, pick(site.hosts, 0)));
  return kept.units;
}

describe('the pipeline', () => {
  it('after any change is what it would be if it were made of the end alone', () => {
    const change = fc.record({ site: drawnSite, order: fc.nat(), isUplink: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const kept = new Kept();
        const pipeline = new Pipeline();
        let before: Site = { hosts: [], segments: [], containers: [] };
        for (const { site, order } of changes) {
          pipeline.setUplink({ name: 'wire0', port: uplinkPort });
          for (const step of rotated(stepsBetween(before, site), order)) {
            step(pipeline);
            kept.take(pipeline);
          }
          expect(sorted(kept.units)).toEqual(sorted(fresh(site)));
          before = site;
        }
      }),
      { numRuns: 150 },
    );
  });

  it('sends to other hosts through whatever port the tunnel has', () => {
    fc.assert(
      fc.property(drawnSite, (site) => {
        const pipeline = pipelineOf(site, pick(site.hosts, 0));
        const kept = new Kept();
        kept.take(pipeline);
        pipeline.setTunnel(7);
        kept.take(pipeline);
        expect(kept.last.every((key) => key.startsWith('peer/'))).toBe(true);
        const text = JSON.stringify(
          [...kept.units.values()].map(({ flows }) => flows),
          (_, value) => (typeof value === 'bigint' ? String(value) : value),
        );
        expect(text).not.toContain(String(ports.tunnel));
        kept.take(pipeline);
        pipeline.setTunnel(7);
        kept.take(pipeline);
        expect(kept.last).toEqual([]);
        pipeline.setTunnel(ports.tunnel);
        kept.take(pipeline);
        expect(sorted(kept.units)).toEqual(sorted(fresh(site)));
      }),
      { numRuns: 50 },
    );
  });

  it('touches nothing of other networks when a container comes or goes', () => {
    fc.assert(
      fc.property(drawnSite, fc.nat(), (site, at) => {
        const here = pick(site.hosts, 0);
        const pipeline = pipelineOf(site, here);
        const kept = new Kept();
        kept.take(pipeline);
        const container = pick(site.containers, at);
        if (container.host !== here.name) return;
        pipeline.removeLocal(container.id);
        kept.take(pipeline);
        const own = [`flood/${container.segmentId}`, `local/${container.id}`];
        expect(kept.last.toSorted()).toEqual(own);
        pipeline.setLocal(container);
        kept.take(pipeline);
        expect(kept.last.toSorted()).toEqual(own);
      }),
    );
  });

  it('changes two flows of a host that has another address', () => {
    const site = fc
      .sample(drawnSite, { numRuns: 200, seed: 1 })
      .find(
        ({ hosts, containers }) =>
          hosts.length > 1 && containers.some(({ host }) => host === hosts[1]?.name),
      );
    const [here, other] = site?.hosts ?? [];
    if (site === undefined || here === undefined || other === undefined) throw new Error('no site');
    const pipeline = pipelineOf(site, here);
    pipeline.take();
    pipeline.setPeer({ ...other, vtep: { family: 4, value: 1n } });
    expect([...pipeline.take().keys()]).toEqual([`peer/${other.name}`]);
  });
});

type Step = (pipeline: Pipeline) => void;

/** What has to be said to a host to bring it from one site to the other, in any order. */
function stepsBetween(before: Site, after: Site): readonly Step[] {
  const here = pick(after.hosts, 0).name;
  const steps: Step[] = [];
  const gone = <T>(old: readonly T[], now: readonly T[], key: (one: T) => string) =>
    old.map(key).filter((each) => !now.some((one) => key(one) === each));
  for (const id of gone(before.segments, after.segments, (one) => one.id)) {
    steps.push((pipeline) => pipeline.removeSegment(id));
  }
  for (const name of gone(before.hosts, after.hosts, (one) => one.name)) {
    steps.push((pipeline) => pipeline.removePeer(name));
  }
  const isHere = ({ host }: { host: string }) => host === here;
  for (const [isLocal, remove] of [
    [true, (pipeline: Pipeline, id: string) => pipeline.removeLocal(id)],
    [false, (pipeline: Pipeline, id: string) => pipeline.removeRemote(id)],
  ] as const) {
    const of = (site: Site) => site.containers.filter((each) => isHere(each) === isLocal);
    for (const id of gone(of(before), of(after), (one) => one.id)) {
      steps.push((pipeline) => remove(pipeline, id));
    }
  }
  for (const segment of after.segments) steps.push((pipeline) => pipeline.setSegment(segment));
  for (const peer of after.hosts) {
    if (peer.name !== here) steps.push((pipeline) => pipeline.setPeer(peer));
  }
  for (const container of after.containers) {
    const { host: peer, port, serves, ...rest } = container;
    steps.push((pipeline) =>
      isHere(container)
        ? pipeline.setLocal({ ...rest, port, serves })
        : pipeline.setRemote({ ...rest, peer }),
    );
  }
  return steps;
}

/** Another order, drawn. */
const rotated = (steps: readonly Step[], by: number): readonly Step[] => {
  const at = steps.length === 0 ? 0 : by % steps.length;
  return [...steps.slice(at), ...steps.slice(0, at)];
};
