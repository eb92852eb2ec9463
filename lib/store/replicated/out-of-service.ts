/**
 * Why a store may not serve, kept beside it: without it each start would serve again until the member that
 * proves the contrary has connected (hazard 33). Recovering, restoring, leaving or joining ends it.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FairleadError, isErrorCode } from '../../errors.ts';
import { isSystemError, writeFileDurably } from '../level/durable-file.ts';

const shape = z.object({ code: z.string().refine(isErrorCode), message: z.string() });

/** The reason, if there is one. An unreadable one is one: nobody writes this file but us. */
export async function readOutOfService(path: string): Promise<FairleadError | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const { code, message } = shape.parse(JSON.parse(text));
    return new FairleadError(code, message);
  } catch (cause) {
    return new FairleadError('STORE_ROLLED_BACK', `the store may not serve: see ${path}`, {
      cause,
    });
  }
}

/** Writes the reason down. */
export async function writeOutOfService(
  path: string,
  { code, message }: FairleadError,
): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify({ code, message })}\n`);
}
