/** How long a container waits for its flows. */
import type { BridgeFlows } from '../datapath/bridge-flows.ts';
import { flowsWaitMs, ovsWaitMs } from '../limits.ts';
import type { DataPlane } from './data-plane.ts';

/** What is waited for, and who says whether that makes sense. */
export interface Placing {
  readonly dataPlane: Pick<DataPlane, 'attached'>;
  readonly flows: Pick<BridgeFlows, 'isTaking'>;
}

/**
 * Resolves when an endpoint has its flows. A bridge that takes none is waited for shortly, one that is slow much
 * longer: all containers of a host that boots are started at once.
 * @throws OVS_DOWN when they are not there by then, or until the signal says stop
 */
export async function whenPlaced(
  { dataPlane, flows }: Placing,
  endpointId: string,
  signal: AbortSignal,
  waits = { absentMs: ovsWaitMs, slowMs: flowsWaitMs },
): Promise<void> {
  const within = (ms: number) => {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    return dataPlane.attached(endpointId, bound);
  };
  try {
    await within(waits.absentMs);
  } catch (thrown) {
    if (signal.aborted || !flows.isTaking) throw thrown;
    await within(waits.slowMs);
  }
}
