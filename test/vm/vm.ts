/**
 * Runs a command in a virtual machine whose kernel has Open vSwitch's datapath:
 *
 *     npm run vm -- [--minutes N] COMMAND [WORD...]
 *
 * The command runs as root in a copy of the project, with its packages and dist/fairlead. Its exit code is this
 * one's. Needs root, Debian's package mirrors and about 3 GB of room in the temp folder; the machine is emulated
 * and some ten to twenty times slower than this one.
 */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensurePackages } from '../lab/packages.ts';
import { baseOf } from './base.ts';
import { boot } from './boot.ts';
import { projectDisk } from './project.ts';

const minutesDefault = 40;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const words = process.argv.slice(2);
let minutes = minutesDefault;
if (words[0] === '--minutes') {
  minutes = Number(words[1]);
  words.splice(0, 2);
}
if (words.length === 0 || !Number.isFinite(minutes)) {
  process.stderr.write('usage: npm run vm -- [--minutes N] COMMAND [WORD...]\n');
  process.exit(2);
}
await ensurePackages(['qemu-system-x86_64', 'debootstrap', 'mkfs.ext4', 'depmod']);
const base = await baseOf((line) => say(`vm: ${line}`));
const project = await projectDisk();
try {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  process.exitCode = await boot({
    base,
    project,
    command: `export FAIRLEAD_TEST_SLOWNESS=15 PATH=/project/node_modules/.bin:$PATH\n${quoted}\n`,
    timeoutMs: minutes * 60_000,
    say,
  });
} finally {
  rmSync(dirname(project), { recursive: true, force: true });
}
