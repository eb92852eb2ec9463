/** What of the way to the wire is there, read from OVSDB's rows. Nothing is changed. */
import { FairleadError } from '../../errors.ts';
import type { OurBridge, Rows } from '../bridge.ts';
import type { Row } from '../ovsdb/schema.ts';
import type { Uuid } from '../ovsdb/values.ts';
import { bondName, isOurs, uplinkBridgeName, wirePeerName, wirePortName } from './layout.ts';

/** A port with its interfaces. */
export interface ObservedPort {
  readonly uuid: Uuid;
  readonly row: Row<'Port'>;
  readonly interfaces: readonly { readonly uuid: Uuid; readonly row: Row<'Interface'> }[];
}

/** What is there. */
export interface ObservedUplinks {
  readonly bridge: OurBridge | undefined;
  /** Ports of ours that hold NICs. */
  readonly holders: readonly ObservedPort[];
  /** NICs in them, with what vswitchd says when it cannot use one. */
  readonly members: ReadonlyMap<string, string | undefined>;
  readonly local: ObservedPort | undefined;
  readonly wire: ObservedPort | undefined;
  readonly peer: ObservedPort | undefined;
  /** Names of ports on the bridge of the uplinks that somebody else has put there. */
  readonly foreign: readonly string[];
}

/**
 * Looks.
 * @throws BRIDGE_NOT_OURS, PORT_NOT_OURS when something has one of our names and not our mark
 */
export function observeUplinks(rows: Rows, main: OurBridge): ObservedUplinks {
  refuseNames(rows);
  const found = [...rows.bridges].find(([, { name }]) => name === uplinkBridgeName);
  const bridge = found && { uuid: found[0], row: found[1] };
  const wire = portsOf(rows, main.row).find(({ row }) => row.name === wirePortName);
  const ports = bridge === undefined ? [] : portsOf(rows, bridge.row);
  const named = (name: string) => ports.find(({ row }) => row.name === name);
  const others = ports.filter(({ row }) => !ownNames.has(row.name));
  const holders = others.filter(({ row }) => isOurs(row));
  const members = new Map<string, string | undefined>();
  for (const { interfaces } of holders) {
    for (const { row } of interfaces) members.set(row.name, row.error);
  }
  return {
    bridge,
    holders,
    members,
    local: named(uplinkBridgeName),
    wire,
    peer: named(wirePeerName),
    foreign: others.filter(({ row }) => !isOurs(row)).map(({ row }) => row.name),
  };
}

const ownNames: ReadonlySet<string> = new Set([uplinkBridgeName, wirePortName, wirePeerName]);

/** Names are unique in a database: what has one of ours without our mark is in the way. */
function refuseNames(rows: Rows): void {
  for (const row of rows.bridges.values()) {
    if (row.name !== uplinkBridgeName || isOurs(row)) continue;
    throw new FairleadError(
      'BRIDGE_NOT_OURS',
      `bridge ${uplinkBridgeName} exists and was not made by Fairlead`,
    );
  }
  for (const row of rows.ports.values()) {
    if (![wirePortName, wirePeerName, bondName].includes(row.name) || isOurs(row)) continue;
    throw new FairleadError('PORT_NOT_OURS', `port ${row.name} exists and is not ours`);
  }
}

/** Which bridge has a link already, by link; NICs that are uplinks count as nobody's. */
export function usersOfLinks(rows: Rows): ReadonlyMap<string, string> {
  const users = new Map<string, string>();
  for (const bridge of rows.bridges.values()) {
    for (const { row: port, interfaces } of portsOf(rows, bridge)) {
      const isUplink = bridge.name === uplinkBridgeName && !ownNames.has(port.name);
      if (isUplink && isOurs(port)) continue;
      for (const { row } of interfaces) users.set(row.name, bridge.name);
    }
  }
  return users;
}

/** OpenFlow number of the wire's port, once vswitchd has given it one. */
export function wireNumber(row: Row<'Interface'>): number | undefined {
  if (row.name !== wirePortName || !isOurs(row)) return undefined;
  return row.ofport !== undefined && row.ofport > 0 ? row.ofport : undefined;
}

function portsOf(rows: Rows, bridge: Row<'Bridge'>): readonly ObservedPort[] {
  const ports: ObservedPort[] = [];
  for (const uuid of bridge.ports) {
    const row = rows.ports.get(uuid);
    if (row === undefined) continue;
    const interfaces = [...row.interfaces].flatMap((id) => {
      const one = rows.interfaces.get(id);
      return one === undefined ? [] : [{ uuid: id, row: one }];
    });
    ports.push({ uuid, row, interfaces });
  }
  return ports;
}
