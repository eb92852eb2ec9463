/** What hosts tell each other of how often rules and defaults decided. */
import { z } from 'zod';

/** A rule of a policy, or the default of a group. */
export type HitPlace =
  | {
      readonly kind: 'rule';
      readonly tenant: string;
      readonly policy: string;
      readonly rule: string;
    }
  | {
      readonly kind: 'default';
      readonly tenant: string;
      /** Of who is in a network and in no group the network's name. */
      readonly group: string;
      readonly direction: 'in' | 'out';
    };

/** What is counted, and times: as many milliseconds as a date may have (ECMA-262). */
const count = z.int().min(0).max(8_640_000_000_000_000);

/**
 * Some counts of one host. Lists, since names may be any. Of each: the name of the rule, or the direction of the default;
 * which rule or group of that name it is about; how often it decided; what the switch had counted then.
 */
export const toldHitsSchema = z.strictObject({
  /** When the host wrote it, by its own clock: for people. */
  atMs: count,
  counts: z.array(z.tuple([z.string(), count, count, count])),
});
