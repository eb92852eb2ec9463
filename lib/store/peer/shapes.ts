/** Shapes that several kinds of JSON payload have in common. */
import { z } from 'zod';
import { storeKeyBytesMax, storeValueBytesMax } from '../../limits.ts';

/** A count, an index, a term, a revision. */
export const wholeNumber = z.int().nonnegative();
/** A member. */
export const memberIdText = z.string().regex(/^[0-9a-f]{16}$/);
/** A cluster, a data directory, a run of a process. */
export const longIdText = z.string().regex(/^[0-9a-f]{32}$/);
/** A place in the log. */
export const placeShape = z.strictObject({ index: wholeNumber, term: wholeNumber });
/** A configuration. */
export const configShape = z.strictObject({
  voters: z.array(memberIdText),
  learners: z.array(memberIdText),
  witnesses: z.array(memberIdText),
});
/** A row of the state. */
export const rowShape = z.strictObject({
  key: z.string().min(1).max(storeKeyBytesMax),
  value: z.string().max(storeValueBytesMax),
  createRevision: wholeNumber,
  modRevision: wholeNumber,
  version: wholeNumber,
  lease: z
    .string()
    .regex(/^[0-9]{1,20}$/)
    .exactOptional(),
});
/** Where a state stands. */
export const machineHeadShape = z.strictObject({
  applied: placeShape,
  revision: wholeNumber,
  systemRevision: wholeNumber,
  compacted: wholeNumber,
  timeMs: wholeNumber,
  count: wholeNumber,
  digest: longIdText,
});
