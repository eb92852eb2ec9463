/**
 * Processes of a lab. Each is recorded by pid and start time, so that a pid used again by somebody
 * else is never signalled, and carries the lab's mark in its environment, so that children nobody
 * recorded (container shims, what a test ran in a host) are found as well, also after a crash.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants } from 'node:os';
import { commandEnvironment } from './run.ts';
import { waitFor } from './wait.ts';

/** Environment variable that marks every process of a lab; the value is the lab's mark. */
export const markVariable = 'FAIRLEAD_LAB';
/** Environment variable that marks every process of one place of a lab; the value is its directory. */
export const placeVariable = 'FAIRLEAD_LAB_PLACE';

/** One process, told apart from a later one with the same pid by its start time in clock ticks. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** A process to start and leave running. */
export interface Background {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Gets its standard output and standard error, appended. */
  readonly logFile: string;
  /** File that records it. */
  readonly recordFile: string;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTicks: string;
}

function statOf(pid: number): Stat | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // the name in brackets may hold anything; fields are counted after its last bracket
  const [state = '', parent = '', ...rest] = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const startTicks = rest[17];
  if (startTicks === undefined) return undefined;
  return { state, parent: Number(parent), startTicks };
}

/** The identity of a running process; `undefined` when it is gone or dead and not yet reaped. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTicks: stat.startTicks };
}

/** True while that very process runs. */
export function isAlive(process: ProcessIdentity | undefined): boolean {
  return process !== undefined && identify(process.pid)?.startTicks === process.startTicks;
}

/** Sends a signal to that very process; false when it is gone. */
export function signalTo(process_: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(process_)) return false;
  try {
    return process.kill(process_.pid, signal);
  } catch {
    return false;
  }
}

/**
 * Starts a process in a session of its own (a ^C in the terminal does not reach it) and records it.
 * @throws {Error} when it cannot be started
 */
export async function startBackground(background: Background): Promise<ProcessIdentity> {
  const [command = '', ...args] = background.argv;
  mkdirSync(join(background.recordFile, '..'), { recursive: true });
  const output = openSync(background.logFile, 'a');
  try {
    const child = spawn(command, args, {
      env: commandEnvironment(background.env),
      detached: true,
      stdio: ['ignore', output, output],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new Error(`cannot start ${command}: ${error.message}`, { cause: error })),
      );
    });
    child.unref();
    const pid = child.pid ?? 0;
    // a process that is dead already is recorded, too: whoever waits for it reads its log
    const identity = identify(pid) ?? { pid, startTicks: 'gone' };
    writeFileSync(background.recordFile, `${identity.pid} ${identity.startTicks}\n`);
    return identity;
  } finally {
    closeSync(output);
  }
}

/** The recorded process; `undefined` when nothing was recorded. */
export function recordedProcess(recordFile: string): ProcessIdentity | undefined {
  try {
    const [pid, startTicks] = readFileSync(recordFile, 'utf8').trim().split(' ');
    if (pid === undefined || startTicks === undefined) return undefined;
    return { pid: Number(pid), startTicks };
  } catch {
    return undefined;
  }
}

/** The recorded processes of a directory of records that still run. */
export function recordedProcesses(directory: string): ProcessIdentity[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names
    .map((name) => recordedProcess(join(directory, name)))
    .filter((found) => found !== undefined)
    .filter(isAlive);
}

/**
 * Signals a recorded process, waits until it is gone and forgets it. Nothing to do when it is not
 * there.
 * @throws {Error} when it is still there after `timeoutMs`
 */
export async function endRecorded(
  recordFile: string,
  signal: NodeJS.Signals,
  timeoutMs: number,
): Promise<void> {
  const recorded = recordedProcess(recordFile);
  if (recorded !== undefined && signalTo(recorded, signal)) {
    await waitFor(
      { what: `end of process ${recorded.pid} (${recordFile}) after ${signal}`, timeoutMs },
      () => !isAlive(recorded),
    );
  }
  rmSync(recordFile, { force: true });
}

/** The processes that carry this mark and everything below them; never this one or its parents. */
export function markedProcesses(mark: string, variable = markVariable): ProcessIdentity[] {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat !== undefined && stat.state !== 'Z' && stat.state !== 'X') {
      stats.set(Number(name), stat);
    }
  }
  const spared = new Set<number>();
  for (let pid = process.pid; pid > 0 && !spared.has(pid); pid = stats.get(pid)?.parent ?? 0) {
    spared.add(pid);
  }
  const verdicts = new Map<number, boolean>();
  const isOurs = (pid: number): boolean => {
    const stat = stats.get(pid);
    if (stat === undefined || spared.has(pid)) return false;
    const known = verdicts.get(pid);
    if (known !== undefined) return known;
    verdicts.set(pid, false);
    const verdict = carriesMark(pid, `${variable}=${mark}`) || isOurs(stat.parent);
    verdicts.set(pid, verdict);
    return verdict;
  };
  return [...stats]
    .filter(([pid]) => isOurs(pid))
    .map(([pid, { startTicks }]) => ({ pid, startTicks }));
}

function carriesMark(pid: number, setting: string): boolean {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return variables.includes(setting);
  } catch {
    return false;
  }
}

/**
 * Kills processes until none is found any more.
 * @throws {Error} when some survive
 */
export async function killAll(find: () => readonly ProcessIdentity[]): Promise<void> {
  // a process that is being born while we look is found by the next look
  let quietLooks = 0;
  await waitFor({ what: 'end of all processes of the lab', timeoutMs: 45_000 }, () => {
    const found = find();
    for (const each of found) signalTo(each, 'SIGKILL');
    quietLooks = found.length === 0 ? quietLooks + 1 : 0;
    return quietLooks >= 2;
  });
}

/** The conventional exit code of a process ended by a signal. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
