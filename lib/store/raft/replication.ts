/** How a leader makes the logs of others equal to its own, and what is committed thereby. */
import { assert } from '../../assert.ts';
import { quorumReached } from './quorum.ts';
import type { Core } from './core.ts';
import type { Entry, MemberId } from './entry.ts';
import type { Leading } from './leading.ts';
import type { AppendReply, HeartbeatReply } from './message.ts';
import type { Progress } from './progress.ts';

/** Sends what a member lacks, as its state and the window allow. */
export function replicate(core: Core, peer: Progress): void {
  if (peer.state === 'snapshot' || (peer.state === 'probe' && peer.waiting)) return;
  if (peer.state === 'probe') {
    if (sendEntries(core, peer)) peer.waiting = true;
    return;
  }
  const { messagesInFlightMax } = core.options;
  while (peer.next <= core.log.lastIndex && peer.inFlight < messagesInFlightMax)
    if (!sendEntries(core, peer)) return;
}

/** One message with what is there from `next` on. False: a snapshot is needed. */
function sendEntries(core: Core, peer: Progress): boolean {
  const { log, options } = core;
  if (peer.next <= log.base.index) return send(core, peer, []);
  const entries = log.sliceWithin(peer.next, log.lastIndex, {
    entriesMax: options.entriesPerMessageMax,
    bytesMax: options.bytesPerMessageMax,
  });
  return send(core, peer, entries);
}

/** One message behind what is sent already. False: what it would follow is forgotten here, and the member
 *  needs a snapshot. */
function send(core: Core, peer: Progress, entries: readonly Entry[]): boolean {
  const { commit, term } = core;
  const index = peer.next - 1;
  const previousTerm = core.log.termAt(index);
  if (previousTerm === undefined) {
    peer.awaitSnapshot();
    core.requestSnapshot(peer.member);
    return false;
  }
  const previous = { index, term: previousTerm };
  core.send(peer.member, { kind: 'append', term, previous, entries, commit });
  peer.sentCommit = commit;
  if (peer.state === 'replicate' && entries.length > 0) peer.sent(index + entries.length);
  return true;
}

/** A message without entries, whatever the window: it carries the commit index, and shows a gap. */
function sendEmpty(core: Core, peer: Progress): void {
  send(core, peer, []);
}

/** Everyone gets what there is. */
export function replicateToAll(core: Core, leading: Leading): void {
  for (const peer of leading.peers) replicate(core, peer);
}

/** Those that keep up learn at once what has been committed since they were sent something. */
export function spreadCommit(core: Core, leading: Leading): void {
  for (const peer of leading.peers)
    if (peer.state === 'replicate' && peer.sentCommit < core.commit) sendEmpty(core, peer);
}

/** Tells a member that this one leads. It never hears of a commit that it may not have. */
export function sendHeartbeat(core: Core, leading: Leading, peer: Progress): void {
  const { term, commit } = core;
  const { round } = leading;
  core.send(peer.member, {
    kind: 'heartbeat',
    term,
    commit: Math.min(commit, peer.matched),
    round,
  });
}

/**
 * Commits what a majority has durably, this member counted only up to what its own disk holds (hazard 9).
 * Entries of earlier terms are committed by one of this term behind them, never by counting (Raft paper,
 * 5.4.2; hazard 4).
 */
export function advanceCommit(core: Core, leading: Leading): void {
  const { voters } = core.config;
  const reached = quorumReached(
    voters.map((id) => (id === core.id ? core.disk.upTo : (leading.peer(id)?.matched ?? 0))),
  );
  if (reached <= core.commit || core.log.termAt(reached) !== core.term) return;
  leading.uncommittedBytes -= core.log.sizeOf(core.commit + 1, reached);
  core.commitTo(reached);
}

/** A member took entries, or did not. */
export function onAppendReply(core: Core, from: MemberId, reply: AppendReply): void {
  const leading = core.leading;
  const peer = leading?.peer(from);
  if (leading === undefined || peer === undefined || !isCurrent(core, peer, reply.term)) return;
  if ('refused' in reply) {
    onRefused(core, peer, reply);
    return;
  }
  const { matched } = reply;
  assert(matched <= core.log.lastIndex, 'nobody has more of this term than its leader');
  if (matched < peer.matched) return;
  const lacksSnapshot = peer.state === 'snapshot' && matched < core.log.base.index;
  if (lacksSnapshot) return;
  const isNews = matched > peer.matched;
  peer.agreed(matched);
  if (isNews) advanceCommit(core, leading);
  replicate(core, peer);
}

function onRefused(
  core: Core,
  peer: Progress,
  reply: Extract<AppendReply, { refused: number }>,
): void {
  const { refused, hint } = reply;
  // What once was durable there is never looked for again: a member that lost it ends itself when it
  // hears of a commit that it does not have.
  if (peer.state === 'snapshot' || refused <= peer.matched) return;
  if (peer.state === 'probe' && refused !== peer.next - 1) return;
  const agreed = core.log.mayAgreeAt(hint).index;
  peer.probe(Math.min(refused, agreed + 1));
  replicate(core, peer);
}

/** A member heard that this one leads. */
export function onHeartbeatReply(core: Core, from: MemberId, reply: HeartbeatReply): void {
  const peer = core.leading?.peer(from);
  if (peer === undefined || !isCurrent(core, peer, reply.term)) return;
  peer.round = Math.max(peer.round, reply.round);
  if (peer.state === 'snapshot' && !core.snapshots.has(peer.member)) peer.probe(peer.matched + 1);
  const isStuck = peer.matchedAtHeartbeat === peer.matched && peer.matched < core.log.lastIndex;
  peer.matchedAtHeartbeat = peer.matched;
  if (peer.state === 'probe') {
    if (peer.waiting && !isStuck) return;
    peer.waiting = false;
    if (peer.matched < core.log.lastIndex) replicate(core, peer);
  } else if (peer.state === 'replicate' && isStuck) {
    if (peer.next <= core.log.lastIndex && peer.inFlight < core.options.messagesInFlightMax)
      replicate(core, peer);
    else sendEmpty(core, peer);
  }
}

/** Whether an answer is of this term. A later one ends this leadership. */
function isCurrent(core: Core, peer: Progress, term: number): boolean {
  if (term > core.term) core.follow(term, undefined);
  if (term !== core.term || core.state !== 'leader') return false;
  peer.heardAt = core.now;
  return true;
}

/** The owner has brought a snapshot up to `index` to a member. */
export function onSnapshotDone(core: Core, to: MemberId, index: number): void {
  core.snapshots.delete(to);
  const peer = core.leading?.peer(to);
  if (peer === undefined || peer.state !== 'snapshot') return;
  peer.probe(Math.max(peer.matched, index) + 1);
  replicate(core, peer);
}

/** The owner could not bring it: tried again when the member is heard of. */
export function onSnapshotFailed(core: Core, to: MemberId): void {
  core.snapshots.delete(to);
}

/** What was sent to a member may be lost. */
export function onUnreachable(core: Core, member: MemberId): void {
  const peer = core.leading?.peer(member);
  if (peer?.state === 'replicate') peer.probe(peer.matched + 1);
}
