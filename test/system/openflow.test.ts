import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import {
  flowBody,
  flowKey,
  groupBody,
  meterBody,
} from '../../lib/datapath/openflow/codec/canonical.ts';
import { formatFlow, formatGroup, formatMeter } from '../../lib/datapath/openflow/codec/format.ts';
import type { FlowUpdate } from '../../lib/datapath/openflow/codec/messages.ts';
import { OpenFlowConnection, type Change } from '../../lib/datapath/openflow/connection.ts';
import { silentLogger } from '../../lib/log.ts';
import { encoded, toHex } from '../datapath/openflow/bytes.ts';
import { until } from '../support/until.ts';
import { startOvsHost, type OvsHost } from './ovsdb-host.ts';
import {
  foreignFlows,
  ourFlows,
  sampleFlows,
  sampleGroups,
  sampleMeters,
} from './openflow-samples.ts';

const execute = promisify(execFile);
let host: OvsHost;
let socket: string;
let connection: OpenFlowConnection;

beforeAll(async () => {
  host = await startOvsHost();
  await host.vsctl(
    'add-br',
    'br',
    '--',
    'set',
    'bridge',
    'br',
    'datapath_type=netdev',
    'fail_mode=secure',
  );
  socket = join(host.socketPath, '..', 'br.mgmt');
  connection = OpenFlowConnection.start({
    path: socket,
    clock: systemClock,
    log: silentLogger(),
  });
  await connection.ready({ timeoutMs: 20_000 });
});

afterAll(async () => {
  await connection?.close();
  await host?.close();
});

const empty: readonly Change[] = [
  { kind: 'flowMod', command: 'delete', filter: {} },
  { kind: 'groupMod', command: 'delete' },
  { kind: 'meterMod', command: 'delete' },
];

beforeEach(() => connection.apply(empty));
afterEach(() => connection.apply(empty));

const ofctl = (command: string, ...args: readonly string[]) =>
  host.run('ovs-ofctl', '-O', 'OpenFlow13', '--no-names', command, `unix:${socket}`, ...args);

const lines = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('OFPST'))
    .toSorted();

async function installSamples(): Promise<void> {
  for (const group of sampleGroups) await ofctl('add-group', group);
  for (const meter of sampleMeters) await ofctl('add-meter', meter);
  for (const flow of sampleFlows) await ofctl('add-flow', flow);
}

const snapshot = async () => ({
  flows: new Map(
    (await connection.flows()).map(({ flow }) => [
      flowKey(flow),
      `${flowBody(flow)} ${flow.cookie}`,
    ]),
  ),
  groups: new Map((await connection.groups()).map((group) => [group.id, groupBody(group)])),
  meters: new Map((await connection.meters()).map((meter) => [meter.id, meterBody(meter)])),
});

describe('what ovs-ofctl puts in', () => {
  test('we print as it does', async () => {
    await installSamples();
    const flows = (await connection.flows()).map(({ flow }) => formatFlow(flow));
    expect(flows.toSorted()).toEqual(lines(await ofctl('dump-flows', '--no-stats')));
    expect(flows).toHaveLength(sampleFlows.length);
    const groups = (await connection.groups()).map(formatGroup);
    expect(groups.toSorted()).toEqual(lines(await ofctl('dump-groups')));
    const meters = (await connection.meters()).flatMap((meter) => formatMeter(meter).split('\n'));
    expect(meters.map((line) => line.trim()).toSorted()).toEqual(lines(await ofctl('dump-meters')));
  });

  test('we put in again, and it is the same for both', async () => {
    await installSamples();
    const before = await snapshot();
    const printed = lines(await ofctl('dump-flows', '--no-stats'));
    const [flows, groups, meters] = [
      await connection.flows(),
      await connection.groups(),
      await connection.meters(),
    ];
    await connection.apply(empty);
    await connection.apply(meters.map((meter) => ({ kind: 'meterMod', command: 'add', meter })));
    await connection.bundle([
      ...groups.map((group) => ({ kind: 'groupMod', command: 'addOrModify', group }) as const),
      ...flows.map(({ flow }) => ({ kind: 'flowMod', command: 'add', flow }) as const),
    ]);
    expect(await snapshot()).toEqual(before);
    expect(lines(await ofctl('dump-flows', '--no-stats'))).toEqual(printed);
  });

  test('and we do not know, we keep as bytes, put in again, and remove', async () => {
    for (const flow of foreignFlows) await ofctl('add-flow', flow);
    const before = await snapshot();
    const printed = lines(await ofctl('dump-flows', '--no-stats'));
    expect(before.flows.size).toBe(foreignFlows.length);
    const flows = (await connection.flows()).map(({ flow }) => flow);
    await connection.apply(empty);
    await connection.apply(flows.map((flow) => ({ kind: 'flowMod', command: 'add', flow })));
    expect(await snapshot()).toEqual(before);
    expect(lines(await ofctl('dump-flows', '--no-stats'))).toEqual(printed);
    await connection.apply(
      flows.map(({ table, match, priority }) => ({
        kind: 'flowMod',
        command: 'deleteStrict',
        filter: { table, match },
        priority,
      })),
    );
    expect(await connection.flows()).toEqual([]);
  });
});

