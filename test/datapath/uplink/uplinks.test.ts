/** Uplinks taken, kept and given back, with a database and a kernel on paper. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { makeBridge } from '../../../lib/datapath/bridge.ts';
import { insert, mutate } from '../../../lib/datapath/ovsdb/operations.ts';
import { decodeFound, encodeFound, foundKey } from '../../../lib/datapath/uplink/found.ts';
import { Uplinks, type UplinkProblem } from '../../../lib/datapath/uplink/uplinks.ts';
import { silentLogger } from '../../../lib/log.ts';
import { PaperNics, untouched } from './paper-nics.ts';
import { PaperOvsdb } from './paper-ovsdb.ts';

const silent = {
  ipv4Forwarding: '0',
  ipv4ReversePath: '1',
  ipv4ArpIgnore: '8',
  ipv6Disabled: '1',
};

let ovsdb: PaperOvsdb;
let nics: PaperNics;
let drifts: number;
let wires: number[];

beforeEach(async () => {
  ovsdb = new PaperOvsdb();
  nics = new PaperNics();
  drifts = 0;
  wires = [];
  await ovsdb.transactConfigured(makeBridge('netdev'));
});

const open = (...names: string[]): Uplinks =>
  new Uplinks({
    names,
    ovsdb,
    links: nics,
    log: silentLogger(),
    onDrift: () => (drifts += 1),
    onWire: (number) => wires.push(number),
  });

async function settle(...names: string[]): Promise<readonly UplinkProblem[]> {
  const uplinks = open(...names);
  const problems = await uplinks.reconcile(AbortSignal.timeout(5_000));
  const { transactions } = ovsdb;
  expect(await uplinks.reconcile(AbortSignal.timeout(5_000))).toEqual(problems);
  expect(ovsdb.transactions, 'a second look has nothing to do').toBe(transactions);
  uplinks.close();
  return problems;
}

/** Ports of a bridge with their interfaces. */
function shown(bridge = 'br-fl-uplink'): Readonly<Record<string, readonly string[]>> | undefined {
  const row = ovsdb.named('Bridge', bridge);
  if (row === undefined) return undefined;
  const ports = [...row.ports].flatMap((uuid) => ovsdb.rows('Port').get(uuid) ?? []);
  return Object.fromEntries(
    ports.map(({ name, interfaces }) => [
      name,
      [...interfaces].map((uuid) => ovsdb.rows('Interface').get(uuid)?.name ?? '?').toSorted(),
    ]),
  );
}
const around = { 'br-fl-uplink': ['br-fl-uplink'], 'fl-wire-peer': ['fl-wire-peer'] };
const rememberedText = () =>
  [...ovsdb.rows('Open_vSwitch').values()].flatMap(({ external_ids: ids }) => [...ids]);

