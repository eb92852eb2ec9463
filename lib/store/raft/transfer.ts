/**
 * How leadership is handed on (Raft thesis 3.10): on request, by a leader that is no voter any more, by a
 * witness, and by one that gives up.
 */
import { replicate } from './replication.ts';
import type { Core } from './core.ts';
import type { MemberId } from './entry.ts';
import type { Leading } from './leading.ts';
import type { Progress } from './progress.ts';

/** Leadership is to go to a voter that holds state. */
export function onTransfer(core: Core, to: MemberId): void {
  const { leading } = core;
  if (leading === undefined) return core.out.refuse('notLeader');
  if (to === core.id || !mayLead(core, to)) return core.out.refuse('targetInvalid');
  if (leading.transfer?.to === to) return;
  if (leading.transfer !== undefined) return core.out.refuse('transferring');
  begin(core, leading, to);
}

/** Whether a member may have leadership handed to it: no learner, no witness (hazard 18). */
function mayLead(core: Core, member: MemberId): boolean {
  return core.config.voters.includes(member) && !core.config.witnesses.includes(member);
}

function begin(core: Core, leading: Leading, to: MemberId): void {
  leading.transfer = { to, until: core.now + core.options.electionTicks, askedAt: undefined };
  const peer = leading.peer(to);
  if (peer !== undefined) replicate(core, peer);
}

/** True when it has everything and was told to stand. */
function handOver(core: Core, peer: Progress): boolean {
  if (peer.matched < core.log.lastIndex) return false;
  core.send(peer.member, { kind: 'timeoutNow', term: core.term });
  return true;
}

/** Whether this leader takes no more entries, since another is to lead soon. */
export function isHandingOver(core: Core, leading: Leading): boolean {
  return leading.transfer !== undefined || !core.isVoter || core.config.witnesses.includes(core.id);
}

/** Tells the successor to stand as soon as it has everything, and again in case that was lost. */
export function continueTransfer(core: Core, leading: Leading): void {
  const { transfer } = leading;
  if (transfer === undefined) return;
  const { askedAt } = transfer;
  if (askedAt !== undefined && core.now - askedAt < core.options.heartbeatTicks) return;
  const peer = leading.peer(transfer.to);
  if (peer !== undefined && handOver(core, peer)) transfer.askedAt = core.now;
}

/** Gives up a transfer that takes longer than an election timeout. */
export function expireTransfer(core: Core, leading: Leading): void {
  if (leading.transfer !== undefined && core.now >= leading.transfer.until)
    leading.transfer = undefined;
}

/** A witness leads only until a voter that holds state has everything. */
export function handOnAsWitness(core: Core, leading: Leading): void {
  if (!core.config.witnesses.includes(core.id) || leading.transfer !== undefined) return;
  const best = bestSuccessor(core, leading);
  if (best !== undefined && best.matched >= core.log.lastIndex) begin(core, leading, best.member);
}

/** A leader that is committed to be no voter hands on what it has and goes (hazard 17). */
export function leaveWhenRemoved(core: Core, leading: Leading): void {
  if (core.isVoter || core.configs.latestIndex > core.commit) return;
  leading.leavesAt ??= core.now + core.options.electionTicks;
  const best = bestSuccessor(core, leading);
  if (best === undefined || handOver(core, best) || core.now >= leading.leavesAt)
    core.follow(core.term, undefined);
}

/** Leads no more, and lets a voter that has everything stand at once. */
export function giveUp(core: Core): void {
  if (core.state === 'follower') return;
  const { leading } = core;
  const best = leading === undefined ? undefined : bestSuccessor(core, leading);
  if (best !== undefined) handOver(core, best);
  core.follow(core.term, undefined);
}

/** The voter with state that is furthest; of equals the one heard last, then the one with the least id. */
function bestSuccessor(core: Core, leading: Leading): Progress | undefined {
  let best: Progress | undefined;
  for (const peer of leading.peers) {
    if (!mayLead(core, peer.member) || peer.heardAt === undefined) continue;
    const isBetter =
      best === undefined ||
      peer.matched > best.matched ||
      (peer.matched === best.matched && peer.heardAt > (best.heardAt ?? 0));
    if (isBetter) best = peer;
  }
  return best;
}
