/**
 * A real switch in user space does what its flows say after they were changed, also where two of its decisions overlap.
 * Open vSwitch 3.1 does not by itself: without `PastDecisions` this is red there.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { OpenFlowSwitch } from '../../lib/datapath/flow-switch.ts';
import type { Flow } from '../../lib/datapath/openflow/codec/flow.ts';
import { OpenFlowConnection } from '../../lib/datapath/openflow/connection.ts';
import { PastDecisions } from '../../lib/datapath/past-decisions.ts';
import type { FlowChanges } from '../../lib/datapath/reconcile/desired-flows.ts';
import { runControl } from '../../lib/datapath/unix-control.ts';
import { silentLogger } from '../../lib/log.ts';
import { until } from '../support/until.ts';
import { startOvsHost, type OvsHost } from './ovsdb-host.ts';

const log = silentLogger();
let host: OvsHost;
let connection: OpenFlowConnection;
let control: string;

beforeAll(async () => {
  host = await startOvsHost({ dummies: true });
  const dummy = (name: string, number: number) =>
    `-- add-port br ${name} -- set interface ${name} type=dummy ofport_request=${number}`;
  const bridge = 'add-br br -- set bridge br datapath_type=dummy fail_mode=secure';
  await host.vsctl(...`${bridge} ${dummy('in', 1)} ${dummy('out', 2)}`.split(' '));
  // else what nobody uses is forgotten after 10 s
  await host.vsctl('set', 'Open_vSwitch', '.', 'other_config:max-idle=600000');
  control = join(host.socketPath, '..', 'vswitchd.ctl');
  const path = join(host.socketPath, '..', 'br.mgmt');
  connection = OpenFlowConnection.start({ path, clock: systemClock, log });
  await connection.ready({ timeoutMs: 20_000 });
  await until('it has its ports', async () =>
    (await runControl(control, 'dpctl/show', [])).includes('out'),
  );
});

afterAll(async () => {
  await connection?.close();
  await host?.close();
});

const tcp = 6;
const udp = 17;
const rule = (priority: number, ipProto: number, more: Partial<Flow>): Flow => ({
  ...{ table: 0, priority, cookie: 0n, apply: [] },
  ...more,
  match: { ethType: 0x0800, ipProto, ...more.match },
});
const passes = { apply: [{ kind: 'output', port: 2 }] } as const;
const closed = rule(10, tcp, { match: { tcpDst: 80 } });
const changes = (setFlows: readonly Flow[], removeFlows: readonly Flow[] = []): FlowChanges => ({
  ...{ setFlows, removeFlows },
  ...{ setGroups: [], removeGroups: [], setMeters: [], removeMeters: [] },
});

async function arrives(proto: number, port: number): Promise<void> {
  const ends = 'eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800)';
  const ip = `ipv4(src=10.0.0.1,dst=10.0.0.2,proto=${proto},tos=0,ttl=64,frag=no)`;
  const ports =
    proto === tcp ? `tcp(src=1000,dst=${port}),tcp_flags(2)` : `udp(src=1000,dst=${port})`;
  await runControl(control, 'netdev-dummy/receive', ['in', `in_port(1),${ends},${ip},${ports}`]);
}

/** What it has decided of TCP, one line each. */
async function decided(): Promise<readonly string[]> {
  const text = await runControl(control, 'dpctl/dump-flows', ['dummy@ovs-dummy']);
  return text.split('\n').filter((line) => line.includes(`proto=${tcp}`));
}

test('what was decided before a change is not what is done after it', async () => {
  const decisions = new PastDecisions({
    control: () => control,
    forget: (path) => runControl(path, 'revalidator/purge', []),
    clock: systemClock,
    log,
  });
  const plain = new OpenFlowSwitch(connection);
  // decisions of the kind of the second one are looked at first from now on
  await plain.write(changes([closed, rule(5, tcp, passes), rule(5, udp, passes)]));
  await arrives(udp, 80);
  await arrives(tcp, 80);
  await until('one is decided', async () => (await decided()).length === 1);
  await plain.write(changes([], [closed]));
  await runControl(control, 'revalidator/wait', []);
  await arrives(tcp, 81);
  await until('two are, and one is part of the other', async () => (await decided()).length === 2);
  for (const line of await decided()) expect(line).toContain('actions:2');
  const watched = new OpenFlowSwitch(connection, () => decisions.flowsChanged());
  await watched.write(changes([rule(5, tcp, {})]));
  await runControl(control, 'revalidator/wait', []);
  await until('nothing passes', async () => !(await decided()).join().includes('actions:2'));
  await arrives(tcp, 80);
  await until('it is decided anew', async () => (await decided()).length === 1);
  expect((await decided()).join()).toContain('actions:drop');
  await decisions.close();
});
