/**
 * Putting a store aside that must not be used any more: damaged, or contradicted by its cluster. It is
 * kept whole, for a report and for whoever hopes to save something, but for the room it had set aside; the
 * place is free for a new one.
 */
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { tryLockFile } from '../../runtime/flock.ts';
import { kindOf, renameDurably, writeFileDurably } from './durable-file.ts';
import { storePaths } from './layout.ts';
import { dropReserve } from './reserve.ts';

/** Times a free name is looked for; more in one second means that something goes round in circles. */
const namesMax = 100;

/**
 * Renames the folder of a store that is not open to `<directory>.quarantined-<UTC time>-<n>`, with the
 * reason in its file `quarantine`, and returns the new path.
 * @throws STORE_LOCKED while a process uses it, STORE_FAILED (the system refuses)
 */
export async function quarantineStore(options: {
  readonly directory: string;
  readonly reason: string;
  readonly clock: Clock;
}): Promise<string> {
  const { directory, reason, clock } = options;
  try {
    const attempt = tryLockFile(storePaths(directory).lock);
    if (!attempt.held) throw new FairleadError('STORE_LOCKED', `${directory} is in use`);
    try {
      const now = new Date(clock.wallMs()).toISOString();
      const target = await freeName(
        `${directory}.quarantined-${now.replaceAll(/[-:]|\.\d+/g, '')}`,
      );
      await writeFileDurably(join(directory, 'quarantine'), `${now} ${reason}\n`);
      await dropReserve(storePaths(directory).reserve);
      await renameDurably(directory, target);
      return target;
    } finally {
      attempt.lock.close();
    }
  } catch (error) {
    if (error instanceof FairleadError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new FairleadError('STORE_FAILED', `the store cannot be put aside: ${why}`, {
      cause: error,
    });
  }
}

async function freeName(start: string): Promise<string> {
  for (let n = 1; n <= namesMax; n += 1) {
    if ((await kindOf(`${start}-${n}`)) === 'absent') return `${start}-${n}`;
  }
  throw new Error(`there are ${namesMax} folders ${start}-*`);
}
