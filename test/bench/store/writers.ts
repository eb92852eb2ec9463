/**
 * A process of writers, so that what they cost is not measured with what they ask:
 *
 *     writers.ts PLAN           (JSON: `WritersPlan`)
 *
 * Each writer puts 300 characters and waits for the answer, then again. Prints one JSON line: `Written`.
 */
import { randomBytes } from 'node:crypto';
import { openPutter, type Endpoint } from './endpoint.ts';

/** What to write, and for how long. */
export interface WritersPlan {
  readonly endpoint: Endpoint;
  readonly writers: number;
  /** Not measured. */
  readonly warmUpMs: number;
  /** Measured for this long, or, when `writes` is given, until so many are done. */
  readonly measuredMs: number;
  readonly writes?: number;
  /** Distinct keys in all. */
  readonly keys: number;
}

/** What came of it. */
export interface Written {
  readonly writes: number;
  readonly ms: number;
  /** Latencies in ms, at most `latenciesMax` of them, evenly drawn. */
  readonly latencies: readonly number[];
}

/** Characters of a value. */
export const valueCharacters = 300;
const latenciesMax = 20_000;

async function write(plan: WritersPlan): Promise<Written> {
  const values = Array.from({ length: 256 }, () =>
    randomBytes(valueCharacters / 2).toString('hex'),
  );
  const latencies: number[] = [];
  const startedMs = performance.now() + plan.warmUpMs;
  const endMs = plan.writes === undefined ? startedMs + plan.measuredMs : Number.POSITIVE_INFINITY;
  let begun = 0;
  const run = async (): Promise<void> => {
    const putter = openPutter(plan.endpoint);
    for (;;) {
      const calledMs = performance.now();
      if (calledMs >= endMs || begun === plan.writes) break;
      begun += 1;
      const value = values[begun % values.length] ?? '';
      await putter.put(`bench/${String(begun % plan.keys).padStart(8, '0')}`, value);
      const answeredMs = performance.now();
      if (answeredMs >= startedMs && answeredMs < endMs) latencies.push(answeredMs - calledMs);
    }
    putter.close();
  };
  await Promise.all(Array.from({ length: plan.writers }, run));
  const every = Math.ceil(latencies.length / latenciesMax);
  return {
    writes: latencies.length,
    ms: Math.min(performance.now(), endMs) - startedMs,
    latencies: latencies.filter((_, at) => at % every === 0),
  };
}

const words = process.argv[2];
if (words !== undefined) {
  const written = await write(JSON.parse(words) as WritersPlan);
  process.stdout.write(`${JSON.stringify(written)}\n`);
}
