/**
 * What one seed stands for: sizes, speeds, and which faults happen how often. Swarm testing (Groce and
 * others, 2012): each class of faults is on in some runs and off in others, since faults that are always
 * all on hide each other's bugs.
 */
import { Random } from './random.ts';

/** Faults. Those with a probability act per occasion, those with a rate per second of the whole run. */
export const faultNames = [
  // per message
  'drop',
  'duplicate',
  'reorder',
  'delayTail',
  // per write
  'diskTail',
  'diskStall',
  'diskFail',
  'crashBeforeWrite',
  'crashAfterWrite',
  'crashBeforeSend',
  // per second
  'slowLink',
  'cutOneWay',
  'cutPair',
  'split',
  'isolateLeader',
  'crash',
  'crashLeader',
  'restartAll',
  'stop',
  'pause',
  'wallJump',
  'loseDirectory',
  'transfer',
  'changeConfig',
  'fillDisk',
] as const;

/** A class of faults. */
export type Fault = (typeof faultNames)[number];

/** How often; 0 is never. */
export type Faults = Readonly<Record<Fault, number>>;

/** Everything that a run is made of besides the seed's streams. All flat, so that it prints on a line. */
export interface SimOptions {
  /** Members at the start, by role; then hosts that only join later. */
  readonly voters: number;
  readonly observers: number;
  readonly spares: number;
  /** One of the voters keeps no state. */
  readonly witness: boolean;
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** How long faults happen. */
  readonly chaosMs: number;
  /** Entries kept in the log after they are applied. */
  readonly retention: number;
  readonly entriesPerMessageMax: number;
  readonly messagesInFlightMax: number;
  readonly uncommittedEntriesMax: number;
  /** Bytes of one part of a snapshot. */
  readonly partBytes: number;
  /** Sessions that the machine remembers, and revisions of history that it keeps. */
  readonly sessions: number;
  readonly history: number;
  readonly netDelayMs: number;
  readonly diskMs: number;
  /** How much later than due `soon` may run. */
  readonly soonMs: number;
  /** Clocks run at 1 - drift to 1 + drift of true speed. */
  readonly drift: number;
  readonly clients: number;
  readonly keys: number;
  readonly thinkMs: number;
  readonly timeoutMs: number;
  readonly leases: boolean;
  /** Probability that a batch under way at a crash is durable. */
  readonly keepAtCrash: number;
  /** How long what is crashed, cut or paused stays so. */
  readonly outageMs: number;
  readonly faults: Faults;
}

/** What a mutant or a person asks for on top of the draw. */
export interface Bias {
  /** Faults that are always on, with the given rate. */
  readonly faults?: Partial<Record<Fault, number>>;
  /** Other options, fixed. */
  readonly options?: Partial<Omit<SimOptions, 'faults'>>;
}

/** Largest rate or probability of each fault; the drawn one is between a tenth of it and this. */
const ceilings: Faults = {
  drop: 0.4,
  duplicate: 0.3,
  reorder: 0.5,
  delayTail: 0.1,
  diskTail: 0.3,
  diskStall: 0.01,
  diskFail: 0.01,
  crashBeforeWrite: 0.05,
  crashAfterWrite: 0.05,
  crashBeforeSend: 0.02,
  slowLink: 1,
  cutOneWay: 1.5,
  cutPair: 1.5,
  split: 1,
  isolateLeader: 1.5,
  crash: 2,
  crashLeader: 1.2,
  restartAll: 0.4,
  stop: 0.6,
  pause: 1.5,
  wallJump: 1,
  loseDirectory: 0.4,
  transfer: 1.5,
  changeConfig: 3,
  fillDisk: 0.5,
};

/** The options of a seed. */
export function drawOptions(seed: bigint, bias: Bias = {}): SimOptions {
  const random = new Random(seed, 0);
  const calm = random.chance(0.03);
  const density = random.pick([0.2, 0.35, 0.5]);
  const faults = Object.fromEntries(
    faultNames.map((name) => {
      const on = random.chance(density) && !calm;
      const rate = ceilings[name] * (0.1 + 0.9 * random.next() * random.next());
      return [name, on ? Number(rate.toPrecision(3)) : 0];
    }),
  ) as unknown as Faults;
  const drawn = drawSizes(random);
  return { ...drawn, ...bias.options, faults: { ...faults, ...bias.faults } };
}

function drawSizes(random: Random): Omit<SimOptions, 'faults'> {
  const voters = random.pick([1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5]);
  const retention = random.pick([3, 10, 40, 1000]);
  const witness = voters >= 3 && random.chance(0.1);
  return {
    voters,
    observers: random.pick([0, 0, 0, 1]),
    spares: random.pick([0, 0, 1, 1, 2]),
    witness,
    tickMs: random.pick([15, 20, 25]),
    electionTicks: random.pick([6, 8, 10]),
    heartbeatTicks: random.pick([2, 2, 3]),
    chaosMs: random.pick([2500, 3500, 5000]),
    // a witness must keep at least what a voter may lag behind when it takes over
    retention: witness ? Math.max(40, retention) : retention,
    entriesPerMessageMax: random.pick([1, 2, 8, 64]),
    messagesInFlightMax: random.pick([1, 2, 8]),
    uncommittedEntriesMax: random.pick([8, 64]),
    partBytes: random.pick([100, 600, 100_000]),
    sessions: random.pick([3, 100, 100]),
    history: random.pick([5, 50, 100_000]),
    netDelayMs: random.pick([0.5, 2, 8]),
    diskMs: random.pick([0.5, 3, 12]),
    soonMs: random.pick([0, 0, 1, 5]),
    drift: random.pick([0, 0.05, 0.2]),
    clients: random.pick([1, 2, 3]),
    keys: random.pick([1, 3, 8]),
    thinkMs: random.pick([10, 40, 100]),
    timeoutMs: random.pick([100, 300, 800]),
    leases: random.chance(0.4),
    keepAtCrash: random.pick([0, 0.3, 0.5, 1]),
    outageMs: random.pick([100, 300, 1000]),
  };
}

/** Options with some faults off: for shrinking what fails. */
export function without(options: SimOptions, names: readonly string[]): SimOptions {
  const faults = Object.fromEntries(
    Object.entries(options.faults).map(([name, rate]) => [name, names.includes(name) ? 0 : rate]),
  ) as unknown as Faults;
  return { ...options, faults };
}

/** One line: sizes, then the faults that are on. */
export function describeOptions(options: SimOptions): string {
  const { faults, ...sizes } = options;
  const on = Object.entries(faults).filter(([, rate]) => rate > 0);
  return [
    ...Object.entries(sizes).map(([name, value]) => `${name}=${String(value)}`),
    ...on.map(([name, rate]) => `${name}:${rate}`),
  ].join(' ');
}
