/** How commands get into the log. */
import { isHandingOver } from './transfer.ts';
import { replicateToAll } from './replication.ts';
import type { Core } from './core.ts';

/** Commands of clients. Followers get them before this member's own disk has them (Raft thesis 10.2.1). */
export function onPropose(core: Core, commands: readonly string[]): void {
  const { leading, options } = core;
  if (leading === undefined) return core.out.refuse('notLeader');
  if (isHandingOver(core, leading)) return core.out.refuse('transferring');
  if (commands.length === 0) return;
  let bytes = 0;
  for (const command of commands) bytes += command.length;
  const waiting = core.log.lastIndex - core.commit;
  const isTooMuch =
    waiting + commands.length > options.uncommittedEntriesMax ||
    leading.uncommittedBytes + bytes > options.uncommittedBytesMax;
  // When nothing waits, what is larger than the bounds is taken all the same: it could never pass.
  if (isTooMuch && waiting > 0) return core.out.refuse('busy');
  const { term } = core;
  const first = core.log.lastIndex + 1;
  core.append(
    commands.map((data, at) => ({ index: first + at, term, kind: 'command' as const, data })),
  );
  leading.uncommittedBytes += bytes;
  core.out.appendedAt({ index: first, term });
  replicateToAll(core, leading);
}
