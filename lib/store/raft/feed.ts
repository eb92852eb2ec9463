/**
 * How any member gives committed entries to observers. Observers are not in the configuration and nothing
 * waits for them, so they can be many and far behind without harm.
 */
import { raftFeedExpiryTimeouts, raftFeedIdleTimeouts, raftObserversMax } from '../../limits.ts';
import { FeedProgress } from './feed-progress.ts';
import type { Core } from './core.ts';
import type { MemberId, Position } from './entry.ts';
import type { FeedReply, Subscribe } from './message.ts';

/** An observer asks to be fed, or to be fed on. */
export function onSubscribe(core: Core, from: MemberId, message: Subscribe): void {
  const { voters, learners } = core.config;
  if (from === core.id || voters.includes(from) || learners.includes(from)) return;
  const known = core.feeds.get(from);
  if (known !== undefined) {
    known.heardAt = core.now;
    if (known.inFlight === 0) feedFrom(core, known, message.at);
    return;
  }
  if (core.feeds.size >= raftObserversMax) return;
  const feed = new FeedProgress(from, message.at.index, core.now);
  core.feeds.set(from, feed);
  feedFrom(core, feed, message.at);
}

/** An observer took entries, or has nothing at their beginning. */
export function onFeedReply(core: Core, from: MemberId, reply: FeedReply): void {
  const feed = core.feeds.get(from);
  if (feed === undefined) return;
  feed.heardAt = core.now;
  if (reply.refused) {
    // What it holds as committed is not what is committed here: such a one is not ours to feed.
    if (isForeign(core, reply.at)) core.feeds.delete(from);
    else feedFrom(core, feed, reply.at);
    return;
  }
  if (!feed.lacksSnapshot) feed.agreed(reply.at.index);
  pump(core, feed);
}

function isForeign(core: Core, at: Position): boolean {
  const term = at.index <= core.commit ? core.log.termAt(at.index) : undefined;
  return term !== undefined && term !== at.term;
}

/** Feeds an observer that stands at `at`. */
function feedFrom(core: Core, feed: FeedProgress, at: Position): void {
  if (feed.lacksSnapshot && core.snapshots.has(feed.member)) return;
  // It may know of more than is committed here, and is fed when that has changed. It may have ended
  // with entries that came to nothing: what precedes them is agreed on.
  const isAhead = at.index > core.commit;
  feed.restart(isAhead ? at.index : core.log.mayAgreeAt(at).index);
  pump(core, feed);
}

/**
 * Sends what is committed. One that keeps up gets one message at a time, so that entries gather while it
 * is on its way; one that is behind gets full messages up to the window.
 */
function pump(core: Core, feed: FeedProgress): void {
  const { log, commit, options } = core;
  while (
    !feed.lacksSnapshot &&
    feed.next <= commit &&
    feed.inFlight < options.messagesInFlightMax
  ) {
    const isFull = commit - feed.next + 1 >= options.entriesPerMessageMax;
    if (feed.inFlight > 0 && !isFull) return;
    if (feed.next <= log.base.index) {
      feed.lacksSnapshot = true;
      core.requestSnapshot(feed.member);
      return;
    }
    send(core, feed);
  }
}

function send(core: Core, feed: FeedProgress): void {
  const { log, term, commit, options } = core;
  const index = Math.min(feed.next - 1, commit);
  const previousTerm = log.termAt(index);
  if (previousTerm === undefined) return;
  const entries = log.sliceWithin(index + 1, commit, {
    entriesMax: options.entriesPerMessageMax,
    bytesMax: options.bytesPerMessageMax,
  });
  const last = index + entries.length;
  core.send(feed.member, {
    kind: 'feed',
    term,
    leader: core.leader ?? core.fed?.leader,
    previous: { index, term: previousTerm },
    entries,
    commit: last,
  });
  if (entries.length > 0) feed.sent(last, core.now);
  else feed.sentAt = core.now;
}

/** More is committed than before. */
export function pumpFeeds(core: Core): void {
  for (const feed of core.feeds.values()) pump(core, feed);
}

/** One tick: who is silent is forgotten, who waits long is told that the feeder is there. */
export function tickFeeds(core: Core): void {
  const { electionTicks } = core.options;
  for (const feed of core.feeds.values()) {
    if (core.now - feed.heardAt >= raftFeedExpiryTimeouts * electionTicks) {
      core.feeds.delete(feed.member);
    } else if (core.now - feed.sentAt >= raftFeedIdleTimeouts * electionTicks) {
      // What was not answered for that long is taken for lost.
      if (feed.inFlight > 0) feed.restart(feed.matched);
      if (!feed.lacksSnapshot) send(core, feed);
    }
  }
}

/** A snapshot up to `index` has arrived at an observer, or (undefined) has not: then it asks again. */
export function onFeedSnapshot(core: Core, to: MemberId, index: number | undefined): void {
  const feed = core.feeds.get(to);
  if (feed === undefined || !feed.lacksSnapshot) return;
  if (index === undefined) {
    core.feeds.delete(to);
    return;
  }
  feed.restart(index);
  pump(core, feed);
}

/** What was sent to an observer may be lost. */
export function onFeedUnreachable(core: Core, member: MemberId): void {
  const feed = core.feeds.get(member);
  if (feed !== undefined && !feed.lacksSnapshot) feed.restart(feed.matched);
}
