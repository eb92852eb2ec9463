/**
 * How a NIC was before it became an uplink, as a text that is kept in OVSDB: written in the transaction that
 * takes the NIC, and forgotten when the NIC is as it was again, so that it survives any crash in between.
 */
import { z } from 'zod';
import { kernelSettings, type NicSettings } from '../link/nic.ts';

/** `external_ids` key of a NIC, in the row of Open vSwitch itself, which is always there. */
export const foundKey = (name: string): string => `${prefix}${name}`;
const prefix = 'fairlead-uplink/';

const foundSchema = z.strictObject({
  up: z.boolean(),
  promiscuous: z.boolean(),
  // only values that the kernel shows, and only of settings that we change
  kernel: z.partialRecord(
    z.enum(Object.keys(kernelSettings) as (keyof typeof kernelSettings)[]),
    z.string().regex(/^[0-9]{1,3}$/),
  ),
  merging: z.strictObject({ gro: z.boolean().optional(), lro: z.boolean().optional() }),
});

/** The text for a NIC. */
export function encodeFound(settings: NicSettings): string {
  return JSON.stringify(foundSchema.parse(settings));
}

/** Reads it; undefined when somebody has put something else there. */
export function decodeFound(text: string): NicSettings | undefined {
  try {
    return foundSchema.parse(JSON.parse(text)) as NicSettings;
  } catch {
    return undefined;
  }
}

/** What is remembered, by NIC. */
export function rememberedNics(
  externalIds: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [key, text] of externalIds) {
    if (key.startsWith(prefix)) found.set(key.slice(prefix.length), text);
  }
  return found;
}
