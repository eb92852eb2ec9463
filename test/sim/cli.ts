/**
 * `npm run sim`: runs many seeds, or one.
 *
 *   --seeds N     how many (default 500)
 *   --from S      first seed (default: drawn from the clock, and printed)
 *   --seed S      this one only, and say more
 *   --trace       with --seed: print every event
 *   --shrink      with --seed: look for a smaller set of faults that fails as well
 *   --without A,B faults switched off
 *   --bias JSON   options and faults fixed on top of the draw
 *   --seconds T   stop after this time
 *   --corpus      the seeds of corpus.txt first
 *   --mutant NAME with this bug of mutants.ts planted in a copy, and its bias
 *   --profiles    seed after seed with the bias of another planted bug, without the bug
 *   --keep-going  one line for each seed that fails, and on with the next
 *   --json        one line for programs
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readCorpus } from './corpus.ts';
import {
  describeOptions,
  drawOptions,
  without,
  type Bias,
  type Fault,
  type SimOptions,
} from './options.ts';
import { mutants } from './mutants.ts';
import { copySource, plant } from './planting.ts';
import { runSeed, type RunResult } from './run.ts';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    without: { type: 'string', default: '' },
    bias: { type: 'string', default: '{}' },
    seconds: { type: 'string', default: '1000000' },
    corpus: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
    mutant: { type: 'string' },
    // the bug that this copy has, for the command that repeats a failure
    planted: { type: 'string' },
    profiles: { type: 'boolean', default: false },
  },
});

const given = JSON.parse(flags.bias) as Bias;
const profiles = mutants.flatMap((mutant) => mutant.bias ?? []);
const off = flags.without === '' ? [] : flags.without.split(',');
const biasOf = (seed: bigint): Bias =>
  flags.profiles ? (profiles[Number(seed % BigInt(profiles.length))] ?? given) : given;
const optionsOf = (seed: bigint) => without(drawOptions(seed, biasOf(seed)), off);
const print = (text: string) => process.stdout.write(`${text}\n`);
/** Events shown of a run that failed. */
const lastEvents = 60;

function replayCommand(seed: bigint): string {
  const extra = [
    ...(flags.planted === undefined ? [] : [`--mutant ${flags.planted}`]),
    ...(flags.bias === '{}' || flags.planted !== undefined ? [] : [`--bias '${flags.bias}'`]),
    ...(flags.profiles ? ['--profiles'] : []),
    ...(off.length === 0 ? [] : [`--without ${off.join(',')}`]),
  ];
  return ['npm run sim --', `--seed ${seed}`, ...extra, '--trace'].join(' ');
}

/** Which source this is; a copy is none of git's. */
function commit(): string {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' });
  return stdout?.trim() === '' ? 'unknown' : (stdout?.trim() ?? 'unknown');
}

function report(seed: bigint, options: SimOptions, result: RunResult): void {
  const again = runSeed(seed, options, true);
  print(
    `seed ${seed} FAILED after ${result.virtualMs.toFixed(0)} ms: ${result.violation?.message}`,
  );
  if (again.hash !== result.hash) print(`NOT REPEATABLE: ${again.hash}, not ${result.hash}`);
  print(`options: ${describeOptions(options)}`);
  print(`last events:`);
  for (const line of again.lines.slice(-lastEvents)) print(line);
  print(`seed ${seed} at commit ${commit()}: ${result.violation?.message}`);
  print(`replay: ${replayCommand(seed)}`);
}

/** Faults that may be switched off, and the run still breaks the same rule. */
function shrink(seed: bigint, options: SimOptions, rule: string): void {
  let kept = options;
  const fails = (candidate: SimOptions) => runSeed(seed, candidate).violation?.rule === rule;
  const dropped: string[] = [];
  for (const name of Object.keys(options.faults) as Fault[]) {
    if (kept.faults[name] === 0) continue;
    const candidate = without(kept, [name]);
    if (!fails(candidate)) continue;
    kept = candidate;
    dropped.push(name);
  }
  print(`still ${rule} without: ${dropped.join(',')}`);
  print(`left: ${describeOptions(kept)}`);
}

function runOne(seed: bigint): void {
  const options = optionsOf(seed);
  const result = runSeed(seed, options, flags.trace);
  for (const line of result.lines) print(line);
  print(`options: ${describeOptions(options)}`);
  print(`hash ${result.hash} ${JSON.stringify(result.counts)}`);
  if (result.violation === undefined) {
    print(`seed ${seed} is clean`);
    return;
  }
  process.exitCode = 1;
  if (flags.trace) print(`seed ${seed} FAILED: ${result.violation.message}`);
  else report(seed, options, result);
  if (flags.shrink) shrink(seed, options, result.violation.rule);
}

/** The same command in a copy with the bug planted. */
async function runMutant(name: string): Promise<void> {
  const mutant = mutants.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`no mutant is called ${name}`);
  const copy = copySource();
  try {
    plant(copy, mutant);
    const rest = process.argv.slice(2).filter((word, at, all) => {
      return word !== '--mutant' && all[at - 1] !== '--mutant';
    });
    const args = [join(copy, 'test/sim/cli.ts'), '--planted', name, ...rest];
    if (flags.bias === '{}') args.push('--bias', JSON.stringify(mutant.bias ?? {}));
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    await once(child, 'close');
    process.exitCode = child.exitCode ?? 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function runMany(): void {
  const from = BigInt(flags.from ?? Date.now() * 1000);
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const totals: Record<string, number> = {};
  const seeds = flags.corpus ? [...readCorpus()] : [];
  for (let at = 0n; at < BigInt(flags.seeds); at += 1n) seeds.push(from + at);
  let done = 0;
  let failed = 0;
  for (const seed of seeds) {
    if (seconds() > Number(flags.seconds)) break;
    const options = optionsOf(seed);
    const result = runSeed(seed, options);
    done += 1;
    for (const [name, count] of Object.entries(result.counts)) {
      totals[name] = (totals[name] ?? 0) + count;
    }
    if (result.violation !== undefined) {
      process.exitCode = 1;
      failed += 1;
      if (flags['keep-going']) {
        print(`seed ${seed}: ${result.violation.message.split('\n')[0]?.slice(0, 300)}`);
        continue;
      }
      if (flags.json) {
        const { rule, message } = result.violation;
        print(JSON.stringify({ seed: `${seed}`, seeds: done, seconds: seconds(), rule, message }));
      } else report(seed, options, result);
      return;
    }
    const isRepeated = done % 100 === 0;
    if (isRepeated && runSeed(seed, options).hash !== result.hash) {
      print(`seed ${seed} is NOT REPEATABLE`);
      process.exitCode = 1;
      return;
    }
  }
  if (flags.json) {
    print(JSON.stringify({ seeds: done, seconds: seconds() }));
    return;
  }
  // what one core does, also when others use it as well
  const { user, system } = process.cpuUsage();
  const rate = Math.round((done / (user + system)) * 60e6);
  const took = `${seconds().toFixed(1)} s, ${rate} a minute of processor time`;
  print(`${done - failed} of ${done} seeds from ${from} are clean, in ${took}`);
  print(`together ${JSON.stringify(totals)}`);
}

if (flags.mutant !== undefined) await runMutant(flags.mutant);
else if (flags.seed === undefined) runMany();
else runOne(BigInt(flags.seed));
