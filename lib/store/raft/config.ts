/** The configuration: who votes, who is on the way to it. As text it is the data of a config entry. */
import { FairleadError } from '../../errors.ts';
import type { MemberId } from './entry.ts';

/** Members by what they are to consensus. Lists are sorted and disjoint, but for `witnesses`. */
export interface RaftConfig {
  readonly voters: readonly MemberId[];
  /** Get the log, do not vote: voters to be. At most `raftLearnersMax`. */
  readonly learners: readonly MemberId[];
  /** Voters that keep the log and no state: they hand leadership on at once. */
  readonly witnesses: readonly MemberId[];
}

/** Nobody. */
export const configEmpty: RaftConfig = { voters: [], learners: [], witnesses: [] };

/** The data of a config entry. */
export function encodeConfig(config: RaftConfig): string {
  const { voters, learners, witnesses } = config;
  return JSON.stringify({ voters, learners, witnesses });
}

/**
 * The configuration of a config entry.
 * @throws STORE_DAMAGED when the text is none
 */
export function decodeConfig(data: string): RaftConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    throw damaged();
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged();
  const { voters, learners, witnesses } = parsed as Partial<Record<keyof RaftConfig, unknown>>;
  if (!isMemberList(voters) || !isMemberList(learners) || !isMemberList(witnesses)) throw damaged();
  if (learners.some((id) => voters.includes(id))) throw damaged();
  if (witnesses.some((id) => !voters.includes(id))) throw damaged();
  return { voters, learners, witnesses };
}

const memberIdPattern = /^[0-9a-f]{16}$/;

function isMemberList(value: unknown): value is readonly MemberId[] {
  return (
    Array.isArray(value) &&
    value.every((id, at) => {
      const before: unknown = value[at - 1];
      return (
        typeof id === 'string' && memberIdPattern.test(id) && (at === 0 || String(before) < id)
      );
    })
  );
}

function damaged(): FairleadError {
  return new FairleadError('STORE_DAMAGED', 'a configuration in the log is unreadable');
}
