/** The agents of a site: one on each host, all of one cluster. */
import { peerPortDefault } from '../../lib/limits.ts';
import type { HostProcess, LabHost } from '../lab/host.ts';
import type { Outcome } from '../lab/run.ts';
import { addressesOf } from '../lab/site/underlay.ts';
import { agentCommand, binaryPath, startAgent, type AgentForm } from './agent-process.ts';
import { until } from './until.ts';

/** How agents are run. */
export interface SiteAgentsPlan {
  /** One for all, or each its own. */
  readonly form: AgentForm | ((host: LabHost) => AgentForm);
  /** More settings of the agent on a host. */
  readonly environment?: (host: LabHost) => Readonly<Record<string, string>>;
  readonly args?: (host: LabHost) => readonly string[];
  /** Addresses at which members reach each other, as `--advertise` takes them; those of the underlay without it. */
  readonly advertise?: (host: LabHost) => string;
  /** How many hosts are to vote; as many as make sense without it: 1, 3 or 5. */
  readonly voters?: number;
  /** Told what is being done. */
  readonly progress?: (line: string) => void;
}

/** Agents on hosts, whatever has happened to them since. */
export class SiteAgents {
  readonly hosts: readonly LabHost[];
  readonly #plan: SiteAgentsPlan;
  readonly #running = new Map<string, HostProcess>();

  constructor(hosts: readonly LabHost[], plan: SiteAgentsPlan) {
    this.hosts = hosts;
    this.#plan = plan;
  }

  /** Starts an agent on every host and makes all of them one cluster, led by the first. */
  static async start(hosts: readonly LabHost[], plan: SiteAgentsPlan): Promise<SiteAgents> {
    const agents = new SiteAgents(hosts, plan);
    await Promise.all(hosts.map((host) => agents.start(host)));
    await agents.#join();
    return agents;
  }

  /** Starts the agent of a host and waits until it serves. */
  async start(host: LabHost): Promise<HostProcess> {
    const form = this.#formOf(host);
    this.#plan.progress?.(`${host.name}: agent (${form})`);
    const agent = await startAgent(host, form, {
      env: this.#plan.environment?.(host) ?? {},
      args: this.#plan.args?.(host) ?? [],
    });
    this.#running.set(host.name, agent);
    return agent;
  }

  /** The agent of a host, dead or alive. */
  of(host: LabHost): HostProcess {
    const agent = this.#running.get(host.name);
    if (agent === undefined) throw new Error(`${host.name} has had no agent`);
    return agent;
  }

  /** Kills the agent of a host at once. */
  kill(host: LabHost): Promise<void> {
    return this.of(host).stop('SIGKILL');
  }

  /** Ends the agent of a host in order. */
  stop(host: LabHost): Promise<void> {
    return this.of(host).stop();
  }

  /** Kills the agent of a host and starts it again. */
  async restart(host: LabHost, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.of(host).stop(signal);
    await this.start(host);
  }

  /** Runs `fairlead` on a host, whatever its exit code. */
  run(host: LabHost, args: readonly string[]): Promise<Outcome> {
    const form = this.#formOf(host);
    const command = form === 'binary' ? [binaryPath] : agentCommand(form);
    const env = { ...host.agentEnvironment(), ...this.#plan.environment?.(host) };
    return host.exec([...command, ...args], { env });
  }

  /**
   * Runs `fairlead` on a host, and gives what it printed.
   * @throws {Error} with what it said when it failed
   */
  async ok(host: LabHost, args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(host, args);
    if (code !== 0) {
      throw new Error(`fairlead ${args.join(' ')} on ${host.name}: ${stderr.trim() || stdout}`);
    }
    return stdout;
  }

  /** Waits until every host that is to vote does: it takes ten seconds of keeping up. */
  async allVote(timeoutMs = 60_000): Promise<void> {
    for (const host of this.#others().filter((_, at) => at < this.#voters() - 1)) {
      await until(
        `${host.name} votes`,
        async () => (await this.run(host, ['cluster', 'promote', host.name])).code === 0,
        { timeoutMs, everyMs: 500 },
      );
    }
  }

  async #join(): Promise<void> {
    const [first] = this.hosts;
    for (const [at, host] of this.#others().entries()) {
      const role = at < this.#voters() - 1 ? 'voter' : 'observer';
      this.#plan.progress?.(`${host.name}: joins as ${role}`);
      if (first === undefined) return;
      const command = ['cluster', 'token', '--role', role, '--uses', '1'];
      const printed = await this.ok(first, [...command, ...this.#advertise(first)]);
      const token = /fairlead1\.[\w-]+/.exec(printed)?.[0];
      if (token === undefined) throw new Error(`no token in ${printed}`);
      await this.ok(host, ['cluster', 'join', token, ...this.#advertise(host)]);
    }
  }

  #advertise(host: LabHost): readonly string[] {
    const { ipv4, ipv6 } = addressesOf(host.place);
    const ofUnderlay = `${ipv4}:${peerPortDefault},[${ipv6}]:${peerPortDefault}`;
    return ['--advertise', this.#plan.advertise?.(host) ?? ofUnderlay];
  }

  #formOf(host: LabHost): AgentForm {
    const { form } = this.#plan;
    return typeof form === 'function' ? form(host) : form;
  }

  #others(): readonly LabHost[] {
    return this.hosts.slice(1);
  }

  #voters(): number {
    const sensible = this.hosts.length >= 5 ? 5 : this.hosts.length >= 3 ? 3 : 1;
    return this.#plan.voters ?? sensible;
  }
}
