/**
 * The second segment of a site: the switch that every host's two uplinks are plugged into, and the ports
 * of the machines beside the hosts. It is either a Linux bridge that passes tags untouched, or an Open
 * vSwitch with trunks to the hosts and access ports to the machines, since only a switch can tag where the
 * kernel has no devices for it.
 */
import { endRecorded } from '../processes.ts';
import { startOvs, vsctl } from '../ovs.ts';
import { makeOvsDirectories, recordOf, type HostPlace, type OvsPlace } from '../place.ts';
import { runOk } from '../run.ts';
import { cutCable, ipBatch, layCable } from './cable.ts';
import { labDatapath } from '../datapath.ts';
import type { SitePlan } from './plan.ts';

/** The host's NICs for VLAN networks. The agent's `--uplinks` names one or both. */
export const uplinkNics = ['eth1', 'eth2'] as const;

const bridge = 'site';
const stopTimeoutMs = 15_000;

/** What a machine's NIC is plugged into. */
export interface MachinePort {
  /** Name of the port at the switch. */
  readonly port: string;
  readonly vlan: number;
}

/** The switch between the hosts. */
export class SiteSwitch {
  readonly place: OvsPlace;
  readonly #plan: SitePlan;

  constructor(place: OvsPlace, plan: SitePlan) {
    this.place = place;
    this.#plan = plan;
  }

  /** Makes it, without any port. Its namespace goes with the lab's others. */
  async build(): Promise<void> {
    const { namespace } = this.place;
    const { mtu } = this.#plan;
    await runOk(['ip', 'netns', 'add', namespace]);
    if (this.#plan.switch === 'bridge') {
      await ipBatch(namespace, [
        `link add ${bridge} mtu ${mtu} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
        `link set ${bridge} up`,
      ]);
      return;
    }
    makeOvsDirectories(this.place);
    await startOvs(this.place, 'both');
    const settings = [`datapath_type=${await labDatapath()}`, 'fail_mode=standalone'];
    await this.vsctl(['add-br', bridge, '--', 'set', 'bridge', bridge, ...settings]);
  }

  /** Lays the cables of a host and plugs them in as the plan says. */
  async plugHost(host: HostPlace): Promise<void> {
    const ports = portsOf(host);
    for (const [at, link] of uplinkNics.entries()) {
      const from = { namespace: this.place.namespace, link: ports[at] ?? '' };
      await layCable({ from, to: { namespace: host.namespace, link }, mtu: this.#plan.mtu });
    }
    if (this.#plan.bond === 'lacp') {
      const settings = ['lacp=active', 'bond_mode=balance-tcp', 'other_config:lacp-time=fast'];
      await this.vsctl(['add-bond', bridge, bondOf(host), ...ports, ...settings]);
    } else await this.#plug(ports, undefined);
  }

  /** Takes the cables of a host away. */
  async unplugHost(host: HostPlace): Promise<void> {
    const ports = portsOf(host);
    if (this.#plan.switch === 'ovs') {
      for (const port of [bondOf(host), ...ports]) await this.#forget(port);
    }
    for (const link of ports) await cutCable({ namespace: this.place.namespace, link });
  }

  /** Plugs in a link that a machine's cable has put into the switch's namespace. VLAN 0: no tags. */
  async plugMachine({ port, vlan }: MachinePort): Promise<void> {
    await this.#plug([port], vlan);
  }

  /** Takes a machine's cable away. */
  async unplugMachine(port: string): Promise<void> {
    if (this.#plan.switch === 'ovs') await this.#forget(port);
    await cutCable({ namespace: this.place.namespace, link: port });
  }

  /** Runs ovs-vsctl at the switch; it must succeed. */
  vsctl(args: readonly string[]): Promise<string> {
    return runOk(vsctl(this.place, args), { env: this.place.environment });
  }

  /** Runs ovs-appctl at the switch, as in `lacp/show`; it must succeed. */
  appctl(args: readonly string[]): Promise<string> {
    const target = `--target=${this.place.ovsRun}/ovs-vswitchd.ctl`;
    return runOk(['ovs-appctl', target, ...args], { env: this.place.environment });
  }

  /** The switch loses its power for a moment. */
  async restart(): Promise<void> {
    await endRecorded(recordOf(this.place, 'vswitchd'), 'SIGKILL', stopTimeoutMs);
    await startOvs(this.place, 'vswitchd');
  }

  async #plug(ports: readonly string[], vlan: number | undefined): Promise<void> {
    for (const port of ports) {
      if (this.#plan.switch === 'bridge') {
        await ipBatch(this.place.namespace, [`link set ${port} master ${bridge}`]);
        continue;
      }
      // a port without a tag is a trunk; tag 0 stands for frames without one
      const access = vlan === undefined ? [] : ['vlan_mode=access', `tag=${vlan}`];
      await this.vsctl(['add-port', bridge, port, ...access]);
    }
  }

  async #forget(port: string): Promise<void> {
    await this.vsctl(['--if-exists', 'del-port', bridge, port]);
  }
}

/** Names of the switch's ends of a host's uplinks. */
export function portsOf(host: HostPlace): readonly string[] {
  return uplinkNics.map((_, at) => `${host.name}u${at + 1}`);
}

function bondOf(host: HostPlace): string {
  return `${host.name}bond`;
}
