/** What a query is answered with, or that it is not ours to answer. Pure. */
import { nameAnswerTtlSeconds } from '../limits.ts';
import { answerCode, internetClass, recordType, type Answer, type Query } from './message.ts';
import { resolve, type NameQuestion, type TenantNames } from './resolve.ts';

/** Who asks. */
export interface Asker extends Pick<NameQuestion, 'network' | 'domain'> {
  readonly names: TenantNames;
  /** Counts up with each question: each begins with another of several addresses. */
  readonly turn: number;
}

/**
 * The answer to a query; undefined for one that is not ours. One about a name of ours is always answered, even
 * where all that can be said is that it is not understood: it must not be asked elsewhere.
 */
export function respond(query: Query, { names, network, domain, turn }: Asker): Answer | undefined {
  const found = resolve(names, { name: query.name, type: query.type, network, domain });
  if (found.kind === 'outside') return undefined;
  const fault = faultOf(query);
  if (fault !== undefined) return answerOf(fault);
  if (found.kind === 'unknown') return answerOf(answerCode.noSuchName);
  const isOurs = query.class === internetClass || query.class === recordType.any;
  const records = isOurs ? found.records : [];
  const first = records.length === 0 ? 0 : turn % records.length;
  return {
    ...answerOf(answerCode.good),
    records: [...records.slice(first), ...records.slice(0, first)],
  };
}

function faultOf({ opcode, isWhole, edns }: Query): number | undefined {
  if (opcode !== 0) return answerCode.notImplemented;
  if (!isWhole) return answerCode.formatError;
  return edns !== undefined && edns.version > 0 ? answerCode.badVersion : undefined;
}

const answerOf = (code: number): Answer => ({
  code,
  records: [],
  ttlSeconds: nameAnswerTtlSeconds,
});
