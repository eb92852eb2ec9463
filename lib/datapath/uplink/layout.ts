/**
 * The way to the wire as rows of OVSDB (ovs-vswitchd.conf.db(5)): a bridge of its own that holds the uplinks,
 * and a pair of patch ports that joins it to our bridge. It forwards by itself, since only that way does Open
 * vSwitch run a bond: which member is used, LACP (IEEE 802.1AX), fallback. It learns no MAC and has no way to
 * the host, so all it does is to pass frames between the bond and our bridge, whose flows make and check tags.
 */
import { sameDatum } from '../ovsdb/difference.ts';
import type { Row, WriteRow } from '../ovsdb/schema.ts';
import type { Datum } from '../ovsdb/values.ts';
import { layoutKey, layoutVersion, ownerKey, ownerValue } from '../bridge.ts';
import { ports as portNumbers } from '../pipeline/fields.ts';

/** Name of the bridge of the uplinks. */
export const uplinkBridgeName = 'br-fl-uplink';
/** The patch port's end on our bridge, and its other end on the bridge of the uplinks. */
export const wirePortName = 'fl-wire';
export const wirePeerName = 'fl-wire-peer';
/** The port of several uplinks. */
export const bondName = 'fl-bond';

/** `external_ids` of everything we make. */
export const marks: ReadonlyMap<string, string> = new Map([
  [ownerKey, ownerValue],
  [layoutKey, layoutVersion],
]);

/** Whether a row was made by us. */
export const isOurs = (row: { readonly external_ids: ReadonlyMap<string, string> }): boolean =>
  row.external_ids.get(ownerKey) === ownerValue;

/** Columns of a row as they are to be. */
export type Columns<T extends 'Bridge' | 'Port' | 'Interface'> = Partial<Row<T>>;

const everyVlan: ReadonlySet<number> = new Set(Array.from({ length: 4096 }, (_, vlan) => vlan));

/**
 * The bridge. A MAC is learned in no VLAN: our bridge knows who is where, and what it sends to the wire has to
 * go there also when the receiver's MAC was seen on this host a moment ago, as that of a container that has
 * moved.
 */
export const bridgeColumns = (datapathType: string): Columns<'Bridge'> => ({
  datapath_type: datapathType,
  fail_mode: 'standalone',
  flood_vlans: everyVlan,
  other_config: new Map(),
});

/**
 * Its local port, by which the host itself would be on the wire: in a VLAN that no frame can have (IEEE
 * 802.1Q keeps 4095 back), and kept from sending to other protected ports, which the uplinks are.
 */
export const localColumns: Columns<'Port'> = {
  ...plainPort(),
  vlan_mode: 'access',
  tag: 4095,
  protected: true,
};

/** A patch port: all VLANs, as they are. */
export const patchColumns: Columns<'Port'> = plainPort();

/** The port of one uplink. */
export const singleColumns: Columns<'Port'> = { ...plainPort(), protected: true };

/**
 * The port of several: as Contiv ran a bond, LACP if the other side speaks it, else one member at a time; and
 * the other side is asked to speak every second, so that a member that carries nothing is noticed in three.
 */
export const bondColumns: Columns<'Port'> = {
  ...singleColumns,
  bond_mode: 'balance-tcp',
  lacp: 'active',
  other_config: new Map([
    ['lacp-fallback-ab', 'true'],
    ['lacp-time', 'fast'],
  ]),
};

/** The interface of the patch port's end on our bridge, whose number the flows know; and of its other end. */
export const wireInterface = {
  type: 'patch',
  options: new Map([['peer', wirePeerName]]),
  ofport_request: portNumbers.uplinkMin,
} satisfies Columns<'Interface'>;
export const peerInterface = {
  type: 'patch',
  options: new Map([['peer', wirePortName]]),
} satisfies Columns<'Interface'>;

function plainPort(): Columns<'Port'> {
  return {
    tag: undefined,
    trunks: new Set(),
    vlan_mode: undefined,
    protected: false,
    bond_mode: undefined,
    lacp: undefined,
    other_config: new Map(),
  };
}

/** Whether a row has these columns as they are given. */
export function hasColumns<T extends 'Bridge' | 'Port' | 'Interface'>(
  row: Row<T>,
  columns: Columns<T>,
): boolean {
  const there: Readonly<Record<string, unknown>> = row;
  return Object.entries(columns).every(([name, wanted]) =>
    sameDatum(there[name] as Datum, wanted as Datum),
  );
}

/** Columns as a transaction writes them: what is to be empty is left out of a new row. */
export function forInsert<T extends 'Bridge' | 'Port'>(columns: Columns<T>): WriteRow<T> {
  return Object.fromEntries(
    Object.entries(columns).filter(([, value]) => value !== undefined),
  ) as WriteRow<T>;
}
