/**
 * One run: a cluster in its arena, clients and watchers on it, harm after harm; then everything is undone,
 * and what was seen is judged.
 */
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import type { TxnResult } from '../../lib/store/port.ts';
import { checkBlackBox } from '../linearizability/black-box.ts';
import type { History } from '../linearizability/history.ts';
import { randomFrom } from '../linearizability/made-history.ts';
import { Recorder } from '../linearizability/recorder.ts';
import { checkRevisions } from '../linearizability/revision-checker.ts';
import { until } from '../support/until.ts';
import { Arena } from './arena.ts';
import { Stage, type Harm } from './harms/harm.ts';
import { SiteStore } from './site-store.ts';
import type { VoterStatus } from './voters.ts';
import { Watcher } from './watchers.ts';
import { runWorkload } from './workload.ts';

/** What to do. */
export interface RunPlan {
  readonly seed: number;
  readonly seconds: number;
  readonly harms: readonly Harm[];
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly say: (line: string) => void;
}

/** What came of it. */
export interface RunReport {
  readonly seed: number;
  readonly answered: number;
  readonly unknown: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly harms: Readonly<Record<string, number>>;
  readonly revisions: number;
  /** How often watchers began again, and how often after a gap that they were told of. */
  readonly watches: { readonly resumed: number; readonly lostHistory: number };
  /** What is wrong; empty when nothing is. */
  readonly faults: readonly string[];
}

const slots = 20;
const clientsPerSlot = 5;
const clientPauseMs = 100;
/** Errors that no harm excuses. */
const inexcusable = /\((?:INTERNAL|STORE_DIVERGED)\)|AssertionFailure|assert/;

/** Does it. `keep` gets the history when something is wrong. */
export async function runOnce(plan: RunPlan, keep: (history: History) => void): Promise<RunReport> {
  const { heartbeatMs, electionMs, say } = plan;
  const arena = await Arena.open({
    runtimes: ['bun', 'deno', 'node'],
    heartbeatMs,
    electionMs,
    say,
  });
  try {
    return await runIn(arena, plan, keep);
  } finally {
    await arena.close();
  }
}

async function runIn(
  arena: Arena,
  plan: RunPlan,
  keep: (history: History) => void,
): Promise<RunReport> {
  const recorder = new Recorder();
  const storeOf = (site: (typeof arena.sites)[number]): SiteStore =>
    new SiteStore(() => arena.socketOf(site));
  const voters = arena.sites.map(storeOf);
  const watchers = arena.sites.map(
    (site) => new Watcher(`watcher ${site.number}`, storeOf(site), recorder),
  );
  const ending = new AbortController();
  const running = runWorkload({
    recorder,
    voters,
    random: randomFrom(plan.seed ^ 0x5eed),
    slots,
    clientsPerSlot,
    pauseMs: clientPauseMs,
    signal: ending.signal,
  });
  const done = await doHarm(arena, plan);
  ending.abort();
  await running;
  plan.say('heal');
  const faults = [...done.faults];
  let revisions = 0;
  try {
    faults.push(...disagreements(await arena.heal()));
    revisions = (await lastWrite(recorder, voters)).revision;
    for (const watcher of watchers) await watcher.finish(revisions);
  } catch (thrown) {
    faults.push(`it does not heal: ${reasonOf(thrown)}`);
    for (const watcher of watchers) await watcher.stop();
  }
  for (const [at, voter] of voters.entries()) {
    await recorder.range(`last ${at}`, voter, { start: '!', end: '\x7f' });
  }
  const history = recorder.history();
  faults.push(...deathsOf(arena), ...verdictsOn(history));
  if (faults.length > 0) keep(history);
  const unknown = history.calls.filter(({ kind }) => kind === 'unknown').length;
  return {
    seed: plan.seed,
    answered: history.calls.length - unknown,
    unknown,
    refused: Object.fromEntries(recorder.refusals),
    harms: done.counts,
    revisions,
    watches: {
      resumed: watchers.reduce((sum, each) => sum + each.resumed, 0),
      lostHistory: watchers.reduce((sum, each) => sum + each.lostHistory, 0),
    },
    faults,
  };
}

/** What was thrown, and what that came of. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { message, cause } = thrown;
  return cause === undefined ? message : `${message}: ${reasonOf(cause)}`;
}

/** One harm after another until the time is over. */
async function doHarm(
  arena: Arena,
  { seed, seconds, harms, say }: RunPlan,
): Promise<{ readonly counts: Record<string, number>; readonly faults: readonly string[] }> {
  const stage = new Stage(arena, randomFrom(seed));
  const counts: Record<string, number> = {};
  const endMs = systemClock.monotonicMs() + seconds * 1_000;
  await stage.sleep(500, 1_500);
  let turn = 0;
  while (systemClock.monotonicMs() < endMs) {
    // each in turn first, so that a short run leaves none of few out
    const harm = turn < harms.length ? harms[turn] : stage.pick(harms);
    turn += 1;
    if (harm === undefined) break;
    counts[harm.name] = (counts[harm.name] ?? 0) + 1;
    try {
      say(`${harm.name}: ${await harm.run(stage)}`);
    } catch (thrown) {
      const fault = `${harm.name} did not end well: ${reasonOf(thrown)}`;
      say(fault);
      return { counts, faults: [fault] };
    }
    await stage.sleep(300, 2_000);
  }
  return { counts, faults: [] };
}

function lastWrite(recorder: Recorder, voters: readonly SiteStore[]): Promise<TxnResult> {
  let turn = 0;
  return until(
    'the healed cluster takes a write',
    async () => {
      const voter = voters[turn % voters.length];
      turn += 1;
      if (voter === undefined) throw new Error('there is no voter');
      const put = { op: 'put', key: 'end', value: `end ${turn}` } as const;
      const answer = await recorder.txn('last', voter, { compare: [], then: [put] });
      if (answer instanceof FairleadError) throw answer;
      return answer;
    },
    { timeoutMs: 60_000 },
  );
}

function disagreements(statuses: readonly VoterStatus[]): readonly string[] {
  const digests = new Set(statuses.map(({ digest, revision }) => `${digest} at ${revision}`));
  if (digests.size <= 1) return [];
  return [`voters have different states: ${JSON.stringify(statuses)}`];
}

function deathsOf(arena: Arena): readonly string[] {
  return arena.deaths().filter((line) => inexcusable.test(line));
}

function verdictsOn(history: History): readonly string[] {
  const verdicts = [
    ['revisions', checkRevisions(history)],
    ['black box', checkBlackBox(history)],
  ] as const;
  return verdicts.flatMap(([name, verdict]) =>
    verdict.kind === 'valid' ? [] : [`${name}: ${verdict.kind}: ${verdict.what}`],
  );
}
