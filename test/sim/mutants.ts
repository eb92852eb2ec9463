/**
 * Planted bugs: each is a change of one place in the real source, named for a row of the hazard table
 * (raft.md 1.1), with the number of seeds in which the simulator has to notice it. One that survives says
 * that the simulator is blind to that hazard.
 */
import type { Bias } from './options.ts';

/** One planted bug. */
export interface Mutant {
  readonly name: string;
  /** Row of the hazard table; 0: none. */
  readonly hazard: number;
  /** Below lib/store. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  /** A second place. */
  readonly also?: { readonly file: string; readonly find: string; readonly replace: string };
  /** Seeds within which it must be found. */
  readonly seeds: number;
  /** Faults and options that the hazard needs, on top of the draw. */
  readonly bias?: Bias;
}

const crashes: Bias = {
  faults: { crashBeforeWrite: 0.02, crashAfterWrite: 0.03, crash: 1, restartAll: 0.3 },
};
const changing: Bias = { faults: { changeConfig: 3 }, options: { spares: 2 } };
const leases: Bias = { options: { leases: true } };

const consensus: readonly Mutant[] = [
  {
    name: 'noVotePersist',
    hazard: 1,
    file: 'raft/core.ts',
    find: `    this.#vote = candidate;
    this.#hardChanged();`,
    replace: `    this.#vote = candidate;`,
    seeds: 50,
  },
  {
    name: 'ackBeforeFsync',
    hazard: 1,
    file: 'raft/following.ts',
    find: `core.sendDurable(from, { kind: 'appendReply', term, matched }, matched);`,
    replace: `core.send(from, { kind: 'appendReply', term, matched });`,
    seeds: 50,
  },
  {
    name: 'repliesNotHeld',
    hazard: 1,
    file: 'driver/core-loop.ts',
    find: `    else this.#held.hold({ token, to, message });`,
    replace: `    else this.#hooks.send(to, message);`,
    seeds: 50,
  },
  {
    name: 'heldAWriteTooShort',
    hazard: 1,
    file: 'driver/held-sends.ts',
    find: `({ token }) => token > durable`,
    replace: `({ token }) => token > durable + 1`,
    seeds: 50,
  },
  {
    name: 'hardStateApart',
    hazard: 2,
    file: 'driver/batch-writer.ts',
    find: `{ hard: log.hard, entries: log.entries }`,
    replace: `log.entries.length > 0 ? { entries: log.entries } : { hard: log.hard }`,
    seeds: 100,
  },
  {
    name: 'duplicateVotesCounted',
    hazard: 3,
    file: 'raft/quorum.ts',
    find: `if (!this.#answers.has(member)) this.#answers.set(member, granted);`,
    replace: `this.#answers.set(\`\${member}\${this.#answers.size}\`, granted);`,
    also: {
      file: 'raft/quorum.ts',
      find: `    for (const voter of voters) {
      const answer = this.#answers.get(voter);`,
      replace: `    for (const [voter, answer] of this.#answers) {
      if (!voters.includes(voter.slice(0, 16))) continue;`,
    },
    seeds: 1500,
    bias: {
      options: { voters: 5 },
      faults: { duplicate: 0.3, drop: 0.2, split: 1, transfer: 1.5 },
    },
  },
  {
    name: 'noLogCheckInVotes',
    hazard: 5,
    file: 'raft/log.ts',
    find: `  return candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index);`,
    replace: `  return candidate.term >= 0 && own.term >= 0;`,
    seeds: 200,
  },
  {
    name: 'prevTermNotChecked',
    hazard: 5,
    file: 'raft/following.ts',
    find: `previous.index < core.commit || core.log.holds(previous)`,
    replace: `previous.index <= core.log.lastIndex`,
    seeds: 300,
  },
  {
    name: 'oldTermCommitByCount',
    hazard: 4,
    file: 'raft/replication.ts',
    find: `reached <= core.commit || core.log.termAt(reached) !== core.term`,
    replace: `reached <= core.commit`,
    seeds: 300,
  },
  {
    name: 'commitBeyondMessage',
    hazard: 6,
    file: 'raft/following.ts',
    find: `core.commitTo(Math.min(commit, matched));`,
    replace: `core.commitTo(Math.min(commit, core.log.lastIndex));`,
    seeds: 2000,
    bias: {
      options: { voters: 5, retention: 3, entriesPerMessageMax: 1, thinkMs: 10, clients: 3 },
      faults: { isolateLeader: 1.5, crash: 1, reorder: 0.3 },
    },
  },
  {
    name: 'heartbeatCommitsAll',
    hazard: 6,
    file: 'raft/replication.ts',
    find: `commit: Math.min(commit, peer.matched),`,
    replace: `commit,`,
    seeds: 100,
  },
  {
    name: 'truncateWithoutConflict',
    hazard: 7,
    file: 'raft/following.ts',
    find: `if (term === entry.term || entry.index <= log.base.index) continue;`,
    replace: `if (entry.index <= commit || entry.index <= log.base.index) continue;`,
    seeds: 1000,
    bias: { faults: { reorder: 0.4, duplicate: 0.2 } },
  },
  {
    name: 'staleTokenCounts',
    hazard: 8,
    file: 'raft/durability.ts',
    find: `    for (const write of this.#outstanding) write.upTo = Math.min(write.upTo, index - 1);`,
    replace: ``,
    seeds: 2000,
    bias: { faults: { diskTail: 0.3, split: 1 } },
  },
  {
    name: 'leaderCountsBeforeFsync',
    hazard: 9,
    file: 'raft/replication.ts',
    find: `id === core.id ? core.disk.upTo :`,
    replace: `id === core.id ? core.log.lastIndex :`,
    seeds: 100,
  },
  {
    name: 'preVoteTouchesTerm',
    hazard: 10,
    file: 'raft/election.ts',
    find: `  const term = granted ? message.term : core.term;`,
    replace: `  if (granted) core.follow(message.term, undefined);
  const term = granted ? message.term : core.term;`,
    seeds: 50,
  },
  {
    name: 'noPreVote',
    hazard: 10,
    file: 'raft/election.ts',
    find: `  core.state = 'preCandidate';
  core.leader = undefined;`,
    replace: `  if (core.id.length > 0) {
    stand(core, true);
    return;
  }
  core.state = 'preCandidate';
  core.leader = undefined;`,
    seeds: 600,
    bias: { faults: { changeConfig: 3 }, options: { spares: 1 } },
  },
  {
    name: 'refusalTeachesNothing',
    hazard: 11,
    file: 'raft/election.ts',
    find: `  if (!reply.granted && reply.term > core.term) {`,
    replace: `  if (!reply.granted && reply.term > core.term + 1e9) {`,
    seeds: 500,
    // of three one stays away, and of the two that are left the one with the shorter log has the higher term
    bias: {
      faults: { ...crashes.faults, crash: 2, restartAll: 0.4, loseDirectory: 0.4 },
      options: { voters: 3, witness: false, spares: 0, clients: 3, thinkMs: 10, chaosMs: 5000 },
    },
  },
  {
    name: 'oldPreVotesCount',
    hazard: 11,
    file: 'raft/election.ts',
    find: `  if (core.state !== 'candidate' || !core.config.voters.includes(from)) return;
  if (reply.term > core.term) {
    core.follow(reply.term, undefined);
    return;
  }
  if (reply.term !== core.term) return;`,
    replace: `  if (core.state !== 'candidate' || !core.config.voters.includes(from)) return;`,
    seeds: 1500,
    bias: { faults: { reorder: 0.4, delayTail: 0.1, duplicate: 0.2 } },
  },
  {
    name: 'noCheckQuorum',
    hazard: 12,
    file: 'raft/raft.ts',
    find: `if (!hearsMajority(core, leading)) return core.follow(core.term, undefined);`,
    replace: `if (hearsMajority(core, leading) === undefined) return;`,
    seeds: 300,
  },
  {
    name: 'changeBeforeOwnTermNoop',
    hazard: 14,
    file: 'raft/membership.ts',
    find: `if (core.commit < leading.openedAt) return 'notReady';`,
    replace: ``,
    seeds: 2000,
    bias: { ...changing, faults: { changeConfig: 6, split: 1, crashLeader: 1 } },
  },
  {
    name: 'twoChangesInFlight',
    hazard: 14,
    file: 'raft/membership.ts',
    find: `if (core.configs.latestIndex > core.commit) return 'changePending';`,
    replace: ``,
    seeds: 1500,
    bias: changing,
  },
  {
    name: 'twoServersAtOnce',
    hazard: 14,
    file: 'raft/membership.ts',
    find: `    isOneStep(core.config, config) &&`,
    replace: ``,
    seeds: 500,
    bias: changing,
  },
  {
    name: 'configNotRolledBack',
    hazard: 15,
    file: 'raft/history.ts',
    find: `while (this.#dated.length > 1 && this.#last.index >= index) this.#dated.pop();`,
    replace: ``,
    seeds: 1500,
    bias: { ...changing, faults: { changeConfig: 6, isolateLeader: 1, split: 1 } },
  },
  {
    name: 'configAtApply',
    hazard: 15,
    file: 'raft/core.ts',
    find: `    return this.configs.latest;`,
    replace: `    return this.configs.at(this.#commit);`,
    seeds: 300,
    bias: changing,
  },
  {
    name: 'removedLeaderKeepsLeading',
    hazard: 17,
    file: 'raft/transfer.ts',
    find: `if (core.isVoter || core.configs.latestIndex > core.commit) return;`,
    replace: `if (core.id.length > 0) return;`,
    seeds: 500,
    bias: changing,
  },
  {
    name: 'promoteWhoLags',
    hazard: 18,
    file: 'raft/membership.ts',
    find: `    promotedKeepUp(core, leading, config) &&`,
    replace: ``,
    seeds: 1000,
    bias: {
      options: { spares: 2, thinkMs: 10, clients: 3 },
      faults: { changeConfig: 6, cutPair: 1.5, fillDisk: 0 },
    },
  },
  {
    name: 'witnessLeftAlone',
    hazard: 18,
    file: 'raft/membership.ts',
    find: `if (after.witnesses.length === 0) return true;`,
    replace: `if (after.witnesses.length < 9) return true;`,
    seeds: 4000,
    bias: {
      options: { voters: 3, witness: true, retention: 20, thinkMs: 10, clients: 3, spares: 0 },
      faults: { changeConfig: 6, isolateLeader: 1.5, cutPair: 1.5 },
    },
  },
  {
    name: 'witnessWatchesLeases',
    hazard: 0,
    file: 'driver/leader-desk.ts',
    find: `if (this.#isReady || !this.#mayServe || entry.term`,
    replace: `if (this.#isReady || this.#parts.core.status.role !== 'leader' || entry.term`,
    seeds: 300,
    bias: { options: { voters: 3, witness: true }, faults: { crashLeader: 1.2 } },
  },
  {
    name: 'readWithoutQuorumRound',
    hazard: 19,
    file: 'raft/reads.ts',
    find: `if (core.isAlone) return core.out.answerRead(id, commit);`,
    replace: `if (core.id.length > 0) return core.out.answerRead(id, commit);`,
    seeds: 600,
    bias: { faults: { isolateLeader: 1.5, pause: 1.5 } },
  },
  {
    name: 'roundOfBefore',
    hazard: 19,
    file: 'raft/reads.ts',
    find: `leading.reads.push({ id, index: commit, round: leading.round + 1 });`,
    replace: `leading.reads.push({ id, index: commit, round: leading.round });`,
    seeds: 1500,
    bias: { faults: { isolateLeader: 1.5, pause: 1.5, delayTail: 0.1 } },
  },
  {
    name: 'readBeforeOwnTermCommit',
    hazard: 19,
    file: 'raft/reads.ts',
    find: `if (commit < leading.openedAt) return core.out.refuse('notReady');`,
    replace: ``,
    seeds: 1000,
    bias: { faults: { crashLeader: 1 } },
  },
  {
    name: 'stalledLeaderStays',
    hazard: 35,
    file: 'raft/raft.ts',
    find: `if (election.isDiskStalled(core) && !core.isAlone) return transfer.giveUp(core);`,
    replace: ``,
    also: {
      file: 'driver/driver.ts',
      find: `const isStalled = this.#writer.ticksUnderWay > this.#options.raft.electionTicks;`,
      replace: `const isStalled = this.#writer.ticksUnderWay < 0;`,
    },
    seeds: 300,
    bias: { faults: { diskStall: 0.01 } },
  },
  {
    name: 'feedsUncommitted',
    hazard: 0,
    file: 'raft/feed.ts',
    find: `  const entries = log.sliceWithin(index + 1, commit, {`,
    replace: `  const entries = log.sliceWithin(index + 1, log.lastIndex, {`,
    seeds: 300,
    bias: { options: { observers: 1 } },
  },
  {
    name: 'noBound',
    hazard: 0,
    file: 'raft/proposals.ts',
    find: `if (isTooMuch && waiting > 0) return core.out.refuse('busy');`,
    replace: `if (isTooMuch && waiting < 0) return core.out.refuse('busy');`,
    seeds: 300,
    bias: { options: { uncommittedEntriesMax: 8, thinkMs: 10, clients: 3 } },
  },
];