test('what we put in comes back with the same key and body, and prints the same', async () => {
  await connection.apply([
    {
      kind: 'groupMod',
      command: 'addOrModify',
      group: { id: 5, type: 'all', buckets: [{ actions: [{ kind: 'output', port: 1 }] }] },
    },
    {
      kind: 'meterMod',
      command: 'add',
      meter: {
        id: 3,
        unit: 'kilobits',
        burst: true,
        statistics: true,
        bands: [{ kind: 'drop', rate: 100, burst: 100 }],
      },
    },
  ]);
  await connection.bundle(ourFlows.map((flow) => ({ kind: 'flowMod', command: 'add', flow })));
  const found = new Map((await connection.flows()).map(({ flow }) => [flowKey(flow), flow]));
  expect(found.size).toBe(ourFlows.length);
  for (const flow of ourFlows) {
    const back = found.get(flowKey(flow));
    expect(back === undefined ? flowKey(flow) : flowBody(back)).toBe(flowBody(flow));
    expect(back?.cookie).toBe(flow.cookie);
  }
  const printed = [...found.values()].map((flow) => formatFlow(flow));
  expect(printed.toSorted()).toEqual(lines(await ofctl('dump-flows', '--no-stats')));
});

describe('ovs-ofctl reads our messages', () => {
  const print = async (message: Parameters<typeof encoded>[0]) =>
    (await execute('ovs-ofctl', ['ofp-print', toHex(encoded(message))])).stdout.trim();

  test.each<readonly [string, Parameters<typeof encoded>[0], string]>([
    [
      'hello',
      { kind: 'hello', versions: [4] },
      'OFPT_HELLO (OF1.3) (xid=0x2):\n version bitmap: 0x04',
    ],
    [
      'echo',
      { kind: 'echoRequest', data: new Uint8Array() },
      'OFPT_ECHO_REQUEST (OF1.3) (xid=0x2): 0 bytes of payload',
    ],
    ['barrier', { kind: 'barrierRequest' }, 'OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2):'],
    [
      'configuration',
      { kind: 'setConfiguration', fragments: 0, missSendBytes: 0xffff },
      'OFPT_SET_CONFIG (OF1.3) (xid=0x2): frags=normal miss_send_len=65535',
    ],
    ['zone', { kind: 'ctFlushZone', zone: 7 }, 'NXT_CT_FLUSH_ZONE (OF1.3) (xid=0x2): zone_id=7'],
    [
      'bundle',
      { kind: 'bundleControl', bundle: 7, step: 'commit', flags: 3 },
      'ONFT_BUNDLE_CONTROL (OF1.3) (xid=0x2):\n bundle_id=0x7 type=COMMIT_REQUEST flags=atomic ordered',
    ],
    [
      'packet out',
      {
        kind: 'packetOut',
        inPort: 5,
        actions: [{ kind: 'output', port: 3 }],
        data: new Uint8Array(),
      },
      'OFPT_PACKET_OUT (OF1.3) (xid=0x2): in_port=5 actions=output:3 data_len=0',
    ],
    [
      'flow',
      {
        kind: 'flowMod',
        command: 'deleteStrict',
        priority: 5,
        filter: { table: 3, match: { ethType: 0x800 }, outPort: 7, outGroup: 9 },
      },
      'OFPT_FLOW_MOD (OF1.3) (xid=0x2): DEL_STRICT table:3 priority=5,ip out_port:7 actions=drop',
    ],
    [
      'meter',
      {
        kind: 'meterMod',
        command: 'modify',
        meter: {
          id: 3,
          unit: 'packets',
          burst: true,
          statistics: true,
          bands: [{ kind: 'drop', rate: 5, burst: 6 }],
        },
      },
      'OFPT_METER_MOD (OF1.3) (xid=0x2): MOD meter=3 pktps burst stats bands=\ntype=drop rate=5 burst_size=6',
    ],
    ...(
      [
        ['description', 'OFPST_DESC', ''],
        ['tables', 'OFPST_TABLE', ''],
        ['portDescriptions', 'OFPST_PORT_DESC', ' port=ANY'],
        ['groupDescriptions', 'OFPST_GROUP_DESC', ' group_id=ALL'],
        ['groupFeatures', 'OFPST_GROUP_FEATURES', ''],
        ['meterFeatures', 'OFPST_METER_FEATURES', ''],
      ] as const
    ).map(
      ([part, name, more]) =>
        [
          part,
          { kind: 'multipartRequest', request: { part } },
          `${name} request (OF1.3) (xid=0x2):${more}`,
        ] as const,
    ),
    [
      'counters of a group',
      { kind: 'multipartRequest', request: { part: 'groups', group: 5 } },
      'OFPST_GROUP request (OF1.3) (xid=0x2): group_id=5',
    ],
    [
      'counters of a meter',
      { kind: 'multipartRequest', request: { part: 'meters', meter: 5 } },
      'OFPST_METER request (OF1.3) (xid=0x2): meter=5',
    ],
    [
      'aggregate',
      { kind: 'multipartRequest', request: { part: 'aggregate', filter: { table: 4 } } },
      'OFPST_AGGREGATE request (OF1.3) (xid=0x2): table=4',
    ],
  ])('%s', async (_, message, text) => {
    expect(await print(message)).toBe(text);
  });
});