describe('one uplink', () => {
  beforeEach(() => nics.add('eth1'));

  test('is the port of a bridge of its own, joined to ours by a patch', async () => {
    expect(await settle('eth1')).toEqual([]);
    expect(shown()).toEqual({ ...around, eth1: ['eth1'] });
    expect(shown('br-fairlead')).toMatchObject({ 'fl-wire': ['fl-wire'] });
    expect(ovsdb.named('Interface', 'fl-wire')).toMatchObject({
      type: 'patch',
      ofport_request: 10,
      options: new Map([['peer', 'fl-wire-peer']]),
    });
    const bridge = ovsdb.named('Bridge', 'br-fl-uplink');
    expect(bridge).toMatchObject({ fail_mode: 'standalone', datapath_type: 'netdev' });
    // nothing is learned, and the host is on no VLAN
    expect(bridge?.flood_vlans.size).toBe(4096);
    const local = ovsdb.named('Port', 'br-fl-uplink');
    expect(local).toMatchObject({ vlan_mode: 'access', tag: 4095, protected: true });
    expect(ovsdb.named('Port', 'eth1')).toMatchObject({ protected: true, lacp: undefined });
    for (const table of ['Bridge', 'Port', 'Interface'] as const) {
      for (const row of ovsdb.rows(table).values()) {
        expect(row.external_ids.get('owner')).toBe('fairlead');
      }
    }
  });

  test('is on, and silent; what it was is remembered', async () => {
    await settle('eth1');
    expect(nics.settingsOf('eth1')).toEqual({
      up: true,
      promiscuous: false,
      kernel: silent,
      merging: { gro: false, lro: false },
    });
    expect(rememberedText()).toEqual([[foundKey('eth1'), encodeFound(untouched)]]);
  });

  test('of the kernel’s datapath keeps its offloads', async () => {
    ovsdb.set('Bridge', 'br-fairlead', { datapath_type: 'system' });
    await settle('eth1');
    expect(nics.settingsOf('eth1').merging).toEqual(untouched.merging);
    expect(ovsdb.named('Bridge', 'br-fl-uplink')?.datapath_type).toBe('system');
  });

  test('goes when it is wanted no more, and is as it was', async () => {
    const before = ovsdb.toText();
    await settle('eth1');
    // vswitchd that was killed leaves it so
    await nics.setNic('eth1', { promiscuous: true });
    await settle();
    expect(ovsdb.toText()).toBe(before);
    expect(nics.settingsOf('eth1')).toEqual(untouched);
  });

  test('is not switched off when somebody else has begun to use it', async () => {
    await settle('eth1');
    nics.onAddresses = [
      { index: nics.indexOf('eth1'), family: 4, address: '192.0.2.1', prefixLength: 24 },
    ];
    await settle();
    expect(nics.settingsOf('eth1')).toEqual({ ...untouched, up: true });
  });

  test('that comes to have an address stays, and is told of', async () => {
    await settle('eth1');
    nics.onAddresses = [
      { index: nics.indexOf('eth1'), family: 4, address: '192.0.2.1', prefixLength: 24 },
    ];
    expect(await settle('eth1')).toMatchObject([{ code: 'UPLINK_IN_USE' }]);
    expect(shown()).toMatchObject({ eth1: ['eth1'] });
  });

  test('that gets an address in the moment in which it is taken is given back at once', async () => {
    ovsdb.before = () => {
      nics.onAddresses = [
        { index: nics.indexOf('eth1'), family: 4, address: '192.0.2.1', prefixLength: 24 },
      ];
    };
    expect(await settle('eth1')).toMatchObject([{ code: 'UPLINK_IN_USE' }]);
    expect(shown()).toEqual(around);
    expect(nics.settingsOf('eth1')).toEqual(untouched);
    expect(rememberedText()).toEqual([]);
  });

  test('without a carrier, or that vswitchd cannot use, is told of', async () => {
    nics.add('eth1', { running: false });
    await nics.setNic('eth1', { up: true });
    await settle('eth1');
    ovsdb.set('Interface', 'eth1', { error: 'could not open network device eth1' });
    expect(await settle('eth1')).toEqual([
      { code: 'UPLINK_FAILED', message: 'uplink eth1: could not open network device eth1' },
      { code: 'UPLINK_DOWN', message: 'uplink eth1 has no carrier' },
    ]);
  });

  test('tells the number that the port to the wire really has', async () => {
    const uplinks = open('eth1');
    await uplinks.reconcile(AbortSignal.timeout(5_000));
    ovsdb.tellAll();
    expect(wires).toEqual([]);
    ovsdb.set('Interface', 'fl-wire', { ofport: 11 });
    ovsdb.tellAll();
    ovsdb.tellAll();
    expect(wires).toEqual([11]);
  });
});

describe('a NIC that cannot be taken', () => {
  test('is left as it is, while the way to the wire is there', async () => {
    nics.add('eth1');
    nics.onRoutes = [
      { family: 4, destination: '0.0.0.0/0', table: 254, type: 1, outIndex: nics.indexOf('eth1') },
    ];
    expect(await settle('eth1')).toMatchObject([{ code: 'UPLINK_IN_USE' }]);
    expect(shown()).toEqual(around);
    expect(nics.settingsOf('eth1')).toEqual(untouched);
  });

  test('is taken when it comes', async () => {
    expect(await settle('eth1')).toMatchObject([{ code: 'UPLINK_ABSENT' }]);
    const uplinks = open('eth1');
    nics.add('eth1');
    nics.add('eth2');
    nics.tell({ kind: 'changed', link: nics.linkOf('eth2') });
    expect(drifts).toBe(0);
    nics.tell({ kind: 'changed', link: nics.linkOf('eth1') });
    nics.tell({ kind: 'changed', link: nics.linkOf('eth1') });
    expect(drifts).toBe(1);
    nics.tell({ kind: 'removed', link: nics.linkOf('eth1') });
    nics.tell({ kind: 'lost' });
    expect(drifts).toBe(3);
    uplinks.close();
    expect(await settle('eth1')).toEqual([]);
    expect(shown()).toEqual({ ...around, eth1: ['eth1'] });
  });

  test('and that vanishes is forgotten, so that it is judged anew when it is back', async () => {
    nics.add('eth1');
    await settle('eth1');
    nics.nics.delete('eth1');
    expect(await settle('eth1')).toMatchObject([{ code: 'UPLINK_ABSENT' }]);
    expect(shown()).toEqual(around);
    expect(rememberedText()).toEqual([]);
  });
});

