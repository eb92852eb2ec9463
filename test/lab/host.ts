/**
 * One host of a lab as a test sees it: where its sockets are, and the ways to start, stop and kill
 * what runs on it. Any process that knows the lab's directory can hold one.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  endRecorded,
  isAlive,
  recordedProcess,
  signalTo,
  startBackground,
  type ProcessIdentity,
} from './processes.ts';
import { endDocker, inMounts, startDocker } from './engine.ts';
import { imageFile, imageName } from './image.ts';
import { endOvs, startOvs, vsctl, type OvsPart } from './ovs.ts';
import { namespacePath } from './namespaces.ts';
import { bootIdFile, bootIdVariable, inNetwork, logOf, recordOf, type HostPlace } from './place.ts';
import { ensurePhy } from './site/underlay.ts';
import { run, runOk, type Outcome, type RunOptions } from './run.ts';
import { waitFor } from './wait.ts';

/** Daemons of a host, in the order of their start. */
export const daemons = ['ovsdb', 'vswitchd', 'mounts', 'containerd', 'dockerd'] as const;
export type Daemon = (typeof daemons)[number];

/** How a command is run in a host. */
export interface InHostOptions extends RunOptions {
  /** With the engine's view of the files: its `/run/docker`, `/etc/docker` and `/sys`. */
  readonly insideMounts?: boolean;
}

/** How a process is started in a host and left running. */
export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly insideMounts?: boolean;
  /** Names its log and its record; one process of a name at a time. */
  readonly name?: string;
}

/** A process left running in a host. */
export interface HostProcess {
  readonly pid: number;
  /** Its standard output and standard error. */
  readonly logFile: string;
  isAlive(): boolean;
  signal(signal: NodeJS.Signals): boolean;
  /** Sends SIGTERM, or the given signal, and waits until it is gone. */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<void>;
  /** Waits until it is gone by itself. */
  ended(timeoutMs: number): Promise<void>;
}

export class LabHost {
  readonly place: HostPlace;
  readonly name: string;
  /** Name of its network namespace. */
  readonly namespace: string;
  /** Its address on the underlay, where published ports answer the outside and other hosts. */
  readonly address: string;
  readonly directory: string;
  /** For `--ovs-db`: a unix path. */
  readonly ovsDb: string;
  readonly dockerSocket: string;
  /** What this host's engine sees as `/run/docker/plugins`. */
  readonly pluginDirectory: string;

  constructor(place: HostPlace) {
    this.place = place;
    this.name = place.name;
    this.namespace = place.namespace;
    this.address = place.address;
    this.directory = place.directory;
    this.ovsDb = place.ovsSocket;
    this.dockerSocket = place.dockerSocket;
    this.pluginDirectory = join(place.dockerRun, 'plugins');
  }

  /** Where its network namespace is found. */
  get net(): string {
    return namespacePath(this.namespace);
  }

  /** Variables of every process of this host. */
  get environment(): Readonly<Record<string, string>> {
    return this.place.environment;
  }

