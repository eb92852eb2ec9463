/**
 * Builds the single-file binary: `bun .ci/build.ts [--target linux-x64|linux-arm64|linux-x64-musl]
 * [--outfile FILE] [--entry FILE] [--packages FOLDER]`. Result: dist/fairlead, or dist/fairlead-TARGET for another machine.
 *
 * Native addons are embedded as files and opened by `lib/runtime/addon.ts`: their packages look for them
 * in folders at run time, which only works on the machine that built the binary. The binary reads no
 * .env and no bunfig.toml of the folder it is started in; a preload line there would be executed.
 *
 * A build for another machine takes that machine's packages from `--packages FOLDER`; without them it
 * prints the npm command that gets them.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BunPlugin } from 'bun';
import { isTarget, targets, type TargetName } from './targets.ts';

const root = resolve(import.meta.dirname, '..');

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(line: string): never {
  process.stderr.write(`error: ${line}\n`);
  process.exit(2);
}

/** The exact version of an installed package. */
function versionOf(packageName: string): string {
  const manifest = readFileSync(join(root, 'node_modules', packageName, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The first of these folders that has the path, or an end with the command that gets it. */
function locate(path: string, target: TargetName, folders: readonly string[]): string {
  const found = folders.map((folder) => join(folder, path)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  const wanted = `bun@${versionOf('bun')} koffi@${versionOf('koffi')}`;
  return fail(
    `${path} is not installed; get it by: npm install --prefix FOLDER --no-save --ignore-scripts --os linux --cpu ${targets[target].cpu} --libc ${targets[target].libc} ${wanted}, then give --packages FOLDER`,
  );
}

/** Replaces the two modules that look for an addon by ones that open the embedded addon. */
function embedAddons(files: { readonly level: string; readonly koffi: string }): BunPlugin {
  const loader = JSON.stringify(join(root, 'lib/runtime/addon.ts'));
  const load = (name: string, file: string) =>
    `require(${loader}).loadAddon(${JSON.stringify(name)}, require(${JSON.stringify(file)}))`;
  const replaced = new Set<string>();
  const expected = ['classic-level', 'koffi'];
  return {
    name: 'embed-addons',
    setup(build) {
      build.onLoad({ filter: /\/classic-level\/binding\.js$/ }, () => {
        replaced.add('classic-level');
        return {
          loader: 'js',
          contents: `module.exports = ${load('classic-level', files.level)};`,
        };
      });
      build.onLoad({ filter: /\/koffi\/src\/koffi\/src\/static\.js$/ }, () => {
        replaced.add('koffi');
        return {
          loader: 'js',
          contents: `export function loadStatic() { return ${load('koffi', files.koffi)}; }`,
        };
      });
      // the folder a module was in on the building machine is of no use elsewhere, and would make the bytes
      // of the binary depend on it
      build.onLoad({ filter: /\/node_modules\/.*\.c?js$/ }, ({ path }) => {
        const contents = readFileSync(path, 'utf8');
        if (!/\b__dirname\b/.test(contents)) return undefined;
        return { loader: 'js', contents: contents.replaceAll(/\b__dirname\b/g, '"/fairlead"') };
      });
      // what is not replaced would work here and nowhere else
      build.onLoad({ filter: /\/node-gyp-build\/|\/@koromix\// }, ({ path }) => {
        if (!path.endsWith('.node')) throw new Error(`${path} looks for addons at run time`);
        return undefined;
      });
      build.onEnd(() => {
        const missing = expected.filter((name) => !replaced.has(name));
        if (missing.length > 0) say(`note: the program does not use ${missing.join(', ')}`);
      });
    },
  };
}

/** The commit that is checked out, marked when files differ from it; undefined outside a repository. */
function currentCommit(): string | undefined {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD').trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return changed ? `${commit}+changes` : commit;
  } catch {
    return undefined;
  }
}

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: `linux-${process.arch}` },
    entry: { type: 'string', default: join(root, 'agent.ts') },
    outfile: { type: 'string' },
    packages: { type: 'string' },
  },
});
const { target } = values;
if (!isTarget(target)) fail(`--target must be one of ${Object.keys(targets).join(', ')}`);
const native = target === `linux-${process.arch}`;
const outfile = resolve(
  values.outfile ?? join(root, 'dist', native ? 'fairlead' : `fairlead-${target}`),
);
const folders = [
  ...(values.packages === undefined ? [] : [join(resolve(values.packages), 'node_modules')]),
  join(root, 'node_modules'),
];
const files = {
  level: locate(targets[target].level, target, folders),
  koffi: locate(join(targets[target].koffi, targets[target].koffiFile), target, folders),
};
const commit = currentCommit();
mkdirSync(dirname(outfile), { recursive: true });
// the file is made elsewhere and takes its name in the end: a build that fails leaves the old binary as it
// was, and the bytes, which have the name in them, are the same whatever the file is called
const staging = mkdtempSync(join(dirname(outfile), '.build-'));
const started = performance.now();
const result = await Bun.build({
  entrypoints: [resolve(values.entry)],
  target: 'bun',
  throw: false,
  // bytecode makes the first answer after socket activation come in a third of the time; names stay, for
  // stack traces that can be read
  format: 'esm',
  bytecode: true,
  minify: { whitespace: true, syntax: true, identifiers: false },
  loader: { '.node': 'file' },
  define: commit === undefined ? {} : { FAIRLEAD_COMMIT: JSON.stringify(commit) },
  plugins: [embedAddons(files)],
  compile: {
    outfile: join(staging, 'fairlead'),
    // for this machine: the Bun that runs this (its install script moves it out of its package)
    ...(native
      ? {}
      : { executablePath: locate(join(targets[target].runtime, 'bin/bun'), target, folders) }),
    autoloadDotenv: false,
    autoloadBunfig: false,
    autoloadTsconfig: false,
    autoloadPackageJson: false,
  },
});
for (const log of result.logs) say(log.message);
if (result.success) renameSync(join(staging, 'fairlead'), outfile);
rmSync(staging, { recursive: true });
if (!result.success) fail('the build failed');
const megabytes = (statSync(outfile).size / 1e6).toFixed(1);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
say(`${outfile} ${target} ${commit ?? 'no commit'} ${megabytes} MB in ${seconds} s`);
