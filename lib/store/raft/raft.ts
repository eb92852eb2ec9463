/**
 * The consensus core (Raft): told what happened, it says what to do. It is a function of its inputs: the
 * same inputs give the same effects, on every runtime.
 */
import { assert, unreachable } from '../../assert.ts';
import { raftFeedIdleTimeouts } from '../../limits.ts';
import { Core } from './core.ts';
import * as election from './election.ts';
import { onFeed } from './fed.ts';
import * as feed from './feed.ts';
import * as following from './following.ts';
import { hearsMajority, onChangeConfig, watchLearners } from './membership.ts';
import { onPropose } from './proposals.ts';
import { confirmReads, onRead } from './reads.ts';
import * as replication from './replication.ts';
import { statusOf } from './status.ts';
import * as transfer from './transfer.ts';
import type { MemberId, Position } from './entry.ts';
import type { Leading } from './leading.ts';
import type { RaftMessage } from './message.ts';
import type { Effects, Input, RaftOptions, RaftStart, RaftStatus } from './step.ts';

/** One member's part in consensus. */
export class Raft {
  readonly #core: Core;

  /**
   * @throws {AssertionFailure} when the start contradicts itself
   * @throws STORE_DAMAGED when an entry of the log holds no configuration
   */
  constructor(start: RaftStart, options: RaftOptions) {
    this.#core = new Core(start, options);
  }

  /**
   * Takes one input. All of the effects are to be carried out, in the order of steps.
   * @throws {AssertionFailure} when an invariant is broken: the member must stop
   */
  step(input: Input): Effects {
    const core = this.#core;
    const { commit } = core;
    this.#handle(input);
    if (core.leading !== undefined) settle(core, core.leading);
    if (core.commit > commit) feed.pumpFeeds(core);
    return core.takeEffects();
  }

  /** Where this member stands, for its owner. */
  status(): RaftStatus {
    return statusOf(this.#core);
  }

  /**
   * Whether a snapshot up to `at` would bring this member anything: false when its log holds that place,
   * or it is committed already. To be asked right before the snapshot is put in place of the log.
   */
  needsSnapshot(at: Position): boolean {
    return following.needsSnapshot(this.#core, at);
  }

  #handle(input: Input): void {
    const core = this.#core;
    switch (input.type) {
      case 'tick':
        return tick(core);
      case 'message':
        return receive(core, input.from, input.message);
      case 'propose':
        return onPropose(core, input.commands);
      case 'changeConfig':
        return onChangeConfig(core, input.config);
      case 'read':
        return onRead(core, input.id);
      case 'transfer':
        return transfer.onTransfer(core, input.to);
      case 'persisted':
        return onPersisted(core, input.token);
      case 'compact':
        return core.compact(input.index);
      case 'installed':
        return following.onInstalled(core, input.snapshot);
      case 'snapshotDone':
        replication.onSnapshotDone(core, input.to, input.index);
        return feed.onFeedSnapshot(core, input.to, input.index);
      case 'snapshotFailed':
        replication.onSnapshotFailed(core, input.to);
        return feed.onFeedSnapshot(core, input.to, undefined);
      case 'unreachable':
        replication.onUnreachable(core, input.member);
        return feed.onFeedUnreachable(core, input.member);
      case 'campaign':
        return election.campaign(core);
      case 'stepDown':
        return transfer.giveUp(core);
      default:
        return unreachable(input);
    }
  }
}

function receive(core: Core, from: MemberId, message: RaftMessage): void {
  assert(from !== core.id, 'nobody talks to itself');
  switch (message.kind) {
    case 'preVote':
      return election.onPreVote(core, from, message);
    case 'preVoteReply':
      return election.onPreVoteReply(core, from, message);
    case 'vote':
      return election.onVote(core, from, message);
    case 'voteReply':
      return election.onVoteReply(core, from, message);
    case 'append':
      return following.onAppend(core, from, message);
    case 'appendReply':
      return replication.onAppendReply(core, from, message);
    case 'heartbeat':
      return following.onHeartbeat(core, from, message);
    case 'heartbeatReply':
      return replication.onHeartbeatReply(core, from, message);
    case 'timeoutNow':
      return election.onTimeoutNow(core, from, message);
    case 'feed':
      return onFeed(core, from, message);
    case 'feedReply':
      return feed.onFeedReply(core, from, message);
    case 'subscribe':
      return feed.onSubscribe(core, from, message);
    default:
      return unreachable(message);
  }
}

function tick(core: Core): void {
  core.now += 1;
  if (core.leading === undefined) tickWaiting(core);
  else tickLeading(core, core.leading);
  if (core.feeds.size > 0) feed.tickFeeds(core);
}

function tickWaiting(core: Core): void {
  const isOver = core.timePasses();
  // Otherwise members that know a leader which is gone would refuse each other for ever (hazard 11).
  if (!core.hasLiveLeader) core.leader = undefined;
  // … and who is fed no more does not know who leads.
  const silentMax = (raftFeedIdleTimeouts + 1) * core.options.electionTicks;
  if (core.fed !== undefined && core.now - core.fed.heardAt >= silentMax) core.fed = undefined;
  if (isOver || (core.isAlone && core.leader === undefined)) election.campaign(core);
}

function tickLeading(core: Core, leading: Leading): void {
  if (!hearsMajority(core, leading)) return core.follow(core.term, undefined);
  if (election.isDiskStalled(core) && !core.isAlone) return transfer.giveUp(core);
  transfer.expireTransfer(core, leading);
  watchLearners(core, leading);
  leading.heartbeatElapsed += 1;
  if (leading.heartbeatElapsed < core.options.heartbeatTicks) return;
  leading.heartbeatElapsed = 0;
  for (const peer of leading.peers) replication.sendHeartbeat(core, leading, peer);
}

function onPersisted(core: Core, token: number): void {
  core.disk.persisted(token);
  election.onOwnVoteDurable(core);
  if (core.leading !== undefined) replication.advanceCommit(core, core.leading);
}

/** What every step of a leader ends with. */
function settle(core: Core, leading: Leading): void {
  confirmReads(core, leading);
  replication.spreadCommit(core, leading);
  transfer.handOnAsWitness(core, leading);
  transfer.continueTransfer(core, leading);
  transfer.leaveWhenRemoved(core, leading);
}
