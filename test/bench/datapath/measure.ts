/** What work costs this process: time on the clock, time of a processor, the longest wait of the event loop. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a piece of work took. */
export interface Cost {
  readonly wallMs: number;
  /** Of all threads of this process. */
  readonly cpuMs: number;
  /** The longest time in which nothing else had its turn, as processor time of the event loop: waiting for a
   *  processor that others use is not in it. Some 1 ms too long. */
  readonly blockedMs: number;
}

const samplingMs = 1;

/** Does it and says what it took. */
export async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  let longestUs = 0;
  let last = process.threadCpuUsage();
  const look = () => {
    const { user, system } = process.threadCpuUsage(last);
    longestUs = Math.max(longestUs, user + system);
    last = process.threadCpuUsage();
  };
  const timer = setInterval(look, samplingMs);
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  look();
  clearInterval(timer);
  return { wallMs, cpuMs: (user + system) / 1_000, blockedMs: longestUs / 1_000 };
}

/** Bytes that this process's objects take, rubbish collected. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

/** Numbers from the environment, as in `FAIRLEAD_BENCH_NETWORKS=10,100`. */
export function sizesFrom(name: string, usual: readonly number[]): readonly number[] {
  const text = process.env[name];
  if (text === undefined || text === '') return usual;
  const sizes = text.split(',').map(Number);
  const isUsable = sizes.every((size) => Number.isInteger(size) && size > 0);
  if (!isUsable) throw new Error(`${name}=${text}: expected numbers with commas in between`);
  return sizes;
}
