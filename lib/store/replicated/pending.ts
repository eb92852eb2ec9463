/**
 * What a host keeps while it asks to be let in: its new key, and the id of the data directory to be. The
 * same again after an answer was lost, so that a token is not used twice; never again once it was used.
 */
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { isSystemError, writeFileDurably } from '../level/durable-file.ts';
import { randomId } from '../level/layout.ts';
import { makeKeyPair, type KeyPair } from '../peer/authority.ts';
import type { MemberId } from '../raft/entry.ts';
import { memberIdOf } from './admission.ts';

const pendingSchema = z.strictObject({
  /** PEM. */
  privateKey: z.string(),
  publicKey: z.string(),
  dataId: z.string(),
  /** Where it is to listen, and how others are to reach it; a member that replaces another keeps that. */
  listen: z.string().exactOptional(),
  advertise: z.array(z.string()).exactOptional(),
});
/** A membership that is asked for. */
export type Pending = z.infer<typeof pendingSchema>;

/** What was asked for before, if that is still open. */
export async function readPending(path: string): Promise<Pending | undefined> {
  try {
    return pendingSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    // one that cannot be read is made again; what it asked for is a member that never comes
    const isUnreadable = error instanceof SyntaxError || error instanceof z.ZodError;
    if (isUnreadable || isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A new one, or the one before with another wish; durable before anybody is asked. */
export async function keepPending(
  path: string,
  before: Pending | undefined,
  wish: Pick<Pending, 'listen' | 'advertise'> = {},
): Promise<Pending> {
  const pending = { ...(before ?? { ...makeKeyPair(), dataId: randomId() }), ...wish };
  await writeFileDurably(path, `${JSON.stringify(pending)}\n`);
  return pending;
}

/** Forgets the one that has become this member. */
export async function dropPendingOf(path: string, member: MemberId): Promise<void> {
  const pending = await readPending(path);
  if (pending !== undefined && memberIdOf(pending.publicKey) === member) {
    await rm(path, { force: true });
  }
}

/** The key of a pending membership. */
export const keysOf = ({ privateKey, publicKey }: Pending): KeyPair => ({ privateKey, publicKey });
