import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { OvsdbClient } from '../../lib/datapath/ovsdb/client.ts';
import { OvsdbConnection } from '../../lib/datapath/ovsdb/connection.ts';
import {
  insert,
  mutate,
  remove,
  select,
  update,
  wait,
  type Mutation,
  type Operation,
} from '../../lib/datapath/ovsdb/operations.ts';
import type { Change } from '../../lib/datapath/ovsdb/replica.ts';
import {
  columnsOf,
  tableNames,
  type ColumnName,
  type TableName,
} from '../../lib/datapath/ovsdb/schema.ts';
import { silentLogger } from '../../lib/log.ts';
import { until } from '../support/until.ts';
import { startOvsHost, type OvsHost } from './ovsdb-host.ts';
import { startRelay } from './ovsdb-relay.ts';

const execute = promisify(execFile);

let host: OvsHost;
const clients = new Set<OvsdbClient>();

beforeAll(async () => {
  host = await startOvsHost();
});

afterAll(async () => {
  await host?.close();
});

afterEach(async () => {
  for (const client of clients) await client.close();
  clients.clear();
  for (const bridge of (await host.vsctl('list-br')).split('\n').filter(Boolean)) {
    await host.vsctl('del-br', bridge);
  }
});

function connect(path = host.socketPath, lock?: string): OvsdbClient {
  const lockOption = lock === undefined ? {} : { lock };
  const client = OvsdbClient.start({
    path,
    clock: systemClock,
    log: silentLogger(),
    ...lockOption,
  });
  clients.add(client);
  return client;
}

async function ready(path?: string, lock?: string): Promise<OvsdbClient> {
  const client = connect(path, lock);
  await client.ready({ timeoutMs: 10_000 });
  return client;
}

function addBridge(name: string) {
  return [
    insert('Interface', { name, type: 'internal' }, 'interface'),
    insert('Port', { name, interfaces: [{ named: 'interface' }] }, 'port'),
    insert('Bridge', { name, datapath_type: 'netdev', ports: [{ named: 'port' }] }, 'bridge'),
    mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'bridge' }]]]),
  ] as const;
}

function addPort(bridge: string, name: string, interfaceType = 'internal') {
  return [
    insert('Interface', { name, type: interfaceType }, 'interface'),
    insert('Port', { name, interfaces: [{ named: 'interface' }] }, 'port'),
    mutate('Bridge', [['name', '==', bridge]], [['ports', 'insert', [{ named: 'port' }]]]),
  ] as const;
}

const byName = <T extends 'Bridge' | 'Port' | 'Interface'>(
  client: OvsdbClient,
  table: T,
  name: string,
) => [...client.rows(table).values()].find((row) => row.name === name);

const failure = (code: string, detail?: unknown) =>
  expect.objectContaining(detail === undefined ? { code } : { code, detail }) as Error;

/** All rows of a client, in a form that can be compared. */
function replicaOf(client: OvsdbClient) {
  return Object.fromEntries(
    tableNames.map((table) => [table, new Map<string, unknown>(client.rows(table))]),
  );
}

/** The same by select: what the database really holds. */
async function databaseOf(client: OvsdbClient) {
  const read = <T extends TableName>(table: T) =>
    select(table, [], Object.keys(columnsOf(table)) as ColumnName<T>[]);
  const rows = await client.transact(tableNames.map((table) => read(table)));
  return Object.fromEntries(tableNames.map((table, index) => [table, rows[index]]));
}

const sorted = (rows: Iterable<unknown>) =>
  [...rows]
    .map((row) =>
      JSON.stringify(
        Object.entries(row as object).toSorted(([a], [b]) => (a < b ? -1 : 1)),
        (_key, value: unknown) =>
          value instanceof Set || value instanceof Map ? [...value].map(String).toSorted() : value,
      ),
    )
    .toSorted((a, b) => (a < b ? -1 : 1));

