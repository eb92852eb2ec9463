/**
 * What an operator can ask of a cluster, as the faces see it. Every operation may be asked of any member;
 * a refusal has changed nothing. Times are wall clock ms, for people.
 */
import type { MemberRole } from '../membership/rows.ts';

/** Where a member stands, worst first in `problems`. */
export interface MemberStatus {
  readonly id: string;
  readonly name: string;
  readonly role: MemberRole;
  /** What consensus has it as at the moment; a voter-to-be is a learner first. */
  readonly standing: 'leader' | 'follower' | 'learner' | 'observer' | 'leaving';
  readonly addresses: readonly string[];
  readonly self: boolean;
  /** Connected now, as seen from the member that answers (self: true). */
  readonly connected: boolean;
  /** ms since it was last heard of; undefined when never since this process started. */
  readonly lastContactMs?: number;
  /** Entries it is behind the commit index. */
  readonly lagEntries?: number;
  readonly version?: string;
  readonly diskFreeBytes?: number;
  readonly storeBytes?: number;
  /** Day its certificate ends. */
  readonly certificateEndsAtMs?: number;
  /** Its disk is nearly full: the cluster takes only deletes. */
  readonly noSpace: boolean;
}

/** Something an operator should know, worst first. */
export interface ClusterProblem {
  readonly code:
    | 'QUORUM_LOST'
    | 'MEMBER_DOWN'
    | 'MEMBER_REMOVED'
    | 'MEMBER_EXISTS'
    | 'NO_SPACE'
    | 'CERTIFICATE_ENDS'
    | 'CHANGE_WAITS'
    | 'VERSIONS_MIXED'
    | 'VOTERS_EVEN'
    | 'STALLED';
  readonly message: string;
  readonly fix?: string;
}

/** A cluster at a glance. */
export interface ClusterStatus {
  readonly clusterId: string;
  readonly epoch: number;
  readonly self: string;
  readonly leader?: string;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly revision: number;
  /** Where this host listens for others; absent for a host alone. */
  readonly listen?: string;
  /** SHA-256 of the authority's public key, hex; absent for a host alone. */
  readonly pin?: string;
  readonly members: readonly MemberStatus[];
  readonly problems: readonly ClusterProblem[];
}

/** A token and the line to paste. */
export interface TokenAnswer {
  readonly token: string;
  readonly role: MemberRole;
  readonly expiresAtMs: number;
  readonly uses: number;
  readonly addresses: readonly string[];
}

/** Where this host listens and how others reach it. */
export interface ListenWish {
  /** host:port to bind; port alone binds all addresses. */
  readonly listen?: string;
  /** host:port that others dial; default: the addresses of this host. */
  readonly advertise?: readonly string[];
}

/** What a recovery did, or would do. */
export interface RecoveryReport {
  readonly epoch: number;
  readonly clusterId: string;
  readonly revision: number;
  readonly lastEntry: { readonly index: number; readonly term: number };
  /** Entries in the log that may never have been acknowledged. */
  readonly uncommittedEntries: number;
  /** Names of members that are left behind. */
  readonly leftBehind: readonly string[];
  /** Where the state as it was is kept. */
  readonly copy?: string;
}

/** What a snapshot file holds. */
export interface SnapshotFacts {
  readonly clusterId: string;
  readonly epoch: number;
  readonly revision: number;
  readonly index: number;
  readonly term: number;
  readonly digest: string;
  readonly rows: number;
  readonly bytes: number;
  readonly takenAtMs: number;
  readonly takenBy: string;
}

/** The operations. */
export interface ClusterOperations {
  /** This host is the only member, and needs nobody. */
  isAlone(): boolean;
  status(): Promise<ClusterStatus>;
  /** Opens the listener, makes the authority where there is none; again: changes where it listens. */
  init(wish: ListenWish): Promise<ClusterStatus>;
  /** Does `init` first where nothing listens yet. */
  token(
    wish: ListenWish & {
      readonly role: MemberRole;
      readonly ttlMs: number;
      readonly uses: number;
    },
  ): Promise<TokenAnswer>;
  /** Joins the cluster of the token. This host must be alone and without networks. */
  join(wish: ListenWish & { readonly token: string }): Promise<ClusterStatus>;
  /** By USB stick: what to carry to a voter, what a voter answers, and what this host does with it. */
  joinRequest(wish: ListenWish): Promise<string>;
  joinAnswer(request: string, role: MemberRole): Promise<string>;
  /** `pin`: what the voter showed as its authority, when the stick itself is not trusted. */
  joinAccept(answer: string, pin: string | undefined): Promise<ClusterStatus>;
  promote(name: string): Promise<ClusterStatus>;
  demote(name: string): Promise<ClusterStatus>;
  /** `force`: although the rest would have to get along without a majority alive. */
  remove(name: string, force: boolean): Promise<ClusterStatus>;
  /** Leaves the cluster; this host is then a cluster of its own, without networks. */
  leave(): Promise<ClusterStatus>;
  /** `to` undefined: the most up-to-date voter. */
  transfer(to: string | undefined): Promise<ClusterStatus>;
  /** Makes a new authority and certificates; the old one stays trusted until all have new ones. */
  rotate(): Promise<ClusterStatus>;
  /** A snapshot, as text lines; the first is a header, the last a checksum. */
  snapshot(): AsyncIterable<string>;
  /** Makes this member alone the cluster, under a new epoch. Refuses while a majority answers. */
  recover(stopped: readonly string[], dryRun: boolean): Promise<RecoveryReport>;
  /** Replaces the state by a snapshot: new cluster id, new epoch, revisions far ahead. */
  restore(lines: AsyncIterable<string>): Promise<ClusterStatus>;
}
