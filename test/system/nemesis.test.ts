/**
 * A short run of the nemesis: three voters, one on each runtime, in namespaces. `npm run nemesis` does the
 * same for longer and with everything in its list.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { harmsNamed } from '../nemesis/harms/all.ts';
import { runOnce } from '../nemesis/run.ts';

const names = ['kill-leader', 'split', 'pause', 'cut-one-way', 'kill-all', 'slow-sync', 'clock'];
const seed = Math.floor(Math.random() * 1_000_000_000);
const again = `npm run nemesis -- --seconds 45 --seed ${seed} --nemesis ${names.join(',')}`;

test(`what clients see while voters die and links break is linearizable: ${again}`, async () => {
  const said: string[] = [];
  const report = await runOnce(
    {
      seed,
      seconds: 45,
      harms: harmsNamed(names),
      heartbeatMs: 60,
      electionMs: 600,
      say: (line) => said.push(line),
    },
    (history) => {
      const path = join(mkdtempSync(join(tmpdir(), 'fairlead-history-')), 'history.json');
      writeFileSync(path, JSON.stringify(history));
      said.push(`history kept in ${path}`);
    },
  );
  expect(report.faults, said.join('\n')).toEqual([]);
  expect(Object.keys(report.harms).length).toBeGreaterThanOrEqual(4);
  expect(report.answered).toBeGreaterThan(1_000);
}, 240_000);
