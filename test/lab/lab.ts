/**
 * A lab: hosts with real Open vSwitch and real Docker on one machine, each in a network namespace of
 * its own, and an outside that they all reach. Its state is a directory, so that any process can take
 * down what another one built, whole or half. Nothing of the machine's own Docker, Open vSwitch or
 * network is touched.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { processesInGroup, removeGroup } from './cgroups.ts';
import { LabHost } from './host.ts';
import { makeBareNamespace, makeHostNamespace, makeOutside } from './namespaces.ts';
import { namespacePath } from './namespaces.ts';
import { namespacesOf, removeNamespace } from './namespaces.ts';
import { ensurePackages } from './packages.ts';
import { unmountBelow } from './mounts.ts';
import { labNames, makeDirectories, placeOf, recordsOf } from './place.ts';
import { identify, isAlive, killAll, markVariable, markedProcesses } from './processes.ts';
import { recordedProcesses } from './processes.ts';
import { Site } from './site/site.ts';
import { sitePlanSchema, type SiteWish } from './site/plan.ts';
import { run, type Outcome, type RunOptions } from './run.ts';

const hostsMax = 99;
const stateFile = 'lab.json';
/** The longest path below a lab's directory that is a socket, with room for names of bridges. */
const socketTailBytes = 40;
const socketPathBytesMax = 107;
const directoryStart = 'flab-';

const stateSchema = z.object({
  prefix: z.string().regex(/^[a-z0-9]{1,12}$/),
  hosts: z.number().int().min(1).max(hostsMax),
  /** The process whose lab it is; when that is gone, anybody may take the lab down. */
  owner: z.object({ pid: z.number(), startTicks: z.string() }).optional(),
  site: sitePlanSchema.optional(),
});
type LabState = z.infer<typeof stateSchema>;

/** Which lab. */
export interface LabOptions {
  /** Tells labs on one machine apart: 1 to 12 of a-z and 0-9. Without it the lab belongs to this
   *  process: it gets a name of its own, and later labs remove it should this process die first. */
  readonly prefix?: string;
  /** Where its state lives; a short path. */
  readonly directory?: string;
}

/** How a lab is built. */
export interface UpOptions {
  /** Stops between two steps; what is built so far stays for `down`. */
  readonly signal?: AbortSignal;
  /** Told what is being done. */
  readonly progress?: (line: string) => void;
  /** The hosts are a site: joined by `br-phy`, plugged into a switch, with machines beside them. */
  readonly site?: SiteWish;
}

let unnamedLabs = 0;

/**
 * A lab that exists, or that `up` is to build.
 * @throws {Error} when the prefix or the directory cannot be used
 */
export function openLab(options: LabOptions = {}): Lab {
  const owned = options.prefix === undefined;
  const prefix = options.prefix ?? `t${process.pid.toString(36)}x${(unnamedLabs++).toString(36)}`;
  if (!stateSchema.shape.prefix.safeParse(prefix).success) {
    throw new Error(`lab prefix ${JSON.stringify(prefix)}: 1 to 12 of a-z and 0-9 are allowed`);
  }
  const directory = resolve(options.directory ?? join(tmpdir(), `${directoryStart}${prefix}`));
  const bytesMax = socketPathBytesMax - socketTailBytes;
  if (Buffer.byteLength(directory) > bytesMax) {
    throw new Error(`lab directory ${directory}: longer than ${bytesMax} bytes (unix sockets)`);
  }
  return new Lab(prefix, directory, owned);
}

export class Lab {
  readonly prefix: string;
  readonly directory: string;
  readonly #owned: boolean;
  #hosts: readonly LabHost[] | undefined;
  #site: Site | undefined;

  constructor(prefix: string, directory: string, owned: boolean) {
    this.prefix = prefix;
    this.directory = directory;
    this.#owned = owned;
  }