/** Waits until the replica is what the database holds (vswitchd writes in between). */
async function expectInStep(client: OvsdbClient, reader: OvsdbClient): Promise<void> {
  await until('replica and database agree', async () => {
    const database = await databaseOf(reader);
    const replica = replicaOf(client);
    return tableNames.every(
      (table) =>
        JSON.stringify(sorted(replica[table]?.values() ?? [])) ===
        JSON.stringify(sorted(database[table] ?? [])),
    );
  });
}

describe('with a real Open vSwitch, the client', () => {
  test('makes a bridge and a port and sees them taken up', async () => {
    const client = await ready();
    const { nextCfg } = await client.transactConfigured(addBridge('br-a'));
    // the rows are there by the time the answer is
    expect(byName(client, 'Bridge', 'br-a')?.datapath_type).toBe('netdev');
    await client.waitConfigured(nextCfg);
    expect(byName(client, 'Interface', 'br-a')).toMatchObject({ ofport: 65534, error: undefined });
    const port = await client.transactConfigured(addPort('br-a', 'p1'));
    await client.waitConfigured(port.nextCfg);
    expect(byName(client, 'Interface', 'p1')?.ofport).toBeGreaterThan(0);
    expect(await host.vsctl('list-ports', 'br-a')).toBe('p1\n');
    expect(client.configurationLagMs()).toBe(0);
    const [root] = client.rows('Open_vSwitch').values();
    expect(root?.datapath_types).toContain('netdev');
  });

  test('sees that a port cannot be used', async () => {
    const client = await ready();
    await client.transact(addBridge('br-a'));
    const { nextCfg } = await client.transactConfigured(addPort('br-a', 'absent0', ''));
    await client.waitConfigured(nextCfg);
    const row = byName(client, 'Interface', 'absent0');
    expect(row?.ofport).toBe(-1);
    expect(row?.error).toMatch(/absent0/u);
  });

  test('hears of what others do', async () => {
    const client = await ready();
    const heard: Change[] = [];
    client.subscribe((change) => heard.push(change));
    await host.vsctl('add-br', 'br-f', '--', 'set', 'bridge', 'br-f', 'datapath_type=netdev');
    await host.vsctl('add-port', 'br-f', 'p1', '--', 'set', 'interface', 'p1', 'type=internal');
    await host.vsctl('set', 'port', 'p1', 'tag=10');
    await host.vsctl('set', 'port', 'p1', 'tag=20', 'trunks=1,2', 'external_ids:a=1');
    await host.vsctl('set', 'port', 'p1', 'trunks=2,3', 'external_ids:a=2', 'external_ids:b=3');
    await until('the last of it', () => byName(client, 'Port', 'p1')?.external_ids.size === 2);
    expect(byName(client, 'Port', 'p1')).toMatchObject({
      tag: 20,
      trunks: new Set([2, 3]),
      external_ids: new Map([
        ['a', '2'],
        ['b', '3'],
      ]),
    });
    await host.vsctl('clear', 'port', 'p1', 'tag', 'trunks', 'external_ids');
    await until('cleared', () => byName(client, 'Port', 'p1')?.external_ids.size === 0);
    expect(byName(client, 'Port', 'p1')?.tag).toBeUndefined();
    await host.vsctl('del-port', 'p1');
    await until('it is gone', () => byName(client, 'Port', 'p1') === undefined);
    const tags = heard.flatMap(({ Port }) =>
      [...Port.values()].filter((row) => row.new?.name === 'p1').map((row) => row.new?.tag),
    );
    expect(tags).toEqual([undefined, 10, 20, 20, undefined]);
    // vswitchd tells of interfaces when it comes to it
    expect(heard.findLast(({ Port }) => Port.size > 0)?.Port.size).toBe(1);
    await expectInStep(client, client);
  });

  test('tells why a change was refused, and nothing of it was done', async () => {
    const client = await ready();
    await client.transact(addBridge('br-a'));
    const refused = (detail: object) => failure('OVS_REFUSED', expect.objectContaining(detail));
    await expect(client.transact(addBridge('br-a'))).rejects.toThrow(
      refused({ error: 'constraint violation', operation: 'commit' }),
    );
    await expect(
      client.transactConfigured([
        ...addPort('br-a', 'p1'),
        update('Port', [['name', '==', 'p1']], { tag: 5_000 }),
      ]),
    ).rejects.toThrow(refused({ error: 'constraint violation', operation: 3 }));
    await expect(
      client.transact([
        wait('Bridge', [['name', '==', 'br-a']], '==', [{ fail_mode: 'secure' }]),
        ...addPort('br-a', 'p1'),
      ]),
    ).rejects.toThrow(refused({ error: 'timed out', operation: 0 }));
    await expect(
      client.transact([mutate('Bridge', [], [['ports', 'delete', []]]), remove('Interface', [])]),
    ).rejects.toThrow(refused({ error: 'referential integrity violation', operation: 'commit' }));
    expect(byName(client, 'Port', 'p1')).toBeUndefined();
    expect(client.state()).toBe('ready');
  });

  test('follows any sequence of changes, by each of the three ways to monitor', async () => {
    const relays = [
      await startRelay(host.socketPath, ['monitor_cond_since']),
      await startRelay(host.socketPath, ['monitor_cond_since', 'monitor_cond']),
    ];
    const writer = await ready();
    const readers = [
      writer,
      await ready(relays[0]?.path, 'reader_one'),
      await ready(relays[1]?.path, 'reader_two'),
    ];
    await writer.transact(addBridge('br-t'));
    await writer.transact(addPort('br-t', 'p1'));
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
    const texts = fc
      .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2', '')))
      .map((pairs) => new Map(pairs));
    const mutation: fc.Arbitrary<Mutation<'Port'>> = fc.oneof(
      fc.tuple(fc.constant('trunks'), fc.constantFrom('insert', 'delete'), numbers),
      fc.tuple(fc.constant('external_ids'), fc.constantFrom('insert', 'delete'), texts),
    );
    const operation: fc.Arbitrary<Operation<unknown>> = fc.oneof(
      fc
        .record(
          { tag: fc.option(fc.nat(9), { nil: undefined }), trunks: numbers, external_ids: texts },
          { requiredKeys: [] },
        )
        .map((row) => update('Port', [], row)),
      fc.array(mutation).map((mutations) => mutate('Port', [], mutations)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(operation, { maxLength: 3 }), { maxLength: 8 }),
        async (transactions) => {
          await Promise.all(transactions.map((operations) => writer.transact(operations)));
          for (const reader of readers) await expectInStep(reader, writer);
        },
      ),
      { numRuns: 25 },
    );
    expect(readers.map((reader) => reader.state())).toEqual(['ready', 'ready', 'ready']);
    for (const relay of relays) await relay.close();
  });

  test('lets one agent write at a time, and the next when that one is gone', async () => {
    const first = await ready();
    const second = connect();
    await until('the second is locked out', () => second.state() === 'locked-out');
    await expect(second.transact([])).rejects.toThrow(failure('OVS_LOCKED'));
    await expect(second.ready({ timeoutMs: 10 })).rejects.toThrow(failure('OVS_LOCKED'));
    await first.transact(addBridge('br-a'));
    await until('it sees all the same', () => byName(second, 'Bridge', 'br-a'));
    await first.close();
    await second.ready();
    await second.transact(addPort('br-a', 'p1'));
  });

  test('stops writing when its lock is stolen, and goes on when it gets it back', async () => {
    const client = await ready();
    const ended = Promise.withResolvers<unknown>();
    const thief = await OvsdbConnection.open({
      path: host.socketPath,
      clock: systemClock,
      signal: new AbortController().signal,
      onNotification: () => undefined,
      onClosed: ended.resolve,
    });
    const stealing = thief.request('steal', ['fairlead'], { decode: (result) => result });
    expect(await stealing).toEqual({ locked: true });
    await until('locked out', () => client.state() === 'locked-out');
    await expect(client.transact([])).rejects.toThrow(failure('OVS_LOCKED'));
    thief.close();
    await ended.promise;
    await client.ready();
    await client.transact([]);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'survives an ovsdb-server ended by %s, and tells what changed meanwhile',
    async (signal) => {
      const client = await ready();
      await client.transact([...addBridge('br-a')]);
      await client.transact(addPort('br-a', 'p1'));
      const kept = byName(client, 'Bridge', 'br-a');
      await host.stop('ovsdb', signal);
      await until('noticed', () => client.state() !== 'ready');
      await expect(client.transact([])).rejects.toThrow(
        failure('OVS_DOWN', { outcome: 'not-sent' }),
      );
      expect(byName(client, 'Port', 'p1')).toBeDefined();
      const edit = {
        op: 'update',
        table: 'Port',
        where: [['name', '==', 'p1']],
        row: { tag: 42 },
      };
      const request = JSON.stringify(['Open_vSwitch', edit]);
      await host.run('ovsdb-tool', 'transact', host.databaseFile, request);
      const heard: Change[] = [];
      client.subscribe((change) => heard.push(change));
      await host.start('ovsdb');
      await client.ready({ timeoutMs: 10_000 });
      expect(byName(client, 'Port', 'p1')?.tag).toBe(42);
      expect(byName(client, 'Bridge', 'br-a')).toBe(kept);
      expect([...(heard[0]?.Port.values() ?? [])].map((row) => row.new?.name)).toEqual(['p1']);
      const { nextCfg } = await client.transactConfigured([]);
      await client.waitConfigured(nextCfg, { timeoutMs: 30_000 });
    },
  );

  test('an answer that does not come in time leaves the outcome open, and the connection', async () => {
    const client = await ready();
    host.signal('ovsdb', 'SIGSTOP');
    await expect(client.transact(addBridge('br-a'), { timeoutMs: 200 })).rejects.toThrow(
      failure('DEADLINE', { outcome: 'unknown' }),
    );
    host.signal('ovsdb', 'SIGCONT');
    await client.transact([]);
    expect(byName(client, 'Bridge', 'br-a')).toBeDefined();
  });

  test('tells a vswitchd that does nothing from one that is back', async () => {
    const client = await ready();
    const made = await client.transactConfigured(addBridge('br-a'));
    await client.waitConfigured(made.nextCfg);
    host.signal('vswitchd', 'SIGSTOP');
    const { nextCfg } = await client.transactConfigured(addPort('br-a', 'p1'));
    await expect(client.waitConfigured(nextCfg, { timeoutMs: 300 })).rejects.toThrow(
      failure('DEADLINE'),
    );
    expect(client.configurationLagMs()).toBeGreaterThanOrEqual(299);
    await host.stop('vswitchd', 'SIGKILL');
    await host.start('vswitchd');
    await client.waitConfigured(nextCfg);
    expect(byName(client, 'Interface', 'p1')?.ofport).toBeGreaterThan(0);
    expect(client.configurationLagMs()).toBe(0);
    expect(client.state()).toBe('ready');
  });

  test('behaves the same on Node, Bun and Deno', async () => {
    const probe = fileURLToPath(new URL('ovsdb-probe.ts', import.meta.url));
    const binaries = fileURLToPath(new URL('../../node_modules/.bin/', import.meta.url));
    for (const [runtime, ...args] of [['node'], ['bun'], ['deno', 'run', '-A']] as const) {
      const { stdout } = await execute(`${binaries}${runtime}`, [...args, probe, host.socketPath], {
        timeout: 60_000,
      });
      expect([runtime, JSON.parse(stdout)]).toEqual([
        runtime,
        {
          interfaces: [{ ofport: 65534, type: 'internal' }],
          again: 'OVS_REFUSED',
          seen: ['->probe', 'probe>-'],
          lagMs: 0,
          state: 'down',
        },
      ]);
    }
  });
});
