/** How the lab's own switches forward: as agents on this machine choose. */
import { resolveDatapathType } from '../../lib/datapath/datapath-type.ts';

/** `system` where the kernel has Open vSwitch's part, else `netdev`. */
export const labDatapath = (): Promise<'system' | 'netdev'> => resolveDatapathType('auto');
