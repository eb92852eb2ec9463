/** Copies to all of a network, with as many containers on one host as there are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCidr } from '../../../lib/ip/ip.ts';
import { floodDirectMax } from '../../../lib/limits.ts';
import { groups, ports } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import type { Group } from '../../../lib/datapath/openflow/codec/flow.ts';
import type { LocalEndpoint, Segment } from '../../../lib/network/world.ts';

const segment: Segment = {
  id: 'crowd',
  number: 7,
  domain: 1,
  encapsulation: { kind: 'vxlan', vni: 7 },
  subnets: [{ cidr: parseCidr('10.0.0.0/8'), gateway: undefined }],
  routed: false,
  neighbours: 'answered',
  mtu: 1_450,
  outside: false,
  reached: false,
};

const container = (port: number): LocalEndpoint => ({
  id: `c${port}`,
  segmentId: segment.id,
  port,
  mac: `02:00:00:00:${(port >> 8).toString(16).padStart(2, '0')}:${(port & 255).toString(16).padStart(2, '0')}`,
  ipv4: { family: 4, value: BigInt(0x0a00_0000 + port) },
  ipv6: undefined,
  serves: { dhcp: false, routerAdvertisements: false },
});

/** The groups of a bridge as a pipeline tells of them. */
class KeptGroups {
  readonly #units = new Map<string, readonly Group[]>();

  /** Takes changes up; answers how many buckets came with them. */
  take(pipeline: Pipeline): number {
    let buckets = 0;
    for (const [key, unit] of pipeline.take()) {
      this.#units.set(key, unit?.groups ?? []);
      for (const group of unit?.groups ?? []) buckets += group.buckets.length;
    }
    return buckets;
  }

  /** The ports that a group leads to, through other groups. */
  portsOf(id: number): number[] {
    const all = [...this.#units.values()].flat();
    const [found, ...others] = all.filter((group) => group.id === id);
    expect(others).toEqual([]);
    const actions = (found?.buckets ?? []).flatMap((bucket) => bucket.actions);
    return actions.flatMap((action) => {
      if (action.kind === 'group') return this.portsOf(action.group);
      return action.kind === 'load' ? [Number(action.value)] : [];
    });
  }
}

describe('the copies for the containers of a network on one host', () => {
  it('are one for each of them, however many come and go', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 2 * floodDirectMax }), {
      minLength: floodDirectMax,
      maxLength: 6 * floodDirectMax,
    });
    fc.assert(
      fc.property(steps, (toggles) => {
        const pipeline = new Pipeline();
        const kept = new KeptGroups();
        const there = new Set<number>();
        pipeline.setSegment(segment);
        for (const toggle of toggles) {
          const port = ports.endpointMin + toggle;
          if (there.delete(port)) pipeline.removeLocal(`c${port}`);
          else {
            there.add(port);
            pipeline.setLocal(container(port));
          }
          kept.take(pipeline);
          const expected = [...there].toSorted((a, b) => a - b);
          for (const id of [groups.here(segment.number), groups.everybody(segment.number)]) {
            expect(kept.portsOf(id).toSorted((a, b) => a - b)).toEqual(expected);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  it('are sent again in part only when one of thousands comes or goes', () => {
    const pipeline = new Pipeline();
    const kept = new KeptGroups();
    pipeline.setSegment(segment);
    const many = 5_000;
    for (let at = 0; at < many; at += 1) pipeline.setLocal(container(ports.endpointMin + at));
    expect(kept.take(pipeline)).toBe(many + 2 * groups.partsMax);
    const most = Math.ceil(many / groups.partsMax) + 1;
    pipeline.setLocal(container(ports.endpointMin + many));
    expect(kept.take(pipeline)).toBeLessThanOrEqual(most);
    pipeline.removeLocal(`c${ports.endpointMin + 77}`);
    expect(kept.take(pipeline)).toBeLessThanOrEqual(most);
  });
});
