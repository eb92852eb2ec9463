/** How a bench reports: one JSON line per figure, with what it is measured against in the same run. */

/** A series of measurements. */
export interface Series {
  readonly figure: string;
  readonly unit: 'ms' | 'cpu ms' | 'KB' | 'MB' | 'writes/s' | 'flows' | 'Mbit/s' | 'calls/s';
  readonly values: readonly number[];
}

/** What a figure is compared with. */
export interface Versus {
  readonly name: string;
  readonly values: readonly number[];
}

/** The value below which a share of the values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(0, Math.ceil(share * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}

/** Prints a figure; the ratio is ours divided by theirs, of the medians. */
export function report(series: Series, versus?: Versus, more: object = {}): void {
  const round = (value: number): number => Math.round(value * 100) / 100;
  const p50 = percentile(series.values, 0.5);
  const line = {
    figure: series.figure,
    unit: series.unit,
    n: series.values.length,
    p50: round(p50),
    p99: round(percentile(series.values, 0.99)),
    ...(versus === undefined
      ? {}
      : {
          versus: versus.name,
          versusP50: round(percentile(versus.values, 0.5)),
          ratio: round(p50 / percentile(versus.values, 0.5)),
        }),
    ...more,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Times one piece of work in ms. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
