/** How an observer takes what it is fed. */
import { assert } from '../../assert.ts';
import { fits, store } from './following.ts';
import type { Core } from './core.ts';
import type { MemberId } from './entry.ts';
import type { Feed } from './message.ts';

/**
 * Committed entries, which cut off whatever differs. Their term becomes known as if their leader had
 * been heard, so that no entry is of a term after the member's own; the feeder's term is only news.
 */
export function onFeed(core: Core, from: MemberId, message: Feed): void {
  // One that leads although it is taken out has everything that is committed. A member without a leader
  // may be one no longer: then it learns so from the news. What is committed stays so, whoever says it.
  const isNews = core.leader === undefined && message.commit > core.commit;
  if (core.state === 'leader' || (core.isMember && !isNews)) return;
  if (core.state !== 'follower') core.follow(core.term, undefined);
  const { previous, entries, leader } = message;
  core.fed = { leader, heardAt: core.now };
  if (!fits(core, previous)) {
    const { commit } = core;
    const term = core.log.termAt(commit);
    assert(term !== undefined, 'what is committed last is in the log or its base');
    core.send(from, { kind: 'feedReply', at: { index: commit, term }, refused: true });
    return;
  }
  const term = entries.at(-1)?.term ?? 0;
  if (term > core.term) core.follow(term, undefined);
  store(core, previous, entries);
  const end = previous.index + entries.length;
  core.commitTo(Math.min(message.commit, end));
  const at = { index: end, term: term === 0 ? previous.term : term };
  core.sendDurable(from, { kind: 'feedReply', at, refused: false }, end);
}
