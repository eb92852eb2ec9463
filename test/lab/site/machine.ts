/** Plain machines at the switch of a site: a namespace with an address or two, a router if asked. */
import { labNames } from '../place.ts';
import { namespacePath, removeNamespace } from '../namespaces.ts';
import { run, runOk, type Outcome, type RunOptions } from '../run.ts';
import { markVariable } from '../processes.ts';
import { inNamespace, ipBatch, layCable, setKernel } from './cable.ts';
import type { MachinePlan } from './plan.ts';
import type { SiteSwitch } from './switch.ts';

/** Where a machine stands. */
export interface MachinePlace {
  /** Of the lab. */
  readonly prefix: string;
  /** Of the lab. */
  readonly directory: string;
  readonly mtu: number;
}

/** A machine that knows nothing of us. */
export class Machine {
  readonly name: string;
  readonly namespace: string;
  readonly plan: MachinePlan;
  readonly #place: MachinePlace;
  readonly #switch: SiteSwitch;

  constructor(place: MachinePlace, plan: MachinePlan, siteSwitch: SiteSwitch) {
    this.name = plan.name;
    this.namespace = `${labNames(place.prefix).start}m-${plan.name}`;
    this.plan = plan;
    this.#place = place;
    this.#switch = siteSwitch;
  }

  /** Where its network namespace is found. */
  get net(): string {
    return namespacePath(this.namespace);
  }

  /** Variables of every process that runs on it. */
  get environment(): Readonly<Record<string, string>> {
    return { [markVariable]: this.#place.directory };
  }

  /** Makes it and plugs it in. */
  async build(): Promise<void> {
    const { links, forwards, routes } = this.plan;
    await runOk(['ip', 'netns', 'add', this.namespace]);
    await ipBatch(this.namespace, ['link set lo up']);
    // nobody here has an address twice, and finding that out takes a second
    await setKernel(this.namespace, ['net.ipv6.conf.default.accept_dad=0']);
    for (const [at, { vlan, addresses }] of links.entries()) {
      const to = { namespace: this.namespace, link: `eth${at}` };
      const from = { namespace: this.#switch.place.namespace, link: this.#port(at) };
      await layCable({ from, to, mtu: this.#place.mtu });
      await this.#switch.plugMachine({ port: this.#port(at), vlan });
      await ipBatch(this.namespace, [
        // a router announces itself with the address of its link
        ...['down', 'addrgenmode eui64', 'up'].map((word) => `link set eth${at} ${word}`),
        ...addresses.map((address) => `address add ${address} dev eth${at}`),
      ]);
    }
    if (forwards) {
      await setKernel(this.namespace, ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    }
    const lines = routes.map(({ to, via }) => `route add ${to} via ${via}`);
    if (lines.length > 0) await ipBatch(this.namespace, lines);
  }

  /** Removes it. */
  async remove(): Promise<void> {
    for (const at of this.plan.links.keys()) await this.#switch.unplugMachine(this.#port(at));
    await removeNamespace(this.namespace);
  }

  /** Runs a command on it to its end, whatever its exit code. */
  exec(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const env = { ...this.environment, ...options.env };
    return run([...inNamespace(this.namespace), ...command], { ...options, env });
  }

  #port(at: number): string {
    return `${this.name}${at}`;
  }
}
