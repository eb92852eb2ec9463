/**
 * What every member does now and then: says what is true of itself, and, while it leads, takes the
 * configuration one step towards what the members' rows ask for. Level-triggered: a crash or a change of
 * leader in the middle loses nothing.
 */
import { asFairleadError, hasCode } from '../../errors.ts';
import { featureLevelFirst } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import type { Member } from '../membership/rows.ts';
import { keepCredentials, type CredentialParts } from './credentials.ts';
import { nextStep, type NextStep } from '../membership/desired.ts';
import {
  planAnnounce,
  planForget,
  planRaiseFeatures,
  type MemberFacts,
} from '../membership/members.ts';
import { planAlarm } from '../membership/tokens.ts';
import { alarmKey } from '../membership/rows.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import { runPlan } from '../run-plan.ts';

/** What the loop works on. */
export interface MemberLoopParts extends CredentialParts {
  readonly log: Logger;
  /** What is true of this member now. */
  readonly facts: () => MemberFacts;
  /** Entry and record types that this program knows. */
  readonly knownFeatures: number;
  /** … and those that the cluster uses. */
  featureLevel(): number;
  /** A member that was silent this long is not counted as alive. */
  readonly aliveMs: number;
  /** The disk is nearly full. */
  readonly spaceLow: () => boolean;
  readonly members: () => readonly Member[];
  /** Asked, before a member of that name is forgotten, to note what is to become of its rows. */
  readonly beforeForget: (name: string) => Promise<void>;
  /** Members that are connected. */
  readonly connected: () => readonly MemberId[];
}

/** Why the configuration is not what it is meant to be, if it stays so. */
export interface LoopState {
  waitingFor: string | undefined;
}

/** One round. Refusals are left to the next. */
export async function memberRound(parts: MemberLoopParts, state: LoopState): Promise<void> {
  const { engine, log } = parts;
  const status = engine.status();
  if (status.leader === undefined || engine.retired !== undefined) return;
  // it hands leadership on, and has no rows to look at until then
  if (status.leader === status.id && status.config.witnesses.includes(status.id)) return;
  try {
    await keepCredentials(parts, status);
    await tellOfSelf(parts, status);
    state.waitingFor = status.role === 'leader' ? await leadOn(parts, status) : undefined;
  } catch (thrown) {
    const error = asFairleadError(thrown);
    // gone from the cluster: the connection says so better
    if (hasCode(error, 'MEMBER_UNKNOWN')) return;
    log.debug({ err: error }, 'the members are looked at again');
  }
}

async function tellOfSelf(parts: MemberLoopParts, { id: self, leader }: RaftStatus) {
  const { engine, facts, spaceLow } = parts;
  const member = parts.members().find(({ id }) => id === self);
  if (member === undefined) return;
  const now = facts();
  const differs = Object.entries(now).some(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(member[name as keyof MemberFacts]),
  );
  if (member.role === 'witness' && leader !== undefined && leader !== self) {
    if (differs) await engine.requests.announce(leader, now);
    return;
  }
  if (differs) await runPlan(engine.system, () => planAnnounce(self, now));
  const low = spaceLow();
  const raised = engine.localSystemRange({ start: alarmKey(self) }).rows.length > 0;
  if (low !== raised) await runPlan(engine.system, () => planAlarm(self, low));
}

/** Takes one step; answers what it waits for, if anything. */
async function leadOn(parts: MemberLoopParts, status: RaftStatus): Promise<string | undefined> {
  const { engine, clock } = parts;
  let step = stepOf(parts, status);
  while (step.kind === 'forget') {
    const { id } = step;
    const gone = parts.members().find((member) => member.id === id);
    // one that lost its data and is another member now keeps its name, and what it has
    const isReplaced = parts.members().some((one) => one.id !== id && one.name === gone?.name);
    if (gone !== undefined && !isReplaced) await parts.beforeForget(gone.name);
    await runPlan(engine.system, () => planForget(id, clock.wallMs()));
    step = stepOf(parts, status);
  }
  if (step.kind !== 'none') return take(parts, step);
  const levels = parts
    .members()
    .filter(({ leaving }) => !leaving)
    .map(({ featureLevel }) => featureLevel ?? featureLevelFirst);
  if (Math.min(parts.knownFeatures, ...levels) > parts.featureLevel()) {
    const level = await runPlan(engine.system, () => planRaiseFeatures(parts.knownFeatures));
    parts.log.info({ level }, 'every member knows more features: they may be used now');
  }
  return step.waitingFor;
}

function stepOf(parts: MemberLoopParts, status: RaftStatus): NextStep {
  const members = parts.members();
  const { id: self, config } = status;
  const alive = aliveMembers(status, parts);
  return nextStep({ self, config, members, alive });
}

async function take(
  { engine, log }: MemberLoopParts,
  step: Exclude<NextStep, { kind: 'none' | 'forget' }>,
): Promise<string | undefined> {
  const outcome = await new Promise<{ readonly kind: string; readonly why?: string }>((resolve) => {
    if (step.kind === 'config') engine.driver.changeConfig(step.config, resolve);
    else engine.driver.transfer(step.to, resolve);
  });
  if (outcome.kind === 'done') {
    log.info({ step }, 'the voters changed');
    return undefined;
  }
  return outcome.why === 'changeInvalid' ? 'a new voter is not up to date yet' : undefined;
}

/**
 * Members that answer, the leader included: connected, and not silent to consensus for long. Heard of
 * lately is not enough: a change of voters that counts on one that has just died stalls the cluster. An
 * observer is fed by any member, so its leader may only see that it is connected.
 */
function aliveMembers(
  { id, progress }: RaftStatus,
  { engine, aliveMs, connected }: MemberLoopParts,
): ReadonlySet<MemberId> {
  const silent = new Set(
    progress
      .filter(({ silentTicks }) => (silentTicks ?? Infinity) * engine.tickMs >= aliveMs)
      .map(({ member }) => member),
  );
  return new Set([id, ...connected().filter((member) => !silent.has(member))]);
}
