import { expect, it } from 'vitest';
import { parseCidr } from '../../../lib/ip/ip.ts';
import type { Action, Ct, Flow } from '../../../lib/datapath/openflow/codec/flow.ts';
import { tables } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { feedPipeline, unitsOf } from './fabric.ts';
import { serviceIn, servedSite, backend, inNetwork } from './served-site.ts';
import { ruleOf } from './talks.ts';

/** A host with all that asks conntrack: rules, a way out, the host's own way in, services of both kinds. */
function wholePipeline(): Pipeline {
  const pipeline = new Pipeline();
  const [host] = servedSite.hosts;
  if (host === undefined) throw new Error('no host');
  const segments = servedSite.segments.map((each) => ({ ...each, outside: true, reached: true }));
  feedPipeline(pipeline, { ...servedSite, segments }, host);
  const blocks = [parseCidr('169.254.64.0/18'), parseCidr('fd00:9::/64')];
  pipeline.setOutside({ blocks, vxlanPort: 4789 });
  pipeline.setGroup({ number: 11, domain: 1, policies: ['base'] });
  pipeline.setGroup({ number: 12, domain: 2, policies: [] });
  pipeline.setRule({ ...ruleOf({}), domain: 1 });
  const backends = inNetwork(1).map((each) => backend(each));
  pipeline.services.set(serviceIn(1, { id: 'drawn', affinity: 'connection', backends }));
  pipeline.services.set(serviceIn(1, { id: 'kept', affinity: 'client', backends }));
  return pipeline;
}

const flowsOf = (pipeline: Pipeline): readonly Flow[] =>
  unitsOf(pipeline).flatMap(({ flows }) => flows);

function lookups(pipeline: Pipeline): readonly Ct[] {
  const lists: (readonly Action[])[] = [
    ...flowsOf(pipeline).map(({ apply }) => apply ?? []),
    ...unitsOf(pipeline).flatMap(({ groups }) =>
      groups.flatMap(({ buckets }) => buckets.map(({ actions }) => actions)),
    ),
  ];
  return lists.flat().filter((action) => action.kind === 'ct');
}

/** Bit `trk` of ct_state. */
const trackedBit = 0x20;

it('nothing goes on after conntrack but by a table that takes only what it has tracked', () => {
  const pipeline = wholePipeline();
  const asked = lookups(pipeline);
  const all = flowsOf(pipeline);
  const into = new Set(asked.map(({ table }) => table));
  expect(into).toEqual(
    new Set([
      ...[tables.clientGroup, tables.whole, tables.leaving, tables.left, tables.returned],
      ...[tables.called, tables.services, tables.route, tables.exit],
      ...[tables.ownService, tables.ownServiceBack, tables.admission],
    ]),
  );
  for (const table of into) {
    const flows = all.filter((flow) => flow.table === table);
    const takesTracked = ({ match: { ctState } }: Flow) =>
      typeof ctState === 'object' && (ctState.value & trackedBit) !== 0;
    const refuses = flows.some(
      ({ match: { ctState }, priority, apply, goto }) =>
        typeof ctState === 'object' &&
        ctState.mask === trackedBit &&
        ctState.value === 0 &&
        priority === Math.max(...flows.map((each) => each.priority)) &&
        apply === undefined &&
        goto === undefined,
    );
    expect([table, refuses || flows.every(takesTracked)]).toEqual([table, true]);
  }
});
