/** How stories put things. */
import { decodeConfig, type RaftConfig } from '../../../lib/store/raft/config.ts';
import type { Entry, MemberId, Position } from '../../../lib/store/raft/entry.ts';
import type { RaftMessage } from '../../../lib/store/raft/message.ts';
import type { LogWrite } from '../../../lib/store/raft/step.ts';
import type { Member } from '../../store/raft/cluster.ts';

const nameOf = (id: MemberId) => id.slice(0, 1);
const place = ({ index, term }: Position) => `${index}@${term}`;

/** `3@2 x`: index, term and what it says. */
export function describeEntry(entry: Entry): string {
  const words = { noop: 'noop', command: entry.data, config: '' }[entry.kind];
  const data = entry.kind === 'config' ? describeConfig(decodeConfig(entry.data)) : words;
  return `${place(entry)} ${data}`;
}

/** `voters a b, learners c` */
export function describeConfig({ voters, learners, witnesses }: RaftConfig): string {
  const groups = [
    ['voters', voters.filter((id) => !witnesses.includes(id))],
    ['witnesses', witnesses],
    ['learners', learners],
  ] as const;
  return groups
    .filter(([, ids]) => ids.length > 0)
    .map(([name, ids]) => `${name} ${ids.map(nameOf).join(' ')}`)
    .join(', ');
}

/** One write. */
export function describeWrite({ token, hard, truncateFrom, entries }: LogWrite): string {
  const vote = hard.vote === undefined ? '' : ` vote ${nameOf(hard.vote)}`;
  const cut = truncateFrom === undefined ? '' : `, cut from ${truncateFrom}`;
  const added = entries.length === 0 ? '' : `, ${entries.map(describeEntry).join(', ')}`;
  return `#${token}: term ${hard.term}${vote}${cut}${added}`;
}

/** Role, term and what else is of interest about a member. */
export function describeStatus(member: Member): string {
  const { id, role, term, leader, commit, last, transferTo } = member.status;
  const of = leader === undefined || leader === id ? '' : ` of ${nameOf(leader)}`;
  const to = transferTo === undefined ? '' : `, handing over to ${nameOf(transferTo)}`;
  return `${nameOf(id)}: ${role}${of}, term ${term}, commit ${commit}, last ${place(last)}${to}`;
}

/** One message. */
export function describeMessage(message: RaftMessage): string {
  switch (message.kind) {
    case 'preVote':
      return `preVote term ${message.term} last ${place(message.last)}`;
    case 'vote':
      return `vote term ${message.term} last ${place(message.last)}${message.transfer ? ' (transfer)' : ''}`;
    case 'preVoteReply':
    case 'voteReply':
      return `${message.kind} term ${message.term} ${message.granted ? 'granted' : 'refused'}`;
    case 'append':
      return `append term ${message.term} after ${place(message.previous)} commit ${message.commit}${describeEntries(message.entries)}`;
    case 'appendReply':
      return 'refused' in message
        ? `appendReply term ${message.term} refused ${message.refused} hint ${place(message.hint)}`
        : `appendReply term ${message.term} has ${message.matched}`;
    case 'heartbeat':
      return `heartbeat term ${message.term} commit ${message.commit} round ${message.round}`;
    case 'heartbeatReply':
      return `heartbeatReply term ${message.term} round ${message.round}`;
    case 'timeoutNow':
      return `timeoutNow term ${message.term}`;
    case 'feed':
      return `feed after ${place(message.previous)} commit ${message.commit}${describeEntries(message.entries)}`;
    case 'feedReply':
      return message.refused
        ? `feedReply refused, stands at ${place(message.at)}`
        : `feedReply has ${place(message.at)}`;
    case 'subscribe':
      return `subscribe at ${place(message.at)}`;
    default:
      return message satisfies never;
  }
}

function describeEntries(entries: readonly Entry[]): string {
  return entries.length === 0 ? '' : `: ${entries.map(describeEntry).join(', ')}`;
}
