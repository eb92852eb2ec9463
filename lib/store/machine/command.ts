/**
 * What is agreed on: the commands that entries of the log carry, and what applying one answers. The text
 * form is JSON; every member applies the same text to the same state and gets the same answer.
 */
import type { ErrorCode } from '../../errors.ts';
import type { Txn, TxnResult } from '../port.ts';

/** A change. */
export type Command =
  /** On the rows of users. */
  | { readonly do: 'txn'; readonly txn: Txn }
  /** On the cluster's own rows (members, tokens, CA, alarms): a second space of keys with its own
   *  revisions, not seen by watches and ranges of users. */
  | { readonly do: 'system'; readonly txn: Txn }
  /** A lease that the proposer named; ids are decimal digits, as etcd's. */
  | { readonly do: 'grantLease'; readonly lease: string; readonly ttlMs: number }
  /** Ends a lease and deletes its keys, all at one revision. `decidedIn` is the term of the leader that
   *  saw it expire, and `generation` the one it saw: a leader that was replaced meanwhile decides
   *  nothing (hazard 23). Without them a client asked. */
  | {
      readonly do: 'revokeLease';
      readonly lease: string;
      readonly expired?: { readonly generation: number; readonly decidedIn: number };
    }
  /** Raises the generation of a lease, so that an expiry decided before does nothing. */
  | { readonly do: 'renewLease'; readonly lease: string }
  /** A client that will send numbered commands. Repeating it changes nothing. */
  | { readonly do: 'openSession' }
  | { readonly do: 'closeSession' };

/** Makes retries harmless: the machine remembers the answer of each number until the client says that it
 *  has it (Raft thesis 6.3). */
export interface SessionMark {
  /** Random identity of the client, 32 hex digits. */
  readonly client: string;
  /** Counts from 1. Several may be under way at once. */
  readonly sequence: number;
  /** The client has the answers of all numbers up to here. */
  readonly acknowledged: number;
}

/** A command with what goes with it. */
export interface Proposal {
  readonly command: Command;
  readonly session?: SessionMark;
  /** The proposing leader's wall clock; time in the machine is max(time before + 1, this), and at most
   *  `machineTimeStepMs` more than before. */
  readonly wallMs: number;
}

/** What applying a command answers. */
export type Reply =
  | { readonly ok: true; readonly result: TxnResult | undefined }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };
