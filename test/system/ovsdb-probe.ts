/**
 * Drives the OVSDB client once through everything on whatever runtime starts it, and prints what it
 * saw as one line of JSON: every runtime must print the same. Argument: the socket's path.
 */
import process from 'node:process';
import { systemClock } from '../../lib/clock.ts';
import { OvsdbClient } from '../../lib/datapath/ovsdb/client.ts';
import { insert, mutate, remove, select } from '../../lib/datapath/ovsdb/operations.ts';
import { asFairleadError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';

const client = OvsdbClient.start({
  path: process.argv[2] ?? '',
  clock: systemClock,
  log: silentLogger(),
});
const seen: string[] = [];
client.subscribe(({ Port }) => {
  for (const change of Port.values()) {
    seen.push(`${change.old?.name ?? '-'}>${change.new?.name ?? '-'}`);
  }
});
await client.ready({ timeoutMs: 10_000 });
const bridge = [
  insert('Interface', { name: 'probe', type: 'internal' }, 'interface'),
  insert('Port', { name: 'probe', interfaces: [{ named: 'interface' }] }, 'port'),
  insert(
    'Bridge',
    { name: 'probe', datapath_type: 'netdev', ports: [{ named: 'port' }] },
    'bridge',
  ),
  mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'bridge' }]]]),
] as const;
const { results, nextCfg } = await client.transactConfigured(bridge);
await client.waitConfigured(nextCfg);
const [interfaces] = await client.transact([
  select('Interface', [['name', '==', 'probe']], ['ofport', 'type']),
]);
const again = await client
  .transact(bridge)
  .catch((thrown: unknown) => asFairleadError(thrown).code);
const { uuid } = results[2];
const gone = await client.transactConfigured([
  mutate('Open_vSwitch', [], [['bridges', 'delete', [uuid]]]),
  remove('Bridge', [['name', '==', 'absent']]),
]);
await client.waitConfigured(gone.nextCfg);
const lagMs = client.configurationLagMs();
await client.close();
process.stdout.write(
  `${JSON.stringify({ interfaces, again, seen, lagMs, state: client.state() })}\n`,
);
