/** Our bridge and its tunnel port, made and kept as they should be. */
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
import type { OvsdbClient } from './ovsdb/client.ts';

/** What it takes. */
export interface BridgeParts {
  readonly ovsdb: OvsdbClient;
  readonly datapath: DatapathChoice;
  /** UDP port of VXLAN; undefined while there is nobody to send to. */
  readonly tunnelPort: () => number | undefined;
  readonly log: Logger;
  /** Told how many settings of what is there were not as they should be. */
  readonly onRepair: (count: number) => void;
}

/**
 * The bridge, made if it was missing, with its settings and its tunnel port right.
 * @throws OVS_*, BRIDGE_NOT_OURS, PORT_NOT_OURS
 */
export async function ensureBridge(
  { ovsdb, datapath, tunnelPort, log, onRepair }: BridgeParts,
  rows: () => Rows,
  signal: AbortSignal,
): Promise<OurBridge> {
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
  const udpPort = tunnelPort();
  const tunnel = observeTunnel(rows(), bridge, udpPort);
  if (tunnel?.isIntact === true) {
    // whatever was in its way may be gone: ovs-vswitchd looks again with every change
    if (tunnel.error !== undefined) await ovsdb.transactConfigured([], { signal });
    return bridge;
  }
  // a changed tunnel is made anew, in a transaction of its own: ovs-vswitchd takes no shorter way
  if (tunnel !== undefined) {
    await ovsdb.transactConfigured(removePorts(bridge, [tunnel.port]), { signal });
    if (udpPort !== undefined) onRepair(1);
  }
  if (udpPort !== undefined) {
    await ovsdb.transactConfigured(addTunnel(bridge, udpPort), { signal });
  }
  return bridge;
}
