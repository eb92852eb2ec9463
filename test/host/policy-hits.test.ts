/** What the switch has counted, brought back to rules and groups by name. */
import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { BridgeFlows } from '../../lib/datapath/bridge-flows.ts';
import { cookieOf } from '../../lib/datapath/pipeline/fields.ts';
import { defaultMark, ruleMark } from '../../lib/datapath/pipeline/hits.ts';
import { DataPlane } from '../../lib/host/data-plane.ts';
import { readPolicyHits } from '../../lib/host/policy-hits.ts';
import { silentLogger } from '../../lib/log.ts';
import type { PolicyRule } from '../../lib/network/world.ts';
import { PaperBridge, textIdentity } from '../datapath/paper-bridge.ts';
import { ruleOf } from '../datapath/pipeline/talks.ts';

const tcp: PolicyRule = {
  ...ruleOf({ name: '1', traffic: { ...ruleOf({}).traffic, protocol: { v4: 6, v6: 6 } } }),
  domain: 3,
};
const unused: PolicyRule = { ...ruleOf({ policy: 'other', name: '1' }), domain: 3 };
const stance = { in: 'deny', out: 'allow', place: 'group', isAudited: false } as const;

/** A host whose flows have each carried so many packets. */
async function hostWith(packets: bigint) {
  const bridge = new PaperBridge();
  const clock = systemClock;
  const parts = { flowSwitch: bridge, identity: textIdentity, clock, log: silentLogger() };
  const flows = new BridgeFlows(parts);
  const dataPlane = new DataPlane(flows, () => undefined);
  const connection = {
    flows: async ({ table }: { readonly table?: number } = {}) =>
      [...bridge.flows.values()]
        .filter((flow) => flow.table === table)
        .map((flow) => ({ flow, packets, bytes: 0n, ageS: 1 })),
  };
  return { bridge, flows, dataPlane, connection };
}

it('is of both families together, and of what is some group’s here', async () => {
  const { flows, dataPlane, connection } = await hostWith(4n);
  dataPlane.take([
    {
      kind: 'group',
      id: 'blue/web:11',
      value: { number: 11, domain: 3, policies: ['base'], stance },
    },
    { kind: 'rule', id: 'blue/base/1:3', value: tcp },
    { kind: 'rule', id: 'blue/other/1:3', value: unused },
  ]);
  await flows.settled(AbortSignal.timeout(5_000));
  expect(await readPolicyHits(connection, dataPlane.policies)).toEqual({
    rules: [{ tenant: 'blue', policy: 'base', rule: '1', hits: 8 }],
    defaults: [{ tenant: 'blue', group: 'web', direction: 'in', hits: 4 }],
  });
});

it('asks no switch where nothing is judged', async () => {
  const { dataPlane } = await hostWith(0n);
  const flows = async () => {
    throw new Error('was asked');
  };
  expect(await readPolicyHits({ flows }, dataPlane.policies)).toEqual({ rules: [], defaults: [] });
});

it('is kept where other rules and groups come and go: these flows are not sent again', async () => {
  const { bridge, flows, dataPlane } = await hostWith(0n);
  const settle = () => flows.settled(AbortSignal.timeout(5_000));
  const group = { number: 11, domain: 3, policies: ['base'], stance };
  dataPlane.take([
    { kind: 'group', id: 'blue/web:11', value: group },
    { kind: 'rule', id: 'blue/base/1:3', value: tcp },
  ]);
  await settle();
  const ours = () =>
    [...bridge.flows.values()].filter(({ cookie }) =>
      [ruleMark(tcp), defaultMark(11, 'in')].some((mark) => cookie === cookieOf('hits', mark)),
    );
  const before = ours();
  expect(before).toHaveLength(3);
  dataPlane.take([
    // behind it by name, and it overlaps
    { kind: 'rule', id: 'blue/base/2:3', value: { ...ruleOf({ name: '2' }), domain: 3 } },
    { kind: 'rule', id: 'blue/other/1:3', value: unused },
    { kind: 'group', id: 'blue/web:11', value: { ...group, policies: ['base', 'other'] } },
  ]);
  await settle();
  dataPlane.take([{ kind: 'rule', id: 'blue/base/2:3', value: undefined }]);
  await settle();
  // the very same objects: none was sent again
  const after = ours();
  for (const [index, flow] of before.entries()) expect(after[index]).toBe(flow);
});
