/**
 * Our bridge in OVSDB: how it is found, what is written to it, and what on it is ours. Every row we
 * make carries the owner mark, in the same transaction that makes it; rows without it are never
 * changed (DESIGN I5). Builds operations and reads rows; the connection is the caller's.
 */
import { FairleadError } from '../errors.ts';
import type { PortSpec } from '../network/port.ts';
import { insert, mutate, update, type Operation } from './ovsdb/operations.ts';
import type { Change } from './ovsdb/replica.ts';
import type { Row } from './ovsdb/schema.ts';
import type { Uuid } from './ovsdb/values.ts';
import { ports as portNumbers } from './pipeline/fields.ts';
import type { ObservedPort } from './reconcile/diff.ts';

/** Name of the one bridge of ours. */
export const bridgeName = 'br-fairlead';

/** `external_ids` keys of our rows. */
export const ownerKey = 'owner';
export const ownerValue = 'fairlead';
export const layoutKey = 'fairlead-layout';
const endpointKey = 'fairlead-endpoint';
const networkKey = 'fairlead-network';

/** Version of what we write, for agents that come after. 1 was a bridge that forwarded by itself, by tags. */
export const layoutVersion = '2';

/** Nothing is forwarded but by our flows, also while there are none (ovs-vswitchd.conf.db(5)). */
const failMode = 'secure';

/** The one port through which VXLAN goes. */
export const tunnelName = 'fl-vxlan';

/** The tables as the client shows them. */
export interface Rows {
  readonly bridges: ReadonlyMap<Uuid, Row<'Bridge'>>;
  readonly ports: ReadonlyMap<Uuid, Row<'Port'>>;
  readonly interfaces: ReadonlyMap<Uuid, Row<'Interface'>>;
}

/** Our bridge as found. */
export interface OurBridge {
  readonly uuid: Uuid;
  readonly row: Row<'Bridge'>;
}

/**
 * Our bridge, or undefined when it is not there.
 * @throws BRIDGE_NOT_OURS when a bridge of this name lacks our mark
 */
export function findBridge(rows: Rows): OurBridge | undefined {
  for (const [uuid, row] of rows.bridges) {
    if (row.name !== bridgeName) continue;
    if (row.external_ids.get(ownerKey) === ownerValue) return { uuid, row };
    throw new FairleadError(
      'BRIDGE_NOT_OURS',
      `bridge ${bridgeName} exists and was not made by Fairlead`,
    );
  }
  return undefined;
}

/** Makes the bridge. Without flows of ours it forwards nothing. */
export function makeBridge(datapathType: string): readonly Operation<unknown>[] {
  const ids = new Map([
    [ownerKey, ownerValue],
    [layoutKey, layoutVersion],
  ]);
  const port = { name: bridgeName, external_ids: ids };
  return [
    insert('Interface', { ...port, type: 'internal' }, 'bridge_interface'),
    insert('Port', { ...port, interfaces: [{ named: 'bridge_interface' }] }, 'bridge_port'),
    insert(
      'Bridge',
      {
        ...port,
        datapath_type: datapathType,
        fail_mode: failMode,
        ports: [{ named: 'bridge_port' }],
      },
      'bridge',
    ),
    mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'bridge' }]]]),
  ];
}

/** Whether the bridge's own settings are as we make them. */
export function isIntact({ row }: OurBridge): boolean {
  return row.fail_mode === failMode && row.external_ids.get(layoutKey) === layoutVersion;
}

/** Whether a change is news: bridges come and go, and ours may be set to what it should not be. */
function isOtherBridge(before?: Row<'Bridge'>, now?: Row<'Bridge'>): boolean {
  if (before === undefined || now === undefined) return true;
  return now.name === bridgeName && now.fail_mode !== before.fail_mode;
}

/** Whether a change is one that we did not make: of bridges, of other ports than those expected, or a new error. */
export function isDrift(change: Change, expected: ReadonlySet<string>): boolean {
  const isStrange = (name = ''): boolean => name !== '' && !expected.has(name);
  return (
    change.Bridge.values().some((one) => isOtherBridge(one.old, one.new)) ||
    change.Port.values().some((one) => isStrange((one.new ?? one.old)?.name)) ||
    change.Interface.values().some(
      (one) => one.new?.error !== undefined && one.new.error !== one.old?.error,
    )
  );
}

