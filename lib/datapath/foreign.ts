/**
 * What of others is in the way of our bridge and tunnel, so that it can be said: ports on our bridge, tunnels on
 * our UDP port, in Open vSwitch and in the kernel. It is read only; nothing of it is ever touched (DESIGN I5).
 * Pure.
 */
import { vxlanPortDefault } from '../limits.ts';
import {
  bridgeName,
  observeTunnel,
  ownerKey,
  ownerValue,
  portsOfBridge,
  type OurBridge,
  type Rows,
} from './bridge.ts';
import type { Link } from './link/links.ts';

/** What of others is there. */
export interface ForeignThings {
  /** Why ovs-vswitchd cannot use our tunnel's port, in its own words. */
  readonly tunnelError: string | undefined;
  /** Tunnels of others on our UDP port, each described. */
  readonly tunnels: readonly string[];
  /** Names of ports on our bridge that are not ours. */
  readonly ports: readonly string[];
}

/** What to look at. */
export interface ForeignSurroundings {
  /** UDP port of our tunnel; undefined while there is none. */
  readonly udpPort: number | undefined;
  /** The kernel's links. */
  readonly links: readonly Pick<Link, 'name' | 'kind' | 'udpPort'>[];
}

/** Looks. */
export function observeForeign(
  rows: Rows,
  bridge: OurBridge,
  { udpPort, links }: ForeignSurroundings,
): ForeignThings {
  const ports = [...portsOfBridge(rows, bridge)]
    .filter(([name, { row }]) => name !== bridgeName && !isMarked(row))
    .map(([name]) => name);
  if (udpPort === undefined) return { tunnelError: undefined, tunnels: [], ports };
  const { error } = observeTunnel(rows, bridge, udpPort) ?? {};
  return {
    tunnelError: error,
    tunnels: [...switchTunnels(rows, udpPort), ...kernelTunnels(links, udpPort)].toSorted(),
    ports: ports.toSorted(),
  };
}

const isMarked = (row: { readonly external_ids: ReadonlyMap<string, string> }): boolean =>
  row.external_ids.get(ownerKey) === ownerValue;

/** Tunnels of other bridges, or put on ours by somebody else. */
function switchTunnels(rows: Rows, udpPort: number): readonly string[] {
  const rivals = new Map(
    [...rows.interfaces]
      .filter(([, row]) => row.type === 'vxlan' && !isMarked(row))
      .filter(([, { options }]) => portIn(options.get('dst_port')) === udpPort),
  );
  return [...rows.bridges.values()].flatMap((bridge) =>
    [...bridge.ports].flatMap((uuid) => {
      const port = rows.ports.get(uuid);
      if (port === undefined || ![...port.interfaces].some((each) => rivals.has(each))) return [];
      return [`port ${port.name} of bridge ${bridge.name}`];
    }),
  );
}

/** As Open vSwitch reads it (ovs-vswitchd.conf.db(5), options:dst_port). */
const portIn = (text: string | undefined): number =>
  text === undefined ? vxlanPortDefault : Number(text);

/** Those that Open vSwitch itself makes for its kernel datapath are its own. */
function kernelTunnels(links: ForeignSurroundings['links'], udpPort: number): readonly string[] {
  return links
    .filter(
      ({ kind, udpPort: own, name }) =>
        kind === 'vxlan' && own === udpPort && name !== `vxlan_sys_${udpPort}`,
    )
    .map(({ name }) => `link ${name} of the kernel`);
}
