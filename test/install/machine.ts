/** A Debian with systemd as process 1, booted in namespaces: a host to install on. Needs root. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/until.ts';

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  /** Output and errors together. */
  readonly out: string;
}

const bootMs = 60_000;

/** One host. What it writes outlives its next boot. */
export class Machine {
  /** Folder that is /opt/share inside. */
  readonly share: string;
  readonly #name: string;
  readonly #base: string;
  readonly #work: string;
  #process: ChildProcess | undefined;
  #init = 0;

  /** @param work a folder of its own; it is made */
  constructor({
    name,
    base,
    work,
  }: {
    readonly name: string;
    readonly base: string;
    readonly work: string;
  }) {
    [this.#name, this.#base, this.#work] = [name, base, work];
    this.share = join(work, 'upper/opt/share');
    for (const folder of [this.share, join(work, 'upper/etc/docker')]) {
      mkdirSync(folder, { recursive: true });
    }
    writeFileSync(join(work, 'upper/etc/hostname'), `${name}\n`);
    const parent = { 'cgroup-parent': `/fairlead-install-${name}/docker` };
    writeFileSync(join(work, 'upper/etc/docker/daemon.json'), JSON.stringify(parent));
  }

  /** Process 1, as seen from here. */
  get init(): number {
    return this.#init;
  }

  /** Boots, and waits until systemd has started all that it starts. */
  async boot(): Promise<void> {
    const script = join(import.meta.dirname, 'boot.sh');
    const args = [script, this.#base, this.#work, this.#name];
    this.#process = spawn('bash', args, { stdio: 'ignore', detached: true });
    const { pid = 0 } = this.#process;
    const options = { timeoutMs: bootMs, everyMs: 100 };
    this.#init = await until(`${this.#name} has a first process`, () => initOf(pid), options);
    await until(
      `${this.#name} is booted`,
      () => /running|degraded/.test(this.run('systemctl is-system-running --wait').out),
      options,
    );
  }

  /** Ends it as its operator would. */
  async halt(): Promise<void> {
    const machine = this.#process;
    if (machine === undefined) return;
    const ended = new Promise((done) => machine.once('exit', done));
    this.run('systemctl poweroff');
    await ended;
    this.#process = undefined;
  }

  /** Runs a line of shell inside, in the shared folder. */
  run(line: string): Ended {
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const args = ['-t', String(this.#init), '-a', 'env', '-i', path, 'HOME=/', 'sh', '-c'];
    const all = [...args, `exec 2>&1; cd /opt/share; ${line}`];
    const { status, stdout } = spawnSync('nsenter', all, { encoding: 'utf8', timeout: 300_000 });
    return { code: status, out: stdout };
  }
}

/** The first process of a machine: the child of unshare, which became init. */
function initOf(parent: number): number | undefined {
  const path = `/proc/${parent}/task/${parent}/children`;
  const [child] = readFileSync(path, 'utf8').trim().split(' ');
  if (child === undefined || child === '') return undefined;
  const name = readFileSync(`/proc/${child}/comm`, 'utf8').trim();
  return name === 'systemd' ? Number(child) : undefined;
}

/** A cable between two hosts: a link of this name on each. */
export function plug(name: string, one: Machine, other: Machine): void {
  const args = `link add ${name} netns ${one.init} type veth peer name ${name} netns ${other.init}`;
  const { status, stderr } = spawnSync('ip', args.split(' '), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args}: ${stderr}`);
}

/** Removes the cgroups that boot.sh and machines made: folders that are empty of processes, deepest first. */
export function removeGroups(): void {
  const find = "find /sys/fs/cgroup -maxdepth 2 -name 'fairlead-install*' -type d";
  spawnSync('sh', ['-c', `for g in $(${find}); do find $g -depth -type d -exec rmdir {} +; done`]);
}
