/** A swarm of the hosts of a lab, all managers, each with a managed plugin of ours of the same name. */
import { expect } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import type { LabSite } from './lab-site.ts';
import { dockerOk, runningContainers } from './docker.ts';
import { makePlugin, managedEnvironment } from './managed-plugin.ts';
import { pings } from './ping.ts';
import { SiteAgents } from './site-agents.ts';
import { until } from './until.ts';

/** How long engines may take to come to an agreement, and to start what they agreed on. */
const patience = { timeoutMs: 120_000, everyMs: 500 } as const;

/** A task that runs. */
export interface Task {
  readonly host: LabHost;
  readonly container: string;
  readonly address: string;
  /** Empty without IPv6. */
  readonly address6: string;
}

/** A service as it is asked for. */
export interface ServiceWish {
  readonly replicas: number;
  /** What its name resolves to: an address of its own, or those of its tasks. */
  readonly mode: 'vip' | 'dnsrr';
  readonly command?: readonly string[];
}

/** The swarm. */
export class LabSwarm {
  readonly #lab: LabSite;
  /** Name of the plugin, and of the driver. */
  readonly plugin: string;

  constructor(lab: LabSite, plugin: string) {
    this.#lab = lab;
    this.plugin = plugin;
  }

  /** Starts agents and plugins, and makes the engines a swarm. */
  async start(): Promise<SiteAgents> {
    const { hosts } = this.#lab;
    const agents = await SiteAgents.start(hosts, {
      form: 'binary',
      environment: managedEnvironment,
    });
    for (const host of hosts) {
      await host.image();
      await makePlugin(host, this.plugin, []);
    }
    const [first, ...others] = hosts;
    if (first === undefined) throw new Error('a swarm of no host');
    await dockerOk(first, ['swarm', 'init', ...addressed(first)]);
    const token = await dockerOk(first, ['swarm', 'join-token', '-q', 'manager']);
    for (const host of others) {
      const to = `${first.address}:2377`;
      await dockerOk(host, ['swarm', 'join', '--token', token, ...addressed(host), to]);
    }
    return agents;
  }

  /** Runs docker on a host. */
  docker(host: string, ...args: string[]): Promise<string> {
    return dockerOk(this.#lab.host(host), args);
  }

  /** Makes a network of ours. */
  network(host: string, network: string, ...args: string[]): Promise<string> {
    const drivers = [`--driver=${this.plugin}`, `--ipam-driver=${this.plugin}`];
    return this.docker(host, 'network', 'create', ...drivers, ...args, network);
  }

  /** Makes a service of containers that do nothing, or what they are told. */
  async service(
    host: string,
    called: string,
    network: string,
    { replicas, mode, command = ['sleep', '1000000'] }: ServiceWish,
  ): Promise<void> {
    const image = await this.#lab.host(host).image();
    await this.docker(
      host,
      ...['service', 'create', '--detach', '--name', called, '--network', network],
      ...['--replicas', String(replicas), '--no-resolve-image'],
      // Docker's own choice is not said
      ...(mode === 'vip' ? [] : ['--endpoint-mode', mode]),
      ...['--stop-grace-period', '1s', image, ...command],
    );
  }

  /** The running containers of a service, on whatever host, with their addresses in a network. */
  async tasksOf(service: string, network: string): Promise<readonly Task[]> {
    const tasks: Task[] = [];
    for (const host of this.#lab.hosts) {
      if (host.daemon('dockerd') === undefined) continue;
      const names = (await runningContainers(host)).filter((one) => one.startsWith(`${service}.`));
      for (const container of names) {
        const at = `(index .NetworkSettings.Networks "${network}")`;
        const format = `{{${at}.IPAddress}} {{${at}.GlobalIPv6Address}}`;
        const { code, stdout } = await host.docker(['inspect', '-f', format, container]);
        const [address = '', address6 = ''] = stdout.trim().split(' ');
        if (code === 0 && address !== '') tasks.push({ host, container, address, address6 });
      }
    }
    return tasks;
  }

  /** Waits until a service has as many tasks as it should, and answers them. */
  async untilTasks(service: string, network: string, count: number): Promise<readonly Task[]> {
    let tasks: readonly Task[] = [];
    const isComplete = async () => {
      tasks = await this.tasksOf(service, network);
      return tasks.length === count;
    };
    await until(`${service} has ${count} tasks`, isComplete, patience);
    return tasks;
  }

  /** Removes networks, as soon as nothing uses them any more. */
  async removeNetworks(host: string, ...networks: string[]): Promise<void> {
    const isGone = async () => {
      const { stderr } = await this.#lab.host(host).docker(['network', 'rm', ...networks]);
      const left = await this.docker(host, 'network', 'ls', '--format', '{{.Name}}');
      if (left.split('\n').some((one) => networks.includes(one))) throw new Error(stderr.trim());
      return true;
    };
    await until('networks can be removed', isGone, patience);
  }
}

const addressed = ({ address }: LabHost): readonly string[] => [
  ...['--advertise-addr', address, '--listen-addr', `${address}:2377`],
];

/** Every task reaches every other by address, and the service by its name. */
export async function expectReachable(tasks: readonly Task[], called: string): Promise<void> {
  expect(new Set(tasks.map(({ address }) => address)).size).toBe(tasks.length);
  for (const from of tasks) {
    for (const { address } of tasks) {
      const reached = await pings(from.host, from.container, address);
      expect(reached, `${from.container} ${address}`).toBe(true);
    }
    // by IPv4: what is asked about names of services beside that goes to servers outside, and there are none
    const ping = ['exec', from.container, 'ping', '-4', '-c', '1', '-w', '2', called];
    expect((await from.host.docker(ping)).code, `${from.container} ${called}`).toBe(0);
  }
}
