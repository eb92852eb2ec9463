/**
 * A newer engine than this machine has: a Debian of another suite in a folder, whose `/usr` the engines of a lab see in
 * the place of the machine's. So they are that suite's own dockerd, containerd, runc and iptables with the libraries that
 * they were built for, and nothing is installed here. Made once, and kept in dist.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { runOk } from './run.ts';

/** Which suite the engines of a lab are of; the machine's own without it. */
export const suiteVariable = 'FAIRLEAD_LAB_ENGINE_SUITE';
/** Suites that this was tried with. */
export const engineSuites = ['trixie'] as const;

/** What an engine needs besides the smallest Debian: itself, and what it and the lab call. */
const packages = 'docker.io,docker-cli,iptables,nftables,iproute2,kmod,procps,ca-certificates';
const makingMs = 1_800_000;

const folderOf = (suite: string): string =>
  resolve(import.meta.dirname, `../../dist/engine-${suite}`);

/** The suite's `/usr` that engines are to see, undefined for the machine's own. @throws {Error} when it was not made */
export function engineUsr(): string | undefined {
  const suite = process.env[suiteVariable] ?? '';
  if (suite === '') return undefined;
  const usr = join(folderOf(suite), 'usr');
  if (existsSync(join(usr, 'sbin/dockerd'))) return usr;
  throw new Error(`no engine of ${suite} here: npm run e2e:engines makes it`);
}

/** Makes the folder of a suite where it is not there; needs a Debian mirror then. */
export async function makeEngineRoot(suite: string): Promise<void> {
  const folder = folderOf(suite);
  if (existsSync(folder)) return;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  const mirror = await runOk(['apt-get', 'indextargets', '--format', '$(REPO_URI)']);
  const command = ['debootstrap', '--variant=minbase', `--include=${packages}`, suite, partial];
  const first = mirror.split('\n').find((line) => !line.includes('security'));
  await runOk([...command, ...(first === undefined ? [] : [first])], { timeoutMs: makingMs });
  rmSync(join(partial, 'var/cache/apt/archives'), { recursive: true, force: true });
  renameSync(partial, folder);
}
