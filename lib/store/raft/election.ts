/** Who leads: pre-votes, votes, and what begins and ends a leadership. */
import { Leading } from './leading.ts';
import { isUpToDate } from './log.ts';
import { Tally, type Verdict } from './quorum.ts';
import { onSubscribe } from './feed.ts';
import { replicateToAll } from './replication.ts';
import type { Core } from './core.ts';
import type { MemberId } from './entry.ts';
import type { PreVote, PreVoteReply, TimeoutNow, Vote, VoteReply } from './message.ts';

/**
 * Stands for election: asks first whether it could win, which costs nobody anything (Raft thesis 9.6;
 * hazard 10). A majority of one needs not ask.
 */
export function campaign(core: Core): void {
  if (core.state === 'leader' || !core.mayStand || isDiskStalled(core)) return;
  core.restartTimer();
  if (core.isAlone) {
    if (core.state !== 'candidate') stand(core, false);
    return;
  }
  core.state = 'preCandidate';
  core.leader = undefined;
  core.tally = new Tally();
  core.tally.record(core.id, true);
  const { last } = core;
  for (const to of others(core)) core.send(to, { kind: 'preVote', term: core.term + 1, last });
}

/** Whether the own disk is so slow that this member would be of no use as a leader (hazard 35). */
export function isDiskStalled(core: Core): boolean {
  return core.disk.ageTicks(core.now) > core.options.electionTicks;
}

/**
 * Begins a term as a candidate. Requests wait until term, vote and the log that they speak of are
 * durable, and so does the own vote.
 */
function stand(core: Core, transfer: boolean): void {
  core.setTerm(core.term + 1);
  core.voteFor(core.id);
  core.state = 'candidate';
  core.leader = undefined;
  core.tally = new Tally();
  core.restartTimer();
  const { term, last } = core;
  for (const to of others(core))
    core.sendDurable(to, { kind: 'vote', term, last, transfer }, last.index);
}

/** Counts the own vote once it is durable. */
export function onOwnVoteDurable(core: Core): void {
  if (core.state !== 'candidate' || !core.disk.isPersisted(core.disk.hardToken)) return;
  core.tally?.record(core.id, true);
  concludeVote(core);
}

function others(core: Core): readonly MemberId[] {
  return core.config.voters.filter((id) => id !== core.id);
}

/** Whether a leader is heard that is not the one who asks: a leader that stands for election leads no
 *  more. */
function isLoyal(core: Core, candidate: MemberId): boolean {
  return core.hasLiveLeader && core.leader !== candidate;
}

/** Would this member vote for the sender? Changes nothing here. */
export function onPreVote(core: Core, from: MemberId, message: PreVote): void {
  if (core.configs.wasRemoved(from, core.commit)) {
    // it has not heard so, since its leader sends it nothing any more
    onSubscribe(core, from, { kind: 'subscribe', at: message.last });
    return;
  }
  const granted =
    message.term > core.term && !isLoyal(core, from) && isUpToDate(message.last, core.last);
  const term = granted ? message.term : core.term;
  core.send(from, { kind: 'preVoteReply', term, granted });
}

/** Votes. Nobody is helped to power while a leader is heard, but by that leader itself. */
export function onVote(core: Core, from: MemberId, message: Vote): void {
  if (core.configs.wasRemoved(from, core.commit)) return;
  if (message.term > core.term) {
    if (isLoyal(core, from) && !message.transfer) return;
    core.follow(message.term, undefined);
  }
  const { term } = core;
  const granted =
    message.term === term &&
    (core.vote === from || (core.vote === undefined && core.leader === undefined)) &&
    isUpToDate(message.last, core.last);
  if (!granted) {
    core.send(from, { kind: 'voteReply', term, granted });
    return;
  }
  if (core.state === 'preCandidate') core.follow(term, undefined);
  core.voteFor(from);
  core.postponeElection();
  core.sendDurable(from, { kind: 'voteReply', term, granted }, 0);
}

/** An answer to a pre-vote counts only for one that is asked now, in this term (hazard 11). */
export function onPreVoteReply(core: Core, from: MemberId, reply: PreVoteReply): void {
  if (core.state !== 'preCandidate' || !core.config.voters.includes(from)) return;
  if (!reply.granted && reply.term > core.term) {
    core.follow(reply.term, undefined);
    return;
  }
  if (reply.granted && reply.term !== core.term + 1) return;
  core.tally?.record(from, reply.granted);
  const verdict = verdictOf(core);
  if (verdict === 'won') stand(core, false);
  if (verdict === 'lost') core.follow(core.term, undefined);
}

/** An answer to a vote counts only for one that is asked now, in this term. */
export function onVoteReply(core: Core, from: MemberId, reply: VoteReply): void {
  if (core.state !== 'candidate' || !core.config.voters.includes(from)) return;
  if (reply.term > core.term) {
    core.follow(reply.term, undefined);
    return;
  }
  if (reply.term !== core.term) return;
  core.tally?.record(from, reply.granted);
  concludeVote(core);
}

function verdictOf(core: Core): Verdict {
  return core.tally?.verdict(core.config.voters) ?? 'open';
}

function concludeVote(core: Core): void {
  const verdict = verdictOf(core);
  if (verdict === 'won') lead(core);
  if (verdict === 'lost') core.follow(core.term, undefined);
}

/** Leads: with an entry of its own, so that what came before can be committed (Raft paper, 8). */
function lead(core: Core): void {
  core.state = 'leader';
  core.leader = core.id;
  core.tally = undefined;
  const { lastIndex } = core.log;
  const waiting = core.log.sizeOf(core.commit + 1, lastIndex);
  const leading = new Leading(lastIndex + 1, core.now, waiting);
  leading.track(core.config, core.id, lastIndex + 1);
  core.leading = leading;
  core.appendOwn('noop', '');
  replicateToAll(core, leading);
}

/** Leadership is handed to this member: it stands at once, without asking whether it could win. */
export function onTimeoutNow(core: Core, from: MemberId, message: TimeoutNow): void {
  if (message.term < core.term) return;
  if (message.term > core.term) core.follow(message.term, from);
  const isStanding = core.state === 'candidate' || core.state === 'leader';
  const isWitness = core.config.witnesses.includes(core.id);
  if (isStanding || isWitness || !core.isVoter || isDiskStalled(core)) return;
  stand(core, true);
}
