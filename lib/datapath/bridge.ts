/**
 * Our bridge in OVSDB: how it is found, what is written to it, and what on it is ours. Every row we
 * make carries the owner mark, in the same transaction that makes it; rows without it are never
 * changed (DESIGN I5). Builds operations and reads rows; the connection is the caller's.
 */
import { FairleadError } from '../errors.ts';
import type { PortSpec } from '../network/port.ts';
import { insert, mutate, update, type Operation } from './ovsdb/operations.ts';
import type { Row } from './ovsdb/schema.ts';
import type { Uuid } from './ovsdb/values.ts';
import type { ObservedPort } from './reconcile/diff.ts';

/** Name of the one bridge of ours. */
export const bridgeName = 'br-fairlead';

/** `external_ids` keys of our rows. */
const ownerKey = 'owner';
const ownerValue = 'fairlead';
const layoutKey = 'fairlead-layout';
const endpointKey = 'fairlead-endpoint';
const networkKey = 'fairlead-network';

/** Version of what we write, for agents that come after. */
const layoutVersion = '1';

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

/** Makes the bridge. Without flows of ours it forwards by itself, within VLAN tags. */
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
      { ...port, datapath_type: datapathType, ports: [{ named: 'bridge_port' }] },
      'bridge',
    ),
    mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'bridge' }]]]),
  ];
}

/** Makes ports, each with all its marks. */
export function addPorts(bridge: OurBridge, specs: readonly PortSpec[]): Operation<unknown>[] {
  const operations: Operation<unknown>[] = specs.flatMap((spec, index) => [
    insert(
      'Interface',
      { name: spec.hostLink, external_ids: interfaceIds(spec) },
      `interface_${index}`,
    ),
    insert(
      'Port',
      { name: spec.hostLink, ...portColumns(spec), interfaces: [{ named: `interface_${index}` }] },
      `port_${index}`,
    ),
  ]);
  const ports = specs.map((_spec, index) => ({ named: `port_${index}` }));
  return [...operations, mutate('Bridge', onBridge(bridge), [['ports', 'insert', ports]])];
}

/** Removes ports from the bridge; rows that nothing refers to are collected by the server. */
export function removePorts(bridge: OurBridge, ports: readonly Uuid[]): Operation<unknown>[] {
  return [mutate('Bridge', onBridge(bridge), [['ports', 'delete', ports]])];
}

/** Sets a port's columns to what they should be. */
export function fixPort(uuid: Uuid, spec: PortSpec): Operation<unknown>[] {
  return [
    update('Port', [['_uuid', '==', uuid]], {
      ...portColumns(spec),
      trunks: [],
      vlan_mode: undefined,
    }),
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

/** The ports that are ours: marked, and for an endpoint. */
export function observePorts(rows: Rows, bridge: OurBridge): readonly ObservedPort[] {
  const observed: ObservedPort[] = [];
  for (const [name, { row }] of portsOfBridge(rows, bridge)) {
    const endpointId = row.external_ids.get(endpointKey);
    if (row.external_ids.get(ownerKey) !== ownerValue || endpointId === undefined) continue;
    const [interfaceUuid] = row.interfaces;
    const link = interfaceUuid === undefined ? undefined : rows.interfaces.get(interfaceUuid);
    observed.push({
      name,
      endpointId,
      networkId: row.external_ids.get(networkKey) ?? '',
      tag: row.tag,
      error: link?.error,
      intact: row.trunks.size === 0 && (row.vlan_mode ?? 'access') === 'access',
    });
  }
  return observed;
}

function onBridge(bridge: OurBridge): readonly (readonly ['_uuid', '==', Uuid])[] {
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
  tag: number;
  external_ids: ReadonlyMap<string, string>;
} {
  return { tag: spec.tag, external_ids: new Map(marks(spec)) };
}

/** The customary keys by which other tools find a container's interface come with our marks. */
function interfaceIds(spec: PortSpec): ReadonlyMap<string, string> {
  return new Map([...marks(spec), ['iface-id', spec.endpointId], ['attached-mac', spec.mac]]);
}
