/**
 * `npm run sim:mutants`: plants each bug of `mutants.ts` in a copy of the source and runs the simulator on
 * the copy. Fails when one survives its budget of seeds, or no longer fits the source.
 *
 *   --only A,B    these only
 *   --from S      first seed (default 1, so that the outcome is always the same)
 *   --jobs N      at once (default: one per processor)
 *   --factor F    budgets times this
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mutants, type Mutant } from './mutants.ts';
import { copySource, plant } from './planting.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    factor: { type: 'string', default: '1' },
  },
});

const print = (text: string) => process.stdout.write(`${text}\n`);

interface Found {
  readonly seed?: string;
  readonly seeds: number;
  readonly seconds: number;
  readonly rule?: string;
}

/** What became of one mutant: undefined rule and no problem means that it survived. */
interface Verdict extends Found {
  readonly problem?: string;
}

/** Plants a bug, runs, and makes sure that what was found is the bug and not there without it. */
async function judge(clean: string, copy: string, mutant: Mutant): Promise<Verdict> {
  let verdict: Verdict;
  try {
    const restore = plant(copy, mutant);
    const budget = Math.round(mutant.seeds * Number(flags.factor));
    verdict = await simulate(copy, mutant, { from: flags.from, seeds: budget });
    restore();
  } catch (error) {
    return { seeds: 0, seconds: 0, problem: String(error) };
  }
  if (verdict.seed === undefined) return verdict;
  const without = await simulate(clean, mutant, { from: verdict.seed, seeds: 1 });
  if (without.rule === undefined) return verdict;
  return { ...verdict, problem: `seed ${verdict.seed} fails without it: ${without.rule}` };
}

function simulate(
  copy: string,
  mutant: Mutant,
  range: { readonly from: string; readonly seeds: number },
): Promise<Verdict> {
  const args = [
    join(copy, 'test/sim/cli.ts'),
    '--json',
    ...['--seeds', String(range.seeds)],
    ...['--from', range.from],
    ...['--bias', JSON.stringify(mutant.bias ?? {})],
  ];
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('close', () => {
      const line = output.trim().split('\n').at(-1) ?? '';
      if (line.startsWith('{')) done(JSON.parse(line) as Found);
      else done({ seeds: 0, seconds: 0, problem: `${line} ${errors.slice(0, 300)}` });
    });
  });
}

function row(cells: readonly string[]): string {
  const widths = [27, 7, 7, 9, 8];
  return cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' ');
}

async function main(): Promise<void> {
  const only = flags.only === '' ? undefined : flags.only.split(',');
  const waiting = mutants.filter(({ name }) => only === undefined || only.includes(name));
  const total = waiting.length;
  const started = performance.now();
  const survivors: string[] = [];
  print(row(['mutant', 'hazard', 'budget', 'seeds', 'seconds', 'found as']));
  const clean = copySource();
  const work = async (): Promise<void> => {
    const copy = copySource(clean);
    try {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const verdict = await judge(clean, copy, mutant);
        const outcome = verdict.problem ?? verdict.rule ?? 'SURVIVED';
        if (outcome !== verdict.rule) survivors.push(mutant.name);
        const { name, hazard, seeds } = mutant;
        const hazardText = hazard === 0 ? '-' : String(hazard);
        const found = String(verdict.seeds);
        print(row([name, hazardText, String(seeds), found, verdict.seconds.toFixed(1), outcome]));
      }
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: Number(flags.jobs) }, work));
  rmSync(clean, { recursive: true, force: true });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  print(`${total - survivors.length} of ${total} mutants found in ${seconds} s`);
  if (survivors.length === 0) return;
  print(`SURVIVED: ${survivors.join(' ')}`);
  process.exitCode = 1;
}

await main();
