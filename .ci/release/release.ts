/**
 * Makes what is handed out, in dist/release: `npm run release [-- --key FILE] [--open-vswitch FOLDER]
 * [--targets linux-x64,linux-arm64,linux-x64-musl]`. For each machine the binary, its parts list and licences, and the
 * bundle; SHA256SUMS over all of it. Prints how large everything is.
 *
 * The packages of other machines are fetched by npm into dist/packages; when that fails the machine is
 * left out, and the last lines say so.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createBundle } from '../../lib/bundle/bundle.ts';
import { readSigningKey } from '../../lib/bundle/minisign.ts';
import { commandSet } from '../../lib/cli/commands.ts';
import { manPage } from '../../lib/cli/man.ts';
import { makeFoldersOf } from '../../lib/cli/plugin-commands.ts';
import manifest from '../../package.json' with { type: 'json' };
import { isTarget, targets, type TargetName } from '../targets.ts';
import { licencesOf } from './licences.ts';
import { billOfMaterials } from './sbom.ts';
import { readLock, shippedIn } from './shipped.ts';

const root = resolve(import.meta.dirname, '../..');

/** What of the source tree goes into a bundle as it is, if it is there. */
const folders = ['systemd', 'openrc'];

/** Completions by shell, under the names that shells look for. */
const completions = { bash: 'fairlead.bash', zsh: '_fairlead', fish: 'fairlead.fish' };

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Options of the build that name the packages of another machine; throws when npm cannot get them. */
function packagesFor(target: TargetName): readonly string[] {
  if (target === `linux-${process.arch}`) return [];
  const { cpu, libc, runtime } = targets[target];
  const folder = join(root, 'dist/packages', target);
  if (!existsSync(join(folder, 'node_modules', runtime))) {
    mkdirSync(folder, { recursive: true });
    const { devDependencies, dependencies } = manifest;
    const wanted = [`bun@${devDependencies.bun}`, `koffi@${dependencies.koffi}`];
    const place = ['--prefix', folder, '--no-save', '--ignore-scripts'];
    const machine = ['--os', 'linux', '--cpu', cpu, '--libc', libc];
    execFileSync('npm', ['install', ...place, ...machine, ...wanted], { stdio: 'pipe' });
  }
  return ['--packages', folder];
}

interface Made {
  readonly target: TargetName;
  readonly commit: string | undefined;
}

/** Completions, and the man pages of all commands and of each. */
function writeHelp(stage: string): void {
  for (const folder of ['completions', 'man']) mkdirSync(join(stage, folder));
  for (const [shell, file] of Object.entries(completions)) {
    const text = execFileSync(process.execPath, ['agent.ts', 'completion', shell], { cwd: root });
    writeFileSync(join(stage, 'completions', file), text);
  }
  writeFileSync(join(stage, 'man/fairlead.1'), manPage(commandSet, undefined));
  for (const { name } of commandSet.commands) {
    const page = name.replaceAll(' ', '-');
    writeFileSync(join(stage, `man/fairlead-${page}.1`), manPage(commandSet, page));
  }
}

/** Binary, parts list, licences and bundle of one machine. */
async function make(target: TargetName, out: string): Promise<Made> {
  const stage = join(out, `.stage-${target}`);
  mkdirSync(join(stage, 'bin'), { recursive: true });
  const binary = join(stage, 'bin/fairlead');
  const build = ['.ci/build.ts', '--target', target, '--outfile', binary, ...packagesFor(target)];
  const told = execFileSync(process.execPath, build, { cwd: root, encoding: 'utf8' });
  const commit = new RegExp(`^.* ${target} ([0-9a-f]{12}\\S*) `, 'm').exec(told)?.[1];
  const { version } = manifest;
  const parts = shippedIn(readLock(root), targets[target]);
  const name = ['fairlead', version, ...(commit === undefined ? [] : [commit]), target].join('-');
  const texts = {
    'sbom.cdx.json': billOfMaterials({ version, commit, target }, parts),
    'LICENCES.txt': licencesOf(root, readFileSync(join(root, 'LICENSE'), 'utf8'), parts),
    VERSION: `${name}\nversion=${version}\ncommit=${commit ?? 'none'}\ntarget=${target}\n`,
  };
  for (const [path, text] of Object.entries(texts)) writeFileSync(join(stage, path), text);
  for (const folder of folders) {
    const from = join(root, folder);
    if (existsSync(from)) cpSync(from, join(stage, folder), { recursive: true });
  }
  writeHelp(stage);
  // the libraries of another machine are not here: fairlead bundle create adds its folders there
  if (target === `linux-${process.arch}`) {
    await makeFoldersOf({ release: name, program: binary, folder: join(stage, 'plugin') });
  }
  copyFileSync(join(root, 'install.sh'), join(stage, 'install.sh'));
  for (const path of ['install.sh', 'bin/fairlead']) chmodSync(join(stage, path), 0o755);

  const { key, 'open-vswitch': openVswitch } = values;
  await createBundle({
    folder: stage,
    output: join(out, `fairlead-${target}.tar.gz`),
    ...(key === undefined ? {} : { key: readSigningKey(readFileSync(key, 'utf8')) }),
    ...(openVswitch === undefined ? {} : { openVswitch: resolve(openVswitch) }),
  });
  copyFileSync(binary, join(out, `fairlead-${target}`));
  copyFileSync(join(stage, 'sbom.cdx.json'), join(out, `fairlead-${target}.cdx.json`));
  copyFileSync(join(stage, 'LICENCES.txt'), join(out, 'LICENCES.txt'));
  copyFileSync(join(stage, 'install.sh'), join(out, 'install.sh'));
  rmSync(stage, { recursive: true });
  return { target, commit };
}

/** Sums of everything in the folder, and its sizes in words. */
function sumUp(out: string): void {
  const names = readdirSync(out)
    .filter((name) => name !== 'SHA256SUMS')
    .toSorted();
  const sums = names.map((name) => {
    const bytes = readFileSync(join(out, name));
    return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`;
  });
  writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
  for (const name of names) {
    const megabytes = (statSync(join(out, name)).size / 1e6).toFixed(1);
    say(`${megabytes.padStart(8)} MB  ${name}`);
  }
}

const { values } = parseArgs({
  options: {
    targets: { type: 'string', default: Object.keys(targets).join(',') },
    key: { type: 'string' },
    'open-vswitch': { type: 'string' },
    out: { type: 'string', default: join(root, 'dist/release') },
  },
});
const out = resolve(values.out);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const failures: string[] = [];
for (const target of values.targets.split(',')) {
  try {
    if (!isTarget(target)) throw new Error(`there are ${Object.keys(targets).join(', ')}`);
    const { commit } = await make(target, out);
    say(`${target}: commit ${commit ?? 'none'}`);
  } catch (thrown) {
    rmSync(join(out, `.stage-${target}`), { recursive: true, force: true });
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    failures.push(`${target}: not built: ${why}`);
  }
}
sumUp(out);
for (const failure of failures) process.stderr.write(`error: ${failure}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