describe('several uplinks', () => {
  const bonded = {
    bond_mode: 'balance-tcp',
    lacp: 'active',
    other_config: new Map([
      ['lacp-fallback-ab', 'true'],
      ['lacp-time', 'fast'],
    ]),
  };

  beforeEach(() => {
    nics.add('eth1');
    nics.add('eth2');
  });

  test('are one bond, also while only one of them is there', async () => {
    nics.nics.delete('eth2');
    expect(await settle('eth1', 'eth2')).toMatchObject([{ code: 'UPLINK_ABSENT' }]);
    expect(shown()).toEqual({ ...around, 'fl-bond': ['eth1'] });
    expect(ovsdb.named('Port', 'fl-bond')).toMatchObject(bonded);
    const port = ovsdb.named('Port', 'fl-bond');
    nics.add('eth2');
    expect(await settle('eth1', 'eth2')).toEqual([]);
    expect(shown()).toEqual({ ...around, 'fl-bond': ['eth1', 'eth2'] });
    expect(ovsdb.named('Port', 'fl-bond'), 'the same port, with one more').toBe(port);
  });

  test('become others when other ones are wanted', async () => {
    await settle('eth1', 'eth2');
    await settle('eth2');
    expect(shown()).toEqual({ ...around, eth2: ['eth2'] });
    expect(nics.settingsOf('eth1')).toEqual(untouched);
    expect(nics.settingsOf('eth2').kernel).toEqual(silent);
    await settle('eth2', 'eth1');
    expect(shown()).toEqual({ ...around, 'fl-bond': ['eth1', 'eth2'] });
    await settle();
    expect(nics.settingsOf('eth2')).toEqual(untouched);
  });

  test('are put right, whatever was changed by hand', async () => {
    await settle('eth1', 'eth2');
    const right = shown();
    const harms: readonly (readonly [string, () => void])[] = [
      ['bond mode', () => ovsdb.set('Port', 'fl-bond', { bond_mode: 'balance-slb' })],
      ['LACP', () => ovsdb.set('Port', 'fl-bond', { lacp: 'off', other_config: new Map() })],
      ['tag', () => ovsdb.set('Port', 'fl-bond', { tag: 5, trunks: new Set([1]) })],
      ['fail mode', () => ovsdb.set('Bridge', 'br-fl-uplink', { fail_mode: 'secure' })],
      ['learning', () => ovsdb.set('Bridge', 'br-fl-uplink', { flood_vlans: new Set([1]) })],
      ['local', () => ovsdb.set('Port', 'br-fl-uplink', { tag: undefined, protected: false })],
      ['patch', () => ovsdb.set('Interface', 'fl-wire', { options: new Map([['peer', 'x']]) })],
      ['number', () => ovsdb.set('Interface', 'fl-wire', { ofport_request: 11 })],
      ['patch port', () => ovsdb.set('Port', 'fl-wire-peer', { vlan_mode: 'access', tag: 1 })],
      ['no patch', () => ovsdb.remove('Port', 'fl-wire')],
      ['no peer', () => ovsdb.remove('Port', 'fl-wire-peer')],
      ['no bond', () => ovsdb.remove('Port', 'fl-bond')],
      ['no bridge', () => ovsdb.remove('Bridge', 'br-fl-uplink')],
      ['answers', () => void nics.setNic('eth1', { kernel: { ipv6Disabled: '0' }, up: false })],
    ];
    await fc.assert(
      fc.asyncProperty(fc.subarray(harms as (typeof harms)[number][]), async (drawn) => {
        for (const [, harm] of drawn) harm();
        expect(await settle('eth1', 'eth2')).toEqual([]);
        expect(shown()).toEqual(right);
        expect(ovsdb.named('Port', 'fl-bond')).toMatchObject(bonded);
        expect(ovsdb.named('Bridge', 'br-fl-uplink')).toMatchObject({ fail_mode: 'standalone' });
        expect(ovsdb.named('Port', 'br-fl-uplink')).toMatchObject({ tag: 4095, protected: true });
        expect(nics.settingsOf('eth1')).toMatchObject({ up: true, kernel: silent });
        expect(decodeFound(String(rememberedText()[0]?.[1]))).toEqual(untouched);
      }),
      { numRuns: 60 },
    );
  });

  test('one of which was moved to another bridge is not taken back by force', async () => {
    await settle('eth1', 'eth2');
    ovsdb.remove('Port', 'fl-bond');
    await ovsdb.transactConfigured([
      insert('Interface', { name: 'eth2' }, 'i'),
      insert('Port', { name: 'eth2', interfaces: [{ named: 'i' }] }, 'p'),
      insert('Bridge', { name: 'br-ex', ports: [{ named: 'p' }] }, 'b'),
      mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'b' }]]]),
    ]);
    expect(await settle('eth1', 'eth2')).toMatchObject([
      { code: 'UPLINK_IN_USE', message: expect.stringContaining('bridge br-ex') },
    ]);
    expect(shown()).toEqual({ ...around, 'fl-bond': ['eth1'] });
    expect(shown('br-ex')).toEqual({ eth2: ['eth2'] });
    expect(nics.settingsOf('eth2')).toEqual({ ...untouched, up: true });
  });
});

