/** Leadership, on request and before this member closes, so that others need not wait for an election. */
import { handOverWaitMs } from '../../limits.ts';
import type { Clock } from '../../clock.ts';
import type { ChangeOutcome } from '../driver/ports.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { ReplicatedEngine } from './engine.ts';

/** The voter to lead next: of those that are there the one that is furthest. */
export function heirOf(
  { config, leader, progress }: RaftStatus,
  isThere: (id: MemberId) => boolean,
): MemberId | undefined {
  const matched = (id: MemberId): number =>
    progress.find(({ member }) => member === id)?.matched ?? 0;
  return config.voters
    .filter((id) => id !== leader && !config.witnesses.includes(id) && isThere(id))
    .toSorted((one, other) => matched(other) - matched(one))[0];
}

/** Asks the core of this member, which leads, to hand over. */
export function handOver(engine: ReplicatedEngine, to: MemberId): Promise<ChangeOutcome> {
  return new Promise((resolve) => engine.driver.transfer(to, resolve));
}

/** Hands leadership on if this member has it, and waits a little for that to come about. */
export async function handOverBeforeClosing(node: {
  readonly engine: ReplicatedEngine;
  readonly options: { readonly clock: Clock };
  connected(): readonly MemberId[];
}): Promise<void> {
  const { engine, options } = node;
  const status = engine.status();
  if (status.role !== 'leader' || engine.retired !== undefined) return;
  const there = new Set(node.connected());
  const heir = heirOf(status, (id) => there.has(id));
  if (heir === undefined) return;
  const settled = new AbortController();
  await Promise.race([
    handOver(engine, heir),
    options.clock.sleep(handOverWaitMs, settled.signal).catch(() => undefined),
  ]);
  settled.abort();
}
