/**
 * Reads that see every write acknowledged before them, without one of their own (Raft thesis 6.4;
 * hazard 19): a leader that has committed in its own term remembers its commit index, and asks a majority
 * whether it still leads. All reads asked while a round is under way share the next one.
 */
import { quorumReached } from './quorum.ts';
import { sendHeartbeat } from './replication.ts';
import type { Core } from './core.ts';
import type { Leading } from './leading.ts';

/** A read is asked. */
export function onRead(core: Core, id: number): void {
  const { leading, commit } = core;
  if (leading === undefined) return core.out.refuse('notLeader');
  if (commit < leading.openedAt) return core.out.refuse('notReady');
  if (core.isAlone) return core.out.answerRead(id, commit);
  const isUnderWay = leading.reads.some((read) => read.round <= leading.round);
  leading.reads.push({ id, index: commit, round: leading.round + 1 });
  if (!isUnderWay) beginRound(core, leading);
}

function beginRound(core: Core, leading: Leading): void {
  leading.round += 1;
  const { voters } = core.config;
  for (const peer of leading.peers)
    if (voters.includes(peer.member)) sendHeartbeat(core, leading, peer);
}

/** Answers the reads whose round a majority has confirmed. */
export function confirmReads(core: Core, leading: Leading): void {
  if (leading.reads.length === 0) return;
  const { voters } = core.config;
  const confirmed = quorumReached(
    voters.map((id) => (id === core.id ? leading.round : (leading.peer(id)?.round ?? 0))),
  );
  const done = leading.reads.findIndex((read) => read.round > confirmed);
  const answered = leading.reads.splice(0, done < 0 ? leading.reads.length : done);
  for (const { id, index } of answered) core.out.answerRead(id, index);
  const next = leading.reads[0];
  if (next !== undefined && next.round > leading.round) beginRound(core, leading);
}