  /** Its hosts; none when it is not there. */
  get hosts(): readonly LabHost[] {
    const state = this.#hosts === undefined ? readState(this.directory) : undefined;
    this.#hosts ??= Array.from(
      { length: state?.hosts ?? 0 },
      (_, index) => new LabHost(placeOf(this.prefix, this.directory, index + 1, state?.site)),
    );
    return this.#hosts;
  }

  /** True when its hosts are joined by a site. */
  get isSite(): boolean {
    return readState(this.directory)?.site !== undefined;
  }

  /**
   * What lies between its hosts.
   * @throws {Error} when the lab is no site
   */
  get site(): Site {
    const plan = this.#site === undefined ? readState(this.directory)?.site : undefined;
    if (plan !== undefined) this.#site = new Site(this, plan);
    if (this.#site === undefined) throw new Error(`the lab of ${this.directory} is no site`);
    return this.#site;
  }

  /**
   * The host called `h1`, or by its number.
   * @throws {Error} when the lab has no such host
   */
  host(name: string | number): LabHost {
    const wanted = /^h?\d+$/.test(`${name}`) ? `h${`${name}`.replace(/^h/, '')}` : `${name}`;
    const found = this.hosts.find((host) => host.name === wanted);
    if (found === undefined) throw new Error(`no host ${name} in the lab of ${this.directory}`);
    return found;
  }

  /** Runs a command in the outside namespace. */
  execOutside(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const enter = ['nsenter', `--net=${namespacePath(labNames(this.prefix).outside)}`];
    const env = { ...options.env, [markVariable]: this.directory };
    return run([...enter, ...command], { ...options, env });
  }

  /**
   * Builds the lab and waits until every daemon of every host serves.
   * @throws {Error} when it is there already, or when a part of it does not come up
   */
  async up(hosts: number, options: UpOptions = {}): Promise<readonly LabHost[]> {
    if (!Number.isInteger(hosts) || hosts < 1 || hosts > hostsMax) {
      throw new Error(`a lab has 1 to ${hostsMax} hosts, not ${hosts}`);
    }
    const site = options.site && sitePlanSchema.parse(options.site);
    await ensurePackages();
    if (this.#owned) await removeAbandoned();
    const names = labNames(this.prefix);
    if (existsSync(this.directory) || namespacesOf(names.start).length > 0) {
      throw new Error(`a lab with prefix ${this.prefix} is there already: take it down first`);
    }
    mkdirSync(this.directory, { mode: 0o755 });
    const owner = this.#owned ? identify(process.pid) : undefined;
    const { signal, progress } = options;
    const state = { prefix: this.prefix, hosts, ...(owner && { owner }), ...(site && { site }) };
    writeState(this.directory, state);
    this.#forget();
    progress?.(`outside: namespace ${names.outside}`);
    await makeOutside(names.outside);
    if (site !== undefined) await this.site.build(options);
    // one after the other: dockerd's start is work for the processor, not waiting
    for (const host of this.hosts) {
      signal?.throwIfAborted();
      makeDirectories(host.place);
      if (site === undefined) {
        await makeHostNamespace(host.namespace, names.outside, host.place.number);
      } else {
        await makeBareNamespace(host.namespace);
        await this.site.plug(host);
      }
      progress?.(`${host.name}: Open vSwitch`);
      await host.startOvs();
      signal?.throwIfAborted();
      if (site?.docker === false) continue;
      progress?.(`${host.name}: Docker`);
      await host.startDocker();
    }
    return this.hosts;
  }

  /**
   * Ends every process of the lab, recorded or not, and removes its namespaces, control groups and
   * directory. Does nothing when there is no lab; may be called on half a lab and again after a crash.
   * @throws {Error} when something does not go away, or the directory is not a lab's
   */
  async down(): Promise<void> {
    const state = readState(this.directory);
    const names = labNames(this.prefix);
    if (state !== undefined && state.prefix !== this.prefix) {
      throw new Error(`the lab in ${this.directory} has prefix ${state.prefix}`);
    }
    const find = () => [
      ...recordedProcesses(recordsOf(this.directory)),
      ...markedProcesses(this.directory),
      ...processesInGroup(names.group),
    ];
    if (state === undefined) {
      if (existsSync(this.directory)) removeUnstarted(this.directory);
      // without its state only what carries this lab's mark is known to be ours
      if (markedProcesses(this.directory).length === 0) return;
    }
    await killAll(find);
    for (const namespace of namespacesOf(names.start)) await removeNamespace(namespace);
    await removeGroup(names.group);
    await unmountBelow(this.directory);
    // the state goes last, so that a removal cut short can be done again
    for (const entry of existsSync(this.directory) ? readdirSync(this.directory) : []) {
      if (entry !== stateFile) rmSync(join(this.directory, entry), { recursive: true });
    }
    rmSync(this.directory, { recursive: true, force: true });
    this.#forget();
  }

  #forget(): void {
    this.#hosts = undefined;
    this.#site = undefined;
  }
}

/** Takes down the labs whose process has died without doing it. */
async function removeAbandoned(): Promise<void> {
  const names = readdirSync(tmpdir()).filter((name) => name.startsWith(directoryStart));
  for (const directory of names.map((name) => join(tmpdir(), name))) {
    const state = readState(directory);
    if (state?.owner === undefined || isAlive(state.owner)) continue;
    await new Lab(state.prefix, directory, false).down();
  }
}

function readState(directory: string): LabState | undefined {
  const file = join(directory, stateFile);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  // cut short by a crash at the very start, before anything was built
  if (text === '') return undefined;
  return stateSchema.parse(JSON.parse(text));
}

function writeState(directory: string, state: LabState): void {
  writeFileSync(join(directory, stateFile), `${JSON.stringify(state)}\n`, { flag: 'wx' });
}

function removeUnstarted(directory: string): void {
  const entries = readdirSync(directory);
  if (entries.some((entry) => entry !== stateFile)) {
    throw new Error(`${directory} is not the directory of a lab: not touched`);
  }
  rmSync(join(directory, stateFile), { force: true });
  rmdirSync(directory);
}
