/**
 * The port of our bridge that belongs to the host itself: an internal one, whose other end is a link of the
 * host. Its rows, as `bridge.ts` has them for other ports.
 */
import { FairleadError } from '../errors.ts';
import {
  layoutKey,
  layoutVersion,
  onBridge,
  ownerKey,
  ownerValue,
  portsOfBridge,
  type OurBridge,
  type Rows,
} from './bridge.ts';
import { hostPortName } from './outside/block.ts';
import { insert, mutate, update, type Operation } from './ovsdb/operations.ts';
import type { Uuid } from './ovsdb/values.ts';
import { ports as portNumbers } from './pipeline/fields.ts';
import { hostMac } from './pipeline/outside.ts';

/** How the host's port is to be. */
export interface HostPortWish {
  /** Largest packet, bytes. */
  readonly mtu: number;
  /** Its link is gone though the port is there: it is made anew. */
  readonly isLost?: boolean;
}

/** The host's port as found. */
export interface ObservedHostPort {
  readonly port: Uuid;
  readonly link: Uuid | undefined;
  /** It is what it should be but for settings that can be changed. */
  readonly isIntact: boolean;
  readonly isSet: boolean;
  /** Set by vswitchd when it could not make it. */
  readonly error: string | undefined;
}

const marks = new Map([
  [ownerKey, ownerValue],
  [layoutKey, layoutVersion],
]);

/** Makes the port. */
export function addHostPort(bridge: OurBridge, { mtu }: HostPortWish): Operation<unknown>[] {
  const port = { name: hostPortName, external_ids: marks };
  const settings = { mac: hostMac, mtu_request: mtu, ofport_request: portNumbers.host };
  return [
    insert('Interface', { ...port, type: 'internal', ...settings }, 'host_interface'),
    insert('Port', { ...port, interfaces: [{ named: 'host_interface' }] }, 'host_port'),
    mutate('Bridge', onBridge(bridge), [['ports', 'insert', [{ named: 'host_port' }]]]),
  ];
}

/** Sets what can be changed in place. */
export function fixHostPort(link: Uuid, { mtu }: HostPortWish): Operation<unknown>[] {
  const settings = { mac: hostMac, mtu_request: mtu };
  return [update('Interface', [['_uuid', '==', link]], settings)];
}

/**
 * The host's port, or undefined when it is not there.
 * @throws PORT_NOT_OURS when a port of this name lacks our mark
 */
export function observeHostPort(
  rows: Rows,
  bridge: OurBridge,
  wish: HostPortWish | undefined,
): ObservedHostPort | undefined {
  const found = portsOfBridge(rows, bridge).get(hostPortName);
  if (found === undefined) return undefined;
  const { row, uuid: port } = found;
  if (row.external_ids.get(ownerKey) !== ownerValue) {
    throw new FairleadError('PORT_NOT_OURS', `port ${hostPortName} exists and is not ours`);
  }
  const [link] = row.interfaces;
  const made = link === undefined ? undefined : rows.interfaces.get(link);
  const isIntact =
    made?.type === 'internal' &&
    made.ofport_request === portNumbers.host &&
    made.error === undefined &&
    row.tag === undefined &&
    row.trunks.size === 0 &&
    row.vlan_mode === undefined;
  const isSet = made?.mac === hostMac && made.mtu_request === wish?.mtu;
  return { port, link, isIntact, isSet, error: made?.error };
}
