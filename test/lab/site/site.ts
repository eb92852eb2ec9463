/**
 * A site: what lies between the hosts of a lab and beside them, and what can go wrong with it. Hosts are
 * joined by the underlay (`br-phy` on each), their uplinks end at one switch, and so do plain machines.
 */
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeGroup, processesInGroup } from '../cgroups.ts';
import type { LabHost } from '../host.ts';
import { makeBareNamespace, removeNamespace } from '../namespaces.ts';
import { bootIdFile, labNames, makeDirectories, switchPlaceOf } from '../place.ts';
import { killAll, markedProcesses, placeVariable } from '../processes.ts';
import { run, runOk } from '../run.ts';
import { inNamespace, ipBatch } from './cable.ts';
import { Machine } from './machine.ts';
import { buildManagement, plugManagement, unplugManagement } from './management.ts';
import { planMachine, type MachineWish, type SitePlan } from './plan.ts';
import { portsOf, SiteSwitch, uplinkNics } from './switch.ts';
import {
  addressesOf,
  plugUnderlay,
  renumber,
  setCuts,
  underlayNic,
  unplugUnderlay,
  widenOutside,
  type Cut,
  type UnderlayAddresses,
} from './underlay.ts';

/** A NIC of a host: the underlay, and two uplinks to the switch. */
export type Nic = 'eth0' | 'eth1' | 'eth2';

/** The lab that a site is of. */
interface SiteLab {
  readonly prefix: string;
  readonly directory: string;
}

/** What of a host's disk is lost when it comes back. */
export interface Boot {
  /** Open vSwitch's: Debian keeps it, an image that is new at every start does not. */
  readonly database: 'kept' | 'lost';
}

/** What is held between two starts of a machine in memory only. */
const volatile = ['ovs', 'run-docker', 'run-containerd', join('agent', 'run')];
const sockets = ['docker.sock', 'containerd.sock', join('agent', 'api.sock')];

/** A site that is there, or is being built. */
export class Site {
  readonly plan: SitePlan;
  readonly switch: SiteSwitch;
  /** Name of the namespace beyond the hosts, in which the underlay is a bridge. */
  readonly outside: string;
  readonly #lab: SiteLab;
  readonly #machines = new Map<string, Machine>();

  constructor(lab: SiteLab, plan: SitePlan) {
    this.#lab = lab;
    this.plan = plan;
    this.outside = labNames(lab.prefix).outside;
    this.switch = new SiteSwitch(switchPlaceOf(lab.prefix, lab.directory), plan);
    for (const each of plan.machines) this.#machines.set(each.name, this.#machineOf(each));
  }

  /** Builds what is there before any host: switch and machines. */
  async build(options: { readonly progress?: (line: string) => void }): Promise<void> {
    options.progress?.(`switch between the hosts: ${this.plan.switch}, bond ${this.plan.bond}`);
    await widenOutside(this.outside, this.plan);
    if (this.plan.management) await buildManagement(this.outside);
    await this.switch.build();
    for (const machine of this.#machines.values()) {
      options.progress?.(`machine ${machine.name}`);
      await machine.build();
    }
  }

  /** Lays the cables of a host, whose namespace is there. */
  async plug({ place }: LabHost): Promise<void> {
    await plugUnderlay(place, this.plan);
    if (this.plan.management) await plugManagement(place);
    await this.switch.plugHost(place);
  }

  /**
   * A machine of the plan, or one that was added.
   * @throws {Error} when there is none of that name
   */
  machine(name: string): Machine {
    const found = this.#machines.get(name);
    if (found === undefined) throw new Error(`the site has no machine ${name}`);
    return found;
  }

