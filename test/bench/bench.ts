/**
 * Measures the product as its users meet it: real engine, real Open vSwitch, the single-file binary.
 * Prints one JSON line per figure on standard output, progress on standard error.
 *
 *     npm run bench                 all groups
 *     npm run bench -- GROUP|FIGURE…
 */
import { openLab } from '../lab/lab.ts';
import { groups, type BenchGroup } from './groups.ts';

function chosen(words: readonly string[]): readonly BenchGroup[] {
  if (words.length === 0) return groups;
  const unknown = words.find(
    (word) => !groups.some(({ name, figures }) => name === word || figures.includes(word)),
  );
  if (unknown !== undefined) {
    const known = groups.map(({ name, figures }) => `${name} (${figures.join(', ')})`).join('; ');
    throw new Error(`no group or figure ${unknown}; there are ${known}`);
  }
  return groups.filter(({ name, figures }) =>
    words.some((word) => word === name || figures.includes(word)),
  );
}

const lab = openLab();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void lab.down().finally(() => process.exit(130)));
}
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const selected = chosen(process.argv.slice(2));
try {
  const [host] = await lab.up(1, { progress: say });
  if (host === undefined) throw new Error('the lab has no host');
  const image = await host.image();
  for (const group of selected) {
    say(group.name);
    await group.run(host, image);
  }
} finally {
  await lab.down();
}