const stateMachine: readonly Mutant[] = [
  {
    name: 'sessionNotChecked',
    hazard: 22,
    file: 'machine/machine.ts',
    find: `    if (known !== undefined) return { reply: known };`,
    replace: ``,
    seeds: 100,
  },
  {
    name: 'answersForgottenAtStart',
    hazard: 22,
    file: 'machine/sessions.ts',
    find: `    replies.set(reply[0], replyText);`,
    replace: `    if (reply[0] < 0) replies.set(reply[0], replyText);`,
    seeds: 100,
  },
  {
    name: 'unknownSessionApplied',
    hazard: 22,
    file: 'machine/sessions.ts',
    find: `      throw new FairleadError('SESSION_UNKNOWN', 'the cluster does not know this client any more');`,
    replace: `      return undefined;`,
    seeds: 300,
    bias: { options: { sessions: 3, clients: 3 } },
  },
  {
    name: 'sessionsNotInSnapshot',
    hazard: 22,
    file: 'machine/state.ts',
    find: `    for (const [key, text] of this.sessions.records()) records.push(['sessions', key, text]);`,
    replace: ``,
    seeds: 300,
    bias: { options: { retention: 3 } },
  },
  {
    name: 'expiryUnconditional',
    hazard: 23,
    file: 'machine/machine.ts',
    find: `(expired.generation !== held.generation || expired.decidedIn !== term);`,
    replace: `(expired.generation < 0 || expired.decidedIn < 0);`,
    seeds: 2000,
    bias: leases,
  },
  {
    name: 'newLeaderKeepsOldDeadlines',
    hazard: 23,
    file: 'driver/lease-clock.ts',
    find: `  begin(): void {
    this.#deadlines.clear();`,
    replace: `  begin(): void {`,
    seeds: 1500,
    bias: { ...leases, faults: { transfer: 1.5, isolateLeader: 1 } },
  },
  {
    name: 'keptWithoutConfirmation',
    hazard: 23,
    file: 'driver/lease-keeper.ts',
    find: `    this.#confirm(id, done);`,
    replace: `    if (lease === undefined) this.#confirm(id, done);
    else this.#kept(lease, done);`,
    seeds: 2000,
    bias: { ...leases, faults: { isolateLeader: 1.5, pause: 1.5 } },
  },
  {
    name: 'wokenLeaderEndsLeases',
    hazard: 23,
    file: 'driver/driver.ts',
    find: `if (lateMs > (raft.electionTicks * bounds.tickMs) / 2) this.#leader.stalled();`,
    replace: `if (lateMs < 0) this.#leader.stalled();`,
    seeds: 1000,
    bias: { ...leases, faults: { pause: 1.5 } },
  },
  {
    name: 'noNewTermForLeases',
    hazard: 23,
    file: 'driver/lease-clock.ts',
    find: `?? nowMs + lease.ttlMs;`,
    replace: `?? nowMs + lease.ttlMs / 4;`,
    seeds: 200,
    bias: leases,
  },
  {
    name: 'leasesNeverEnd',
    hazard: 23,
    file: 'driver/lease-keeper.ts',
    find: `, () => this.#clock.ended(id));`,
    replace: `, () => this.#clock.isEnding(id));`,
    seeds: 600,
    bias: { options: { leases: true, uncommittedEntriesMax: 8, thinkMs: 10, clients: 3 } },
  },
  {
    name: 'leaseKeysInAnyOrder',
    hazard: 34,
    file: 'machine/leases.ts',
    find: `return [...this.#held(id).keys].toSorted();`,
    replace: `return [...this.#held(id).keys];`,
    seeds: 600,
    bias: {
      options: { leases: true, keys: 8, thinkMs: 10, retention: 3 },
      faults: { crash: 2, restartAll: 0.4 },
    },
  },
  {
    name: 'leaseLeavesNoTrace',
    hazard: 34,
    file: 'machine/leases.ts',
    find: `    this.#held(id).generation += 1;
    this.changes.note(id);`,
    replace: `    this.#held(id).generation += 1;`,
    seeds: 2000,
    bias: { ...leases, faults: { isolateLeader: 1, diskTail: 0.3 } },
  },
  {
    name: 'digestIgnoresDeletes',
    hazard: 34,
    file: 'machine/rows.ts',
    find: `      if (before !== undefined) digest.remove(rowText(this.#space, before));`,
    replace: `      if (before !== undefined && this.#rows.get(key) !== undefined) {
        digest.remove(rowText(this.#space, before));
      }`,
    seeds: 100,
  },
  {
    name: 'clockInState',
    hazard: 34,
    file: 'machine/machine.ts',
    find: `    return Math.max(timeMs + 1, Math.min(wallMs, latest));`,
    replace: `    return Math.max(timeMs + 1, Math.min(wallMs, latest) + this.#changes.length);`,
    seeds: 100,
  },
  {
    name: 'alarmIgnored',
    hazard: 28,
    file: 'machine/machine.ts',
    find: `    const mayPut = !this.#alarmed;`,
    replace: `    const mayPut = true;`,
    seeds: 300,
    bias: { faults: { fillDisk: 0.5 } },
  },
  {
    name: 'alarmForgottenAtStart',
    hazard: 28,
    file: 'machine/machine.ts',
    find: `    this.#alarmed = hasAlarm(state.system);`,
    replace: `    this.#alarmed = false;`,
    seeds: 600,
    bias: { faults: { fillDisk: 0.5, crash: 1 } },
  },
];