  /** Puts one more machine beside the hosts. It goes with the lab. */
  async addMachine(wish: MachineWish): Promise<Machine> {
    const machine = this.#machineOf(planMachine(wish));
    if (this.#machines.has(machine.name)) throw new Error(`machine ${machine.name} is there`);
    this.#machines.set(machine.name, machine);
    await machine.build();
    return machine;
  }

  /** Removes a machine. */
  async removeMachine(name: string): Promise<void> {
    const machine = this.machine(name);
    this.#machines.delete(name);
    await machine.remove();
  }

  /** Where a host is reached on the underlay now. */
  addressesOf(host: LabHost): UnderlayAddresses {
    return addressesOf(host.place);
  }

  /** Gives a host other addresses on the underlay; it keeps them when it is started again. */
  renumber(host: LabHost, addresses: UnderlayAddresses): Promise<void> {
    return renumber(host.place, addresses);
  }

  /** Pulls the cable of a NIC at its far end, or plugs it in: the host sees its carrier go and come. */
  async setLink(host: LabHost, nic: Nic, state: 'up' | 'down'): Promise<void> {
    const at = uplinkNics.findIndex((each) => each === nic);
    const far =
      nic === underlayNic
        ? { namespace: this.outside, link: host.name }
        : { namespace: this.switch.place.namespace, link: portsOf(host.place)[at] ?? '' };
    await ipBatch(far.namespace, [`link set ${far.link} ${state}`]);
  }

  /** Replaces what the underlay loses; `[]` loses nothing. No host is told. */
  setCuts(cuts: readonly Cut[]): Promise<void> {
    return setCuts(this.outside, cuts);
  }

  /** Nothing passes on the underlay between a host and anybody, whichever way. */
  isolate({ name }: LabHost): Promise<void> {
    return this.setCuts([{ from: name }, { to: name }]);
  }

  /** Between a host and the underlay nothing larger passes, and nobody is told: `eth0` keeps its MTU. */
  async setPathMtu({ name }: LabHost, mtu: number): Promise<void> {
    await ipBatch(this.outside, [`link set ${name} mtu ${mtu}`]);
  }

  /** Makes what goes to a host narrow: it waits up to 300 ms and is dropped then. Whole again without a rate. */
  async setRate({ name }: LabHost, kilobitsPerSecond?: number): Promise<void> {
    const tc = [...inNamespace(this.outside), 'tc', 'qdisc'];
    await run([...tc, 'del', 'dev', name, 'root']);
    if (kilobitsPerSecond === undefined) return;
    const burst = Math.max(this.plan.mtu * 2, kilobitsPerSecond);
    const shape = ['rate', `${kilobitsPerSecond}kbit`, 'burst', `${burst}b`, 'latency', '300ms'];
    await runOk([...tc, 'add', 'dev', name, 'root', 'tbf', ...shape]);
  }

  /** A host loses its power: every process of it dies at once and its cables are dead. */
  async crash(host: LabHost): Promise<void> {
    const { place } = host;
    // the cables first: no dying process says goodbye to anybody
    await unplugUnderlay(place);
    if (this.plan.management) await unplugManagement(place);
    await this.switch.unplugHost(place);
    await killAll(() => [
      ...markedProcesses(place.directory, placeVariable),
      ...processesInGroup(place.group),
    ]);
    await removeGroup(place.group);
    await removeNamespace(place.namespace);
  }

  /** A host that lost its power comes back, with Open vSwitch and, where the plan has it, Docker. */
  async boot(host: LabHost, { database }: Boot): Promise<void> {
    const { place } = host;
    const lost = database === 'lost' ? ['ovs-db'] : [];
    for (const name of [...volatile, ...sockets, ...lost]) {
      rmSync(join(place.directory, name), { recursive: true, force: true });
    }
    makeDirectories(place);
    writeFileSync(bootIdFile(place), `${randomUUID()}\n`);
    await makeBareNamespace(place.namespace);
    await this.plug(host);
    await host.startOvs();
    if (this.plan.docker) await host.startDocker();
  }

  #machineOf(plan: Machine['plan']): Machine {
    const { prefix, directory } = this.#lab;
    return new Machine({ prefix, directory, mtu: this.plan.mtu }, plan, this.switch);
  }
}
