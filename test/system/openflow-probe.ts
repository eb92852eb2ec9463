/**
 * Drives the OpenFlow connection once through everything on whatever runtime starts it, and prints what it
 * saw as one line of JSON: every runtime must print the same. Argument: the management socket's path.
 */
import process from 'node:process';
import { systemClock } from '../../lib/clock.ts';
import { flowBody, flowKey } from '../../lib/datapath/openflow/codec/canonical.ts';
import type { Flow } from '../../lib/datapath/openflow/codec/flow.ts';
import type { FlowMod } from '../../lib/datapath/openflow/codec/messages.ts';
import { OpenFlowConnection } from '../../lib/datapath/openflow/connection.ts';
import { refusalsOf } from '../../lib/datapath/openflow/refusal.ts';
import { silentLogger } from '../../lib/log.ts';

const connection = OpenFlowConnection.start({
  path: process.argv[2] ?? '',
  clock: systemClock,
  log: silentLogger(),
});
await connection.ready({ timeoutMs: 10_000 });
const news: string[] = [];
const packetCame = Promise.withResolvers<void>();
connection.onNews(({ kind }) => {
  news.push(kind);
  if (kind === 'packetIn') packetCame.resolve();
});
const flows = Array.from({ length: 5_000 }, (_, index): Flow => ({
  table: 7,
  priority: 80,
  cookie: 0xc201n << 48n,
  match: { reg5: 9, reg2: index, ethType: 0x0800, ipProto: 6, tcpDst: index },
  apply: [
    { kind: 'load', to: { field: 'reg1' }, value: index },
    { kind: 'ct', commit: true, zone: { field: 'reg5', first: 0, bits: 16 } },
  ],
  goto: 70,
}));
const add = (flow: Flow): FlowMod => ({ kind: 'flowMod', command: 'add', flow });
await connection.bundle(flows.map(add));
const wanted = new Map(flows.map((flow) => [flowKey(flow), flowBody(flow)]));
const found = await connection.flows({ table: 7 });
const same = found.filter(({ flow }) => wanted.get(flowKey(flow)) === flowBody(flow)).length;
const [bad, good] = [
  { ...flows[0], goto: 3 },
  { ...flows[0], table: 8 },
] as Flow[];
const refused: unknown = await connection
  .bundle([bad, good].flatMap((flow) => (flow === undefined ? [] : [add(flow)])))
  .catch((thrown: unknown) => refusalsOf(thrown));
const afterwards = (await connection.flows({ table: 8 })).length;
await connection.apply([{ kind: 'flowMod', command: 'delete', filter: { table: 7 } }]);
const left = (await connection.flows({ table: 7 })).length;
await connection.apply([
  {
    kind: 'packetOut',
    inPort: 5,
    actions: [{ kind: 'output', port: 0xffff_fffd }],
    data: new Uint8Array(60),
  },
]);
// A barrier does not wait for packets that the switch sends up: its own threads do that when they come to it.
// Whoever started this bounds the wait.
await packetCame.promise;
await connection.barrier();
const ports = (await connection.ask<'portDescriptions'>({ part: 'portDescriptions' })).length;
await connection.close();
process.stdout.write(
  `${JSON.stringify({ count: found.length, same, refused, afterwards, left, ports, news })}\n`,
);
