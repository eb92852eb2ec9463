/** The bounds of the replicated store gathered from `lib/limits.ts`, so that tests can make them small. */
import { machineLimits } from '../machine/machine-limits.ts';
import { watchLimits } from './watch.ts';

/** The bounds that members run with. */
export const storeLimits = { ...machineLimits, ...watchLimits } as const;

/** Same names, any numbers. */
export type StoreLimits = { readonly [Name in keyof typeof storeLimits]: number };