/** Sets the bridge's settings to what they should be. */
export function fixBridge(bridge: OurBridge): Operation<unknown>[] {
  const ids = new Map([...bridge.row.external_ids, [layoutKey, layoutVersion]]);
  return [update('Bridge', onBridge(bridge), { fail_mode: failMode, external_ids: ids })];
}

/** A port to be made: for what, and its OpenFlow number. */
export interface NewPort {
  readonly spec: PortSpec;
  readonly number: number;
}

/** Makes ports, each with all its marks. */
export function addPorts(bridge: OurBridge, made: readonly NewPort[]): Operation<unknown>[] {
  const operations: Operation<unknown>[] = made.flatMap(({ spec, number }, index) => [
    insert(
      'Interface',
      { name: spec.hostLink, external_ids: interfaceIds(spec), ofport_request: number },
      `interface_${index}`,
    ),
    insert(
      'Port',
      { name: spec.hostLink, ...portColumns(spec), interfaces: [{ named: `interface_${index}` }] },
      `port_${index}`,
    ),
  ]);
  const ports = made.map((_port, index) => ({ named: `port_${index}` }));
  return [...operations, mutate('Bridge', onBridge(bridge), [['ports', 'insert', ports]])];
}

/** The port of VXLAN: the other end and the network are told by flows (ovs-fields(7), flow-based tunnels). */
export function addTunnel(bridge: OurBridge, udpPort: number): Operation<unknown>[] {
  const ids = new Map([
    [ownerKey, ownerValue],
    [layoutKey, layoutVersion],
  ]);
  const port = { name: tunnelName, external_ids: ids };
  return [
    insert(
      'Interface',
      {
        ...port,
        type: 'vxlan',
        options: tunnelOptions(udpPort),
        ofport_request: portNumbers.tunnel,
      },
      'tunnel_interface',
    ),
    insert('Port', { ...port, interfaces: [{ named: 'tunnel_interface' }] }, 'tunnel_port'),
    mutate('Bridge', onBridge(bridge), [['ports', 'insert', [{ named: 'tunnel_port' }]]]),
  ];
}

/** The tunnel's port as found. */
export interface ObservedTunnel {
  readonly port: Uuid;
  readonly isIntact: boolean;
  /** Set by vswitchd when it could not make it. */
  readonly error: string | undefined;
}

/**
 * The tunnel's port, or undefined when it is not there.
 * @throws PORT_NOT_OURS when a port of this name lacks our mark
 */
export function observeTunnel(
  rows: Rows,
  bridge: OurBridge,
  udpPort: number | undefined,
): ObservedTunnel | undefined {
  const found = portsOfBridge(rows, bridge).get(tunnelName);
  if (found === undefined) return undefined;
  if (found.row.external_ids.get(ownerKey) !== ownerValue) {
    throw new FairleadError('PORT_NOT_OURS', `port ${tunnelName} exists and is not ours`);
  }
  const link = interfaceOf(rows, found.row);
  const wanted = udpPort === undefined ? undefined : tunnelOptions(udpPort);
  const isSame =
    link !== undefined &&
    wanted !== undefined &&
    link.type === 'vxlan' &&
    link.ofport_request === portNumbers.tunnel &&
    link.options.size === wanted.size &&
    [...wanted].every(([key, value]) => link.options.get(key) === value);
  return { port: found.uuid, isIntact: isSame, error: link?.error };
}

/** Marks of a packet are those of its tunnel packet, too (RFC 2983 section 3.1), as Contiv had it. */
const tunnelOptions = (udpPort: number): ReadonlyMap<string, string> =>
  new Map([
    ['remote_ip', 'flow'],
    ['key', 'flow'],
    ['dst_port', String(udpPort)],
    ['tos', 'inherit'],
  ]);

/** The OpenFlow number of our tunnel's interface; undefined for any other, and while it has none. */
export function tunnelNumber(row: Row<'Interface'> | undefined): number | undefined {
  if (row?.name !== tunnelName || row.external_ids.get(ownerKey) !== ownerValue) return undefined;
  return row.ofport !== undefined && row.ofport > 0 ? row.ofport : undefined;
}

