/** What a member knows only while it leads; gone when it leads no more. */
import { isMember } from './history.ts';
import { Progress } from './progress.ts';
import type { RaftConfig } from './config.ts';
import type { MemberId } from './entry.ts';

/** A read that waits for the round that began after it was asked. */
export interface PendingRead {
  readonly id: number;
  /** What was committed when it was asked. */
  readonly index: number;
  readonly round: number;
}

/** Leadership on its way to another voter. */
export interface Transfer {
  readonly to: MemberId;
  /** Tick at which it is given up. */
  readonly until: number;
  /** Tick at which the member was told to stand last. */
  askedAt: number | undefined;
}

/** One leadership, from election to the end of it. */
export class Leading {
  /** Voters and learners but for this member, in the order of their ids. */
  readonly peers: Progress[] = [];
  /** Index of the entry that opened the term. */
  readonly openedAt: number;
  /** Tick of the election. */
  readonly since: number;
  /** Characters of data that are appended and not committed. */
  uncommittedBytes: number;
  heartbeatElapsed = 0;
  /** The round of confirmation begun last. */
  round = 0;
  /** In the order they were asked. */
  reads: PendingRead[] = [];
  transfer: Transfer | undefined;
  /** Tick at which it goes at last; set when it is no voter any more and that is committed. */
  leavesAt: number | undefined;

  constructor(openedAt: number, since: number, uncommittedBytes: number) {
    this.openedAt = openedAt;
    this.since = since;
    this.uncommittedBytes = uncommittedBytes;
  }

  peer(member: MemberId): Progress | undefined {
    return this.peers.find((each) => each.member === member);
  }

  /** Follows a change of configuration: who is new is probed from `next` on. */
  track(config: RaftConfig, self: MemberId, next: number): void {
    const kept = this.peers.filter((each) => isMember(config, each.member));
    const added = [...config.voters, ...config.learners]
      .filter((id) => id !== self && this.peer(id) === undefined)
      .map((id) => new Progress(id, next));
    const peers = [...kept, ...added].toSorted((one, two) => (one.member < two.member ? -1 : 1));
    this.peers.splice(0, this.peers.length, ...peers);
  }
}