describe('what the switch tells', () => {
  test('of others who change flows, and in short of our own', async () => {
    const watching = OpenFlowConnection.start({
      path: socket,
      clock: systemClock,
      log: silentLogger(),
    });
    await watching.ready();
    const updates: FlowUpdate[] = [];
    watching.onNews((news) => {
      if (news.kind === 'flowUpdates') updates.push(...news.updates);
    });
    await ofctl('add-flow', 'table=1,cookie=5,actions=drop');
    const initial = await watching.monitorFlows();
    await ofctl('add-flow', 'table=2,cookie=6,tcp,actions=output:3');
    await ofctl('mod-flows', 'table=2,tcp,actions=output:4');
    await watching.apply([{ kind: 'flowMod', command: 'delete', filter: { table: 1 } }]);
    await ofctl('del-flows', 'table=2');
    await until('all came', () => updates.length >= 4);
    await watching.close();
    const print = (each: FlowUpdate) =>
      each.event === 'own' ? 'own' : `${each.event} ${formatFlow(each.flow)}`;
    expect(initial.map(print)).toEqual(['added cookie=0x5, table=1, actions=drop']);
    expect(updates.map(print)).toEqual([
      'added cookie=0x6, table=2, tcp actions=output:3',
      'modified cookie=0x6, table=2, tcp actions=output:4',
      'own',
      'removed cookie=0x6, table=2, tcp actions=output:4',
    ]);
  });

  test('of counters, as ovs-ofctl prints them', async () => {
    await installSamples();
    const [aggregate] = await connection.ask<'aggregate'>({ part: 'aggregate', filter: {} });
    expect(await ofctl('dump-aggregate')).toContain(
      `packet_count=${aggregate?.packets} byte_count=${aggregate?.bytes} flow_count=${aggregate?.flows}`,
    );
    const groups = (await connection.ask<'groups'>({ part: 'groups' })).flatMap(
      ({ entries }) => entries,
    );
    const groupText = await ofctl('dump-group-stats');
    expect(groups).toHaveLength(sampleGroups.length);
    for (const { group, references } of groups) {
      expect(groupText).toMatch(
        new RegExp(`group_id=${group},duration=[0-9.]+s,ref_count=${references},`),
      );
    }
    const meters = (await connection.ask<'meters'>({ part: 'meters' })).flatMap(
      ({ entries }) => entries,
    );
    const meterText = await ofctl('meter-stats');
    expect(meters).toHaveLength(sampleMeters.length);
    for (const { meter, flows } of meters) {
      expect(meterText).toContain(`meter:${meter} flow_count:${flows} packet_in_count:0`);
    }
    const [description] = await connection.ask<'description'>({ part: 'description' });
    expect(await ofctl('dump-desc')).toContain(`Software: ${description?.software}`);
    const tables = (await connection.ask<'tables'>({ part: 'tables' })).flatMap(
      ({ entries }) => entries,
    );
    expect(tables.find(({ table }) => table === 1)?.active).toBe(
      (await connection.flows({ table: 1 })).length,
    );
    const [features] = await connection.ask<'meterFeatures'>({ part: 'meterFeatures' });
    expect(await ofctl('meter-features')).toContain(
      `max_meter:${features?.maxMeters} max_bands:${features?.maxBands}`,
    );
  });
});

test.each(['node', 'bun', 'deno'])('%s does it all', async (runtime) => {
  const script = join(import.meta.dirname, 'openflow-probe.ts');
  const args = runtime === 'deno' ? ['run', '-A', script, socket] : [script, socket];
  const { stdout } = await execute(runtime, args, { timeout: 60_000 });
  expect(JSON.parse(stdout)).toEqual({
    count: 5_000,
    same: 5_000,
    refused: {
      count: 1,
      refusals: [{ index: 0, type: 3, code: 2, what: 'bad instruction: table' }],
    },
    afterwards: 0,
    left: 0,
    ports: 1,
    news: ['packetIn'],
  });
});
