/**
 * What a log is made of. An entry's data is opaque to consensus: a command of the state machine, or the
 * voters as `config.ts` writes them.
 */

/** Random identity of a member, 16 lower-case hex digits. Never reused: a member that lost its data
 *  comes back under a new one (raft.md 4.6). */
export type MemberId = string;

/** What an entry says. A `noop` opens a leader's term, so that it can commit what came before (Raft
 *  paper, 5.4.2). */
export type EntryKind = 'noop' | 'command' | 'config';

/** One entry of the log. Indexes count from 1 without a gap; terms never fall from entry to entry. */
export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  /** Text. For 'noop' empty, for 'config' made by `encodeConfig`. */
  readonly data: string;
}

/** A place in the log. {0, 0} is before the first entry. */
export interface Position {
  readonly index: number;
  readonly term: number;
}

/** What must survive a crash besides entries (Raft paper, figure 2). `commit` is a hint: entries up to
 *  it are known to be committed, more may be. */
export interface HardState {
  readonly term: number;
  readonly vote: MemberId | undefined;
  readonly commit: number;
}

/** The state of a new log. */
export const hardStateStart: HardState = { term: 0, vote: undefined, commit: 0 };
/** The place before the first entry. */
export const positionStart: Position = { index: 0, term: 0 };
