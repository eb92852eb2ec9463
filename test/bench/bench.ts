/**
 * Measures the product as its users meet it: real engine, real Open vSwitch, the single-file binary.
 * Prints one JSON line per figure on standard output, progress on standard error.
 *
 *     npm run bench                 all groups
 *     npm run bench -- GROUP|FIGURE…   `datapath` stands for all groups of that beginning
 */
import type { LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import { groups, type BenchGroup } from './groups.ts';

function chosen(words: readonly string[]): readonly BenchGroup[] {
  if (words.length === 0) return groups;
  const unknown = words.find((word) => !groups.some((group) => isMeant(group, word)));
  if (unknown !== undefined) {
    const known = groups.map(({ name, figures }) => `${name} (${figures.join(', ')})`).join('; ');
    throw new Error(`no group or figure ${unknown}; there are ${known}`);
  }
  return groups.filter((group) => words.some((word) => isMeant(group, word)));
}

const isMeant = ({ name, figures }: BenchGroup, word: string): boolean =>
  name === word || name.startsWith(`${word}-`) || figures.includes(word);

const lab = openLab();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void lab.down().finally(() => process.exit(130)));
}
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
let host: LabHost | undefined;

/** The host with an engine that most groups need, and its image. */
async function engine(): Promise<[LabHost, string]> {
  [host] = host === undefined ? await lab.up(1, { progress: say }) : [host];
  if (host === undefined) throw new Error('the lab has no host');
  return [host, await host.image()];
}

const selected = chosen(process.argv.slice(2));
try {
  for (const group of selected) {
    say(group.name);
    if (group.needs === 'nothing') await group.run();
    else await group.run(...(await engine()));
  }
} finally {
  await lab.down();
}
