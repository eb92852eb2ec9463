/** How a member takes what a leader says. */
import { assert } from '../../assert.ts';
import type { Core } from './core.ts';
import type { Entry, MemberId, Position } from './entry.ts';
import type { Append, Heartbeat, SnapshotMark } from './message.ts';

/** Entries from this term's leader. */
export function onAppend(core: Core, from: MemberId, message: Append): void {
  if (!acceptLeader(core, from, message.term)) {
    const { term, last } = core;
    const refused = message.previous.index;
    core.send(from, { kind: 'appendReply', term, refused, hint: last });
    return;
  }
  const { term } = core;
  const { previous, entries, commit } = message;
  assert((entries.at(-1)?.term ?? 0) <= term, 'no leader has entries of a term after its own');
  if (!fits(core, previous)) {
    const hint = core.log.mayAgreeAt(previous);
    core.send(from, { kind: 'appendReply', term, refused: previous.index, hint });
    return;
  }
  const matched = store(core, previous, entries);
  // Only what this message vouches for: behind it may be entries that the leader does not have
  // (hazard 6).
  core.commitTo(Math.min(commit, matched));
  core.sendDurable(from, { kind: 'appendReply', term, matched }, matched);
}

/** The leader is there. */
export function onHeartbeat(core: Core, from: MemberId, message: Heartbeat): void {
  const accepted = acceptLeader(core, from, message.term);
  if (accepted) {
    assert(message.commit <= core.log.lastIndex, 'nothing that was acknowledged is lost');
    core.commitTo(message.commit);
  }
  // rounds of another term say nothing in this one, were they counted by the same leader (hazard 19)
  const round = accepted ? message.round : 0;
  core.send(from, { kind: 'heartbeatReply', term: core.term, round });
}

/** Follows the sender if its term is not over. The answer tells one of an earlier term so. */
function acceptLeader(core: Core, from: MemberId, term: number): boolean {
  if (term < core.term) return false;
  assert(term > core.term || core.state !== 'leader', 'one leader in a term');
  const isKnown = term === core.term && core.state === 'follower' && core.leader === from;
  if (isKnown) core.hearLeader(from);
  else core.follow(term, from);
  return true;
}

/** Whether entries after `previous` may be looked at: it is in the log, or so far back that it is
 *  committed and therefore the same everywhere. */
export function fits(core: Core, previous: Position): boolean {
  return previous.index < core.commit || core.log.holds(previous);
}

/**
 * Stores entries after a place that fits. Only a real conflict cuts the log: entries that are there stay,
 * and so does what follows them, since an older message may come late (hazard 7).
 * @returns the place up to which the log is now known to be the sender's
 */
export function store(core: Core, previous: Position, entries: readonly Entry[]): number {
  const { log, commit } = core;
  const end = previous.index + entries.length;
  let expected = previous.index;
  for (const [at, entry] of entries.entries()) {
    expected += 1;
    assert(entry.index === expected, 'entries of a message have no gap');
    const term = log.termAt(entry.index);
    if (term === entry.term || entry.index <= log.base.index) continue;
    if (term !== undefined) core.truncateFrom(entry.index);
    core.append(entries.slice(at));
    break;
  }
  return Math.max(end, commit);
}

/** Whether state up to `at` would bring this member anything that its log does not. */
export function needsSnapshot(core: Core, at: Position): boolean {
  return at.index > core.commit && !core.log.holds(at);
}

/** The owner has put a snapshot in place of state and log. */
export function onInstalled(core: Core, snapshot: SnapshotMark): void {
  const { at } = snapshot;
  if (at.index > core.commit) {
    assert(!core.log.holds(at), 'a snapshot does not replace what the log holds');
    if (at.term > core.term) core.follow(at.term, undefined);
    else core.follow(core.term, core.leader);
    core.install(snapshot);
  }
  if (core.leader === undefined || core.leader === core.id) return;
  const { term } = core;
  core.sendDurable(core.leader, { kind: 'appendReply', term, matched: at.index }, at.index);
}
