/**
 * `npm run disk`: the campaigns of disk faults, as long as asked for, with figures.
 *
 *     --cycles N     cycles per fault and runtime (200)
 *     --seed N       where chance begins (drawn, and printed)
 *     --runtime R    node, bun or deno (all)
 *     --fault F      kill, power, sync-error, write-error, full or damage (all)
 */
import { parseArgs } from 'node:util';
import { campaigns, faults } from './campaigns.ts';
import { runtimeNames } from './runtimes.ts';

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    runtime: { type: 'string', multiple: true, default: [...runtimeNames] },
    fault: { type: 'string', multiple: true, default: [...faults] },
  },
});

const columns = ['cycles', 'acknowledged', 'lost', 'kept', 'faults', 'noticed'] as const;
const row = (cells: readonly (string | number)[]) =>
  `${cells.map((cell, at) => (at < 2 ? String(cell).padEnd(12) : String(cell).padStart(13))).join('')}\n`;

process.stdout.write(`seed ${values.seed}\n${row(['fault', 'runtime', ...columns, 'seconds'])}`);
let failed = false;
const unknown = values.fault.filter((name) => !faults.some((fault) => fault === name));
if (unknown.length > 0) throw new Error(`no such fault: ${unknown.join(', ')}`);
for (const fault of faults.filter((name) => values.fault.includes(name))) {
  for (const runtime of runtimeNames.filter((name) => values.runtime.includes(name))) {
    const startedMs = performance.now();
    const options = { runtime, seed: Number(values.seed), cycles: Number(values.cycles) };
    const tally = await campaigns[fault](options);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    process.stdout.write(row([fault, runtime, ...columns.map((name) => tally[name]), seconds]));
    for (const complaint of tally.complaints) process.stdout.write(`  ${complaint}\n`);
    failed ||= tally.complaints.length > 0;
  }
}
process.exitCode = failed ? 1 : 0;