describe('what others have made', () => {
  beforeEach(() => nics.add('eth1'));

  const foreignBridge = async (name: string, port?: string): Promise<void> => {
    await ovsdb.transactConfigured([
      ...(port === undefined
        ? []
        : [
            insert('Interface', { name: port }, 'i'),
            insert('Port', { name: port, interfaces: [{ named: 'i' }] }, 'p'),
          ]),
      insert('Bridge', { name, ports: port === undefined ? [] : [{ named: 'p' }] }, 'b'),
      mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'b' }]]]),
    ]);
  };

  test.each([
    ['BRIDGE_NOT_OURS', 'br-fl-uplink', undefined],
    ['PORT_NOT_OURS', 'br-ex', 'fl-wire'],
    ['PORT_NOT_OURS', 'br-ex', 'fl-bond'],
  ])('refuses with %s: %s %s', async (code, bridge, port) => {
    await foreignBridge(bridge, port);
    const before = ovsdb.toText();
    const uplinks = open('eth1');
    const refused = uplinks.reconcile(AbortSignal.timeout(5_000));
    await expect(refused).rejects.toMatchObject({ code });
    expect(ovsdb.toText()).toBe(before);
    expect(nics.settingsOf('eth1')).toEqual(untouched);
  });

  test('ports on the bridge of the uplinks stay, and are told of', async () => {
    await settle('eth1');
    const bridges = [...ovsdb.rows('Bridge')];
    const [uuid] = bridges.find(([, { name }]) => name === 'br-fl-uplink') ?? [''];
    await ovsdb.transactConfigured([
      insert('Interface', { name: 'tap0' }, 'i'),
      insert('Port', { name: 'tap0', interfaces: [{ named: 'i' }] }, 'p'),
      mutate('Bridge', [['_uuid', '==', uuid]], [['ports', 'insert', [{ named: 'p' }]]]),
    ]);
    const shared = [{ code: 'UPLINK_SHARED', message: expect.stringContaining('tap0') }];
    expect(await settle('eth1')).toEqual(shared);
    expect(await settle()).toEqual(shared);
    expect(shown()).toEqual({ 'br-fl-uplink': ['br-fl-uplink'], tap0: ['tap0'] });
    expect(nics.settingsOf('eth1')).toEqual(untouched);
  });

  test('text that nobody of us wrote sets nothing', async () => {
    const garbage = fc.oneof(fc.string(), fc.json());
    fc.assert(fc.property(garbage, (text) => decodeFound(text) === undefined));
    const evil = { ...untouched, kernel: { '../../kernel/panic': '1' } };
    expect(decodeFound(JSON.stringify(evil))).toBeUndefined();
    expect(decodeFound(JSON.stringify({ ...untouched, kernel: { ipv6Disabled: '0\n' } }))).toBe(
      undefined,
    );
    const ids = new Map([[foundKey('eth1'), 'garbage']]);
    await ovsdb.transactConfigured([mutate('Open_vSwitch', [], [['external_ids', 'insert', ids]])]);
    await settle();
    expect(rememberedText()).toEqual([]);
    expect(nics.settingsOf('eth1')).toEqual(untouched);
  });
});
