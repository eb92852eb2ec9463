/** Our bridge, its tunnel port and the host's own port, made and kept as they should be. */
import { FairleadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  addTunnel,
  bridgeName,
  findBridge,
  fixBridge,
  isIntact,
  makeBridge,
  observeTunnel,
  removePorts,
  type OurBridge,
  type Rows,
} from './bridge.ts';
import { resolveDatapathType, type DatapathChoice } from './datapath-type.ts';
import { addHostPort, fixHostPort, observeHostPort, type HostPortWish } from './host-port.ts';
import type { OvsdbClient } from './ovsdb/client.ts';

/** What it takes. */
export interface BridgeParts {
  readonly ovsdb: OvsdbClient;
  readonly datapath: DatapathChoice;
  /** UDP port of VXLAN; undefined while there is nobody to send to. */
  readonly tunnelPort: () => number | undefined;
  /** The host's own port; undefined while nobody has use for it. */
  readonly hostPort: () => HostPortWish | undefined;
  readonly log: Logger;
  /** Told how many settings of what is there were not as they should be. */
  readonly onRepair: (count: number) => void;
}

/**
 * The bridge, made if it was missing, with its settings and its own ports right.
 * @throws OVS_*, BRIDGE_NOT_OURS, PORT_NOT_OURS
 */
export async function ensureBridge(
  parts: BridgeParts,
  rows: () => Rows,
  signal: AbortSignal,
): Promise<OurBridge> {
  const { ovsdb, datapath, log, onRepair } = parts;
  const found = findBridge(rows());
  if (found === undefined) {
    const datapathType = await resolveDatapathType(datapath);
    await ovsdb.transactConfigured(makeBridge(datapathType), { signal });
    log.info({ bridge: bridgeName, datapath: datapathType }, 'made the bridge');
  } else if (!isIntact(found)) {
    await ovsdb.transactConfigured(fixBridge(found), { signal });
    log.info({ bridge: bridgeName }, "put the bridge's settings right");
    onRepair(1);
  }
  const bridge = findBridge(rows());
  if (bridge === undefined) throw new FairleadError('OVS_REFUSED', 'the bridge was not made');
  await ensureTunnel(parts, bridge, rows(), signal);
  await ensureHostPort(parts, bridge, rows(), signal);
  return findBridge(rows()) ?? bridge;
}

async function ensureTunnel(
  { ovsdb, tunnelPort, onRepair }: BridgeParts,
  bridge: OurBridge,
  rows: Rows,
  signal: AbortSignal,
): Promise<void> {
  const udpPort = tunnelPort();
  const tunnel = observeTunnel(rows, bridge, udpPort);
  if (tunnel?.isIntact === true) {
    // whatever was in its way may be gone: ovs-vswitchd looks again with every change
    if (tunnel.error !== undefined) await ovsdb.transactConfigured([], { signal });
    return;
  }
  // a changed tunnel is made anew, in a transaction of its own: ovs-vswitchd takes no shorter way
  if (tunnel !== undefined) {
    await ovsdb.transactConfigured(removePorts(bridge, [tunnel.port]), { signal });
    if (udpPort !== undefined) onRepair(1);
  }
  if (udpPort !== undefined) {
    await ovsdb.transactConfigured(addTunnel(bridge, udpPort), { signal });
  }
}

async function ensureHostPort(
  { ovsdb, hostPort, onRepair, log }: BridgeParts,
  bridge: OurBridge,
  rows: Rows,
  signal: AbortSignal,
): Promise<void> {
  const wish = hostPort();
  const port = observeHostPort(rows, bridge, wish);
  const isKept = wish !== undefined && wish.isLost !== true && port?.isIntact === true;
  if (isKept && port.link !== undefined) {
    if (port.isSet) return;
    await ovsdb.transactConfigured(fixHostPort(port.link, wish), { signal });
    onRepair(1);
    return;
  }
  if (port !== undefined) {
    await ovsdb.transactConfigured(removePorts(bridge, [port.port]), { signal });
    if (wish !== undefined) onRepair(1);
  }
  if (wish === undefined) return;
  await ovsdb.transactConfigured(addHostPort(bridge, wish), { signal });
  log.info({ mtu: wish.mtu }, "made the host's port");
}
