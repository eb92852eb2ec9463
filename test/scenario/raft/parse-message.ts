/** Messages as a story writes them: `append term=2 after=1@1 commit=1 entries=2@2:x,3@2:noop`. */
import type { Entry, Position } from '../../../lib/store/raft/entry.ts';
import type { RaftMessage } from '../../../lib/store/raft/message.ts';
import type { Words } from './words.ts';

function place(text: string): Position {
  const [index, term] = text.split('@').map(Number);
  if (index === undefined || term === undefined) throw new Error(`no place: ${text}`);
  return { index, term };
}

function entry(text: string): Entry {
  const [at = '', data = ''] = text.split(':');
  return data === 'noop'
    ? { ...place(at), kind: 'noop', data: '' }
    : { ...place(at), kind: 'command', data };
}

/** The message of `inject a->b message`. */
export function parseMessage(words: Words): RaftMessage {
  const term = words.number('term', 0);
  const kind = words.at(0);
  const flag = words.plain[1];
  switch (kind) {
    case 'preVote':
      return { kind, term, last: place(words.text('last') ?? '0@0') };
    case 'vote':
      return {
        kind,
        term,
        last: place(words.text('last') ?? '0@0'),
        transfer: flag === 'transfer',
      };
    case 'preVoteReply':
    case 'voteReply':
      return { kind, term, granted: flag === 'granted' };
    case 'append':
      return {
        kind,
        term,
        previous: place(words.text('after') ?? '0@0'),
        entries: words.list('entries').map(entry),
        commit: words.number('commit', 0),
      };
    case 'appendReply': {
      const hint = words.text('hint');
      if (hint === undefined) return { kind, term, matched: words.number('has', 0) };
      return { kind, term, refused: words.number('refused', 0), hint: place(hint) };
    }
    case 'heartbeat':
      return {
        kind,
        term,
        commit: words.number('commit', 0),
        round: words.number('round', 0),
      };
    case 'heartbeatReply':
      return { kind, term, round: words.number('round', 0) };
    case 'timeoutNow':
      return { kind, term };
    case 'subscribe':
      return { kind, at: place(words.text('at') ?? '0@0') };
    case 'feed': {
      const entries = words.list('entries').map(entry);
      const previous = place(words.text('after') ?? '0@0');
      return {
        kind,
        term,
        leader: undefined,
        previous,
        entries,
        commit: words.number('commit', 0),
      };
    }
    default:
      throw new Error(`no such message: ${kind}`);
  }
}