  /** Runs a command in the host's network to its end, whatever its exit code. */
  exec(command: readonly string[], options: InHostOptions = {}): Promise<Outcome> {
    const enter = this.#enter(options.insideMounts);
    return run([...enter, ...command], { ...options, env: this.#environment(options.env) });
  }

  /** Starts a process in the host's network and leaves it running; `down` ends it. */
  async spawnInHost(
    command: string,
    args: readonly string[],
    options: SpawnOptions = {},
  ): Promise<HostProcess> {
    const name = options.name ?? 'agent';
    const recordFile = recordOf(this.place, `spawned-${name}`);
    if (isAlive(recordedProcess(recordFile))) {
      throw new Error(`${this.name} runs a process named ${name} already`);
    }
    const logFile = logOf(this.place, name);
    const started = await startBackground({
      argv: [...this.#enter(options.insideMounts), command, ...args],
      env: this.#environment(options.env),
      logFile,
      recordFile,
    });
    return hostProcess(started, recordFile, logFile);
  }

  async startOvs(part: OvsPart = 'both'): Promise<void> {
    await startOvs(this.place, part);
    const running = this.daemon('ovsdb') !== undefined && this.daemon('vswitchd') !== undefined;
    // what a host's own network configuration does at its start
    if (this.place.site !== undefined && running) await ensurePhy(this.place, this.place.site);
  }

  stopOvs(part: OvsPart = 'both'): Promise<void> {
    return endOvs(this.place, part, 'SIGTERM');
  }

  killOvs(part: OvsPart = 'both'): Promise<void> {
    return endOvs(this.place, part, 'SIGKILL');
  }

  /** Runs ovs-vsctl against this host's database. */
  ovsVsctl(args: readonly string[]): Promise<Outcome> {
    return run(vsctl(this.place, args), { env: this.#environment() });
  }

  /** Runs ovs-appctl against this host's switch, as in `ofproto/trace br-int in_port=1`. */
  ovsAppctl(args: readonly string[]): Promise<Outcome> {
    const target = `--target=${join(this.place.ovsRun, 'ovs-vswitchd.ctl')}`;
    return run(['ovs-appctl', target, ...args], { env: this.environment });
  }

  /** Runs ovs-ofctl against this host's bridges, as in `dump-flows br-int`. */
  ovsOfctl(args: readonly string[]): Promise<Outcome> {
    return run(['ovs-ofctl', '--protocols=OpenFlow13', ...args], { env: this.environment });
  }

  /** Starts dockerd (and containerd, where it does not run) and waits until it answers. */
  startDocker(args: readonly string[] = []): Promise<void> {
    return startDocker(this.place, args);
  }

  /** Ends dockerd as systemd does; it ends its containers first. containerd stays. */
  stopDocker(): Promise<void> {
    return endDocker(this.place, 'SIGTERM');
  }

  /** Kills dockerd; containerd and the containers go on. */
  killDocker(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return endDocker(this.place, signal);
  }

  /** Runs the docker command against this host's engine, whatever its exit code. */
  docker(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run([dockerCommand(), ...args], { ...options, env: this.#environment(options.env) });
  }

  /** The name of the image to run; brings it to this host's engine at the first call. */
  async image(): Promise<string> {
    if ((await this.docker(['image', 'inspect', imageName])).code === 0) return imageName;
    const file = await imageFile(join(this.directory, '..'));
    const command = ['--change', 'CMD ["/bin/sh"]', file, imageName];
    await runOk([dockerCommand(), 'image', 'import', ...command], { env: this.#environment() });
    return imageName;
  }

  /** The recorded daemon, when it runs. */
  daemon(daemon: Daemon): ProcessIdentity | undefined {
    const recorded = recordedProcess(recordOf(this.place, daemon));
    return isAlive(recorded) ? recorded : undefined;
  }

  /** A process that was left running under this name, when it still does. */
  spawned(name: string): HostProcess | undefined {
    const recordFile = recordOf(this.place, `spawned-${name}`);
    const recorded = recordedProcess(recordFile);
    if (recorded === undefined || !isAlive(recorded)) return undefined;
    return hostProcess(recorded, recordFile, logOf(this.place, name));
  }

  /** Where a daemon, or a process by this name, writes what it has to say. */
  logFile(name: string): string {
    return logOf(this.place, name);
  }

  /** Settings of an agent that runs on this host, in the names that `fairlead agent` reads. */
  agentEnvironment(): Readonly<Record<string, string>> {
    const at = (name: string) => join(this.directory, 'agent', name);
    return {
      FAIRLEAD_NAME: this.name,
      FAIRLEAD_DATA_DIR: at('data'),
      FAIRLEAD_RUN_DIR: at('run'),
      FAIRLEAD_API_SOCKET: at('api.sock'),
      FAIRLEAD_PLUGIN_SOCKET: join(this.pluginDirectory, 'fairlead.sock'),
      FAIRLEAD_OVS_DB: `unix:${this.ovsDb}`,
      FAIRLEAD_DOCKER_HOST: `unix:${this.dockerSocket}`,
      [bootIdVariable]: bootIdFile(this.place),
    };
  }

  #enter(insideMounts: boolean | undefined): string[] {
    return insideMounts === true ? inMounts(this.place) : inNetwork(this.place);
  }

  #environment(more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
    return { ...this.place.environment, ...more };
  }
}

function hostProcess(started: ProcessIdentity, recordFile: string, logFile: string): HostProcess {
  return {
    pid: started.pid,
    logFile,
    isAlive: () => isAlive(started),
    signal: (signal) => signalTo(started, signal),
    stop: (signal = 'SIGTERM', timeoutMs = 45_000) => endRecorded(recordFile, signal, timeoutMs),
    async ended(timeoutMs) {
      const what = `end of process ${started.pid}`;
      await waitFor({ what, timeoutMs, logFile }, () => !isAlive(started));
    },
  };
}

/** The engine's own client where its package brings one: a newer one leaves out what the engine can. */
function dockerCommand(): string {
  const packaged = '/usr/bin/docker';
  return existsSync(packaged) ? packaged : 'docker';
}