const disk: readonly Mutant[] = [
  {
    name: 'compactPastApplied',
    hazard: 24,
    file: 'driver/retention.ts',
    find: `Math.min(Math.max(forced, wanted), needs.durableApplied, base + bounds.cutMax)`,
    replace: `Math.min(Math.max(forced, wanted), base + bounds.cutMax)`,
    seeds: 100,
    bias: { options: { retention: 3 } },
  },
  {
    name: 'snapshotDropsLog',
    hazard: 24,
    file: 'raft/following.ts',
    find: `return at.index > core.commit && !core.log.holds(at);`,
    replace: `return at.index > core.commit;`,
    seeds: 2000,
    bias: {
      options: { retention: 3, partBytes: 100, netDelayMs: 8 },
      faults: { transfer: 1.5, cutPair: 1.5, duplicate: 0.3 },
    },
  },
  {
    name: 'stagedOverStaged',
    hazard: 25,
    file: 'driver/snapshot-in.ts',
    find: `const first = isWitness || chunk.number === 0;`,
    replace: `const first = isWitness;`,
    seeds: 2000,
    bias: { options: { retention: 3, partBytes: 100 }, faults: { crash: 1, delayTail: 0.1 } },
  },
  {
    name: 'installNotAtomic',
    hazard: 25,
    file: 'driver/snapshot-desk.ts',
    find: `install: { head, base: ready.base } };`,
    replace: `install: { head: { ...head, applied: core.status.base.at }, base: ready.base } };`,
    seeds: 300,
    bias: { options: { retention: 3 } },
  },
  {
    name: 'headAheadOfRows',
    hazard: 26,
    file: 'machine/rows.ts',
    find: `Array.from(this.#changed,`,
    replace: `Array.from([...this.#changed].slice(0, 3),`,
    seeds: 300,
  },
  {
    name: 'stateAheadOfLog',
    hazard: 26,
    file: 'driver/batch-writer.ts',
    find: `const mayTellState = applier.applied.index < queue.lowestTouched();`,
    replace: `const mayTellState = queue.lowestTouched() > 0;`,
    seeds: 2000,
    bias: { options: { entriesPerMessageMax: 1, thinkMs: 10, clients: 3 } },
  },
  {
    name: 'recordsNotInDelta',
    hazard: 26,
    file: 'machine/state.ts',
    find: `[...this.leases.changes.takeChanged(), ...this.sessions.changes.takeChanged()]`,
    replace: `[...this.leases.changes.takeChanged()]`,
    seeds: 100,
  },
  {
    name: 'appliedTwiceAfterStart',
    hazard: 26,
    file: 'driver/start.ts',
    find: `applied: applied.index },
    applier`,
    replace: `applied: base.at.index },
    applier`,
    seeds: 100,
  },
  {
    name: 'watchGap',
    hazard: 0,
    file: 'driver/driver.ts',
    find: `if (change !== undefined) changes.push(change);`,
    replace: `if (change !== undefined && changes.length < 3) changes.push(change);`,
    seeds: 600,
  },
  {
    name: 'historyNotKept',
    hazard: 0,
    file: 'machine/machine.ts',
    find: `const changes = this.#changes.filter(({ revision }) => revision > forget.to);`,
    replace: `const changes = this.#changes.filter(({ revision }) => revision > forget.to + 1);`,
    seeds: 300,
  },
  {
    name: 'unknownIsRefused',
    hazard: 22,
    file: 'driver/proposals.ts',
    find: `const open = this.#appended.findIndex(({ at }) => at.index > commit);`,
    replace: `const open = this.#appended.findIndex(({ at }) => at.index > commit + 1e9);`,
    seeds: 600,
    bias: { faults: { isolateLeader: 1.5 } },
  },
];

/** All planted bugs. */
export const mutants: readonly Mutant[] = [...consensus, ...stateMachine, ...disk];
