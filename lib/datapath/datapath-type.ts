/**
 * Which datapath our bridge gets: the kernel's when it is there, otherwise userspace. ovs-vswitchd
 * lists both types whether or not the kernel can do its part, so the kernel is asked.
 */
import { access } from 'node:fs/promises';

/** How Open vSwitch forwards: in the kernel, in its own process, or by the first of these that works. */
export const datapathChoices = ['auto', 'system', 'netdev'] as const;
/** One of `datapathChoices`. */
export type DatapathChoice = (typeof datapathChoices)[number];

/** Shows that the kernel's datapath is loaded or built in. */
const kernelModule = '/sys/module/openvswitch';

/** The `datapath_type` to write for a choice. */
export async function resolveDatapathType(
  choice: DatapathChoice,
  moduleFolder: string = kernelModule,
): Promise<'system' | 'netdev'> {
  if (choice !== 'auto') return choice;
  try {
    await access(moduleFolder);
    return 'system';
  } catch {
    return 'netdev';
  }
}
