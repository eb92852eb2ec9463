/**
 * The four rows that there is one of, as text: fields between spaces, each of a fixed form, so that a row
 * that is not exactly what we write is refused.
 */
import { FairleadError } from '../../errors.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import type { MachineHead } from '../machine/image.ts';
import { decodeConfig, encodeConfig } from '../raft/config.ts';
import type { HardState, Position } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';
import { damaged, earlierFormats, storeFormat } from './format.ts';

/** The row `H`. */
export interface LogEnd {
  readonly hard: HardState;
  readonly last: Position;
  /** The chain after the last entry. */
  readonly chain: string;
}

/** The row `F`. */
export interface LogBase {
  readonly mark: SnapshotMark;
  /** The chain after the entry at `mark`. */
  readonly chain: string;
  /** Entries up to this index are gone; those after it up to `mark` are forgotten and still there. A block of
   *  the log begins with the next one, if there is any block. */
  readonly cleared: number;
  /** This member keeps no state (a witness): the log may begin after what was applied. */
  readonly stateless: boolean;
}

/** The row `A`. */
export interface StateHead {
  /** The generation that counts. */
  readonly live: number;
  /** The highest generation ever used: a snapshot on its way in, or `live`. */
  readonly newest: number;
  readonly head: MachineHead;
}

/** The body of `M` in a store of this format. */
export function encodeIdentity(identity: StoreIdentity, format: number): string {
  const { clusterId, epoch, memberId, dataId, featureLevel } = identity;
  return `${format} ${clusterId} ${epoch} ${memberId} ${dataId} ${featureLevel}`;
}

const identityPattern = /^\d+ ([0-9a-f]{32}) (\d{1,16}) ([0-9a-f]{16}) ([0-9a-f]{32}) (\d{1,16})$/;

/**
 * The identity of a body, and the format of the store.
 * @throws STORE_DAMAGED, STORE_TOO_NEW
 */
export function decodeIdentity(body: string): { identity: StoreIdentity; format: number } {
  const format = checkFormat(body.split(' ', 1)[0]);
  const [, clusterId = '', epoch, memberId = '', dataId = '', featureLevel] = fields(
    identityPattern,
    body,
    'its identity row',
  );
  const numbers = { epoch: Number(epoch), featureLevel: Number(featureLevel) };
  return { identity: { clusterId, memberId, dataId, ...numbers }, format };
}

/**
 * The number of a layout that we read; refuses any other.
 * @throws STORE_DAMAGED, STORE_TOO_NEW
 */
export function checkFormat(text: string | undefined): number {
  const format = Number(text);
  if (format === storeFormat || earlierFormats.includes(format)) return format;
  if (Number.isSafeInteger(format) && format > storeFormat) {
    throw new FairleadError('STORE_TOO_NEW', `the store has format ${format}, not ${storeFormat}`, {
      fix: 'run the version of Fairlead that wrote it',
    });
  }
  if (format > 1) throw damaged(`it has format ${format}, which no release has written`);
  throw damaged('its format is unreadable');
}

/** The body of `H`. */
export function encodeLogEnd({ hard, last, chain }: LogEnd): string {
  const { term, vote, commit } = hard;
  return `${term} ${vote ?? '-'} ${commit} ${last.index} ${last.term} ${chain}`;
}

const logEndPattern =
  /^(\d{1,16}) (-|[0-9a-f]{16}) (\d{1,16}) (\d{1,16}) (\d{1,16}) ([0-9a-f]{32})$/;

/**
 * The end of the log of a body.
 * @throws STORE_DAMAGED
 */
export function decodeLogEnd(body: string): LogEnd {
  const [, term, vote, commit, index, lastTerm, chain = ''] = fields(
    logEndPattern,
    body,
    'its hard state',
  );
  return {
    hard: {
      term: Number(term),
      vote: vote === '-' ? undefined : vote,
      commit: Number(commit),
    },
    last: { index: Number(index), term: Number(lastTerm) },
    chain,
  };
}

/** The body of `F`. */
export function encodeLogBase({ mark, chain, cleared, stateless }: LogBase): string {
  const { index, term } = mark.at;
  return `${index} ${term} ${chain} ${cleared} ${stateless ? 1 : 0} ${encodeConfig(mark.config)}`;
}

const logBasePattern = /^(\d{1,16}) (\d{1,16}) ([0-9a-f]{32}) (\d{1,16}) ([01]) (.+)$/;

/**
 * The beginning of the log of a body.
 * @throws STORE_DAMAGED
 */
export function decodeLogBase(body: string): LogBase {
  const [, index, term, chain = '', cleared, stateless, config = ''] = fields(
    logBasePattern,
    body,
    'the beginning of its log',
  );
  return {
    mark: { at: { index: Number(index), term: Number(term) }, config: decodeConfig(config) },
    chain,
    cleared: Number(cleared),
    stateless: stateless === '1',
  };
}

/** The body of `A`. */
export function encodeStateHead({ live, newest, head }: StateHead): string {
  const { applied, revision, systemRevision, compacted, timeMs, count, digest } = head;
  return [
    live,
    newest,
    applied.index,
    applied.term,
    revision,
    systemRevision,
    compacted,
    timeMs,
    count,
    digest,
  ].join(' ');
}

const stateHeadPattern = /^((?:\d{1,16} ){9})([0-9a-f]{32})$/;

/**
 * The head of the state of a body.
 * @throws STORE_DAMAGED
 */
export function decodeStateHead(body: string): StateHead {
  const [, numbers = '', digest = ''] = fields(stateHeadPattern, body, 'its head');
  const [
    live = 0,
    newest = 0,
    index = 0,
    term = 0,
    revision = 0,
    systemRevision = 0,
    compacted = 0,
    timeMs = 0,
    count = 0,
  ] = numbers.split(' ').map(Number);
  const applied = { index, term };
  return {
    live,
    newest,
    head: { applied, revision, systemRevision, compacted, timeMs, count, digest },
  };
}

function fields(pattern: RegExp, body: string, what: string): RegExpExecArray {
  const match = pattern.exec(body);
  if (match === null) throw damaged(`${what} is unreadable`);
  return match;
}