/** The endpoint and OpenFlow number of an interface of ours; undefined for any other interface. */
export function endpointPort(
  row: Row<'Interface'> | undefined,
): { readonly endpointId: string; readonly number: number | undefined } | undefined {
  const endpointId = row?.external_ids.get(endpointKey);
  if (row === undefined || endpointId === undefined) return undefined;
  if (row.external_ids.get(ownerKey) !== ownerValue) return undefined;
  const isMade = row.ofport !== undefined && row.ofport > 0;
  return { endpointId, number: isMade ? row.ofport : row.ofport_request };
}

function interfaceOf(rows: Rows, port: Row<'Port'>): Row<'Interface'> | undefined {
  const [uuid] = port.interfaces;
  return uuid === undefined ? undefined : rows.interfaces.get(uuid);
}

/** Removes ports from the bridge; rows that nothing refers to are collected by the server. */
export function removePorts(bridge: OurBridge, ports: readonly Uuid[]): Operation<unknown>[] {
  return [mutate('Bridge', onBridge(bridge), [['ports', 'delete', ports]])];
}

/** Sets a port's columns to what they should be. `number` is for a port that has none of its own. */
export function fixPort(
  port: { readonly uuid: Uuid; readonly row: Row<'Port'> },
  { spec, number }: NewPort,
): Operation<unknown>[] {
  const [link] = port.row.interfaces;
  return [
    update('Port', [['_uuid', '==', port.uuid]], {
      ...portColumns(spec),
      tag: undefined,
      trunks: [],
      vlan_mode: undefined,
    }),
    ...(link === undefined
      ? []
      : [
          update('Interface', [['_uuid', '==', link]], {
            external_ids: interfaceIds(spec),
            ofport_request: number,
          }),
        ]),
  ];
}

/** The ports of our bridge by name, ours and others'. */
export function portsOfBridge(
  rows: Rows,
  bridge: OurBridge,
): ReadonlyMap<string, { readonly uuid: Uuid; readonly row: Row<'Port'> }> {
  const found = new Map<string, { uuid: Uuid; row: Row<'Port'> }>();
  for (const uuid of bridge.row.ports) {
    const row = rows.ports.get(uuid);
    if (row !== undefined) found.set(row.name, { uuid, row });
  }
  return found;
}

/** Whether a port has our mark, and is for an endpoint. */
export const isOurs = (row: Row<'Port'> | undefined): boolean =>
  row?.external_ids.get(ownerKey) === ownerValue && row.external_ids.has(endpointKey);

/** The ports that are ours: marked, and for an endpoint. */
export function observePorts(rows: Rows, bridge: OurBridge): readonly ObservedPort[] {
  const observed: ObservedPort[] = [];
  for (const [name, { row }] of portsOfBridge(rows, bridge)) {
    const endpointId = row.external_ids.get(endpointKey);
    if (!isOurs(row) || endpointId === undefined) continue;
    const link = interfaceOf(rows, row);
    observed.push({
      name,
      endpointId,
      networkId: row.external_ids.get(networkKey) ?? '',
      number: link?.ofport_request,
      error: link?.error,
      intact:
        row.tag === undefined &&
        row.trunks.size === 0 &&
        row.vlan_mode === undefined &&
        link?.external_ids.get(endpointKey) === endpointId,
    });
  }
  return observed;
}

/** Operations on the bridge's own row. */
export function onBridge(bridge: OurBridge): readonly (readonly ['_uuid', '==', Uuid])[] {
  return [['_uuid', '==', bridge.uuid]];
}

function marks(spec: PortSpec): [string, string][] {
  return [
    [ownerKey, ownerValue],
    [layoutKey, layoutVersion],
    [endpointKey, spec.endpointId],
    [networkKey, spec.networkId],
  ];
}

/** All that a port may be changed in; its name it keeps for life. */
function portColumns(spec: PortSpec): {
  external_ids: ReadonlyMap<string, string>;
} {
  return { external_ids: new Map(marks(spec)) };
}

/** The customary keys by which other tools find a container's interface come with our marks. */
function interfaceIds(spec: PortSpec): ReadonlyMap<string, string> {
  return new Map([...marks(spec), ['iface-id', spec.endpointId], ['attached-mac', spec.mac]]);
}
