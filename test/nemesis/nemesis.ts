/**
 * Breaks a cluster of real processes in every way while clients use it, and judges what they saw:
 *
 *     npm run nemesis -- [--seconds 60] [--runs 1] [--seed S] [--nemesis NAME,…]
 *                        [--heartbeat 60] [--election 600]
 *
 * One JSON line per run on standard output, progress on standard error. The seed draws what is done, to
 * whom and for how long; the processes themselves are not repeatable. Ends with 1 when a run found a fault;
 * its history is then kept, and the command to do it again is printed.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages } from '../lab/packages.ts';
import type { History } from '../linearizability/history.ts';
import { harms, harmsNamed } from './harms/all.ts';
import { runOnce } from './run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    runs: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
    nemesis: { type: 'string', default: harms.map(({ name }) => name).join(',') },
    heartbeat: { type: 'string', default: '60' },
    election: { type: 'string', default: '600' },
  },
});
const chosen = harmsNamed(values.nemesis.split(','));

function say(line: string): void {
  process.stderr.write(`nemesis: ${line}\n`);
}

function keep(history: History): void {
  const path = join(mkdtempSync(join(tmpdir(), 'fairlead-history-')), 'history.json');
  writeFileSync(path, JSON.stringify(history));
  say(`history kept in ${path}`);
}

await ensurePackages();
let failures = 0;
for (let run = 0; run < Number(values.runs); run += 1) {
  const seed = Number(values.seed) + run;
  const again = `npm run nemesis -- --seconds ${values.seconds} --seed ${seed} --nemesis ${values.nemesis} --heartbeat ${values.heartbeat} --election ${values.election}`;
  say(again);
  const plan = {
    seed,
    seconds: Number(values.seconds),
    harms: chosen,
    heartbeatMs: Number(values.heartbeat),
    electionMs: Number(values.election),
    say,
  };
  const report = await runOnce(plan, keep);
  process.stdout.write(`${JSON.stringify(report)}\n`);
  if (report.faults.length === 0) continue;
  failures += 1;
  for (const fault of report.faults) say(`FAULT ${fault}`);
  say(`again: ${again}`);
}
process.exit(failures === 0 ? 0 : 1);
